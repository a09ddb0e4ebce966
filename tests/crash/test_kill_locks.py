"""Locks of ordered consumers die with the broker, as the reference's do: whoever asks first afterwards has the queue."""

import random
import signal

import pytest

LOCK, UNLOCK = 41, 42
GROUPS, CLIENTS, QUEUES, LIVES, STEPS = ("g", "h"), ("alice", "bob", "carol"), 4, 4, 40


@pytest.mark.parametrize("seed", range(2))
def test_random_locks_agree_with_the_model(broker, seed):
    """Goal: however clients lock and release, and however often the broker is stopped and killed in between, each queue
    of a group is one client's at most, and nobody's after a start.
    Method: random requests of up to all queues beside a table of owners."""
    draw = random.Random(seed)
    for _ in range(LIVES):
        broker.start()
        owners = {}
        with broker.connect() as connection:
            for _ in range(STEPS):
                group, client = draw.choice(GROUPS), draw.choice(CLIENTS)
                queues = draw.sample(range(QUEUES), draw.randint(1, QUEUES))
                body = {"consumerGroup": group, "clientId": client, "onlyThisBroker": draw.random() < 0.5,
                        "mqSet": [{"topic": "t", "brokerName": "broker-a", "queueId": q} for q in queues]}
                if draw.random() < 0.3:
                    assert connection.call(UNLOCK, body=body).code == 0
                    owners = {at: who for at, who in owners.items()
                              if at[0] != group or at[1] not in queues or who != client}
                    continue
                free = {q for q in queues if owners.get((group, q), client) == client}
                got = {q["queueId"] for q in connection.call(LOCK, body=body).json()["lockOKMQSet"]}
                assert got == free
                owners.update({(group, q): client for q in free})
        broker.stop(draw.choice((signal.SIGTERM, signal.SIGKILL)))
