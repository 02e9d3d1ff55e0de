"""The event stream as a client reads it, strictly: our writer is to be plain, so nothing is forgiven."""

import json
import time
from dataclasses import dataclass, field

from .waiting import LIMIT


@dataclass
class Event:
    """One block of the stream. A comment is an event of the type `comment`."""

    type: str = "message"
    data: str = ""
    id: str | None = None
    # time.monotonic() when its last byte came.
    at: float = field(default=0, compare=False)

    @property
    def json(self):
        return json.loads(self.data)

    @property
    def token(self):
        return self.json["token"]

    @property
    def is_terminal(self):
        return self.type in ("done", "error")

    @classmethod
    def parse(cls, block, at):
        event, data = cls(at=at), None
        for line in block.decode("utf-8").split("\n"):
            name, colon, value = line.partition(": ")
            assert colon, f"no field: {line!r}"
            assert "\r" not in line and "\0" not in line, f"a control character: {line!r}"
            match name:
                case "":
                    event.type, event.data = "comment", value
                case "data":
                    assert data is None, f"two data lines: {block!r}"
                    data = value
                case "event":
                    event.type = value
                case "id":
                    event.id = value
                case _:
                    raise AssertionError(f"an unknown field: {line!r}")
        if data is not None:
            event.data = data
        assert data is not None or event.type == "comment", f"an event without data: {block!r}"
        return event


class EventReader:
    """Events of a body. `more(limit)` gives the next bytes of it, empty at its end."""

    def __init__(self, more):
        self._more = more
        self._rest = b""
        self._at = 0.0
        # Every event so far.
        self.seen = []

    def next(self, limit=LIMIT):
        """The next event; None at the end of the body."""
        end = time.monotonic() + limit
        while b"\n\n" not in self._rest:
            bytes_ = self._more(max(0.01, end - time.monotonic()))
            self._at = time.monotonic()
            if not bytes_:
                assert not self._rest, f"the body ends inside an event: {self._rest[-200:]!r}"
                return None
            self._rest += bytes_
        block, _, self._rest = self._rest.partition(b"\n\n")
        self.seen.append(Event.parse(block, self._at))
        return self.seen[-1]

    def next_token(self, limit=LIMIT):
        """The text of the next token, over comments."""
        while (event := self.next(limit)) is not None and event.type == "comment":
            continue
        assert event is not None and event.type == "message", f"a token was due, but {event} came"
        return event.token

    def to_end(self, limit=LIMIT):
        """All events to the end of the body; `limit` is for each of them."""
        # Many at once: a flood of small events is split in one go.
        while True:
            *blocks, self._rest = self._rest.split(b"\n\n")
            self.seen += [Event.parse(block, self._at) for block in blocks]
            bytes_ = self._more(limit)
            self._at = time.monotonic()
            if not bytes_:
                assert not self._rest, f"the body ends inside an event: {self._rest[-200:]!r}"
                return Events(self.seen)
            self._rest += bytes_


class Events(list):
    """A whole stream."""

    @property
    def text(self):
        # Joined as JSON, since a surrogate pair may be split over two tokens.
        joined = "".join(event.data.removeprefix('{"token":"').removesuffix('"}') for event in self.of("message"))
        return json.loads(f'"{joined}"')

    @property
    def tokens(self):
        return [event.token for event in self.of("message")]

    def of(self, type_):
        return [event for event in self if event.type == type_]

    @property
    def terminal(self):
        """The terminal event; there must be exactly one, and nothing behind it."""
        terminals = [event for event in self if event.is_terminal]
        assert len(terminals) == 1, f"{len(terminals)} terminal events: {terminals}"
        assert self[-1] is terminals[0], f"something follows the terminal event: {self[-1]}"
        return terminals[0]

    @property
    def done(self):
        assert self.terminal.type == "done", f"the stream failed: {self.terminal.data}"
        return self.terminal.json

    @property
    def error(self):
        assert self.terminal.type == "error", f"the stream did not fail: {self.terminal.data}"
        return self.terminal.json


def numbers(tokens):
    """The numbers at the front of the mock's tokens."""
    return [int(token.partition(":")[0]) for token in tokens]
