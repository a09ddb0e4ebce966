"""Transactions survive the death of the broker and of producers: what was committed is there once, what
was rolled back never, and what nobody ended is asked about until somebody does."""

import mini_client as mq
import pytest
from servers import wait_until
from until_dead import UntilDead

TOPIC, GROUP = "crash_txn", "crash_producers"
SEND, HEARTBEAT, END, CHECK, PULL, MAX_OFFSET = 310, 34, 37, 39, 11, 30
COMMIT, ROLLBACK = 8, 12
CONF = {"transactionTimeOut": 300, "transactionCheckInterval": 200, "transactionCheckMax": 1000,
        "transactionOpBatchInterval": 400}


class Producer(UntilDead):
    """Sends halves and ends some of them until the broker dies; answers checks as it had decided. A
    decision is made before the half is sent, so every producer of the group knows it: `decided`."""

    def __init__(self, broker, seed, decided, over, sends=True):
        super().__init__(broker.connect(), seed)
        self.decided = decided  # number -> COMMIT or ROLLBACK
        self.over = frozenset(over)  # ended, and told so, in an earlier life: nobody asks any more
        self.sends = sends
        self.halves = set()     # acknowledged
        self.ended = {}         # number -> how, acknowledged
        self.is_known = False

    def step(self):
        if not self.is_known:
            body = mq.heartbeat_body("p@%d" % self.ident, [GROUP])
            assert self.connection.call(HEARTBEAT, body=body).code == 0
            self.is_known = True
        if self.sends:
            self.transact()
        self.answer_checks(0.001 if self.sends else 0.2)

    def transact(self):
        number = len(self.decided)
        self.decided[number] = self.random.choice((COMMIT, COMMIT, ROLLBACK))
        key = "%032X" % number
        properties = {"TRAN_MSG": "true", "PGROUP": GROUP, "UNIQ_KEY": key}
        if self.random.random() < 0.2:
            properties["CHECK_IMMUNITY_TIME_IN_SECONDS"] = "1"
        answer = self.connection.call(SEND, mq.send_fields(TOPIC, 0, properties, sysFlag=4), b"%d" % number)
        assert answer.code == 0, answer.remark
        self.halves.add(number)
        if self.random.random() < 0.7:
            self.end(number, answer.ext["queueOffset"], mq.phy_offset_of(answer.ext["msgId"]), False)
        self.count_one()

    def end(self, number, half_offset, phy_offset, is_check):
        fields = {"topic": TOPIC, "producerGroup": GROUP, "tranStateTableOffset": half_offset,
                  "commitLogOffset": phy_offset, "commitOrRollback": self.decided[number],
                  "fromTransactionCheck": is_check, "msgId": "%032X" % number,
                  "transactionId": "%032X" % number}
        if self.random.random() < 0.3:
            self.connection.oneway(END, fields)
            return
        answer = self.connection.call(END, fields)
        if answer.code == 0:
            self.ended[number] = self.decided[number]
        else:  # ended before, or late for its immunity
            assert answer.code == 604, (answer.code, answer.remark)

    def answer_checks(self, wait_s):
        try:
            while True:
                asked = self.connection.receive_push(wait_s, code=CHECK)
                record, = mq.decode_records(asked.body)
                number = int(record.body)
                assert number not in self.over, "asked about what had ended"
                assert record.topic == TOPIC and asked.ext["transactionId"] == "%032X" % number
                if self.random.random() < 0.5 or not self.sends:
                    self.end(number, asked.ext["tranStateTableOffset"], asked.ext["commitLogOffset"], True)
        except TimeoutError:
            pass


def delivered(broker):
    """How often each message is on the topic."""
    counts = {}
    with broker.connect() as connection:
        end = int(connection.call(MAX_OFFSET, {"topic": TOPIC, "queueId": 0}).ext["offset"])
        offset = 0
        while offset < end:
            answer = connection.call(PULL, mq.pull_fields("reader", TOPIC, 0, offset))
            assert answer.code == 0, answer.remark
            for record in mq.decode_records(answer.body):
                counts[int(record.body)] = counts.get(int(record.body), 0) + 1
                offset = record.queue_offset + 1
    return counts


@pytest.mark.conf(**CONF)
@pytest.mark.parametrize("seed", range(2))
def test_kill_keeps_transactions(broker, seed):
    """Goal: SIGKILL at any time, and the death of every producer: nothing committed is lost or comes twice,
    nothing rolled back comes, nobody is asked about what ended in an earlier life. Method: rounds of sending, ending
    and killing, each with a new producer; then one that only answers checks, until all halves have ended."""
    decided, halves, ended = {}, set(), {}
    for round_number in range(4):
        broker.start()
        producer = Producer(broker, seed * 100 + round_number, decided, ended)
        producer.run_until(60, broker.kill if round_number % 2 == 0 else broker.stop)
        halves |= producer.halves
        ended.update(producer.ended)
        broker.start()
        counts = delivered(broker)
        assert all(count == 1 for count in counts.values()), counts
        assert all(decided[number] == COMMIT for number in counts)
        assert all(number in counts for number, how in ended.items() if how == COMMIT)
        broker.kill()
    broker.start()
    answering = Producer(broker, seed, decided, ended, sends=False)
    answering.start()
    wanted = {number for number in halves if decided[number] == COMMIT}
    wait_until(lambda: wanted <= set(delivered(broker)), 60, "the rest", pause_s=0.2)
    counts = delivered(broker)
    assert all(count == 1 and decided[number] == COMMIT for number, count in counts.items())
    broker.kill()
    answering.join(120)
    assert not answering.is_alive() and answering.error is None, answering.error


@pytest.mark.conf(**CONF)
def test_repeated_commit_after_restart_stores_once(broker):
    """Goal: a commit whose end is not noted on disk yet is not forgotten by SIGKILL."""
    broker.start()
    key = "A" * 32
    properties = {"TRAN_MSG": "true", "PGROUP": GROUP, "UNIQ_KEY": key}
    with broker.connect() as connection:
        answer = connection.call(SEND, mq.send_fields(TOPIC, 0, properties, sysFlag=4), b"1")
        fields = {"producerGroup": GROUP, "tranStateTableOffset": answer.ext["queueOffset"],
                  "commitLogOffset": mq.phy_offset_of(answer.ext["msgId"]), "commitOrRollback": COMMIT,
                  "msgId": key, "transactionId": key}
        assert connection.call(END, fields).code == 0
    broker.kill()
    broker.start()
    assert delivered(broker) == {1: 1}
    with broker.connect() as connection:
        assert connection.call(END, fields).code in (0, 604)
        assert connection.call(END, {**fields, "commitOrRollback": ROLLBACK}).code in (0, 604)
    assert delivered(broker) == {1: 1}
