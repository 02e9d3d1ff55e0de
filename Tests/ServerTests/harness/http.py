"""An HTTP client over a raw socket: it shows when each byte came, and whether the body was whole."""

import json
import socket
import time
import urllib.parse

from .events import EventReader
from .waiting import LIMIT, connect


class Chunks:
    """Undoes the chunked transfer coding."""

    def __init__(self):
        self._input, self._left, self._state = b"", 0, "size"
        self.has_ended = False

    def take(self, bytes_):
        """What these bytes hold of the body."""
        input_, position, parts = self._input + bytes_, 0, []
        while not self.has_ended:
            if self._state == "size":
                end = input_.find(b"\r\n", position)
                if end < 0:
                    break
                self._left = int(input_[position:end], 16)
                position = end + 2
                self._state = "data" if self._left else "end"
            elif self._state == "data":
                part = input_[position : position + self._left]
                parts.append(part)
                position += len(part)
                self._left -= len(part)
                if self._left:
                    break
                self._state = "gap"
            else:
                if len(input_) - position < 2:
                    break
                assert input_[position : position + 2] == b"\r\n"
                position += 2
                self.has_ended = self._state == "end"
                self._state = "size"
        self._input = input_[position:]
        return b"".join(parts)


class Answer:
    """One request and its answer as it comes. Whoever closes it leaves."""

    def __init__(self, address, method, target, headers=None, body=b"", *, receive_buffer=None, limit=LIMIT):
        self.limit = limit
        # Whether the body ended as HTTP says it must.
        self.is_whole = False
        self.events = EventReader(self.more)
        self._input = b""
        self._head = None
        self.socket = connect(address, limit, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = time.monotonic()
        try:
            self.socket.sendall(request_bytes(address, method, target, headers, body))
        except (BrokenPipeError, ConnectionResetError):
            # A body that is too large: the answer comes before its end.
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # The head

    def head(self):
        if self._head is not None:
            return self._head
        while b"\r\n\r\n" not in self._input:
            bytes_ = self._receive(self.limit)
            assert bytes_, f"the connection ended before the head: {self._input!r}"
            self._input += bytes_
        head, _, self._input = self._input.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self._status = int(first.split()[1])
        self._head = [tuple(line.split(": ", 1)) for line in lines]
        length = self.header("Content-Length")
        self._left = 0 if self._status in (204, 304) else None if length is None else int(length)
        self._chunks = Chunks() if self.header("Transfer-Encoding") == "chunked" else None
        if self._chunks:
            self._input = self._chunks.take(self._input)
        return self._head

    @property
    def status(self):
        self.head()
        return self._status

    def header(self, name):
        """Its value, None if there is none; it must not be there twice."""
        values = [value for field, value in self.head() if field.lower() == name.lower()]
        assert len(values) < 2, f"{name} is there {len(values)} times"
        return values[0] if values else None

    @property
    def request_id(self):
        return self.header("X-Request-Id")

    # The body

    def more(self, limit=None):
        """The next bytes of the body; empty at its end."""
        self.head()
        while not self._input:
            if self._chunks.has_ended if self._chunks else self._left == 0:
                self.is_whole = True
                return b""
            bytes_ = self._receive(limit or self.limit)
            if not bytes_:
                self.is_whole = self._chunks is None and self._left is None
                return b""
            self._input = self._chunks.take(bytes_) if self._chunks else bytes_
        part, self._input = self._input, b""
        if self._left is not None:
            self._left -= len(part)
        return part

    def body(self):
        parts = []
        while part := self.more():
            parts.append(part)
        return b"".join(parts)

    def json(self):
        return json.loads(self.body())

    def _receive(self, limit):
        self.socket.settimeout(limit)
        try:
            return self.socket.recv(1 << 18)
        except TimeoutError:
            raise AssertionError(f"nothing came within {limit:g} s") from None
        except ConnectionResetError:
            return b""

    # An event stream

    def next_event(self, limit=LIMIT):
        self._expect_stream()
        return self.events.next(limit)

    def next_token(self, limit=LIMIT):
        self._expect_stream()
        return self.events.next_token(limit)

    def all_events(self, limit=LIMIT):
        """The whole stream, which must end as HTTP says."""
        self._expect_stream()
        events = self.events.to_end(limit)
        assert self.is_whole, "the connection broke inside the stream"
        return events

    def _expect_stream(self):
        if self._head is None and self.status != 200:
            raise AssertionError(f"a stream was due, but {self.status} came: {self.body()!r}")

    # A failure

    def problem(self, status, kind):
        """The body of a failure that came before any output, which must be of this status and this error type."""
        body = self.body()
        assert self.status == status, f"{self.status} instead of {status}: {body[:2000]!r}"
        assert self.header("Content-Type") == "application/problem+json"
        problem = json.loads(body)
        assert problem["type"].endswith(f":{kind}") or problem["type"].endswith(f"/{kind}"), problem
        assert problem["status"] == status
        assert problem["title"] and problem["detail"]
        assert isinstance(problem["retryable"], bool)
        return problem


    def chat_error(self, status, kind):
        """The same below /v1, where OpenAI's clients read it."""
        body = self.body()
        assert self.status == status, f"{self.status} instead of {status}: {body[:2000]!r}"
        assert self.header("Content-Type") == "application/json"
        error = json.loads(body)["error"]
        assert error["code"] == kind, error
        assert error["message"] and error["type"]
        return error


def request_bytes(address, method, target, headers=None, body=b""):
    fields = {"Host": f"{address[0]}:{address[1]}", "Connection": "close"}
    if body or method == "POST":
        fields["Content-Length"] = str(len(body))
    fields |= headers or {}
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def query(path, **values):
    return path + "?" + urllib.parse.urlencode(values)
