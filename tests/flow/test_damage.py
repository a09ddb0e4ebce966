"""A record that has rotted in the log: nobody gets it, what follows it comes, and the broker says so. Ramjet only: the
reference delivers what it finds, the client checks the body alone."""

import mini_client as mq
import pytest
import servers
from conftest import BROKER_CONF, make_topic, max_offset, pull_all, send
from pops import pop
from servers import wait_until

SEND, QUERY_KEY, VIEW, END, RUNTIME = 310, 12, 33, 37, 28
COMMIT = 8


@pytest.fixture
def pair(target, tmp_path):
    if target != "ramjet":
        pytest.skip("the reference delivers what it finds")
    with servers.Pair(target, tmp_path, conf=BROKER_CONF) as both:
        yield both


class Damage:
    """Turns bits of records in the file of the log, beneath the running broker."""

    def __init__(self, broker, connection):
        self.broker, self.connection = broker, connection
        self.path = broker.store / "commitlog" / ("%020d" % 0)

    def do(self, text):
        """One bit of the first record that has this text, in the middle of it."""
        with open(self.path, "r+b") as file:
            at = file.read(1 << 20).index(text) + len(text) // 2
            file.seek(at)
            byte, = file.read(1)
            file.seek(at)
            file.write(bytes((byte ^ 4,)))

    def count(self):
        return int(self.connection.call(RUNTIME).json()["table"]["damagedRecords"])

    def expect_told(self, topic):
        assert self.count() > 0
        wanted = ("record_damaged", "path=%s" % self.path, " at=", "topic=%s " % topic)
        wait_until(lambda: any(all(word in line for word in wanted)
                               for line in self.broker.log_tail(100000).splitlines()), 10, "a line that tells of it")


@pytest.fixture
def damage(pair, broker):
    made = Damage(pair.broker, broker)
    assert made.count() == 0
    return made


def send_three(broker, topic):
    return [send(broker, topic, b"%s of three" % name, properties={"KEYS": name.decode(), "UNIQ_KEY": "U" + name.decode()})
            for name in (b"first", b"second", b"third")]


@pytest.mark.parametrize("where", (b"second of three", b"KEYS\x01second"), ids=("body", "properties"))
def test_pulls_pass_over_it(broker, topic, group, damage, where):
    """Goal: whichever part of a record has rotted, a consumer gets the others, in order, and is not stopped."""
    send_three(broker, topic)
    damage.do(where)
    assert [r.body for r in pull_all(broker, group, topic, 0)] == [b"first of three", b"third of three"]
    damage.expect_told(topic)


def test_pops_pass_over_it(broker, topic, group, damage):
    """Goal: the same for pops."""
    send_three(broker, topic)
    damage.do(b"second of three")
    found = []
    wait_until(lambda: found.extend(pop(broker, group, topic, queue=0, expect=(0, 209, 210))) or len(found) >= 2)
    assert [popped.body for popped in found] == [b"first of three", b"third of three"]
    damage.expect_told(topic)


def test_queries_do_not_show_it(broker, topic, damage):
    """Goal: neither by its key nor by its id is it found; by theirs the others are."""
    answers = send_three(broker, topic)
    damage.do(b"second of three")
    window = {"topic": topic, "maxNum": 32, "beginTimestamp": 0, "endTimestamp": mq.now_ms() + 60000}
    wait_until(lambda: broker.call(QUERY_KEY, {**window, "key": "third"}).code == 0, what="the index")
    assert broker.call(QUERY_KEY, {**window, "key": "second"}).code != 0
    assert broker.call(VIEW, {"offset": mq.phy_offset_of(answers[1].ext["msgId"])}).code != 0
    assert broker.call(VIEW, {"offset": mq.phy_offset_of(answers[2].ext["msgId"])}).code == 0
    damage.expect_told(topic)


def test_a_place_that_holds_no_record_is_no_damage(broker, topic, damage):
    """Goal: who asks for a made-up id is told that there is none, and nothing is counted."""
    phy_offset = mq.phy_offset_of(send_three(broker, topic)[0].ext["msgId"])
    for wrong in (phy_offset + 1, phy_offset + 40, 1 << 40):
        assert broker.call(VIEW, {"offset": wrong}).code != 0
    assert damage.count() == 0


@pytest.mark.parametrize("when", ({"DELAY": 2}, {"TIMER_DELAY_MS": 2500}), ids=("level", "timer"))
def test_what_waits_beside_it_is_delivered(broker, name, group, damage, when):
    """Goal: of three messages that wait for their time, the rotten one does not come, the others do. Method: again
    when the first came before the damage was done."""
    is_in_time, attempt = False, 0
    while not is_in_time:
        topic, attempt = make_topic(broker, name("topic")), attempt + 1
        for number in (b"first", b"second", b"third"):
            answer = broker.call(SEND, mq.send_fields(topic, 0, when), b"%s of attempt %d" % (number, attempt))
            assert answer.code == 0, answer.remark
        damage.do(b"second of attempt %d" % attempt)
        is_in_time = max_offset(broker, topic, 0) == 0
    wait_until(lambda: max_offset(broker, topic, 0) >= 2, 60)
    assert [r.body.split()[0] for r in pull_all(broker, group, topic, 0)] == [b"first", b"third"]
    assert damage.count() > 0


def test_a_rotten_half_is_not_committed(broker, topic, group, damage):
    """Goal: a commit of it is refused, that of another works."""
    halves = []
    for name in (b"first", b"second"):
        key = "%032X" % len(halves)
        answer = broker.call(SEND, mq.send_fields(topic, 0, {"TRAN_MSG": "true", "PGROUP": group, "UNIQ_KEY": key},
                                                  sysFlag=4), b"%s of two" % name)
        assert answer.code == 0, answer.remark
        halves.append({"topic": topic, "producerGroup": group, "tranStateTableOffset": answer.ext["queueOffset"],
                       "commitLogOffset": mq.phy_offset_of(answer.ext["msgId"]), "commitOrRollback": COMMIT,
                       "fromTransactionCheck": False, "msgId": key, "transactionId": key})
    damage.do(b"first of two")
    assert broker.call(END, halves[0]).code != 0
    assert broker.call(END, halves[1]).code == 0
    assert [r.body for r in pull_all(broker, group, topic, 0)] == [b"second of two"]
    assert damage.count() > 0
