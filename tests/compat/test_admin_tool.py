"""The reference's admin tool, mqadmin, on a cluster of Ramjet's and on one of the reference's: what it prints is the
same but for addresses and times. All commands for a cluster run in one process of the tool's: starting one for each
would take minutes more, and one for both does not do, as some commands keep their first connection."""

import re
import subprocess
import threading
import time
from pathlib import Path

import pytest
import servers
from servers import Pair, wait_until
import mini_client as mq

REFERENCE = "rocketmq-5.3.3"
TOPIC, GROUP, PRODUCER, CLIENT = "tool_topic", "tool_group", "tool_producer", "c1"
RUNNING_INFO = (b'{"mqTable":{},"properties":{"PROP_NAMESERVER_ADDR":"x","PROP_CONSUME_TYPE":'
                b'"CONSUME_PASSIVELY","PROP_CONSUMER_START_TIMESTAMP":"1","PROP_CONSUMEORDERLY":"false",'
                b'"PROP_THREADPOOL_CORE_SIZE":"20"},"statusTable":{},"subscriptionSet":[]}')


def uniq_key(number):
    """A client's message id of now: the tool looks for it near the time that is in it."""
    now = time.time()
    month = time.mktime(time.localtime(now)[:2] + (1, 0, 0, 0, 0, 0, -1))
    return "7F000001" "0001" "00000000" "%08X%04X" % (int((now - month) * 1000) & 0xFFFFFFFF, number)


KEYS = [uniq_key(number) for number in range(5)]
COMMANDS = {
    "topicRoute": "topicRoute -n NS -t tool_topic",
    "topicClusterList": "topicClusterList -n NS -t tool_topic",
    "topicStatus": "topicStatus -n NS -t tool_topic",
    "updateTopic": "updateTopic -n NS -b BROKER -t tool_new -r 3 -w 3 -a +message.type=FIFO",
    "updateTopic refused": "updateTopic -n NS -b BROKER -t tool_none -r 3 -w 3 -a +no.such=1",
    "updateTopicPerm": "updateTopicPerm -n NS -b BROKER -t tool_new -p 4",
    "deleteTopic": "deleteTopic -n NS -c DefaultCluster -t tool_new",
    "updateOrderConf": "updateOrderConf -n NS -m put -t tool_topic -v broker-a:2",
    "allocateMQ": "allocateMQ -n NS -t tool_topic -i 1.1.1.1,2.2.2.2",
    "updateSubGroup": "updateSubGroup -n NS -b BROKER -g tool_group_2 -r 5",
    "getConsumerConfig": "getConsumerConfig -n NS -g tool_group",
    "deleteSubGroup": "deleteSubGroup -n NS -b BROKER -g tool_group_2",
    "consumerProgress": "consumerProgress -n NS -g tool_group",
    "consumerConnection": "consumerConnection -n NS -g tool_group",
    "consumerStatus": "consumerStatus -n NS -g tool_group -i c1",
    "producerConnection": "producerConnection -n NS -g tool_producer -t tool_topic",
    "producer": "producer -b BROKER",
    "brokerConsumeStats": "brokerConsumeStats -n NS -b BROKER",
    "queryCq": "queryCq -n NS -t tool_topic -q 0 -i 0 -c 3 -b BROKER -g tool_group",
    "queryMsgByKey": "queryMsgByKey -n NS -t tool_topic -k k1",
    "queryMsgByUniqueKey": "queryMsgByUniqueKey -n NS -t tool_topic -i " + KEYS[1],
    "queryMsgByOffset": "queryMsgByOffset -n NS -t tool_topic -b broker-a -i 0 -o 1",
    "cloneGroupOffset": "cloneGroupOffset -n NS -s tool_group -d tool_group_3 -t tool_topic",
    "resetOffsetByTime": "resetOffsetByTime -n NS -g tool_group -t tool_topic -s -1",
    "skipAccumulatedMessage": "skipAccumulatedMessage -n NS -g tool_group -t tool_topic",
    "updateBrokerConfig": "updateBrokerConfig -n NS -b BROKER -k traceOn -v true",
    "cleanExpiredCQ": "cleanExpiredCQ -n NS -b BROKER",
    "cleanUnusedTopic": "cleanUnusedTopic -n NS -b BROKER",
    "deleteExpiredCommitLog": "deleteExpiredCommitLog -n NS -b BROKER",
    "haStatus": "haStatus -n NS -b BROKER",
    "resetMasterFlushOffset": "resetMasterFlushOffset -n NS -b BROKER -o 5",
    "updateKvConfig": "updateKvConfig -n NS -s space -k key -v value",
    "deleteKvConfig": "deleteKvConfig -n NS -s space -k key",
    "wipeWritePerm": "wipeWritePerm -n NS -b broker-a",
    "addWritePerm": "addWritePerm -n NS -b broker-a",
}
# not clusterList and statsAll: they print rates, which are of the moment


class Tool:
    """The admin tool, which stays while commands come."""

    def __init__(self, home):
        path = "%s:%s/*" % (home, servers.reference_jars("5.3.3"))
        command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Duser.home=%s" % home,
                   "-Drocketmq.home.dir=%s" % home, "-Drocketmq.client.logRoot=%s" % home, "-cp", path,
                   "AdminCommands"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()

    def run(self, *arguments):
        self.process.stdin.write("\t".join(arguments).encode() + b"\n")
        self.process.stdin.flush()
        size = int(self.process.stdout.readline())
        return self.process.stdout.read(size).decode()


@pytest.fixture(scope="module")
def tool_home(tmp_path_factory):
    """The directory of the compiled program that runs the tool's commands."""
    reason = servers.unavailable(REFERENCE)
    if reason:
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("tool")
    (home / "conf").mkdir()
    (home / "conf/logback_tools.xml").write_text('<configuration><root level="OFF"/></configuration>')
    path = "%s/*" % servers.reference_jars("5.3.3")
    source = Path(__file__).parent / "java/AdminCommands.java"
    subprocess.run(["javac", "-cp", path, "-d", str(home), str(source)], check=True)
    return home


class Member:
    """A consumer and producer online, which answers what the broker asks of it."""

    def __init__(self, broker):
        self.connection = broker.connect(language="JAVA")
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._answer)

    def __enter__(self):
        body = mq.heartbeat_body(CLIENT, [PRODUCER], {GROUP: [mq.subscription(TOPIC, "a", 1)]})
        assert self.connection.call(34, body=body).code == 0
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()
        self.connection.close()

    def _answer(self):
        while not self.ends.is_set():
            try:
                asked = self.connection.receive_push(0.2)
            except TimeoutError:
                continue
            if not asked.flag & mq.ONEWAY:
                self.connection.answer(asked, body=RUNNING_INFO)


def prepare(broker):
    """A topic with five messages, of which the group has consumed two."""
    with broker.connect() as connection:
        assert connection.call(17, mq.topic_fields(TOPIC, 2)).code == 0
        assert connection.call(200, body={"groupName": GROUP}).code == 0
        for number in range(5):
            properties = {"TAGS": "a", "KEYS": "k%d" % number, "UNIQ_KEY": KEYS[number]}
            answer = connection.call(310, mq.send_fields(TOPIC, 0, properties), b"body%d" % number)
            assert answer.code == 0, answer.remark
        wait_until(lambda: connection.call(30, {"topic": TOPIC, "queueId": 0}).ext["offset"] == "5")
        fields = {"consumerGroup": GROUP, "topic": TOPIC, "queueId": 0, "commitOffset": 2}
        assert connection.call(15, fields).code == 0


# figures that two clusters have not in common: places and sizes in the log (Ramjet's records carry a checksum), time
UNLIKE = [(r"\b20\d\d-\d\d-\d\d[ #,]\d\d:\d\d:\d\d([:,.]\d{3})?\b", "TIME"), (r"\b\d{13}\b", "MS"),
          (r"127\.0\.0\.1[:@]\d+\S*", "ADDRESS"), (r"(physicOffset=|physicSize=)\d+", r"\1N"),
          (r"(CommitLog Offset: +|MasterCommitLogMaxOffset\s+)\d+", r"\1N"),
          (r"(OffsetID: +)\w+", r"\1ID"), (r"\d+\.\d+", "F"), (r"\s+", " ")]


def plain(text, pair):
    """What was printed, without what two clusters cannot have in common. Lines are sorted: tables come in no order.
    Left out: what the tool says of its own logging, and the topic that 5.3.3 takes for a group (code 300)."""
    text = text.replace(pair.broker.address, "BROKER").replace(pair.name_server.address, "NS")
    text = text.replace("MessageTrack [", "\nMessageTrack [")  # the tool ends no line there
    lines = []
    for line in text.splitlines():
        for pattern, instead in UNLIKE:
            line = re.sub(pattern, instead, line)
        if not re.search(r"\|-INFO|\|-WARN|consumerGroup=%s,|^%s %s |^See https" % (TOPIC, TOPIC, TOPIC), line):
            lines.append(line.strip())
    return sorted(line for line in lines if line)


def printed(tool, pair):
    out = {}
    for name, line in COMMANDS.items():
        words = line.replace("NS", pair.name_server.address, 1).replace("BROKER", pair.broker.address)
        out[name] = plain(tool.run(*words.split()), pair)
    return out


@pytest.fixture(scope="module")
def outputs(tool_home, tmp_path_factory):
    """Every command's text on the reference's cluster and on Ramjet's."""
    both = []
    for target in (REFERENCE, "ramjet"):
        with Pair(target, tmp_path_factory.mktemp(target)) as pair:
            prepare(pair.broker)
            with Member(pair.broker), Tool(tool_home) as tool:
                both.append(printed(tool, pair))
    return both


@pytest.mark.parametrize("name", COMMANDS)
def test_command_prints_the_same(outputs, name):
    """Goal: as the file's head says."""
    theirs, ours = outputs
    assert ours[name] == theirs[name]
