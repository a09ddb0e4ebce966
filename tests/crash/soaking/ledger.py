"""What was sent, acknowledged and delivered, in bounded memory; every contradiction is a violation.

A body says its kind and number, and the rest follows from them, so that a changed byte is seen without
keeping bodies. Numbers of a kind grow, each is sent once.

    acknowledged, not yet seen  -> must come, unless retention has passed its place in the log
    answered with an error      -> must not come
    no answer                   -> may come
"""

import random
from collections import OrderedDict

import mini_client as mq

FILLER = random.Random(1).randbytes(1 << 16)
KEPT = 60000  # of what is over, per kind or queue


def body_of(kind, number, size):
    head = b"%s:%d:%d:" % (kind.encode(), number, size)
    at = number * 7919 % (len(FILLER) - size)
    return head + FILLER[at:at + size]


def number_of(body):
    """Kind and number of a body; ValueError when a byte of it is wrong."""
    kind, number, size, _ = body.split(b":", 3)
    kind, number, size = kind.decode(), int(number), int(size)
    if body != body_of(kind, number, size):
        raise ValueError("body %r... is not what was sent" % body[:40])
    return kind, number


class Kept(OrderedDict):
    """A dict that forgets what is oldest."""

    def put(self, key, value=None):
        self[key] = value
        if len(self) > KEPT:
            self.popitem(last=False)


class Judge:
    """Counts, and writes violations down. `log_min`: where the log began at the latest look."""

    def __init__(self, note):
        self.note = note
        self.counts = {}
        self.violations = 0
        self.log_min = 0
        self.newest_phy = 0

    def count(self, what, by=1):
        self.counts[what] = self.counts.get(what, 0) + by

    def violation(self, what, **more):
        self.violations += 1
        if self.violations <= 200:
            self.note("violation", what=what, at_ms=mq.now_ms(), **more)

    def is_beyond_retention(self, phy_offset):
        return phy_offset < self.log_min

    def saw(self, phy_offset):
        self.newest_phy = max(self.newest_phy, phy_offset)


class Queue:
    """A queue that is read from its beginning on. The places of its messages are known from their answers."""

    def __init__(self, judge, kind, topic, queue_id):
        self.judge, self.kind, self.topic, self.queue_id = judge, kind, topic, queue_id
        self.waiting = {}   # place -> (number, phy_offset, when), acknowledged and not seen
        self.seen = Kept()  # place -> number
        self.refused = Kept()
        self.next = 0       # the first place nobody has read yet
        self.newest = 0     # the greatest number seen

    def acknowledged(self, place, number, phy_offset, now):
        self.judge.saw(phy_offset)
        self.judge.count("acked_" + self.kind)
        if place not in self.seen and place >= self.next:
            self.waiting[place] = (number, phy_offset, now)
        elif self.seen.get(place, number) != number:
            self.judge.violation("other message at an acknowledged place", topic=self.topic, queue=self.queue_id,
                                 place=place, sent=number, found=self.seen[place])

    def delivered(self, record, now):
        """A record that was read, at `next` or again."""
        place, (kind, number) = record.queue_offset, number_of(record.body)
        where = {"topic": self.topic, "queue": self.queue_id, "place": place, "number": number}
        if (kind, record.topic, record.queue_id) != (self.kind, self.topic, self.queue_id):
            self.judge.violation("message of another queue", found=kind, **where)
        if number in self.refused:
            self.judge.violation("refused, but stored", **where)
        if self.seen.get(place, number) != number:
            self.judge.violation("another message than before", before=self.seen[place], **where)
        if place < self.next:
            self.judge.count("read_again")
            return
        wanted = self.waiting.pop(place, None)
        if wanted and wanted[0] != number:
            self.judge.violation("other message at an acknowledged place", sent=wanted[0], **where)
        if number <= self.newest:
            self.judge.violation("out of order or twice", newest=self.newest, **where)
        self.judge.count("delivered_" + self.kind)
        self.newest = max(self.newest, number)
        self.seen.put(place, number)
        self.next = place + 1

    def skip_to(self, place):
        """The queue begins at `place` now: what stood before it must be beyond retention."""
        for lost in [at for at in self.waiting if at < place]:
            number, phy_offset, _ = self.waiting.pop(lost)
            self.judge_missing(lost, number, phy_offset)
        self.judge.count("places_skipped", max(place - self.next, 0))
        self.next = max(self.next, place)

    def judge_missing(self, place, number, phy_offset):
        if self.judge.is_beyond_retention(phy_offset):
            self.judge.count("expired_" + self.kind)
        else:
            self.judge.violation("acknowledged and lost", topic=self.topic, queue=self.queue_id, place=place,
                                 number=number, phy_offset=phy_offset, log_min=self.judge.log_min)

    def left(self):
        return len(self.waiting)

    def expire(self):
        """What is waited for in vain, because it was removed before it was read, is let go."""
        for place, (_, phy_offset, _) in list(self.waiting.items()):
            if self.judge.is_beyond_retention(phy_offset) and place < self.next:
                del self.waiting[place]
                self.judge.count("expired_" + self.kind)

    def end(self):
        for place, (number, phy_offset, _) in self.waiting.items():
            self.judge_missing(place, number, phy_offset)


class Later:
    """Messages that come to another place at another time: delayed, with a timer, of a transaction."""

    def __init__(self, judge, kind, may_repeat):
        self.judge, self.kind, self.may_repeat = judge, kind, may_repeat
        self.waiting = {}    # number -> (due ms, a position in the log it is not before)
        self.done = Kept()   # number -> place it came to
        self.due = Kept()    # number -> ms before which it must not come
        self.never = Kept()  # refused, rolled back
        self.forgotten = set()

    def sent(self, number, due_ms):
        self.due.put(number, due_ms)

    def acknowledged(self, number, phy_offset):
        """It must come."""
        self.judge.saw(phy_offset)
        self.judge.count("acked_" + self.kind)
        if number not in self.done:
            self.waiting[number] = (self.due.get(number, 0), phy_offset)

    def refused(self, number):
        self.never.put(number)

    def delivered(self, record):
        kind, number = number_of(record.body)
        where = {"kind": self.kind, "number": number, "queue": record.queue_id, "place": record.queue_offset}
        if kind != self.kind:
            self.judge.violation("message of another kind", found=kind, **where)
        if number in self.never:
            self.judge.violation("refused or rolled back, but delivered", **where)
        place = record.queue_id, record.queue_offset
        early_ms = self.due.get(number, 0) - max(record.store_ms, mq.now_ms())
        if early_ms > 0:
            self.judge.violation("early", by_ms=early_ms, **where)
        if number in self.done and self.done[number] != place:
            self.judge.count("repeated_" + self.kind)
            if not self.may_repeat:
                self.judge.violation("delivered twice", first=self.done[number], **where)
        elif number not in self.done:
            self.judge.count("delivered_" + self.kind)
            self.done.put(number, place)
        self.waiting.pop(number, None)

    def left(self):
        return len(self.waiting)

    def expire(self):
        for number, (due_ms, phy_offset) in list(self.waiting.items()):
            if self.judge.is_beyond_retention(phy_offset) and due_ms + 60000 < mq.now_ms():
                del self.waiting[number]
                self.judge.count("expired_" + self.kind)

    def end(self):
        for number, (due_ms, phy_offset) in self.waiting.items():
            if self.judge.is_beyond_retention(phy_offset):
                self.judge.count("expired_" + self.kind)
            else:
                self.judge.violation("acknowledged and lost", kind=self.kind, number=number, due_ms=due_ms,
                                     phy_offset=phy_offset, log_min=self.judge.log_min, now_ms=mq.now_ms())


class Pops:
    """Messages that are popped: waiting, out until some time, or done."""

    kind = "pop"

    def __init__(self, judge):
        self.judge = judge
        self.waiting = {}  # number -> phy_offset of its newest copy that was seen
        self.out = {}      # number -> invisible until, ms
        self.done = Kept()
        self.never = Kept()

    def acknowledged(self, number, phy_offset):
        self.judge.saw(phy_offset)
        self.judge.count("acked_pop")
        if number not in self.out and number not in self.done:
            self.waiting[number] = phy_offset

    def refused(self, number):
        self.never.put(number)

    def popped(self, popped, until_ms):
        """A message came, and is ours until then."""
        kind, number = number_of(popped.body)
        where = {"kind": self.kind, "number": number, "handle": popped.handle}
        if kind != self.kind or number in self.never:
            self.judge.violation("refused, but popped", found=kind, **where)
        if number in self.done:
            self.judge.violation("popped after it was acknowledged", at=self.done[number], **where)
        early_ms = self.out.get(number, 0) - mq.now_ms()
        if early_ms > 0:
            self.judge.violation("popped while it was invisible", by_ms=early_ms, **where)
        self.judge.count("popped_again" if number in self.out else "delivered_pop")
        self.out[number] = until_ms
        self.waiting[number] = popped.record.phy_offset
        self.judge.saw(popped.record.phy_offset)

    def acked(self, number, was_ours):
        """The ack was answered with 0; when the message was not surely ours any more, it may come again."""
        self.out.pop(number, None)
        self.waiting.pop(number, None)
        if was_ours:
            self.done.put(number, mq.now_ms())
        self.judge.count("acks_pop" if was_ours else "acks_pop_late")

    def ack_unanswered(self, number):
        """Nobody knows whether it counted: it may come again."""
        self.waiting.pop(number, None)
        self.judge.count("acks_pop_unanswered")

    def left(self):
        return len(self.waiting)

    def expire(self):
        for number, phy_offset in list(self.waiting.items()):
            if self.judge.is_beyond_retention(phy_offset) and self.out.get(number, 0) + 60000 < mq.now_ms():
                del self.waiting[number]
                self.judge.count("expired_pop")
        for number in [number for number, until_ms in self.out.items()
                       if number not in self.waiting and until_ms + 60000 < mq.now_ms()]:
            del self.out[number]

    def end(self):
        for number, phy_offset in self.waiting.items():
            if self.judge.is_beyond_retention(phy_offset):
                self.judge.count("expired_pop")
            else:
                self.judge.violation("acknowledged and lost", kind="pop", number=number, phy_offset=phy_offset,
                                     log_min=self.judge.log_min, out=self.out.get(number), now_ms=mq.now_ms())
