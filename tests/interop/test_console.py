"""The console's page in a browser, Chromium, which runs it as it is and prints what came of it."""

import html.parser
import json
import re
import subprocess
from pathlib import Path

import pytest

import servers
from test_node import installed

BROWSER = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
PAGE_MS = 1500  # of the page's own clock, which stands still while an answer is waited for: the first answer alone
DEADLINE_S = 120
MESSAGES = 40


class Texts(html.parser.HTMLParser):
    """The texts of a page by the nearest id above them, those of list items and rows of a table as one each."""

    VOID = {"meta", "link", "img", "input", "br"}

    def __init__(self, page):
        super().__init__()
        self.open, self.by_id, self.items = [], {}, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag in self.VOID:
            return
        self.open.append((tag, dict(attributes).get("id")))
        if tag in ("li", "tr"):
            self.items.append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, text):
        if any(tag in ("li", "tr") for tag, _ in self.open):
            self.items[-1] += text + " "
        named = next((found for _, found in reversed(self.open) if found), None)
        self.by_id[named] = self.by_id.get(named, "") + text


class Browser:
    """Opens a page; keeps what it said, what it complained of and whom it asked."""

    def __init__(self, home):
        self.home = Path(home)

    def open(self, url):
        log = self.home / "net.json"
        done = subprocess.run([*BROWSER, "--user-data-dir=%s" % (self.home / "profile"), "--log-net-log=%s" % log,
                               "--virtual-time-budget=%d" % PAGE_MS, "--dump-dom", url],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        self.complaints = re.findall(r"CONSOLE.*", done.stderr)
        asked = [event["params"] for event in json.loads(log.read_text())["events"] if "initiator" in event.get("params", {})]
        # what the browser asks for itself has no origin
        self.asked = {params["url"] for params in asked if params["initiator"] != "not an origin"}
        return Texts(done.stdout)


@pytest.fixture
def browser(need, tmp_path):
    need("chromium")
    return Browser(tmp_path)


@pytest.fixture
def console(pair, tmp_path):
    with servers.Console(tmp_path / "console", [pair.name_server.address]) as running:
        yield "http://127.0.0.1:%d/" % running.port


def test_slow_sends_of_a_client_are_shown(pair, console, browser, colours, need):
    """Goal: stages and slow requests, of whom and how long; nothing to complain of, and nobody else is asked."""
    need("node", "npm")
    with pair.broker.connect() as admin:
        assert admin.call(25, body=b"slowRequestThresholdMicros=1\n").code == 0
    colours(["node", str(installed() / "job.js")], MESSAGES)
    page = browser.open(console)
    stages = [item.split() for item in page.items if re.match(r"(wait|append|total) [\d,]+ ", item)]
    assert [words[0] for words in stages] == ["wait", "append", "total"]
    assert int(stages[-1][1].replace(",", "")) >= MESSAGES and re.fullmatch(r"[\d.]+", stages[-1][2])
    sends = [item for item in page.items if " from 127.0.0.1:" in item and "SEND_MESSAGE_V2" in item]
    assert sends and all(re.search(r"^[\d.]+ (µs|ms|s) .*310 .*pass .*\d\d:\d\d:\d\d\.\d{3}", item) for item in sends), sends
    assert "took 1.00 µs or more" in page.by_id["requests-told"]
    assert browser.complaints == []
    assert {console + path for path in ("console.js", "slow.js", "api/brokers")} < browser.asked
    assert all(url.startswith(console) for url in browser.asked), browser.asked

    page = browser.open(console + "#/slow/broker-a/0?order=slowest&filter=heart")
    found = [item for item in page.items if " from 127.0.0.1:" in item]
    assert found and all("HEART_BEAT" in item for item in found)


def test_where_nothing_was_slow_it_says_so(pair, console, browser):
    with pair.broker.connect() as admin:
        assert admin.call(25, body=b"slowRequestThresholdMicros=60000000\n").code == 0
    page = browser.open(console)
    assert "60.0 s or more" in page.by_id["requests-told"]
    assert browser.complaints == []


def test_a_broker_that_does_not_answer_is_named(pair, console, browser):
    with pair.broker.frozen():
        page = browser.open(console)
        assert "The broker at %s does not answer." % pair.broker.address in page.by_id["state"]


def test_a_broker_that_is_not_listed_is_named(console, browser):
    page = browser.open(console + "#/slow/%3Cb%3Ebroker/7")
    assert "The name server lists no broker <b>broker with the id 7." in page.by_id["state"]
    assert "<b>broker 7 (not listed)" in page.by_id["broker"]
