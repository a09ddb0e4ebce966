"""Threads that keep a broker busy until it dies: what crash tests do while they kill it."""

import random
import threading
import time

import mini_client as mq

ENOUGH_S = 120


class UntilDead(threading.Thread):
    """Calls `step()` over and over until the broker's connection ends. Subclasses count what matters in `count`."""

    def __init__(self, connection, seed=0):
        super().__init__()
        self.connection = connection
        self.random = random.Random(seed)
        self.count = 0
        self.error = None
        self.counted = threading.Event()

    def step(self):
        raise NotImplementedError

    def run(self):
        try:
            while True:
                self.step()
        except (mq.Closed, OSError):
            pass
        except Exception as error:  # shown by the test's thread
            self.error = error
        self.counted.set()

    def count_one(self):
        self.count += 1
        self.counted.set()

    def wait(self, count, seconds=ENOUGH_S):
        """Until so many were counted."""
        deadline = time.monotonic() + seconds
        while self.count < count:
            assert time.monotonic() < deadline and self.is_alive(), (self.count, self.error)
            self.counted.clear()
            if self.count < count and self.is_alive():
                self.counted.wait(1)

    def run_until(self, count, end):
        """Starts, calls `end` when `count` were counted, and waits until it has noticed."""
        self.start()
        self.wait(count)
        end()
        self.join(ENOUGH_S)
        assert not self.is_alive() and self.error is None, self.error


class Pipeline(UntilDead):
    """Keeps `under_way` requests on one connection. `ask()` gives the next one: fields, body, and what `acked` is to be
    told with its answer. Counts answers with 0."""

    code = 310
    under_way = 16
    may_be_refused = False

    def __init__(self, connection, seed=0):
        super().__init__(connection, seed)
        self.waiting = []

    def ask(self):
        raise NotImplementedError

    def acked(self, answer, what):
        raise NotImplementedError

    def step(self):
        while len(self.waiting) < self.under_way:
            fields, body, what = self.ask()
            self.waiting.append((self.connection.send(self.code, fields, body), what))
        opaque, what = self.waiting.pop(0)
        answer = self.connection.receive(opaque)
        if answer.code != 0 and self.may_be_refused:
            return
        assert answer.code == 0, answer.remark
        self.acked(answer, what)
        self.count_one()


def place_of(answer):
    return int(answer.ext["queueId"]), int(answer.ext["queueOffset"])
