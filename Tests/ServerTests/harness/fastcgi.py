"""FastCGI from the web server's side, byte by byte: well-formed records, and any others."""

import json
import struct
from dataclasses import dataclass, field

from .events import EventReader
from .waiting import LIMIT, connect

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR, DATA = range(1, 9)
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
REQUEST_COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE = range(4)


def record(type_, content=b"", request_id=1, padding=0, version=1):
    return struct.pack("!BBHHBx", version, type_, request_id, len(content), padding) + content + b"\0" * padding


def begin(request_id=1, role=RESPONDER, keep=False):
    return record(BEGIN_REQUEST, struct.pack("!HB5x", role, keep), request_id)


def length(number, long=False):
    return struct.pack("!I", number | 1 << 31) if long or number > 127 else bytes([number])


def pairs(items):
    """Names and values as FastCGI writes them."""
    parts = []
    for name, value in items.items() if isinstance(items, dict) else items:
        name, value = _bytes(name), _bytes(value)
        parts += [length(len(name)), length(len(value)), name, value]
    return b"".join(parts)


def read_pairs(content):
    result, position = [], 0

    def read_length():
        nonlocal position
        if content[position] < 128:
            position += 1
            return content[position - 1]
        position += 4
        return struct.unpack("!I", content[position - 4 : position])[0] & 0x7FFFFFFF

    while position < len(content):
        name, value = read_length(), read_length()
        result.append((content[position : position + name], content[position + name : position + name + value]))
        position += name + value
    assert position == len(content), "a name or a value ends behind its record"
    return result


def stream(type_, content, request_id=1, piece=65535, padding=0):
    """A stream of records with its empty one at the end."""
    parts = [content[start : start + piece] for start in range(0, len(content), piece)]
    return b"".join(record(type_, part, request_id, padding) for part in parts) + record(type_, b"", request_id)


def params(method="GET", path="/ping", query="", body=b"", **more):
    """What nginx would tell of a request."""
    result = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": "application/json" if method == "POST" else "",
        "CONTENT_LENGTH": str(len(body)) if method == "POST" else "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
    }
    return result | more


def request(
    method="GET", path="/ping", body=b"", *, request_id=1, keep=False, role=RESPONDER, piece=65535, padding=0, **more
):
    """All records of a request."""
    content = pairs(params(method, path, body=body, **more))
    return (
        begin(request_id, role, keep)
        + stream(PARAMS, content, request_id, piece, padding)
        + stream(STDIN, body, request_id, piece, padding)
    )


def _bytes(text):
    return text.encode() if isinstance(text, str) else text


@dataclass
class Response:
    """What the application said to one request."""

    stdout: bytes = b""
    stderr: bytes = b""
    app_status: int | None = None
    protocol_status: int | None = None
    # The types of its records, in order.
    types: list = field(default_factory=list)

    @property
    def is_complete(self):
        return self.protocol_status is not None

    @property
    def head(self):
        head, blank, _ = self.stdout.partition(b"\r\n\r\n")
        assert blank, f"no whole head: {self.stdout[:500]!r}"
        return dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))

    @property
    def status(self):
        return int(self.head.get("Status", "200").split()[0])

    @property
    def body(self):
        return self.stdout.partition(b"\r\n\r\n")[2]


class FastCGI:
    """A connection to an application. Its reader holds the application to the specification."""

    def __init__(self, address, limit=LIMIT, receive_buffer=None):
        self.limit = limit
        self.socket = connect(address, limit, receive_buffer)
        self._input = b""
        # All bytes that came.
        self.received = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, bytes_):
        self.socket.sendall(bytes_)

    def send_as_far_as_possible(self, bytes_):
        """An application may cut us off in the middle of it."""
        try:
            self.socket.sendall(bytes_)
        except (BrokenPipeError, ConnectionResetError):
            return

    def ask(self, *arguments, **more):
        self.send(request(*arguments, **more))
        return self.response(more.get("request_id", 1))

    def _fill(self, count, limit):
        while len(self._input) < count:
            self.socket.settimeout(limit or self.limit)
            try:
                bytes_ = self.socket.recv(1 << 16)
            except TimeoutError:
                raise AssertionError(f"nothing came within {limit or self.limit:g} s") from None
            except ConnectionResetError:
                bytes_ = b""
            if not bytes_:
                return False
            self.received += len(bytes_)
            self._input += bytes_
        return True

    def record(self, limit=None):
        """The next record's type, request id and content; None at the end of the connection."""
        if not self._fill(8, limit):
            assert not self._input, f"the connection ends inside a header: {self._input!r}"
            return None
        version, type_, request_id, size, padding = struct.unpack("!BBHHB", self._input[:7])
        assert version == 1, f"a record of version {version}"
        assert self._fill(8 + size + padding, limit), "the connection ends inside a record"
        content, self._input = self._input[8 : 8 + size], self._input[8 + size + padding :]
        return type_, request_id, content

    def response(self, request_id=1, limit=None):
        """The records of one request up to its END_REQUEST, or to the end of the connection."""
        response = Response()
        while (next_ := self.record(limit)) is not None:
            type_, record_id, content = next_
            assert record_id == request_id, f"a record of the request {record_id} within that of {request_id}"
            response.types.append(type_)
            match type_:
                case 6:
                    response.stdout += content
                case 7:
                    response.stderr += content
                case 3:
                    assert len(content) == 8, f"END_REQUEST of {len(content)} bytes"
                    response.app_status, response.protocol_status = struct.unpack("!IB3x", content)
                    return response
                case _:
                    raise AssertionError(f"a record of type {type_} in an answer")
        return response

    def events(self):
        """The event stream of the running request; its head is read first."""
        head = b""
        while b"\r\n\r\n" not in head:
            part = self._stdout(self.limit)
            assert part, f"the answer ends inside its head: {head!r}"
            head += part
        head, _, rest = head.partition(b"\r\n\r\n")
        assert head.startswith(b"Status: 200 "), (head, rest)
        waiting = [rest] if rest else []
        return EventReader(lambda limit: waiting.pop() if waiting else self._stdout(limit))

    def _stdout(self, limit):
        """The next content of STDOUT; empty at the end of the request or the connection."""
        while (next_ := self.record(limit)) is not None:
            type_, _, content = next_
            if type_ == STDOUT and content:
                return content
            if type_ == END_REQUEST:
                return b""
        return b""

    def is_cut_off(self, limit=None):
        """Waits for the application to close the connection, whatever it says before."""
        while True:
            if not self._fill(len(self._input) + 1, limit):
                return True


def begin_stream(address, prompt, path="/stream", *, keep=False, **more):
    """A connection on which a generation has begun, by POST."""
    connection = FastCGI(address, receive_buffer=more.pop("receive_buffer", None))
    body = json.dumps({"prompt": prompt}).encode()
    connection.send(request("POST", path, body, keep=keep, **more))
    return connection
