"""The main job: the Java client (two versions, both header encodings) on a broker that dies.

java/ sends, reads and checks what it reads (README.md says what); here the broker is stopped and
started meanwhile, and what mqadmin says in the end is compared with what the job counted.

  INTEROP_MESSAGES   messages per run (20,000)
  INTEROP_KILLS      SIGKILLs per run, spread over it, in place of the usual three stops
"""

import os
import re
import signal

import pytest
import servers
from conftest import mutual_tls
from java_job import GROUPS, QUEUES, TOPICS, Job

MESSAGES = int(os.environ.get("INTEROP_MESSAGES", "20000"))
KILLS = int(os.environ.get("INTEROP_KILLS", "0"))
# a small job is spread over so long, that members come and go while it runs, and clients come back between kills
SEND_SECONDS = max(15, 3 * KILLS)
TOOLS = "5.3.3"
MAX_OFFSET, QUERY_CONSUMER_OFFSET, RUNTIME_INFO = 30, 14, 28
# the broker is stopped at these parts of the job
STOPS = [((number + 1) / (KILLS + 1), signal.SIGKILL) for number in range(KILLS)] or \
    [(0.2, signal.SIGTERM), (0.5, signal.SIGKILL), (0.75, signal.SIGKILL)]


def progress(name_server, group, properties):
    """The rows of consumerProgress: topic -> list of (broker offset, consumer offset)."""
    text = servers.mqadmin(TOOLS, "consumerProgress", "-n", name_server.address, "-g", group,
                           properties=properties)
    rows = {}
    for line in text.splitlines():
        row = re.match(r"(\S+)\s+broker-a\s+\d+\s+(\d+)\s+(\d+)\s", line)
        if row:
            rows.setdefault(row[1], []).append((int(row[2]), int(row[3])))
    assert rows, text
    return rows


def nothing_is_delayed(connection):
    """What was sent back waits for some seconds before it is on the retry topic."""
    table = connection.call(RUNTIME_INFO).json()["table"]
    levels = [value.split(",") for name, value in table.items() if name.startswith("scheduleMessageOffset_")]
    return all(done == end for done, end in levels)


def has_read(connection, group, places):
    return all(offset(connection, MAX_OFFSET, group, *place) == offset(connection, QUERY_CONSUMER_OFFSET, group, *place)
               for place in places)


def groups_have_read_all(broker):
    """Also what a member had read and not committed when it left: the next one reads it again. In the order in which a
    message goes its way."""
    queues = [("colours-%d" % topic, queue) for topic in range(TOPICS) for queue in range(QUEUES)]
    with broker.connect() as connection:
        return all(has_read(connection, group, queues) for group in GROUPS) and nothing_is_delayed(connection) and \
            all(has_read(connection, group, [("%RETRY%" + group, 0)]) for group in GROUPS)


def offset(connection, code, group, topic, queue):
    """None: there is none, as of a retry topic that was never needed."""
    answer = connection.call(code, {"topic": topic, "queueId": queue, "consumerGroup": group})
    return int(answer.ext["offset"]) if answer.code == 0 else None


@pytest.mark.parametrize("version, encoding, how", [("5.3.3", "JSON", "plain"), ("5.3.3", "ROCKETMQ", "tls"),
                                                    ("4.9.8", "JSON", "tls")])
def test_acknowledged_messages_reach_both_groups(version, encoding, how, need, tmp_path):
    need("java", "javac", "mvn")
    properties, tls = mutual_tls(tmp_path) if how == "tls" else ({}, None)
    with servers.Pair("ramjet", tmp_path, properties=properties, tls=tls) as pair:
        job = Job(version, pair.name_server, tmp_path / "job", MESSAGES, SEND_SECONDS,
                  {"rocketmq.serialize.type": encoding, **properties})
        try:
            for part, end in STOPS:
                job.wait_sent(part)
                code = pair.broker.stop(end)
                assert code == (0 if end == signal.SIGTERM else -end), pair.broker.log_tail()
                pair.broker.start()
            summary = job.finish(lambda: groups_have_read_all(pair.broker))
        finally:
            job.kill()
        assert summary["acked"] + summary["oneway"] <= MESSAGES
        assert summary["retried"] > 0
        for group in GROUPS:
            rows = progress(pair.name_server, group, properties)
            stored = [broker for topic, queues in rows.items() if topic.startswith("colours-")
                      for broker, _ in queues]
            assert len(stored) == TOPICS * QUEUES and sum(stored) == summary["stored"]
            lagging = {topic: queues for topic, queues in rows.items()
                       if any(broker != consumer for broker, consumer in queues)}
            assert not lagging, group
