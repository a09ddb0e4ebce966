"""Servers of both kinds in one cluster."""

import pytest
from cargo import Cargo
from java_job import Job
from servers import Broker, NameServer, mqadmin, wait_until
import mini_client as mq

REFERENCE = "rocketmq-5.3.3"
ROUTE, MAX_OFFSET = 105, 30
MESSAGES, SEND_SECONDS = 10000, 12  # members come and go while it runs


def await_route(name_server, topic, brokers):
    """The route, when all of the brokers are in it: each name server is told by itself, a busy one later."""
    with name_server.connect(version=mq.JAVA_5_3_3) as connection:
        def route():
            answer = connection.call(ROUTE, {"topic": topic})
            found = answer.json() if answer.code == 0 else {"queueDatas": []}
            return {row["brokerName"] for row in found["queueDatas"]} == brokers and found

        return wait_until(route, what="a route to " + " ".join(sorted(brokers)))


@pytest.mark.parametrize("kind", ("ramjet", REFERENCE))
def test_brokers_of_both_kinds_under_one_name_server(kind, tmp_path):
    """Goal: under a name server of either kind, a topic that both brokers have is routed to both, each serves it,
    and the reference's admin tool lists both."""
    with NameServer(kind, tmp_path / "namesrv") as name_server:
        ours = Broker("ramjet", tmp_path / "a", [name_server], name="ours")
        theirs = Broker(REFERENCE, tmp_path / "b", [name_server], name="theirs")
        with ours.start(), theirs.start():
            for broker in (ours, theirs):
                cargo = Cargo()
                cargo.load(broker, broker.name, count=40)
                cargo.expect_soon(broker)
            route = await_route(name_server, "compat-a", {"ours", "theirs"})
            assert {row["brokerName"]: row["readQueueNums"] for row in route["queueDatas"]} == {
                "ours": 4, "theirs": 4}
            listed = mqadmin("5.3.3", "clusterList", "-n", name_server.address)
            assert "ours" in listed and "theirs" in listed, listed


def test_a_broker_registers_at_name_servers_of_both_kinds(tmp_path):
    """Goal: one Ramjet broker, two name servers, one of each kind: both know its topics."""
    with NameServer("ramjet", tmp_path / "a") as first, NameServer(REFERENCE, tmp_path / "b") as second:
        with Broker("ramjet", tmp_path / "broker", [first, second]) as broker:
            Cargo().load(broker, "both", count=4)
            for name_server in (first, second):
                route = await_route(name_server, "compat-b", {broker.name})
                assert route["brokerDatas"][0]["brokerAddrs"] == {"0": broker.address}


def test_java_clients_balance_over_a_mixed_cluster(tmp_path):
    """Goal: producers spread over the queues of both kinds of broker, groups whose members come and go share them,
    and all that was acknowledged is consumed, in order where order was asked for.
    Method: the main job of tests/interop on a cluster of one Java broker and one of Ramjet."""
    with NameServer("ramjet", tmp_path / "namesrv") as name_server:
        ours = Broker("ramjet", tmp_path / "a", [name_server], name="ours")
        theirs = Broker(REFERENCE, tmp_path / "b", [name_server], name="theirs")
        with ours.start(), theirs.start():
            job = Job("5.3.3", name_server, tmp_path / "job", MESSAGES, SEND_SECONDS,
                      {"job.brokers": "ours,theirs"})
            try:
                summary = job.finish()
            finally:
                job.kill()
            assert summary["acked"] + summary["oneway"] == MESSAGES and summary["retried"] > 0
            for broker in (ours, theirs):
                with broker.connect() as connection:
                    stored = sum(int(connection.call(MAX_OFFSET, {"topic": "colours-%d" % topic, "queueId": queue}
                                                     ).ext["offset"]) for topic in range(4) for queue in range(8))
                assert stored > MESSAGES // 4, (broker.name, stored)
