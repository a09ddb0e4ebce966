"""The Java client consuming by pop: queues dealt out by the broker, messages popped, failed ones put again."""

import subprocess

from java_job import JOB_OPTIONS, built_classes

COUNT, DEADLINE_S = 200, 120
TOPIC, GROUP = "pop-colours", "pop-group"


def test_a_push_consumer_that_pops(pair, need, tmp_path):
    """Goal: a push consumer without rebalancing of its own, whose group was told to pop, gets every message; what
    it could not handle comes again, reconsumed once; nothing acknowledged comes twice."""
    need("java", "mvn")
    with pair.broker.connect() as admin:
        assert admin.call(17, {"topic": TOPIC, "defaultTopic": "TBW102", "perm": 6, "readQueueNums": 8,
                               "writeQueueNums": 8, "topicSysFlag": 0, "order": False,
                               "topicFilterType": "SINGLE_TAG"}).code == 0
        assert admin.call(401, body={"topic": TOPIC, "consumerGroup": GROUP, "mode": "POP",
                                     "popShareQueueNum": 0}).code == 0
    done = subprocess.run(
        ["java", *JOB_OPTIONS, "-Duser.home=%s" % tmp_path, "-cp", built_classes("5.3.3"), "PopConsumer",
         pair.name_server.address, TOPIC, GROUP, str(COUNT), str(DEADLINE_S)],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=DEADLINE_S + 60, check=False)
    words = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout[-3000:]
    received = {w[1]: int(w[2]) for w in words if w[:1] == ["received"]}
    assert received == {"key-%d" % i: 1 if i % 10 == 0 else 0 for i in range(COUNT)}
    assert not [w for w in words if w[:1] == ["twice"]]
