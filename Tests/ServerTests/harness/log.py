"""Where the log goes beside standard error: a file, and daemons' sockets."""

import json
import re
import socket
import struct
import threading

from .waiting import wait_until
from .worker import logfmt

LOST = re.compile(r"(\d+) log lines? (?:was|were) lost")


class Log:
    """One file of the log."""

    def __init__(self, path):
        self.path = path

    def text(self):
        return self.path.read_text("utf-8") if self.path.exists() else ""

    def lines(self):
        return [json.loads(line) if line.startswith("{") else logfmt(line) for line in self.text().splitlines()]

    def requests(self):
        return [line for line in self.lines() if line["msg"] == "request"]

    def wait_for(self, text):
        wait_until(lambda: text in self.text(), f"{self.path} has {text!r}")

    def request(self, request_id):
        self.wait_for(request_id)
        return next(line for line in self.requests() if line["id"] == request_id)

    def lost(self):
        return sum(int(number) for number in LOST.findall(self.text()))


class Daemon:
    """A log daemon's datagram socket. `reads=False`: it takes nothing until `read` is called."""

    def __init__(self, path, reads=True):
        self.path = path
        self.datagrams = []
        self._socket = self._thread = None
        self.start(reads)

    def start(self, reads=True):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.path.chmod(0o666)
        if reads:
            self.read()

    def read(self):
        self._thread = threading.Thread(target=self._read, args=(self._socket,), daemon=True)
        self._thread.start()

    def stop(self, leaves_file=False):
        self.__exit__()
        if not leaves_file:
            self.path.unlink()

    def _read(self, listener):
        while True:
            datagram = listener.recv(1 << 18)
            if not datagram:
                return
            self.datagrams.append(datagram)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._socket.fileno() < 0:
            return
        # Wakes the thread that waits in recv.
        self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread:
            self._thread.join(30)
        self._socket.close()

    def wait_for(self, text):
        wait_until(lambda: any(text.encode() in each for each in list(self.datagrams)), f"the daemon has {text!r}")
        return next(each for each in list(self.datagrams) if text.encode() in each)

    def lost(self):
        return sum(int(number) for each in list(self.datagrams) for number in LOST.findall(each.decode())[:1])


def journal_fields(datagram):
    """The native protocol's, as systemd documents it."""
    fields, rest = {}, datagram
    while rest:
        line, newline, rest = rest.partition(b"\n")
        assert newline, "a field without its end"
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", rest[:8])
            value, end, rest = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert end == b"\n"
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]*", name), name
        assert name not in fields
        fields[name.decode()] = value.decode()
    return fields


SYSLOG = re.compile(r"<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) sheepfcgi\[(\d+)\]: (.*)")


def syslog_parts(datagram):
    """Priority, time, pid and text."""
    match = SYSLOG.fullmatch(datagram.decode())
    assert match, datagram
    return int(match[1]), match[2], int(match[3]), match[4]
