"""A broker that is told to stop and waits for its clients to go elsewhere."""

import signal

import mini_client as mq
import pytest
import servers
from conftest import BROKER_CONF, make_topic, pull_all
from servers import wait_until

JAVA_5_3_1 = 475


@pytest.fixture
def leaving_pair(target, tmp_path):
    conf = {**BROKER_CONF, "enableShutdownGracefully": "true", "shutdownWaitTimeSeconds": 8}
    with servers.Pair(target, tmp_path, conf=conf) as both:
        yield both


def test_clients_that_know_how_are_sent_away(leaving_pair, is_ramjet):
    """Goal: after SIGTERM clients newer than 5.3.1 are answered GO_AWAY, older ones are served; the name
    server has forgotten the broker by then; when the time is over the broker ends well."""
    broker = leaving_pair.broker
    with broker.connect(version=mq.JAVA_5_3_3) as newer, broker.connect(version=JAVA_5_3_1) as older:
        make_topic(newer, "leaving")
        assert newer.call(310, mq.send_fields("leaving"), b"before").code == 0
        broker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: newer.call(310, mq.send_fields("leaving"), b"after").code == 1500, 60)
        answer = newer.call(30, {"topic": "leaving", "queueId": 0})
        assert (answer.code, answer.remark) == (1500, "please go away")
        if is_ramjet:  # the reference has ended most of itself by then
            assert older.call(310, mq.send_fields("leaving"), b"old").code == 0
        with leaving_pair.name_server.connect() as name_server:
            assert name_server.call(105, {"topic": "leaving"}).code == 17
    code = broker.process.wait(60)
    if is_ramjet:
        assert code == 0


def test_a_broker_that_need_not_wait_ends_at_once(target, tmp_path):
    """Goal: enableShutdownGracefully is off unless it is set: nobody is sent away."""
    if target != "ramjet":
        pytest.skip("the reference takes seconds to end in any case")
    with servers.Pair(target, tmp_path) as both:
        with both.broker.connect() as connection:
            assert connection.call(26).code == 0
            both.broker.process.send_signal(signal.SIGTERM)
            connection.wait_closed()
        assert both.broker.process.wait(60) == 0


def test_an_end_that_could_not_flush_is_told_by_the_exit_code(target, tmp_path):
    """Goal: who stopped the broker knows whether everything is on the disk, without reading the log; what was
    acknowledged is there after the next start.
    Method: every sync of the log fails."""
    if target != "ramjet":
        pytest.skip("fault points are Ramjet's own")
    with servers.Pair(target, tmp_path) as both:
        both.broker.stop()
        both.broker.take_faults()
        both.broker.start()
        with both.broker.connect() as connection:
            topic = make_topic(connection, "ends", queues=1)
            both.broker.arm("fail", "disk.sync_range", 0, 1000000, "io")
            both.broker.arm("fail", "disk.sync", 0, 1000000, "io")
            assert connection.call(310, mq.send_fields(topic), b"kept").code == 0
        assert both.broker.stop() == 1
        assert "store_not_closed_cleanly" in both.broker.log_tail(10000)
        both.broker.start()
        with both.broker.connect() as connection:
            assert [record.body for record in pull_all(connection, "any", topic)] == [b"kept"]
        assert both.broker.stop() == 0
