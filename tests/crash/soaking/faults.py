"""What the soak does to the broker and its disk, at random: kills, restarts, stops, and a disk that is full.

A run is a row of cycles, each a storm (something every half minute or so, kills among it) and a calm, in which
the broker lives long enough for growth and latency to be judged: it is stopped and continued there, and its disk
fills, but it is not killed.
"""

import asyncio
import os
import random
import signal
import time

STORM_PART, CYCLE_S = 0.4, 1200
BACK_WITHIN_S = 45
STORM = [("kill", 9), ("term", 4), ("stop", 4), ("full", 2)]
CALM = [("stop", 3), ("full", 1)]


class Faults:
    """Runs the schedule. `world` is told when something begins and when the broker serves again."""

    def __init__(self, world, broker, disk, seconds, seed):
        self.world, self.broker, self.disk = world, broker, disk
        self.seconds, self.draw = seconds, random.Random(seed)
        self.cycle_s = min(CYCLE_S, seconds / 2)

    def is_storm(self, since_begin_s):
        return since_begin_s % self.cycle_s < self.cycle_s * STORM_PART

    async def run(self, begin_s):
        while True:
            passed = time.monotonic() - begin_s
            is_storm = self.is_storm(passed)
            pause_s = self.draw.uniform(8, 70) if is_storm else self.draw.uniform(40, 150)
            pause_s = min(pause_s, self.cycle_s / 6)
            if passed + pause_s + 30 > self.seconds:
                return
            await asyncio.sleep(pause_s)
            table = STORM if self.is_storm(time.monotonic() - begin_s) else CALM
            what, = self.draw.choices([name for name, _ in table], [weight for _, weight in table])
            if what == "full" and not self.disk.kind:
                what = "stop"
            await self.one(what, table is STORM)

    async def one(self, what, may_kill):
        self.world.fault_begins(what)
        begin = time.monotonic()
        await getattr(self, what)(may_kill)
        quiet_s = time.monotonic() - begin
        back_s = await self.world.back_within(BACK_WITHIN_S)
        if back_s is None:
            self.world.judge.violation("sends do not go on", after=what, refusals=sorted(map(str, self.world.refusals)),
                                       log=self.broker.log_tail(1500))
            back_s = BACK_WITHIN_S
        self.world.fault_ends(what, quiet_s, back_s)

    async def kill(self, _=True):
        await asyncio.to_thread(self.broker.kill)
        await self.start()

    async def term(self, _=True):
        code = await asyncio.to_thread(self.broker.stop)
        if code != 0:
            self.world.judge.violation("SIGTERM ended badly", code=code, log=self.broker.log_tail(1500))
        await self.start()

    async def start(self):
        await asyncio.sleep(self.draw.uniform(0, 1))
        for attempt in range(3):
            try:
                await asyncio.to_thread(self.broker.start)
                self.world.judge.count("starts")
                return
            except RuntimeError as error:
                self.world.judge.violation("did not start", attempt=attempt, error=str(error)[-2000:])
                self.disk.release()
        raise SystemExit("the broker does not start")

    async def stop(self, _=True):
        """As a machine that stalls: SIGSTOP, and on again."""
        os.kill(self.broker.pid, signal.SIGSTOP)
        await asyncio.sleep(self.draw.uniform(0.5, 6))
        os.kill(self.broker.pid, signal.SIGCONT)

    async def full(self, may_kill):
        """The disk is full to the last block and stays so for a while, whatever the broker deletes. In storms the
        broker is killed and started on the full disk, too."""
        until = time.monotonic() + self.draw.uniform(5, 15)
        kill_at = time.monotonic() + 3 if may_kill and self.draw.random() < 0.5 else None
        while time.monotonic() < until:
            await asyncio.to_thread(self.disk.press)
            await asyncio.sleep(0.3)
            if kill_at and time.monotonic() > kill_at:
                kill_at = None
                self.world.judge.count("kills_on_a_full_disk")
                await self.kill()
        await asyncio.to_thread(self.disk.release)
