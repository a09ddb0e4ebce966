"""The console: what its page shows as JSON over HTTP, who may ask, and what it does with those that misbehave."""

import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

import mini_client as mq
import servers
from conftest import make_topic, send
from test_evidence import STAGES

CONNS_MAX = 64
PAUSE_MS = 20
WAIT_S = 120  # for what comes at once; the machine may be busy


@pytest.fixture(scope="module", autouse=True)
def ramjet_only(target):
    if target != "ramjet":
        pytest.skip("Ramjet's own console")


@pytest.fixture(scope="module")
def cluster(ramjet_only, tmp_path_factory):
    """A name server, two brokers, and the console of them."""
    home = tmp_path_factory.mktemp("console")
    both = servers.Pair("ramjet", home)
    both.broker.take_faults()
    with both:
        second = servers.Broker("ramjet", home / "broker-b", [both.name_server], name="broker-b")
        with second, servers.Console(home / "console", [both.name_server.address]) as console:
            both.second, both.console = second, console
            yield both
            assert console.stop() == 0


@pytest.fixture
def console(cluster):
    return cluster.console


def open_to(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)


def ask(port, path, method="GET", body=None, **headers):
    """Status, headers and body."""
    connection = open_to(port)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def told(port, path, status=200, **how):
    got, headers, body = ask(port, path, **how)
    assert (got, headers["Content-Type"]) == (status, "application/json"), body
    return json.loads(body)


def error(port, path, status, **how):
    found = told(port, path, status, **how)
    assert list(found) == ["error"]
    return found["error"]


def slow_path(broker, broker_id=0):
    return "/api/brokers/%s/%d/slow" % (urllib.parse.quote(broker, safe=""), broker_id)


def slow_send(broker, name):
    """A send whose append pauses."""
    with broker.connect() as connection:
        topic = make_topic(connection, name("topic"))
        send(connection, topic)
        broker.arm("pause", "store.append", 0, 1, PAUSE_MS)
        send(connection, topic)
        broker.arm("clear")


# ---- what it tells


def test_brokers_are_those_of_the_name_server(cluster, console):
    assert told(console.port, "/api/brokers") == [
        {"cluster": servers.CLUSTER, "name": broker.name, "id": 0, "address": broker.address}
        for broker in (cluster.broker, cluster.second)]


def test_slow_requests_are_told_with_their_stages(cluster, console, name):
    """Goal: the ring of one broker, as `ramjet slow` prints it, with units in the names."""
    slow_send(cluster.broker, name)
    body = told(console.port, slow_path("broker-a"))
    assert body["broker"] == {"cluster": servers.CLUSTER, "name": "broker-a", "id": 0, "address": cluster.broker.address}
    assert body["thresholdMicros"] == 1000
    assert [stage["name"] for stage in body["stages"]] == STAGES
    assert set(body["stages"][0]) == {"name", "count", "p50Nanos", "p99Nanos", "p999Nanos", "maxNanos"}
    assert body["stages"][-1]["maxNanos"] >= PAUSE_MS * 1000000
    entry = next(one for one in body["requests"] if one["totalMicros"] >= PAUSE_MS * 1000)
    took = {stage["name"]: stage["micros"] for stage in entry["stages"]}
    assert entry["request"] == "SEND_MESSAGE_V2" and entry["code"] == 310 and entry["requestsInPass"] == 1
    assert entry["peer"].startswith("127.0.0.1:") and abs(entry["atMillis"] - mq.now_ms()) < 600000
    assert took["append"] >= PAUSE_MS * 1000
    assert {"name", "value"} == set(entry["kernel"][0]) if entry["kernel"] else True


def test_of_each_broker_its_own(cluster, console, name):
    slow_send(cluster.broker, name)
    assert told(console.port, slow_path("broker-b"))["broker"]["address"] == cluster.second.address


def test_the_page_is_there_and_asks_nobody_else(console):
    """Goal: html, css and js come from the program, name no other host, and the browser is told to ask none."""
    status, headers, _ = ask(console.port, "/")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    left, seen = {""}, set()
    while left:
        path = left.pop()
        seen.add(path)
        status, headers, text = ask(console.port, "/" + path)
        assert status == 200 and headers["Cache-Control"] == "no-cache"
        assert not re.search(rb"//(?!www\.w3\.org/2000/svg)\w+\.", text), path
        left |= {name.decode() for name in re.findall(rb'(?:src=|href=|from )"(?:\./)?([\w.]+)"', text)} - seen
    assert {"icon.svg", "console.css", "console.js", "slow.js"} < seen


def test_a_head_is_an_answer_without_its_body(console):
    for path in ("/", "/api/brokers"):
        status, headers, body = ask(console.port, path, "HEAD")
        assert status == 200 and body == b"" and int(headers["Content-Length"]) > 0


def test_ramjet_alone_has_a_console(tmp_path, name):
    """Goal: `ramjet` tells where it is, and it shows the broker beside it."""
    with servers.Whole(tmp_path / "whole", conf={"brokerName": "alone", "slowRequestThresholdMicros": 1}) as whole:
        assert "console      http://127.0.0.1:%d/\n" % whole.console_port in whole.log_tail()
        assert [one["name"] for one in told(whole.console_port, "/api/brokers")] == ["alone"]
        with whole.connect() as connection:
            send(connection, make_topic(connection, name("topic")))
        body = told(whole.console_port, slow_path("alone"))
        assert body["thresholdMicros"] == 1 and "SEND_MESSAGE_V2" in {one["request"] for one in body["requests"]}
        assert whole.stop() == 0


def test_it_speaks_tls_where_the_servers_want_it(tmp_path):
    """Goal: as the broker beside it does by its settings, and `ramjet console` by an option."""
    conf = {"brokerName": "secret", "tls.server.mode": "enforcing", "tls.enable": "true", "tls.config.file": tmp_path / "none"}
    with servers.Whole(tmp_path / "whole", conf=conf) as whole:
        assert told(whole.console_port, slow_path("secret"))["broker"]["address"] == whole.address
        name_server = "127.0.0.1:%d" % whole.name_server_port
        with servers.Console(tmp_path / "tls", [name_server], "--tls", "--tls-config", str(tmp_path / "none")) as console:
            assert told(console.port, slow_path("secret"))["thresholdMicros"] == 1000
        with servers.Console(tmp_path / "plain", [name_server]) as console:
            assert name_server in error(console.port, "/api/brokers", 502)


def test_a_library_that_cannot_be_loaded_keeps_no_broker_from_serving(tmp_path, name, monkeypatch):
    """Goal: whoever connects is sent away, the log says why, and the broker goes on."""
    (tmp_path / "libmicrohttpd.so.12").write_text("no library", encoding="ascii")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with servers.Whole(tmp_path / "whole") as whole:
        for _ in range(2):
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                ask(whole.console_port, "/")
        servers.wait_until(lambda: "ERROR console_library_failed file=libmicrohttpd.so.12" in whole.log_tail(), what="the reason")
        with whole.connect() as connection:
            send(connection, make_topic(connection, name("topic")))
        assert whole.stop() == 0


def test_it_goes_without_a_console_when_told_so(tmp_path):
    with servers.Whole(tmp_path / "whole", "--no-console") as whole:
        assert "  broker  " in whole.log_tail() and "  console  " not in whole.log_tail()


# ---- what it refuses


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/brokers/", "/api/brokers/broker-a", "/api/brokers/broker-a/0",
                                  "/api/brokers/broker-a/0/slow/", "//", "/web/index.html", "/../console.js",
                                  "/api/brokers/%zz/0/slow", "/api/brokers/%00/0/slow", "/%61pi/brokers"])
def test_what_is_not_there_is_404(console, path):
    assert path in error(console.port, path, 404)


@pytest.mark.parametrize("broker, broker_id", [("broker-a", 1), ("broker-a", -1), ("broker-z", 0), ("127.0.0.1:1", 0),
                                               ("a/../b", 0), ("ü <b>", 0)])
def test_a_broker_that_is_not_listed_is_not_asked(console, broker, broker_id):
    """Goal: the console is no way to anywhere else."""
    assert broker in error(console.port, slow_path(broker, broker_id), 404)


def test_an_id_is_a_number(console):
    error(console.port, "/api/brokers/broker-a/master/slow", 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"])
def test_only_get_and_head_are_taken(console, method):
    status, headers, _ = ask(console.port, "/api/brokers", method)
    assert status == 405 and headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("head", ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                                  "Content-Length: 99999999999\r\n\r\n"])
def test_a_body_is_refused(console, head):
    """Goal: it is not read, not even waited for."""
    assert raw(console.port, "GET / HTTP/1.1\r\nHost: localhost\r\n" + head).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "127.0.0.1.nip.example"])
def test_another_host_is_refused(console, host):
    """Goal: a page elsewhere whose name is made to resolve to this machine reads nothing."""
    assert host in error(console.port, "/api/brokers", 421, Host=host)
    assert ask(console.port, "/", Host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1", "127.0.0.1", "10.0.0.1:8082", "[::1]:8082"])
def test_addresses_and_localhost_are_taken(console, host):
    assert ask(console.port, "/api/brokers", Host=host)[0] == 200


def test_a_name_is_taken_when_it_was_given(cluster, tmp_path):
    with servers.Console(tmp_path / "console", [cluster.name_server.address], "--advertise", "mq.example") as console:
        assert ask(console.port, "/", Host="MQ.example:443")[0] == 200
        assert ask(console.port, "/", Host="other.example")[0] == 421


def raw(port, text):
    """What comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        connection.sendall(text.encode("latin-1"))
        return read_all(connection)


def read_all(connection):
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


@pytest.mark.parametrize("text", ["GET\r\n\r\n", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
                                  "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
                                  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
                                  "GET /" + "a" * 40000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                  "GET / HTTP/1.1\r\nHost: localhost\r\n" + "X: %s\r\n" % ("a" * 40000) + "\r\n"])
def test_what_is_no_request_costs_its_connection(console, text):
    got = raw(console.port, text)
    assert got == b"" or re.match(rb"HTTP/1\.[01] (4\d\d|505) ", got), got[:200]
    told(console.port, "/api/brokers")


# ---- what others do to it


class StandIn:
    """A name server that knows itself as the one broker of a cluster, and what it does not know it says."""

    def __init__(self, broker_name, answers):
        self.broker_name, self.answers = broker_name, answers
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(accepted,), daemon=True).start()

    def serve(self, accepted):
        connection = mq.Connection(self.address, accepted=accepted)
        brokers = {self.broker_name: {"cluster": "c", "brokerName": self.broker_name, "brokerAddrs": {"0": self.address}}}
        try:
            while True:
                request = connection.receive_push(WAIT_S)
                if request.code == 106:
                    body = json.dumps({"brokerAddrTable": brokers, "clusterAddrTable": {"c": [self.broker_name]}})
                    connection.answer(request, body=body.encode())
                else:
                    code, body = self.answers
                    connection.answer(request, code, body=body)
        except (OSError, mq.Closed, TimeoutError):
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()


@pytest.mark.parametrize("answers, status, words", [
    ((3, b""), 501, "not Ramjet"), ((1, b""), 502, "code 1"), ((0, b"no JSON"), 502, "not understood")])
def test_a_broker_that_does_not_tell(tmp_path, answers, status, words):
    """Goal: the reference's broker, which does not know the request, and others get their own words; any name fits into a path."""
    broker = "ü/<b> %41"
    with StandIn(broker, answers) as stand_in, servers.Console(tmp_path / "console", [stand_in.address]) as console:
        assert [one["name"] for one in told(console.port, "/api/brokers")] == [broker]
        why = error(console.port, slow_path(broker), status)
        assert words in why and stand_in.address in why


def test_a_broker_that_hangs_keeps_nobody_else_waiting(cluster, console):
    """Goal: what is asked of it ends with 504 by itself, and others are answered meanwhile."""
    with cluster.second.frozen():
        hanging = [open_to(console.port) for _ in range(3)]
        for connection in hanging:
            connection.request("GET", slow_path("broker-b"))
        for _ in range(20):
            told(console.port, slow_path("broker-a"))
            told(console.port, "/api/brokers")
        for connection in hanging:
            answer = connection.getresponse()
            body = json.loads(answer.read())
            assert answer.status == 504 and cluster.second.address in body["error"]
            connection.close()
    told(console.port, slow_path("broker-b"))


def test_a_name_server_that_is_not_there_is_passed_over(cluster, tmp_path):
    nobody = "127.0.0.1:%d" % servers.free_port()
    with servers.Console(tmp_path / "both", [nobody, cluster.name_server.address]) as console:
        assert len(told(console.port, "/api/brokers")) == 2
        told(console.port, slow_path("broker-a"))
    with servers.Console(tmp_path / "none", [nobody]) as console:
        assert nobody in error(console.port, "/api/brokers", 502)


def test_the_oldest_makes_room_for_a_newcomer(console):
    """Goal: connections that say nothing, more than there may be, keep nobody out."""
    silent = [socket.create_connection(("127.0.0.1", console.port), WAIT_S) for _ in range(CONNS_MAX)]
    told(console.port, "/api/brokers")
    assert silent[0].recv(1) == b""
    more = [socket.create_connection(("127.0.0.1", console.port), WAIT_S) for _ in range(4 * CONNS_MAX)]
    told(console.port, "/api/brokers")
    assert all(connection.recv(1) == b"" for connection in silent)
    for connection in silent + more:
        connection.close()


def test_who_dribbles_is_dropped(console):
    """Goal: a byte now and then buys no time; a connection that is kept and used does. Nothing is measured: both are waited for."""
    kept = open_to(console.port)
    with socket.create_connection(("127.0.0.1", console.port), WAIT_S) as dribbling:
        dribbling.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        dribbling.settimeout(0.5)
        end = time.monotonic() + WAIT_S
        while True:
            kept.request("GET", "/api/brokers")
            assert len(json.loads(kept.getresponse().read())) == 2
            try:
                dribbling.sendall(b"x")
                if dribbling.recv(1) == b"":
                    break
            except (ConnectionError, BrokenPipeError):
                break
            except TimeoutError:
                assert time.monotonic() < end
    local = kept.sock.getsockname()
    kept.request("GET", "/api/brokers")
    kept.getresponse().read()
    assert kept.sock.getsockname() == local, "one connection all the time"
    kept.close()


def test_a_port_that_is_taken_keeps_no_broker_from_serving(tmp_path, name):
    """Goal: without a console it serves when nobody asked for that port, and else ends with the reason."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8082))
            taken.listen()
        except OSError:
            pass  # somebody else has it: as good
        with servers.Whole(tmp_path / "goes-on", "--bind", "127.0.0.1") as whole:
            assert "console      none: cannot listen on 127.0.0.1:8082" in whole.log_tail()
            servers.wait_until(lambda: "WARN  listen_failed host=127.0.0.1 port=8082 step=bind errno=EADDRINUSE" in whole.log_tail(),
                               what="the reason in the log")
            with whole.connect() as connection:
                send(connection, make_topic(connection, name("topic")))
            assert whole.stop() == 0
        ends = servers.Whole(tmp_path / "ends", "--console-port", "8082")
        ends.spawn()
        assert ends.process.wait(WAIT_S) == 1
        assert "ERROR listen_failed host=127.0.0.1 port=8082" in ends.log_tail()
        done = subprocess.run([servers.ramjet_binary(), "console", "--port", "8082"], capture_output=True, text=True,
                              timeout=WAIT_S, check=False)
        assert done.returncode == 1 and "ERROR listen_failed" in done.stderr


def test_it_ends_with_requests_under_way(cluster, tmp_path):
    """Goal: SIGTERM ends it, whoever is connected and whatever is not answered yet."""
    with servers.Console(tmp_path / "console", [cluster.name_server.address]) as console:
        told(console.port, slow_path("broker-b"))
        with cluster.second.frozen():
            silent = socket.create_connection(("127.0.0.1", console.port), WAIT_S)
            waiting = open_to(console.port)
            waiting.request("GET", slow_path("broker-b"))
            told(console.port, slow_path("broker-a"))  # the one before was read then, too
            assert console.stop() == 0
            answer = waiting.getresponse()
            assert answer.status == 503 and "stopping" in json.loads(answer.read())["error"]
            assert silent.recv(1) == b""
            silent.close()
            waiting.close()


def turns_of(pid, thread):
    """How often the thread waited and was woken."""
    for task in os.listdir("/proc/%d/task" % pid):
        directory = "/proc/%d/task/%s/" % (pid, task)
        with open(directory + "comm", encoding="ascii") as comm, open(directory + "status", encoding="ascii") as status:
            if comm.read().strip() == thread:
                return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read(), re.M)[1])
    raise LookupError(thread)


def test_an_idle_console_does_not_wake(tmp_path):
    """Goal: neither before anybody asked, nor when nobody asks any more."""
    with servers.Whole(tmp_path / "whole") as whole:
        def still(for_s=1.0):
            before = turns_of(whole.pid, "console")
            end = time.monotonic() + for_s
            servers.wait_until(lambda: time.monotonic() > end, WAIT_S)
            return turns_of(whole.pid, "console") == before

        servers.wait_until(still, WAIT_S, "a second without a turn")
        told(whole.console_port, "/api/brokers")
        servers.wait_until(still, WAIT_S, "a second without a turn")
