"""`ramjet send`, `receive` and `topics` as people use them. Over TLS: test_tls.py; as the documents show them: test_documents.py."""

import subprocess

import pytest
import servers
from conftest import make_topic, pull_all


@pytest.fixture
def ramjet(pair, is_ramjet):
    """Runs a command against the name server all tests share; gives what it printed."""
    if not is_ramjet:
        pytest.skip("commands of Ramjet")

    def run(*words):
        done = subprocess.run([str(servers.ramjet_binary()), *words, "--namesrv", pair.name_server.address],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_message_has_the_tag_and_the_key_it_was_sent_with(ramjet, broker, name, group):
    """Goal: consumers may filter by the tag, and find the message by its key."""
    topic = make_topic(broker, name(), queues=1)
    ramjet("send", topic, "a body", "--tag", "red", "--key", "k1")
    record, = pull_all(broker, group, topic)
    assert (record.body, record.tag, record.properties["KEYS"]) == (b"a body", "red", "k1")


def test_topics_of_the_system_are_listed_on_request(ramjet, topic):
    """Goal: the list has what people made; with --all also what brokers make for themselves."""
    servers.wait_until(lambda: topic in ramjet("topics").split(), what="the topic, registered")
    assert "SELF_TEST_TOPIC" not in ramjet("topics").split()
    assert {topic, "SELF_TEST_TOPIC"} <= set(ramjet("topics", "--all").split())
