"""SQL92 filters: pulls with an expression of their own, subscriptions by heartbeat, what is refused and how, the
file (wire-protocol, pull family). The language itself is shown by tests/compat/test_sql.py."""

import json
import time

import pytest

import mini_client as mq
import servers
from conftest import differs, heartbeat, make_topic, pull, send

CONF = {"enablePropertyFilter": "true", "filterSupportRetry": "true"}
CHECK_CLIENT_CONFIG = 46


@pytest.fixture(scope="module")
def sql_pair(target, tmp_path_factory):
    """A name server and a broker that filters by properties."""
    with servers.Pair(target, tmp_path_factory.mktemp("sql"), conf=CONF) as both:
        yield both


@pytest.fixture
def sql(sql_pair):
    """A connection to that broker."""
    with sql_pair.broker.connect() as connection:
        yield connection


@pytest.fixture
def sql_topic(sql, name):
    return make_topic(sql, name("topic"), queues=1)


def bodies_of(answer):
    return [record.body for record in mq.decode_records(answer.body)]


def pull_sql(connection, group, topic, expression, offset=0, **more):
    return pull(connection, group, topic, offset, subscription=expression, expressionType="SQL92", **more)


def pull_known(connection, group, topic, version, offset=0, **more):
    return pull(connection, group, topic, offset, subscription=None, sub_version=version, expressionType=None, **more)


def subscribe(connection, group, topic, expression, version=1, kind="SQL92", client="sql-client"):
    heartbeat(connection, client, {group: [mq.subscription(topic, expression, version, kind)]})


def send_prices(connection, topic, *prices):
    for price in prices:
        send(connection, topic, b"%d" % price, properties={"price": str(price), "TAGS": "t%d" % price})


# ---- pulls that bring their expression

@pytest.mark.parametrize("code", [11, 361])
def test_expression_in_the_pull_selects(sql, sql_topic, group, code):
    """Goal: what matches is given, and the next offset is behind what did not."""
    send_prices(sql, sql_topic, 1, 9, 2, 8, 3)
    answer = sql.call(code, mq.pull_fields(group, sql_topic, subscription="price > 5", expressionType="SQL92"))
    assert bodies_of(answer) == [b"9", b"8"]
    assert (answer.code, int(answer.ext["nextBeginOffset"]), int(answer.ext["maxOffset"])) == (0, 5, 5)


def test_system_properties_are_properties(sql, sql_topic, group):
    """Goal: TAGS and KEYS can be asked for as any other."""
    send(sql, sql_topic, b"1", properties={"KEYS": "k1 k2", "TAGS": "x"})
    send(sql, sql_topic, b"2", properties={"KEYS": "k3", "TAGS": "x"})
    answer = pull_sql(sql, group, sql_topic, "TAGS = 'x' AND KEYS CONTAINS 'k3'")
    assert bodies_of(answer) == [b"2"]


def test_nothing_that_matches_asks_to_pull_on(sql, sql_topic, group):
    """Goal: 20 with the offset behind what was looked at, though a hold was allowed."""
    send_prices(sql, sql_topic, 1, 2)
    answer = pull_sql(sql, group, sql_topic, "price > 5", suspend_ms=15000)
    assert (answer.code, int(answer.ext["nextBeginOffset"]), answer.remark) == (20, 2, "NO_MATCHED_MESSAGE")


def test_what_cannot_be_compared_does_not_match(sql, sql_topic, group):
    """Goal: a message whose property is no number is passed over; it harms no other."""
    send(sql, sql_topic, b"bad", properties={"price": "cheap"})
    send(sql, sql_topic, b"none")
    send_prices(sql, sql_topic, 9)
    assert bodies_of(pull_sql(sql, group, sql_topic, "price > 5")) == [b"9"]


def test_long_runs_of_others_are_passed(sql, sql_topic, group):
    """Goal: a match far behind is reached by pulling on. Method: 300 that do not match, in batches."""
    items = [(b"no", {"price": "1"})] * 100
    for _ in range(3):
        answer = sql.call(320, mq.send_fields(sql_topic, 0, batch=True), mq.encode_batch(items))
        assert answer.code == 0, answer.remark
    send_prices(sql, sql_topic, 9)
    offset, found = 0, []
    while not found:
        answer = pull_sql(sql, group, sql_topic, "price > 5", offset)
        assert answer.code in (0, 20)
        assert int(answer.ext["nextBeginOffset"]) > offset
        offset, found = int(answer.ext["nextBeginOffset"]), bodies_of(answer)
    assert found == [b"9"] and offset == 301


@pytest.mark.parametrize("expression", ["price >", "price > 'a'", "((((", "price = 'x", "5"])
def test_bad_expression_is_refused(sql, sql_topic, group, target, expression):
    """Goal: 23 with the place. The reference takes it for one that matches everything."""
    send_prices(sql, sql_topic, 1)
    answer = pull_sql(sql, group, sql_topic, expression)
    assert answer.code == differs(target, 0, 23, "bad SQL is always an error")
    if target == "ramjet":
        assert "line 1, column" in answer.remark


@pytest.mark.parametrize("expression", ["", None])
def test_absent_expression_is_refused(sql, sql_topic, group, expression):
    """Goal: 23."""
    assert pull_sql(sql, group, sql_topic, expression, sysFlag=4).code == 23


def test_unknown_type_is_refused(sql, sql_topic, group, target):
    """Goal: 23. The reference takes it for one that matches everything."""
    send_prices(sql, sql_topic, 1)
    answer = pull(sql, group, sql_topic, subscription="price > 5", expressionType="SQL93")
    assert answer.code == differs(target, 0, 23, "bad SQL is always an error")


@pytest.mark.parametrize("expression", ["(" * 10000 + "a", "a = 1 OR " * 10000 + "a = 2", "NOT " * 10000 + "a",
                                        " " * (1 << 20) + "a = 1"], ids=["parens", "chain", "nots", "megabyte"])
def test_huge_expression_is_refused(sql, sql_topic, group, is_ramjet, expression):
    """Goal: 23 at once, in a pull and in a check; a hundred of each take no longer than a hundred pulls or so."""
    if not is_ramjet:
        pytest.skip("the reference has no bound")
    answer = sql.call(CHECK_CLIENT_CONFIG, body=check_body(group, sql_topic, expression))
    assert answer.code == 23 and "than" in answer.remark, answer.remark
    if len(expression) < 60000:  # what a header holds
        assert pull_sql(sql, group, sql_topic, expression).code == 23


# ---- held pulls

def last_answer(waiter, opaque, fields, is_ramjet):
    """What ends a held pull. Of the reference another thread may read the pull later than what was sent behind it, and
    then answers at once that nothing matched: the client asks again from there."""
    answer = waiter.receive(opaque)
    if not is_ramjet and answer.code == 20:
        answer = waiter.call(11, {**fields, "queueOffset": answer.ext["nextBeginOffset"]}, timeout=30)
    return answer


def test_held_pull_is_woken_by_what_matches(sql, sql_pair, sql_topic, group, is_ramjet):
    """Goal: only a message that matches ends the wait. Method: one that does not, one without the property, then one
    that does; the answer has the last one alone."""
    with sql_pair.broker.connect() as waiter:
        fields = mq.pull_fields(group, sql_topic, suspend_ms=20000, subscription="price > 5", expressionType="SQL92")
        opaque = waiter.send(11, fields)
        waiter.call(28)  # the pull before it has been read
        send_prices(sql, sql_topic, 1)
        send(sql, sql_topic, b"none")
        assert waiter.call(28).code == 0  # answers come in order of their making: the pull is still held
        send_prices(sql, sql_topic, 9)
        answer = last_answer(waiter, opaque, fields, is_ramjet)
    assert bodies_of(answer) == [b"9"] and int(answer.ext["nextBeginOffset"]) == 3


def test_held_pull_that_ends_unmatched_moves_on(sql, sql_pair, sql_topic, group, is_ramjet):
    """Goal: at the deadline 20, with the offset behind what came meanwhile and did not match."""
    with sql_pair.broker.connect() as waiter:
        fields = mq.pull_fields(group, sql_topic, suspend_ms=3000, subscription="price > 5", expressionType="SQL92")
        opaque = waiter.send(11, fields)
        waiter.call(28)
        send_prices(sql, sql_topic, 1, 2)
        answer = last_answer(waiter, opaque, fields, is_ramjet)
    assert answer.code == 20 or (answer.code == 19 and not is_ramjet)  # asked again, it waits behind them
    assert int(answer.ext["nextBeginOffset"]) == 2


# ---- subscriptions by heartbeat

def test_subscription_of_a_heartbeat_selects(sql, sql_topic, group):
    """Goal: a pull without an expression uses that of the group's heartbeat."""
    send_prices(sql, sql_topic, 1, 9)
    subscribe(sql, group, sql_topic, "price > 5", 10)
    assert bodies_of(pull_known(sql, group, sql_topic, 10)) == [b"9"]


def test_newer_subscription_replaces(sql, sql_topic, group):
    """Goal: a higher version counts, a lower one does not."""
    send_prices(sql, sql_topic, 1, 9)
    subscribe(sql, group, sql_topic, "price > 5", 10)
    subscribe(sql, group, sql_topic, "price < 5", 11)
    assert bodies_of(pull_known(sql, group, sql_topic, 11)) == [b"1"]
    subscribe(sql, group, sql_topic, "price = 7", 5)
    assert bodies_of(pull_known(sql, group, sql_topic, 5)) == [b"1"]


def test_bad_expression_of_a_heartbeat_is_27(sql, sql_topic, group):
    """Goal: the heartbeat is taken, the pull says that there is no filter; a good one mends it, a bad one after it
    takes it away again."""
    subscribe(sql, group, sql_topic, "price >", 10)
    assert pull_known(sql, group, sql_topic, 10).code == 27
    subscribe(sql, group, sql_topic, "price > 5", 11)
    assert pull_known(sql, group, sql_topic, 11).code in (19, 20)
    subscribe(sql, group, sql_topic, "price > 'x'", 12)
    assert pull_known(sql, group, sql_topic, 12).code == 27


def test_unknown_type_of_a_heartbeat_is_27(sql, sql_topic, group):
    """Goal: 27."""
    subscribe(sql, group, sql_topic, "price > 5", 10, kind="SQL93")
    assert pull_known(sql, group, sql_topic, 10).code == 27


def test_empty_expression_of_a_heartbeat_is_27(sql, sql_topic, group):
    """Goal: 27."""
    subscribe(sql, group, sql_topic, "", 10)
    assert pull_known(sql, group, sql_topic, 10).code == 27


def test_version_ahead_of_the_broker_is_25(sql, sql_topic, group):
    """Goal: a pull that knows a newer subscription is told to wait for the heartbeat."""
    subscribe(sql, group, sql_topic, "price > 5", 10)
    assert pull_known(sql, group, sql_topic, 11).code == 25


def test_filter_behind_the_subscription_is_28(sql, sql_topic, group):
    """Goal: 28 when the filter is older than the pull knows, though the subscription is not. Method: an empty
    expression is a newer subscription, but no filter."""
    subscribe(sql, group, sql_topic, "price > 5", 10)
    subscribe(sql, group, sql_topic, "", 12)
    assert pull_known(sql, group, sql_topic, 12).code == 28


def test_filter_outlives_its_group(sql, sql_topic, group):
    """Goal: a group that comes back with the same version finds its filter. Method: it leaves, and returns with
    another text of that version, which is not taken."""
    send_prices(sql, sql_topic, 1, 9)
    subscribe(sql, group, sql_topic, "price > 5", 10)
    assert sql.call(35, {"clientID": "sql-client", "consumerGroup": group}).code == 0
    subscribe(sql, group, sql_topic, "price < 5", 10)
    assert bodies_of(pull_known(sql, group, sql_topic, 10)) == [b"9"]


def test_tag_subscription_needs_no_filter(sql, sql_topic, group):
    """Goal: a group that goes from SQL to tags is served by tags."""
    send_prices(sql, sql_topic, 1, 9)
    subscribe(sql, group, sql_topic, "price > 5", 10)
    subscribe(sql, group, sql_topic, "t1", 11, kind="TAG")
    assert bodies_of(pull_known(sql, group, sql_topic, 11)) == [b"1"]


def test_held_pull_of_a_subscription_is_woken_by_what_matches(sql, sql_pair, sql_topic, group):
    """Goal: as with an expression of its own."""
    subscribe(sql, group, sql_topic, "price > 5", 10)
    with sql_pair.broker.connect() as waiter:
        opaque = waiter.send(11, mq.pull_fields(group, sql_topic, suspend_ms=20000, subscription=None, sub_version=10))
        waiter.call(28)
        send_prices(sql, sql_topic, 1, 9)
        assert bodies_of(waiter.receive(opaque)) == [b"9"]


# ---- retry topics

def test_retry_topic_uses_the_filter_of_the_real_topic(sql, sql_topic, group):
    """Goal: with filterSupportRetry a retry topic subscribed by SQL gives what the group's filter of the message's
    own topic takes, and what came from a topic without a filter. Method: three messages in the retry topic."""
    retry = make_topic(sql, "%RETRY%" + group, queues=1)
    heartbeat(sql, "sql-client", {group: [mq.subscription(sql_topic, "price > 5", 10, "SQL92"),
                                          mq.subscription(retry, "FALSE", 10, "SQL92")]})
    for price, origin in ((1, sql_topic), (9, sql_topic), (2, "another")):
        send(sql, retry, b"%d" % price, properties={"price": str(price), "RETRY_TOPIC": origin})
    assert bodies_of(pull_known(sql, group, retry, 10)) == [b"9", b"2"]


# ---- checks of a client's configuration

def check_body(group, topic, expression, kind="SQL92"):
    return {"clientId": "sql-client", "group": group, "namespace": "",
            "subscriptionData": mq.subscription(topic, expression, 1, kind)}


def test_check_takes_a_good_expression(sql, sql_topic, group):
    """Goal: 0."""
    assert sql.call(CHECK_CLIENT_CONFIG, body=check_body(group, sql_topic, "price > 5 AND a IS NULL")).code == 0
    assert sql.call(CHECK_CLIENT_CONFIG, body=check_body(group, sql_topic, "||", "TAG")).code == 0


def test_check_refuses_a_bad_expression_with_the_reason(sql, sql_topic, group, target):
    """Goal: 23, and the remark has line and column."""
    answer = sql.call(CHECK_CLIENT_CONFIG, body=check_body(group, sql_topic, "price > 5 AND\n AND"))
    assert answer.code == 23
    assert "line 2, column 2" in answer.remark
    for expression in ("", None, "price = NULL"):
        assert sql.call(CHECK_CLIENT_CONFIG, body=check_body(group, sql_topic, expression)).code == 23
    assert sql.call(CHECK_CLIENT_CONFIG, body=check_body(group, sql_topic, "price > 5", "SQL93")).code == 23


def test_check_without_property_filters_is_1(broker, topic, group):
    """Goal: a broker that does not filter by properties says so."""
    answer = broker.call(CHECK_CLIENT_CONFIG, body=check_body(group, topic, "price >"))
    assert answer.code == 1
    assert answer.remark == "The broker does not support consumer to filter message by SQL92"


# ---- without enablePropertyFilter

def test_subscription_without_property_filters_is_1(broker, topic, group):
    """Goal: the heartbeat is taken and the filter kept, but the pull is refused."""
    subscribe(broker, group, topic, "price > 5", 10)
    answer = pull_known(broker, group, topic, 10)
    assert answer.code == 1
    assert answer.remark == "The broker does not support consumer to filter message by SQL92"


# ---- the file

def test_filters_are_kept_in_their_file(sql, sql_pair, sql_topic, group):
    """Goal: consumerFilter.json has the group's filter in the reference's form."""
    subscribe(sql, group, sql_topic, "price > 5 AND name = 'ä'", 10)
    path = sql_pair.broker.store / "config/consumerFilter.json"

    def saved():
        try:
            table = json.loads(path.read_text(encoding="utf-8"))["filterDataByTopic"]
        except FileNotFoundError:  # not yet; the reference's is away while it is replaced, too
            return None
        return table.get(sql_topic, {}).get("groupFilterData", {}).get(group)

    entry = servers.wait_until(saved, 60, "the filter in its file", 0.2)
    bloom = entry.pop("bloomFilterData")
    assert bloom["bitNum"] == 112 and len(bloom["bitPos"]) == 3
    born = entry.pop("bornTime")
    assert abs(born - time.time() * 1000) < 60000
    assert entry == {"clientVersion": 10, "consumerGroup": group, "dead": False, "deadTime": 0,
                     "expression": "price > 5 AND name = 'ä'", "expressionType": "SQL92", "topic": sql_topic}
