"""Every family of the Java client on Ramjet: java/Families.java, one program per version of the client.

  INTEROP_TARGET   what it runs on (ramjet; rocketmq-5.3.3 shows that the program describes the reference)
"""

import functools
import os
import re
import socket
import subprocess
import threading

import java_job
import mini_client as mq
import pytest
import servers
from conftest import HOWS, IS_WHOLE, mutual_tls, stored

TARGET = os.environ.get("INTEROP_TARGET", "ramjet")
SINCE_5 = ["timer", "recall", "pop", "sqlpop"]  # the client of 4.9.8 has no call for them
SINCE_4 = ["orderly", "broadcast", "litepull", "retry", "delay", "sql", "sqlpull", "transaction", "requestreply", "trace", "lmq",
           "compaction"]
if IS_WHOLE:
    SINCE_5 += ["namespace2", "batchqueue"]  # 4.9.8 does not take a batch apart
    SINCE_4 += ["deadletter", "query", "asked", "namespace", "vip", "unit", "signed", "fresh"]
FAMILIES = {"5.3.3": SINCE_4 + SINCE_5, "4.9.8": SINCE_4}
ATTRIBUTES = {"compaction": "+cleanup.policy=COMPACTION", "batchqueue": "+queue.type=BatchCQ"}
COUNT = 20  # messages of a family
# the reference goes on asking about a transaction that was committed a moment ago, and delivers it again each time
DUPLICATES = "true" if TARGET != "ramjet" else "false"
DEADLINE_S = 600
# a call for which the client itself was too slow costs the others on its connection nothing
CLIENT_OPTIONS = ["-Dcom.rocketmq.remoting.client.closeSocketIfTimeout=false"]
CONF = {"enablePropertyFilter": "true", "traceTopicEnable": "true", "recallMessageEnable": "true",
        "messageDelayLevel": "1s 2s 3s 4s", "transactionCheckInterval": 1000, "transactionTimeOut": 1000,
        "flushConsumerOffsetInterval": 500, "enableLmq": "true", "enableMultiDispatch": "true",
        "compactionMappedFileSize": 92000, "compactionCqMappedFileSize": 9200, "compactionScheduleInternal": 300}


def topic_of(name):
    return ("space%family-" if name == "namespace" else "family-") + name


def make_topics(broker, names):
    with broker.connect() as connection:
        for name in sorted(set(names) - {"fresh"}):  # that one comes to be by itself
            answer = connection.call(17, mq.topic_fields(topic_of(name), 4, attributes=ATTRIBUTES.get(name, "")))
            assert answer.code == 0, answer.remark
        for name in {"pop", "sqlpop"} & set(names):
            answer = connection.call(401, body={"topic": "family-" + name, "consumerGroup": "group-family-" + name,
                                                "mode": "POP", "popShareQueueNum": 0})
            assert answer.code == 0, answer.remark


def run_families(pair, home, version, families, properties=None):
    """What the program printed with this version of the client: family -> (passed, reason)."""
    make_topics(pair.broker, families)
    options = ["-D%s=%s" % pair for pair in (properties or {}).items()]
    done = subprocess.run(
        ["java", *java_job.JOB_OPTIONS, *CLIENT_OPTIONS, "-Duser.home=%s" % home, "-Dfamilies.duplicates=" + DUPLICATES, *options,
         "-cp", java_job.built_classes(version), "Families", pair.name_server.address, *families],
        cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=DEADLINE_S, check=False)
    print(done.stdout[-5000:])
    return {found[1]: (found[2] == "pass", found[3])
            for found in re.finditer(r"^family (\S+) (pass|fail)(.*)$", done.stdout, re.M)}


@pytest.fixture(scope="module")
def outcomes(need, tmp_path_factory):
    """Gives what Families printed with this version on servers that speak so, which it runs once."""
    need("java", "javac", "mvn")
    return functools.cache(lambda version, how: outcomes_of(version, how, tmp_path_factory.mktemp("families")))


def outcomes_of(version, how, home):
    properties, tls = mutual_tls(home) if how == "tls" else ({}, None)
    with servers.Pair(TARGET, home, conf=CONF, properties=properties, tls=tls) as pair:
        found = run_families(pair, home, version, FAMILIES[version], properties)
        lying = {name: stored(pair.broker, topic, queues) for name, topic, queues in (
            ("deadletter", "%DLQ%group-family-deadletter", 1), ("namespace", topic_of("namespace"), 4))
            if found.get(name, (False,))[0]}
    for name, count in lying.items():
        if count != COUNT:
            found[name] = (False, "%d messages lie there" % count)
    return found


@pytest.mark.parametrize("version, family", [(version, family) for version, names in FAMILIES.items() for family in names])
@pytest.mark.parametrize("how", HOWS)
def test_family(outcomes, how, version, family):
    """Goal: what the client offers works as it does with the reference."""
    passed, reason = outcomes(version, how).get(family, (False, "the program ended before"))
    assert passed, reason


class Proxy:
    """Forwards a port of 127.0.0.1 to the same of 127.0.0.2, and says with a PROXY header who came."""

    HEADER = b"PROXY TCP4 203.0.113.7 127.0.0.1 40112 10911\r\n"

    def __init__(self, port):
        self.port, self.sockets = port, []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.2", self.port))
                server.sendall(self.HEADER)
            except OSError:  # it does not listen yet
                client.close()
                continue
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=ends, daemon=True).start()

    @staticmethod
    def _forward(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_behind_a_proxy(need, tmp_path):
    """Goal: clients that come by way of a proxy find nothing missing, and their messages bear their own address.
    Method: the broker listens where only the proxy connects to; its address in the route is the proxy's."""
    need("java", "javac", "mvn")
    families = ["orderly", "retry", "transaction", "requestreply", "pop"]
    pair = servers.Pair(TARGET, tmp_path, conf={**CONF, "bindAddress": "127.0.0.2"})
    proxy = Proxy(pair.broker.port)
    try:
        with pair:
            outcomes = run_families(pair, tmp_path, "5.3.3", families)
            assert outcomes == {family: (True, "") for family in families}
            with pair.broker.connect() as connection:
                answer = connection.call(11, mq.pull_fields("born", "family-orderly", suspend_ms=0))
                hosts = {record.born_host.split(":")[0] for record in mq.decode_records(answer.body)}
            assert hosts == {"203.0.113.7" if TARGET == "ramjet" else "127.0.0.1"}  # 5.3.3 stores the proxy's
    finally:
        proxy.close()
