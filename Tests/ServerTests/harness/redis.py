"""A Redis of the test's own, and things that only look like one."""

import shutil
import signal
import socket
import subprocess
import threading

import pytest

from .process import Process, environment
from .waiting import is_listening, wait_until


class Redis(Process):
    """redis-server on a Unix socket in its folder, or on a port; it keeps nothing."""

    def __init__(self, directory, *arguments, port=0):
        self.socket_path = directory / "redis.sock"
        self.address = ("127.0.0.1", port) if port else self.socket_path
        words = [shutil.which("redis-server"), "--port", port, "--unixsocket", self.socket_path, "--save", ""]
        words += ["--bind", "127.0.0.1", "--appendonly", "no", "--dir", directory, *arguments]
        super().__init__(words, name="redis-server", directory=directory)
        try:
            wait_until(lambda: self.has_ended() or is_listening(self.address), "redis listens")
            assert not self.has_ended(), f"redis-server did not start:\n{self.log()}"
        except BaseException:
            self.may_end = True
            self.stop()
            raise

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.address[1]}" if isinstance(self.address, tuple) else f"unix:{self.address}"

    def command(self, *words):
        """What redis-cli prints."""
        return subprocess.run(
            [shutil.which("redis-cli"), "-s", self.socket_path, *map(str, words)],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.strip()

    def names(self):
        return sorted(self.command("KEYS", "*").split())

    def streams(self):
        """Leases of running streams, over all clients and keys."""
        return sum(int(self.command("ZCARD", name)) for name in self.names() if name.endswith(":streams"))

    def end(self):
        self.may_end = True
        self.popen.terminate()
        self.popen.wait(30)


class Paused:
    """Stands still, with its connections open."""

    def __init__(self, redis):
        self._redis = redis

    def __enter__(self):
        self._redis.signal(signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        self._redis.signal(signal.SIGCONT)


class Impostor:
    """Accepts on a port, and sends `answer` once to whoever says something; nothing if it is None."""

    def __init__(self, answer=None):
        self._answer = answer
        self._connections = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self):
        try:
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self.accepted += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            return

    def _serve(self, connection):
        try:
            if connection.recv(1 << 16) and self._answer is not None:
                connection.sendall(self._answer)
                # It stays open: the worker is to leave.
                while connection.recv(1 << 16):
                    continue
        except OSError:
            return


@pytest.fixture
def redis(sites):
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    return sites.keep(Redis(sites.directory()))
