"""The commands of the documents do what they are there for: each line of a block marked `sh` is run here, or
listed with the reason why not. A new one that is neither fails. Of commands within the text the options, the
variables and the files are looked for.

Addresses of the documents become those of servers of this test, `DIR` a store of its own, and measurements last
a second: nothing else of a line is changed.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import servers

DOCUMENTS = [path.relative_to(servers.ROOT) for path in (servers.ROOT / "README.md", *sorted((servers.ROOT / "docs").rglob("*.md")),
                                                         *sorted(servers.ROOT.glob("tests/*/README.md")))]
MARKS = {"sh", "text", "properties"}

NOT_RUN = {
    "python3 -m pytest tests/flow": "what runs this",
    "python3 -m pytest tests/flow --target rocketmq-5.3.3": "minutes, and the reference",
    "./dev run": "installs and builds; what it starts then is the server that the other lines talk to",
    "./dev bench": "a quarter of an hour; single rows are run",
    "./dev bench --long": "hours",
    "ramjet bench burst --broker 127.0.0.1:10911 --size 128 --rounds 3 --seconds 8": "has its burst due in seconds (test_bench.py)",
}
# what makes a measurement short; the last of an option counts
SHORTER = [
    (r"./dev bench .*--diagram ", "--reference none --rounds 1 --warmup 1000 --picture HOME/picture.svg --diagram HOME/diagram.svg --out HOME/bench"),
    (r"./dev bench .*--picture ", "--reference none --rounds 1 --warmup 1000 --picture HOME/picture.svg --out HOME/bench"),
    (r"./dev bench ", "--reference none --rounds 1 --warmup 1000 --out HOME/bench"),
    (r"ramjet bench start ", "--runs 1"),
    (r"ramjet bench timer ", "--pending 100 --rate 100 --rounds 1 --seconds 1"),
    (r"ramjet bench pop ", "--invisible-ms 1000 --rate 50 --rounds 1 --seconds 1"),
    (r"ramjet bench send .*--rate ", "--rate 100 --rounds 1 --seconds 1"),
    (r"ramjet bench send ", "--messages 200 --rounds 1 --seconds 1"),
]


def commands():
    """(document, line) of each line of a block marked `sh`, without its remark. Blocks of the others are no commands."""
    for document in DOCUMENTS:
        mark = None
        for line in (servers.ROOT / document).read_text(encoding="utf-8").splitlines():
            if line.startswith("```"):
                mark = None if mark is not None else line[3:]
            elif mark is not None:
                assert mark in MARKS, "%s: a block marked %r, which is none of %s" % (document, mark, sorted(MARKS))
                if mark == "sh" and line.strip():
                    yield document, re.sub(r"\s+#.*", "", line)


def inline():
    """(document, command) of what stands between back quotes in the text and in tables."""
    for document, text in prose():
        for code in re.findall(r"`([^`\n]+)`", text):
            yield document, code


def prose():
    """(document, text) without the blocks."""
    for document in DOCUMENTS:
        yield document, re.sub(r"^```.*?^```$", "", (servers.ROOT / document).read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(path):
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere():
    for document, text in prose():
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = link.partition("#")
            path = (servers.ROOT / document).parent / name if name else servers.ROOT / document
            assert path.exists(), "%s: %s" % (document, link)
            assert not anchor or anchor in anchors(path), "%s: %s" % (document, link)


def test_what_is_named_is_there():
    """Files of the repository, verbs of ./dev, sets of tests/run, events of the log; and what the log complains of is told."""
    dev = (servers.ROOT / "dev").read_text(encoding="utf-8")
    run = (servers.ROOT / "tests/run").read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in (servers.ROOT / "src").rglob("*.c"))
    words = set(re.findall(r"\w+", source))
    for document, code in inline():
        for name in re.findall(r"(?<![\w./@])(?:tests|tools|src)/[\w./*-]*\w", code):
            assert any(servers.ROOT.glob(name)), "%s: %s" % (document, code)
        for verb in re.findall(r"\./dev ([a-z-]+)", code):
            assert "\n%s) " % verb in dev, "%s: %s" % (document, code)
        for name in re.findall(r"tests/run ([a-z]+)", code):
            assert "\nwant_%s() " % name in run, "%s: %s" % (document, code)
    everything = re.search(r"set -- ([a-z ]+)", run)[1]
    assert "`%s`" % everything in (servers.ROOT / "README.md").read_text(encoding="utf-8")
    log = (servers.ROOT / "docs/operating.md").read_text(encoding="utf-8").split("\n## The log\n")[1].split("\n## ")[0]
    for line in log.splitlines():
        for event in re.findall(r"`(\w+)`", line.split(" | ")[0]):
            assert event in words, "docs/operating.md: the event %s" % event
    for event in re.findall(r'\blog_(?:error|warn)\(\s*"(\w+)', source):
        assert "`%s`" % event in log, "docs/operating.md does not tell of the event %s" % event


def test_differences_are_shown_by_a_test():
    """Goal: each row of the first table of "What differs on purpose" names flow tests, or a unit test, that there are."""
    flow = {name for path in (servers.ROOT / "tests/flow").glob("test_*.py")
            for name in re.findall(r"^def test_(\w+)", path.read_text(encoding="utf-8"), re.M)}
    page = (servers.ROOT / "docs/compatibility.md").read_text(encoding="utf-8")
    table = page.split("## What differs on purpose")[1].split("\n| Ramjet ")[1]
    rows = [line for line in table.splitlines()[2:] if line.startswith("|")]
    assert rows
    for row in rows:
        names = re.findall(r"`([\w/]+)`", row.strip("| ").split(" | ")[-1])
        assert names, row
        for name in names:
            assert name in flow or (servers.ROOT / ("tests/%s_test.c" % name)).exists(), row


def test_variables_are_read_by_somebody():
    """Goal: FUZZ_SECONDS=60 before a command means something to a script or test."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (servers.ROOT / "dev", servers.ROOT / "tests/run",
                      *(servers.ROOT / "tests").rglob("*.py"), *(servers.ROOT / "src").rglob("*.c")))
    for document, code in (*inline(), *commands()):
        for name in re.findall(r"\b([A-Z]+_[A-Z_]+)=", code):
            assert name in sources, "%s: %s" % (document, code)


def test_tls_settings_are_those_of_the_program():
    known = re.findall(r"[\w.]+\w", (servers.ROOT / "docs/settings.md").read_text(encoding="utf-8"))
    operating = (servers.ROOT / "docs/operating.md").read_text(encoding="utf-8")
    keys = re.findall(r"^([\w.]+)=", re.search(r"^```properties$(.*?)^```$", operating, re.M | re.S)[1], re.M)
    assert keys
    assert not [key for key in keys if key not in known]


def helps_of(code):
    """The words that print the options of a command which the text names; None: it is none, or has none."""
    words = re.split(r" (?=[-\[])| [A-Z]", code)[0].split()
    if words[0] == "ramjet":
        return [*words, "--help"] if len(words) > 1 else ["ramjet", "-h"]
    if words[:2] == ["./dev", "run"]:
        return ["ramjet", "-h"]
    if words[:2] == ["./dev", "bench"]:
        return [servers.ROOT / "tests/bench/compare", "--help"]
    return [servers.ROOT / words[0], "--help"] if words[0] in ("tests/crash/soak", "tests/bench/scale", "tests/bench/verify") else None


OPTIONS = sorted({(str(document), code) for document, code in inline()
                  if " " in code and (helps_of(code) is not None)} | {("docs/performance.md", name) for name in
                                                                      ("tests/bench/scale", "tests/bench/verify")})


@pytest.mark.parametrize("document, code", OPTIONS)
def test_options_within_the_text_are_those_of_the_command(scene, document, code):
    done = subprocess.run(helps_of(code), env=scene.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, "%s: %s: %s" % (document, code, done.stdout)
    for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", code):
        assert option in done.stdout, "%s: %s" % (document, code)


RUN = [pytest.param(line, id="%s: %s" % where) for where in commands() if (line := where[1]) not in NOT_RUN]


def test_what_is_not_run_stands_in_a_document():
    assert set(NOT_RUN) <= {line for _, line in commands()}


@pytest.fixture(scope="module")
def scene(target, tmp_path_factory):
    """A name server with a broker, one more broker, files of settings for others, and a store that nobody has open."""
    if target != "ramjet" or servers.sanitizer():
        pytest.skip("the documents are about the program as it is released")
    home = tmp_path_factory.mktemp("documents")
    (home / "bin").mkdir()
    (home / "bin/ramjet").symlink_to(servers.ramjet_binary())
    with servers.Pair(target, home / "closed") as closed:
        subprocess.run([home / "bin/ramjet", "send", "kept", "--namesrv", closed.name_server.address],
                       stdout=subprocess.DEVNULL, check=True)
    with servers.Pair(target, home / "pair") as pair:
        other = servers.Broker(target, home / "other", [pair.name_server], name="broker-b")
        try:
            scene = Scene(home, pair, other.start(), closed.broker.store)
            scene.run("ramjet send hello")  # each line is a test of its own: one that receives finds something
            yield scene
        finally:
            other.stop()


class Scene:
    """Where the lines are run, and what their addresses and names stand for here."""

    def __init__(self, home, pair, other, closed_store):
        self.home, self.pair = home, pair
        own_name_server, own_broker = (servers.free_port() for _ in range(2))
        self.own = {"namesrv.conf": own_name_server, "broker.conf": own_broker}
        (home / "namesrv.conf").write_text("listenPort=%d\nbindAddress=127.0.0.1\n" % own_name_server, encoding="ascii")
        (home / "broker.conf").write_text("listenPort=%d\nbindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nbrokerName=own\n"
                                          "mappedFileSizeCommitLog=67108864\n" % own_broker, encoding="ascii")
        self.names = {"build/release/ramjet ": "ramjet ", "./dev ": "%s/dev " % servers.ROOT,
                      "127.0.0.1:9876": pair.name_server.address,
                      "127.0.0.1:10911": pair.broker.address, "127.0.0.1:20911": other.address,
                      "=4711": "=%d" % pair.broker.process.pid, "DIR": str(closed_store), "HOME": str(home)}
        self.environment = {**os.environ, "HOME": str(home), "PATH": "%s:%s" % (home / "bin", os.environ["PATH"]),
                            "NAMESRV_ADDR": pair.name_server.address}

    def here(self, line):
        names = dict(self.names)
        if "ramjet bench start " in line:
            names["127.0.0.1:10911"] = "127.0.0.1:%d" % self.own["broker.conf"]
        line += next((" " + more for kind, more in SHORTER if re.match(kind, line)), "")
        written = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        return re.sub(written, lambda found: names[found[0]], line)  # at once: what is put in is not looked at again

    def run(self, line):
        done = subprocess.run(self.here(line), shell=True, cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def serve(self, line):
        """A server: it listens, and ends with 0 when it is told to."""
        words = shlex.split(self.here(line))
        conf = next(name for name in self.own if name in words)
        with subprocess.Popen(words, cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                servers.wait_until(lambda: answers(self.own[conf]) or process.poll() is not None, servers.START_DEADLINE_S, "start of " + line)
                process.send_signal(signal.SIGTERM)
                assert process.wait(servers.STOP_DEADLINE_S) == 0
            finally:
                process.kill()


def answers(port):
    try:
        with servers.mq.Connection("127.0.0.1:%d" % port, timeout=2) as connection:
            return connection.call(28).code is not None
    except (OSError, servers.mq.Closed, TimeoutError):
        return False


@pytest.mark.parametrize("line", RUN)
def test_a_command_of_the_documents_works(scene, line):
    if re.match(r"(build/release/)?ramjet (namesrv|broker) ", line):
        scene.serve(line)
    else:
        printed = scene.run(line)
        assert not re.search(r"\b(failed|not measured|not finished)\b", printed), printed


def test_the_first_message_is_received_as_the_readme_says(scene):
    send, receive, topics = [line for document, line in commands()
                             if document.name == "README.md" and re.search(r"ramjet (send|receive|topics)\b", line)]
    scene.run(send.replace(" hello ", " first_reading "))
    assert "first message" in scene.run(receive.replace(" hello ", " first_reading ") + " --group first --timeout 120")
    assert "first_reading" in scene.run(topics)


def test_what_the_program_says_to_try_works(target, tmp_path):
    """Goal: the line that `ramjet` prints when it serves stores a message, pasted as it is, also at other ports."""
    if target != "ramjet":
        pytest.skip("Ramjet's own line")
    command = [servers.ramjet_binary(), "--data", tmp_path / "data", "--namesrv-port", "0", "--broker-port", "0",
               "--bind", "127.0.0.1", "--advertise", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = next(line for line in process.stdout if line.startswith("try: "))
            done = subprocess.run(line.removeprefix("try: "), shell=True, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
            assert re.fullmatch(r"\S+/\d 0 [0-9A-F]{32}\n", done.stdout), done.stdout
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(servers.STOP_DEADLINE_S) == 0


def test_the_pictures_are_drawn_from_a_report(scene):
    scene.run("ramjet bench send --broker ramjet=127.0.0.1:10911 --echo --json picture.json")
    sys.path.insert(0, str(servers.ROOT / "tests/bench"))
    from picture import BANDS, over_time_of, picture_of
    report = json.loads((scene.home / "picture.json").read_text())
    by_percentile, over_time = (ElementTree.fromstring(draw(report, "a < b")) for draw in (picture_of, over_time_of))
    assert len(by_percentile.findall("{*}polyline")) == 2
    for drawn in (by_percentile, over_time):
        assert {"Ramjet", "a bare TCP echo", "a < b"} <= {text.text for text in drawn.findall("{*}text")}
    areas = [one.get("fill") for one in over_time.findall("{*}path")]
    assert all(areas.count(colour) == 2 for _, _, colour in BANDS), "each band in both panels"
