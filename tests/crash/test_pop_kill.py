"""Popped messages outlive the broker: acknowledged ones stay away, the others come back, none early."""

import random
import sys
import time
from pathlib import Path

import mini_client as mq
import pytest
from servers import wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from pops import ack, batch_entry, change, pop, BATCH_ACK, FOUND, POLLING_TIMEOUT  # noqa: E402

SEND, PUT_TOPIC, MAX_OFFSET = 310, 17, 30
TOPIC, GROUP = "pop_crash", "pop_crash_group"
QUEUES = 4
COMES_BACK_S = 60


class Model:
    """What the simplest account of pops knows of a message: in the queue, out until some time, or done."""

    def __init__(self, broker):
        self.broker = broker
        self.connection = None
        self.waiting = set()  # bodies nobody has popped
        self.out = {}         # body -> (Popped, the time it is invisible until, ms)
        self.done = set()
        self.unsure = set()   # bodies whose time was over before the answer to the ack came: it counts or it does not
        self.doubled = []     # bodies that a kill may have put on the retry topic once more than it noted
        self.number = 0

    def start(self):
        self.broker.start()
        self.connection = self.broker.connect()
        answer = self.connection.call(PUT_TOPIC, mq.topic_fields(TOPIC, QUEUES))
        assert answer.code == 0, answer.remark

    def end(self, how):
        self.connection.close()
        how()
        if how == self.broker.kill:
            now = mq.now_ms()
            self.doubled += [body for body, (_, until) in self.out.items() if until <= now]
            self.doubled += self.unsure

    def send(self, count):
        for _ in range(count):
            self.number += 1
            body = b"message %d" % self.number
            answer = self.connection.call(SEND, mq.send_fields(TOPIC, self.number % QUEUES), body)
            assert answer.code == 0, answer.remark
            self.waiting.add(body)

    def pop(self, invisible_ms, **more):
        """Checks that everything that comes may come, and gives how many came."""
        found = pop(self.connection, GROUP, TOPIC, expect=(FOUND, POLLING_TIMEOUT), invisible_ms=invisible_ms,
                    broker_name=self.broker.name, **more)
        now = mq.now_ms()
        for message in found:
            if self.is_doubled(message.body, now):
                self.doubled.remove(message.body)
                assert ack(self.connection, GROUP, message).code == 0
                continue
            assert message.body not in self.done, "%r was acknowledged" % message.body
            if message.body in self.out:
                early = self.out[message.body][1] - now
                assert early <= 0, "%r came %d ms early: %s after %s" % (
                    message.body, early, message.handle, self.out[message.body][0].handle)
            elif message.body in self.unsure:
                self.unsure.remove(message.body)
            else:
                assert message.body in self.waiting, "%r came from nowhere" % message.body
                self.waiting.remove(message.body)
            pop_time, invisible = (int(part) for part in message.handle.split(" ")[1:3])
            self.out[message.body] = (message, pop_time + invisible)
        return len(found)

    def pop_all(self, invisible_ms, **more):
        """Until nobody waits. A start reads first what was popped before it: a pop may find nothing yet."""
        wait_until(lambda: self.pop(invisible_ms, **more) >= 0 and not self.waiting, COMES_BACK_S, "all to be popped")

    def is_doubled(self, body, now):
        """A copy beside the one that counts, as docs/durability.md allows."""
        return body in self.doubled and (body in self.done or (body in self.out and self.out[body][1] > now))

    def holds(self, body, slack_ms=500):
        """The message is still ours for a while: what is done with its handle counts."""
        return self.out[body][1] > mq.now_ms() + slack_ms

    def acked(self, body):
        (self.done if self.holds(body, 0) else self.unsure).add(body)
        del self.out[body]

    def ack(self, body):
        if not self.holds(body):
            return
        assert ack(self.connection, GROUP, self.out[body][0]).code == 0
        self.acked(body)

    def batch_ack(self, bodies):
        held = [body for body in bodies if self.holds(body)]
        entries = [batch_entry(GROUP, TOPIC, self.out[body][0].handle, [self.out[body][0].record.queue_offset])
                   for body in held]
        if entries:
            assert self.connection.call(BATCH_ACK, body={"brokerName": self.broker.name, "acks": entries}).code == 0
        for body in held:
            self.acked(body)

    def change(self, body, invisible_ms):
        if not self.holds(body):
            return
        answer, changed = change(self.connection, GROUP, self.out[body][0], invisible_ms)
        if not self.holds(body, 0):
            self.doubled.append(body)  # what was out and what was changed may both come
            if answer.code != 0:
                return
        assert answer.code == 0, answer.remark
        self.out[body] = (changed, int(answer.ext["popTime"]) + int(answer.ext["invisibleTime"]))

    def drain(self):
        """Everything that is not acknowledged comes, once, and can be acknowledged."""
        def all_done():
            self.pop(60000, poll_ms=500)
            self.batch_ack([body for body in self.out if self.out[body][1] > mq.now_ms() + 30000])
            return not self.waiting and not self.out
        wait_until(all_done, COMES_BACK_S, "all messages to come back")


@pytest.fixture
def model(broker):
    return Model(broker)


def retry_count(connection):
    return int(connection.call(MAX_OFFSET, {"topic": "%%RETRY%%%s_%s" % (GROUP, TOPIC), "queueId": 0}).ext["offset"])


@pytest.mark.parametrize("end", ("stop", "kill"))
def test_acked_messages_stay_away(model, broker, end):
    """Goal: over the end of the process, acks before and after it count; the rest comes back once, not early.
    Method: half is acknowledged before the end, a quarter after it with the old handles."""
    model.start()
    model.send(40)
    model.pop_all(20000, count=7)
    bodies = sorted(model.out)
    for body in bodies[:20]:
        model.ack(body)
    model.end(getattr(broker, end))
    model.start()
    model.batch_ack(bodies[20:26])
    for body in bodies[26:30]:
        model.ack(body)
    assert 20 <= len(model.done) <= 30  # all 30 unless the time of some was over before the broker was back
    is_sure = not model.unsure
    left = model.number - len(model.done)
    model.drain()
    assert retry_count(model.connection) == left or not is_sure


@pytest.mark.parametrize("end", ("stop", "kill"))
def test_a_changed_time_outlives_the_end(model, broker, end):
    """Goal: a message made invisible for longer, before or after the end, comes after its new time only."""
    model.start()
    model.send(8)
    model.pop_all(12000)
    before, after, *others = sorted(model.out)
    model.change(before, 20000)
    model.batch_ack(others)
    model.end(getattr(broker, end))
    model.start()
    model.change(after, 22000)
    model.drain()
    assert retry_count(model.connection) == 2


def test_a_kill_does_not_pop_again(model, broker):
    """Goal: consumer offsets are saved every few seconds; what was popped in between is not popped again.
    Method: killed right after a pop, five times."""
    for _ in range(5):
        model.start()
        model.send(8)
        model.pop_all(600000)
        model.end(broker.kill)
    model.start()
    assert model.pop(1000) == 0


def test_short_invisible_times_over_a_kill(model, broker):
    """Goal: checkpoints that go to the log at once, for their time is nearly over, are found too."""
    model.start()
    model.send(8)
    model.pop_all(900)
    model.end(broker.kill)
    model.start()
    model.drain()


def test_a_group_that_was_not_on_the_disk_yet(model, broker):
    """Goal: killed before the group that a pop made was saved: what was popped comes back.
    Method: its table is taken away, and nobody uses the group until its messages are put again."""
    model.start()
    model.send(8)
    model.pop_all(900)
    model.end(broker.kill)
    for table in (broker.store / "config").glob("subscriptionGroup.json*"):
        table.unlink()
    model.start()
    wait_until(lambda: retry_count(model.connection) >= 8, COMES_BACK_S, "the messages on the retry topic")
    model.drain()


def test_a_retry_topic_is_on_the_disk_before_its_messages(model, broker):
    """Goal: a kill leaves no message in a retry topic that nobody knows of.
    Method: once a message is there, the table of topics on the disk has the topic."""
    model.start()
    model.send(1)
    model.pop_all(900)
    wait_until(lambda: retry_count(model.connection) > 0, COMES_BACK_S, "the message on the retry topic")
    topics = (broker.store / "config" / "topics.json").read_text(encoding="utf-8")
    assert "%%RETRY%%%s_%s" % (GROUP, TOPIC) in topics
    model.drain()


def random_step(model, rng):
    what = rng.random()
    bodies = list(model.out)
    if what < 0.2:
        model.send(rng.randrange(1, 8))
    elif what < 0.55:
        model.pop(rng.choice((300, 1500, 3000, 8000)), count=rng.randrange(1, 12))
    elif what < 0.75 and bodies:
        model.ack(rng.choice(bodies))
    elif what < 0.85 and bodies:
        model.batch_ack(rng.sample(bodies, min(len(bodies), 5)))
    elif what < 0.95 and bodies:
        model.change(rng.choice(bodies), rng.choice((500, 2000, 6000)))
    else:
        time.sleep(0)


@pytest.mark.parametrize("seed", range(3))
def test_random_use_agrees_with_the_model(model, broker, seed):
    """Goal: whatever is popped, acknowledged and changed, and however often the broker is stopped and killed in
    between: nothing is lost, nothing comes early, nothing acknowledged comes back.
    Method: random operations beside a model of a few lines; six ends on one store."""
    rng = random.Random(seed)
    model.start()
    for round_number in range(6):
        for _ in range(120):
            random_step(model, rng)
        model.end(rng.choice((broker.stop, broker.kill)))
        model.start()
    model.drain()
    assert len(model.done | model.unsure) == model.number
