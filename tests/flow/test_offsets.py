"""Offsets: of queues, of groups, by time."""

import pytest

import mini_client as mq
from conftest import commit, differs, pull, pull_all, send
from servers import wait_until


def query(connection, group, topic, queue_id=0, **more):
    return connection.call(14, {"consumerGroup": group, "topic": topic, "queueId": queue_id, **more})


@pytest.fixture
def known_group(broker, group):
    assert broker.call(200, body={"groupName": group}).code == 0
    return group


def test_committed_offset_is_given_back(broker, topic, known_group):
    """Goal: 15 stores, 14 gives, each queue for itself."""
    assert commit(broker, known_group, topic, 7).code == 0
    assert commit(broker, known_group, topic, 3, queue_id=1).code == 0
    assert query(broker, known_group, topic).ext == {"offset": "7"}
    assert query(broker, known_group, topic, 1).ext == {"offset": "3"}


def test_committed_offset_may_go_back(broker, topic, known_group):
    """Goal: no range check: lower ones are stored too."""
    commit(broker, known_group, topic, 7)
    assert commit(broker, known_group, topic, 2).code == 0
    assert query(broker, known_group, topic).ext == {"offset": "2"}


def test_oneway_commit_is_stored(broker, topic, known_group):
    """Goal: clients commit oneway. Method: the next request on the connection comes after it."""
    broker.oneway(15, {"consumerGroup": known_group, "topic": topic, "queueId": 0, "commitOffset": 4})
    wait_until(lambda: query(broker, known_group, topic).ext.get("offset") == "4", what="the offset")


def test_commit_of_an_unknown_group_is_refused(broker, topic, group):
    """Goal: 26, never created here."""
    assert commit(broker, group, topic, 1).code == 26


def test_commit_for_an_unknown_topic_is_refused(broker, known_group):
    """Goal: 17."""
    assert commit(broker, known_group, "no_such_topic_here", 1).code == 17


@pytest.mark.parametrize("missing", ["queueId", "commitOffset"])
def test_commit_with_a_field_missing_is_refused(broker, topic, known_group, missing):
    """Goal: 29."""
    fields = {"consumerGroup": known_group, "topic": topic, "queueId": 0, "commitOffset": 1}
    del fields[missing]
    assert broker.call(15, fields).code == 29


def test_new_group_on_an_empty_queue(broker, topic, known_group, target):
    """Goal: a new group starts at 0 where no message ever was, and skips nothing."""
    answer = query(broker, known_group, topic)
    expected = differs(target, (22, None), (0, "0"),
                       "5.3.3's 22 makes a fresh consumer start at the maximum and skip messages")
    assert (answer.code, answer.ext.get("offset")) == expected


def test_new_group_on_a_short_queue(broker, topic, known_group):
    """Goal: while the first message is still at hand, a new group starts with it."""
    send(broker, topic)
    answer = query(broker, known_group, topic)
    assert answer.code == 0 and answer.ext == {"offset": "0"}


def test_no_zero_when_the_client_says_so(broker, topic, known_group):
    """Goal: setZeroIfNotFound=false gives 22."""
    send(broker, topic)
    assert query(broker, known_group, topic, setZeroIfNotFound=False).code == 22


def test_limits_of_a_queue(broker, topic):
    """Goal: 30 and 31 give maximum and minimum."""
    for _ in range(3):
        send(broker, topic, queue_id=1)
    for queue_id, top in ((0, "0"), (1, "3")):
        asked = {"topic": topic, "queueId": queue_id}
        assert broker.call(30, asked).ext == {"offset": top}
        assert broker.call(30, {**asked, "committed": True}).ext == {"offset": top}
        assert broker.call(31, asked).ext == {"offset": "0"}


def test_limits_of_what_does_not_exist(broker, topic):
    """Goal: success with 0, and -1 for the time."""
    for asked in ({"topic": "nothing_here", "queueId": 0}, {"topic": topic, "queueId": 77}):
        for code in (30, 31):
            answer = broker.call(code, asked)
            assert answer.code == 0 and answer.ext == {"offset": "0"}
        answer = broker.call(29, {**asked, "timestamp": 1})
        assert answer.code == 0 and answer.ext == {"offset": "0"}
        answer = broker.call(32, asked)
        assert answer.code == 0 and answer.ext == {"timestamp": "-1"}


def test_earliest_store_time(broker, topic, group):
    """Goal: 32 gives the store time of the first message."""
    send(broker, topic)
    send(broker, topic)
    first = pull_all(broker, group, topic)[0]
    assert broker.call(32, {"topic": topic, "queueId": 0}).ext == {"timestamp": str(first.store_ms)}


def test_search_by_time(broker, topic, group):
    """Goal: 29 gives the first message not older, or the last not younger. Method: three
    messages at least 3 ms apart."""
    times = []
    for _ in range(3):
        send(broker, topic)
        times.append(pull_all(broker, group, topic)[-1].store_ms)
        wait_until(lambda: mq.now_ms() > times[-1] + 3, what="another time", pause_s=0.001)

    def search(time_ms, boundary=None):
        return int(broker.call(29, {"topic": topic, "queueId": 0, "timestamp": time_ms,
                                    "boundaryType": boundary}).ext["offset"])

    assert [search(t) for t in times] == [0, 1, 2]
    assert search(times[1] - 1) == 1 and search(times[1] + 1) == 2
    assert search(1) == 0 and search(times[2] + 100_000) == 3
    assert [search(t, "lower") for t in times] == [0, 1, 2]
    assert [search(t, "upper") for t in times] == [0, 1, 2]
    assert search(times[1] - 1, "upper") == 0 and search(times[1] + 1, "upper") == 1
    assert search(1, "upper") == 0


def test_pulling_alone_commits_nothing(broker, topic, group):
    """Goal: an offset is what was committed, not what was read."""
    send(broker, topic)
    pull(broker, group, topic)
    assert query(broker, group, topic, setZeroIfNotFound=False).code == 22
