"""What readers of old data cost with no broker between them and their files: as many bytes, read from the same files, sent over
the loopback and received. A load's answers beside that are the floor under those beside a broker's readers.
"""
import os
import socket
import threading
import time

STEP = 256 << 10  # as much as an answer to a pull has at most


class Relay:
    """Of `files` from their start to their end to each of `readers`, `bytes_per_s` to all together, while it is entered."""

    def __init__(self, files, readers, bytes_per_s):
        self.files, self.readers, self.step_s = files, readers, STEP * readers / bytes_per_s
        self.threads, self.is_stopping = [], threading.Event()

    def steps(self):
        """The files' bytes, again and again."""
        step = memoryview(bytearray(STEP))
        while True:
            for path in self.files:
                with open(path, "rb", buffering=0) as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
                    while got := file.readinto(step):
                        yield step[:got]

    def send(self, connection):
        due = time.monotonic()
        for step in self.steps():
            if self.is_stopping.wait(max(0, due - time.monotonic())):
                break
            connection.sendall(step)
            due += self.step_s
        connection.close()

    @staticmethod
    def receive(connection):
        into = bytearray(STEP)
        while connection.recv_into(into):
            pass
        connection.close()

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for _ in range(self.readers):
                client = socket.create_connection(listener.getsockname())
                self.threads += [threading.Thread(target=self.send, args=[listener.accept()[0]]),
                                 threading.Thread(target=self.receive, args=[client])]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_stopping.set()
        for thread in self.threads:
            thread.join()
