"""Memory as a broker has it that has run for a day: full of what the page cache keeps and can let go.

Memory that is free costs more on a virtual machine: the one beneath has taken it back, and gives it again page by page. What a
row removes is free again, so this is asked for before each.
"""
import concurrent.futures
import os
import time
from pathlib import Path

FREE_BYTES = 512 << 20  # is left; the kernel keeps some of it at all times
PIECE_BYTES = 1 << 20
THREADS = 2
HOLES_BYTES = 1 << 40


def free_bytes():
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemFree:"))


class PageCache:
    """Filled by reading a file without blocks, of which each part is read once: nothing waits for a disk."""

    def __init__(self, directory):
        self.path, self.at = Path(directory) / "holes", 0

    def fill(self, most_s):
        """Until memory is full or most_s have passed."""
        until = time.monotonic() + most_s
        with open(self.path, "ab") as file:
            file.truncate(HOLES_BYTES)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            while time.monotonic() < until and (wanted := free_bytes() - FREE_BYTES) >= PIECE_BYTES:
                pieces = range(self.at, self.at + min(wanted, 256 * PIECE_BYTES), PIECE_BYTES)
                self.at = pieces[-1] + PIECE_BYTES
                list(pool.map(self.read, (pieces[i::THREADS] for i in range(THREADS))))

    def read(self, pieces):
        with open(self.path, "rb", buffering=0) as file:
            buffer = bytearray(PIECE_BYTES)
            for at in pieces:
                os.preadv(file.fileno(), [buffer], at)
