"""Every family of the Java client on Ramjet: java/Families.java, one program per version of the client.

  INTEROP_TARGET   what it runs on (ramjet; rocketmq-5.3.3 shows that the program describes the reference)
"""

import os
import re
import subprocess

import java_job
import pytest
import servers

TARGET = os.environ.get("INTEROP_TARGET", "ramjet")
SINCE_5 = ["timer", "recall", "pop", "sqlpop"]  # the client of 4.9.8 has no call for them
SINCE_4 = ["orderly", "broadcast", "litepull", "retry", "delay", "sql", "sqlpull", "transaction", "requestreply", "trace"]
FAMILIES = {"5.3.3": SINCE_4 + SINCE_5, "4.9.8": SINCE_4}
# the reference goes on asking about a transaction that was committed a moment ago, and delivers it again each time
DUPLICATES = "true" if TARGET != "ramjet" else "false"
DEADLINE_S = 240
CONF = {"enablePropertyFilter": "true", "traceTopicEnable": "true", "recallMessageEnable": "true",
        "messageDelayLevel": "1s 2s 3s 4s", "transactionCheckInterval": 1000, "transactionTimeOut": 1000,
        "flushConsumerOffsetInterval": 500}


def make_topics(broker, names):
    with broker.connect() as connection:
        for name in names:
            answer = connection.call(17, {
                "topic": "family-" + name, "defaultTopic": "TBW102", "perm": 6, "readQueueNums": 4,
                "writeQueueNums": 4, "topicSysFlag": 0, "order": False, "topicFilterType": "SINGLE_TAG"})
            assert answer.code == 0, answer.remark
        for name in {"pop", "sqlpop"} & set(names):
            answer = connection.call(401, body={"topic": "family-" + name, "consumerGroup": "group-family-" + name,
                                                "mode": "POP", "popShareQueueNum": 0})
            assert answer.code == 0, answer.remark


@pytest.fixture(scope="module")
def outcomes(request, need, tmp_path_factory):
    """What the program printed with this version of the client: family -> (passed, reason)."""
    need("java", "javac", "mvn")
    version = request.param
    home = tmp_path_factory.mktemp("families")
    with servers.Pair(TARGET, home, conf=CONF) as pair:
        make_topics(pair.broker, FAMILIES[version])
        done = subprocess.run(
            ["java", *java_job.JOB_OPTIONS, "-Duser.home=%s" % home, "-Dfamilies.duplicates=" + DUPLICATES,
             "-cp", java_job.built_classes(version), "Families", pair.name_server.address, *FAMILIES[version]],
            cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=DEADLINE_S, check=False)
    print(done.stdout[-5000:])
    return {found[1]: (found[2] == "pass", found[3])
            for found in re.finditer(r"^family (\S+) (pass|fail)(.*)$", done.stdout, re.M)}


@pytest.mark.parametrize("outcomes, family", [(version, family) for version, names in FAMILIES.items()
                                              for family in names], indirect=["outcomes"], scope="module")
def test_family(outcomes, family):
    """Goal: what the client offers works as it does with the reference."""
    passed, reason = outcomes.get(family, (False, "the program ended before"))
    assert passed, reason
