"""A control group of its own for a server, with a limit of memory: the kernel's own measure of what it takes, the
page cache included (RLIMIT_AS counts addresses, and the log's files are mapped whole).

Version 2 where the memory controller can be had, else version 1. unavailable() says why neither can.
"""

import os
import re
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def _own(controller):
    """The path of this process's group in the tree of a controller of version 1; "" is version 2."""
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") if controller else controllers == "":
            return path.lstrip("/")
    return None


def _places():
    """(directory to make a group in, file of the limit, file of the highest use) that may do."""
    unified = _own("")
    if unified is not None and (ROOT / "cgroup.controllers").exists():
        # a group with processes in it gives no controllers to groups below it: so beside our own
        yield (ROOT / unified).parent if unified else ROOT, "memory.max", "memory.peak"
    memory = _own("memory")
    if memory is not None:
        yield ROOT / "memory" / memory, "memory.limit_in_bytes", "memory.max_usage_in_bytes"


class ControlGroup:
    """with ControlGroup("name", bytes) as group: servers.Broker(..., group=group)"""

    def __init__(self, name, limit_bytes):
        self.name, self.limit_bytes, self.path = "%s-%d" % (name, os.getpid()), limit_bytes, None

    def __enter__(self):
        why = []
        for parent, limit, peak in _places():
            path = parent / self.name
            try:
                path.mkdir()
            except OSError as error:
                why.append(str(error))
                continue
            try:
                with open(path / limit, "r+", encoding="ascii") as file:
                    file.write(str(self.limit_bytes))
            except OSError as error:
                why.append(str(error))
                path.rmdir()
                continue
            self.path, self.peak_file = path, path / peak
            return self
        raise OSError("; ".join(why) or "there is no memory controller")

    def __exit__(self, *_):
        self.path.rmdir()

    def enter(self):
        """Puts the calling process in it."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def kills(self):
        """How many processes the kernel has killed for want of memory."""
        events = self.path / "memory.events"
        text = (events if events.exists() else self.path / "memory.oom_control").read_text(encoding="ascii")
        return int(re.search(r"^oom_kill (\d+)", text, re.M).group(1))

    def peak_bytes(self):
        """The most that was in use; None where the kernel does not say."""
        return int(self.peak_file.read_text(encoding="ascii")) if self.peak_file.exists() else None


def unavailable():
    """Why no group can be made here, or None."""
    try:
        with ControlGroup("ramjet-try", 64 << 20):
            return None
    except OSError as error:
        return "no control group of memory can be made: %s" % error
