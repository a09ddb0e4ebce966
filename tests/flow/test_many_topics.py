"""A broker of many topics: each is found at the name server, and a change is told without the rest."""

import json

import pytest
import servers
from conftest import make_topic

MANY = 1500
TOPIC = {"readQueueNums": 2, "writeQueueNums": 2, "perm": 6, "topicFilterType": "SINGLE_TAG",
         "topicSysFlag": 0, "order": False}


@pytest.fixture(scope="module", params=["plain", "compressed"])
def many(request, target, tmp_path_factory):
    """A broker of MANY topics that registers 400 at a time, and its name server."""
    if request.param == "compressed" and target != "ramjet":
        pytest.skip("5.3.3's name server does not take the compressed registration of its broker")
    conf = {"enableSplitRegistration": "true", "splitRegistrationSize": 400,
            "compressedRegister": str(request.param == "compressed").lower()}
    with servers.Pair(target, tmp_path_factory.mktemp("many"), conf=conf) as pair:
        with pair.broker.connect() as broker:
            for first in range(0, MANY, 500):
                topics = [{"topicName": topic_name(n), **TOPIC} for n in range(first, first + 500)]
                body = json.dumps({"topicConfigList": topics}).encode()
                assert broker.call(18, body=body, timeout=60).code == 0
        yield pair


def topic_name(number):
    return "many_%06d" % number


def route_perm(name_server, topic):
    """0: there is no route."""
    answer = name_server.call(105, {"topic": topic})
    return answer.json()["queueDatas"][0]["perm"] if answer.code == 0 else 0


def wait_for_perm(many, topic, perm):
    with many.name_server.connect() as name_server:
        servers.wait_until(lambda: route_perm(name_server, topic) == perm, 120,
                           "%s has perm %d" % (topic, perm))


def test_each_of_many_topics_has_a_route(many):
    """Goal: a table told in parts is known whole. Method: a topic of every part is asked for."""
    for number in range(0, MANY, 100):
        wait_for_perm(many, topic_name(number), 6)


def test_a_change_among_many_is_told(many, name):
    """Goal: a new topic and a changed one reach the name server, and the others stay."""
    topic = name()
    with many.broker.connect() as broker:
        make_topic(broker, topic)
        make_topic(broker, topic_name(7), queues=2, perm=4)
    wait_for_perm(many, topic, 6)
    wait_for_perm(many, topic_name(7), 4)
    wait_for_perm(many, topic_name(MANY - 1), 6)


def test_a_name_server_that_started_anew_is_told_all(many, name):
    """Goal: a name server that forgot the broker is not told the latest change only."""
    many.name_server.kill()
    many.name_server.start()
    with many.broker.connect() as broker:
        make_topic(broker, name())
    for number in (0, MANY // 2, MANY - 1):
        wait_for_perm(many, topic_name(number), 6)


def test_the_permission_of_the_broker_is_told_for_every_topic(many):
    """Goal: brokerPermission changed at run time shows in every route, and is taken back."""
    for permission in (4, 6):
        with many.broker.connect() as broker:
            assert broker.call(25, body=b"brokerPermission=%d" % permission).code == 0
        for number in (0, MANY - 1):
            wait_for_perm(many, topic_name(number), permission)
