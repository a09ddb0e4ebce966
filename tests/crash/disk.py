"""A small disk of one's own: to be filled to the last block, or to lose its power. Takes the right to mount."""

import errno
import fcntl
import os
import struct
import subprocess
from pathlib import Path

LOOP, MEMORY = "ext4 on a loop device", "tmpfs"
EXT4_IOC_SHUTDOWN, WITHOUT_FLUSHING_THE_JOURNAL = 0x8004587D, 2


class Disk:
    """A file system of its own for a store, mounted at `mount`; `kind` says what it is, None when that is not allowed."""

    def __init__(self, directory, megabytes):
        self.directory, self.bytes = Path(directory), megabytes << 20
        self.mount, self.image = self.directory / "mnt", self.directory / "disk.img"
        self.kind = None
        self.ballast = None

    def __enter__(self):
        self.mount.mkdir(parents=True)
        with open(self.image, "wb") as file:
            file.truncate(self.bytes)
        if self._can("mkfs.ext4", "-q", "-F", "-m", "0", self.image) and self._mount_image():
            self.kind = LOOP
        elif self._can("mount", "-t", "tmpfs", "-o", "size=%d" % self.bytes, "ramjet", self.mount):
            self.kind = MEMORY
        return self

    def _mount_image(self):
        return self._can("mount", "-o", "loop", self.image, self.mount)

    @staticmethod
    def _can(*command):
        try:
            return subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode == 0
        except OSError:
            return False

    def __exit__(self, *_):
        self.release()
        if self.kind:
            self._can("umount", self.mount)
        self.image.unlink(missing_ok=True)

    def lose_power(self):
        """From now on nothing reaches the disk: what was not synced is gone, calls fail with EIO. Loop device only.
        With restore(), after every process has let go, the disk is as after a power cut."""
        assert self.kind == LOOP
        directory = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_JOURNAL))
        finally:
            os.close(directory)

    def restore(self):
        """The power is back: the file system recovers from its journal."""
        if not (self._can("umount", self.mount) and self._mount_image()):
            raise OSError("%s cannot be mounted again" % self.image)

    def press(self):
        """Takes whatever is free."""
        if self.ballast is None:
            self.ballast = os.open(self.mount / "ballast", os.O_CREAT | os.O_RDWR, 0o600)
        size = 64 << 20
        while size >= 4096:
            try:
                os.posix_fallocate(self.ballast, os.fstat(self.ballast).st_size, size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2

    def release(self):
        if self.ballast is not None:
            os.close(self.ballast)
            (self.mount / "ballast").unlink()
            self.ballast = None

    def used_percent(self):
        disk = os.statvfs(self.mount)
        return 100.0 * (disk.f_blocks - disk.f_bfree) / max(disk.f_blocks, 1)
