"""Connections of the soak: many requests under way on each, one thread for all (asyncio).

Answers are handed to a callback; None stands for "the connection broke before an answer came".
"""

import asyncio
import os
import socket
import struct
import subprocess
import sys

import mini_client as mq

ECHO_SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while data := peer.recv(65536):
    peer.sendall(data)
"""


class Link(asyncio.Protocol):
    """A connection. `pushed(frame)` is called with requests of the server."""

    def __init__(self, kind=mq.JSON, pushed=None):
        self.kind, self.pushed = kind, pushed
        self.transport = None
        self.buffer = bytearray()
        self.waiting = {}
        self.opaque = 0
        self.is_open = False
        self.is_held = False  # the peer does not read: nothing more is written

    @classmethod
    async def open(cls, address, **how):
        loop = asyncio.get_running_loop()
        _, link = await asyncio.wait_for(loop.create_connection(lambda: cls(**how), *address), 5)
        return link

    def connection_made(self, transport):
        self.transport, self.is_open = transport, True
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=1 << 20)

    def pause_writing(self):
        self.is_held = True

    def resume_writing(self):
        self.is_held = False

    def data_received(self, data):
        self.buffer += data
        at = 0
        while len(self.buffer) - at >= 4:
            size = struct.unpack_from(">i", self.buffer, at)[0]
            if not 4 <= size <= mq.MAX_FRAME_BYTES:
                raise mq.ProtocolError("frame length %d" % size)
            if len(self.buffer) - at < 4 + size:
                break
            self._take(mq.decode(bytes(self.buffer[at + 4:at + 4 + size])))
            at += 4 + size
        del self.buffer[:at]

    def _take(self, frame):
        if frame.flag & mq.RESPONSE:
            done = self.waiting.pop(frame.opaque, None)
            if done:
                done(frame)
        elif self.pushed:
            self.pushed(frame)

    def connection_lost(self, _):
        self.is_open = False
        waiting, self.waiting = self.waiting, {}
        for done in waiting.values():
            done(None)

    def send(self, code, ext, body=b"", done=None):
        """A request; without `done` it is one-way."""
        self.opaque += 1
        if done:
            self.waiting[self.opaque] = done
        self.transport.write(mq.encode(mq.Frame(code, ext, body, self.opaque, 0 if done else mq.ONEWAY,
                                                kind=self.kind)))

    async def call(self, code, ext=None, body=b"", timeout=10.0):
        """The answer; None when the connection broke or nothing came in time (it is closed then)."""
        if not self.is_open:
            return None
        answer = asyncio.get_running_loop().create_future()
        self.send(code, ext or {}, body, lambda frame: answer.done() or answer.set_result(frame))
        try:
            return await asyncio.wait_for(answer, timeout)
        except asyncio.TimeoutError:
            self.close()
            return None

    def close(self):
        if self.transport:
            self.transport.abort()


class EchoLink(asyncio.Protocol):
    """Sends a block and calls back when it has come back whole, one at a time."""

    def __init__(self):
        self.transport = self.done = None
        self.missing = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.missing -= len(data)
        if self.missing <= 0 and self.done:
            done, self.done = self.done, None
            done()

    def send(self, block, done):
        self.missing, self.done = len(block), done
        self.transport.write(block)


def start_echo_server():
    """The process and its port. It ends by itself when its peer closes."""
    process = subprocess.Popen([sys.executable, "-c", ECHO_SERVER], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               env=os.environ, text=True)
    return process, int(process.stdout.readline())
