"""Certificates for tests, made by the openssl program: an authority, and what it signs."""

import ssl
import subprocess
from pathlib import Path

PASSWORD = "opensesame"


def openssl(*arguments, **how):
    return subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=True, **how)


class Authority:
    """A self-signed authority in a directory of its own."""

    def __init__(self, home, name="authority"):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.cert, self.key = self.home / "ca.pem", self.home / "ca.key"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                "-keyout", str(self.key), "-out", str(self.cert))

    def sign(self, name, password=None, kind=("rsa:2048",), address=None):
        """A key and a certificate of this name, and of this IP address when given: paths."""
        cert, key, request = (self.home / (name + end) for end in (".pem", ".key", ".csr"))
        openssl("req", "-newkey", *kind, "-nodes", "-subj", "/CN=" + name, "-keyout", str(key),
                "-out", str(request))
        extensions = self.home / (name + ".ext")
        extensions.write_text("subjectAltName=IP:%s\n" % address if address else "", encoding="ascii")
        openssl("x509", "-req", "-in", str(request), "-CA", str(self.cert), "-CAkey", str(self.key),
                "-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", str(cert))
        plain = self.home / "plain.key"  # PKCS#8 is what the reference reads
        openssl("pkcs8", "-topk8", "-in", str(key), "-out", str(plain),
                *(("-passout", "pass:" + password, "-v1", "PBE-SHA1-3DES") if password
                  else ("-nocrypt",)))
        plain.replace(key)
        return cert, key


def trusting_all(cert=None, key=None):
    """A client's context that takes any server; with a certificate of its own when given."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert, key)
    return context


def trusting(authority):
    """A client's context that takes servers of this authority only."""
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.check_hostname = False
    return context
