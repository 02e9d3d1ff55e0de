"""A provider whose every byte the test sends itself."""

import json
import queue
import socket
import struct
import threading

from .waiting import LIMIT, wait_until


class ScriptedProvider:
    """Listens; each request becomes a `Call` in the test's hands."""

    def __init__(self, *, tls=None, backlog=512, send_buffer=None):
        self._tls = tls
        self._calls = queue.Queue()
        self._connections = []
        self._lock = threading.Lock()
        self._is_closed = False
        self.accepted = 0
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if send_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(backlog)
        self.port = self._listener.getsockname()[1]
        self.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._is_closed = True
        # Wakes the thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                connection.close()

    def next_call(self, limit=LIMIT):
        """The next request, whole."""
        try:
            return self._calls.get(timeout=limit)
        except queue.Empty:
            raise AssertionError(f"within {limit:g} s nobody called the provider") from None

    def has_been_called(self):
        return not self._calls.empty()

    def _accept(self):
        while not self._is_closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.append(connection)
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    bytes_ = connection.recv(1 << 16)
                    if not bytes_:
                        return connection.close()
                    rest += bytes_
                head, _, rest = rest.partition(b"\r\n\r\n")
                line, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
                size = int(headers.get("content-length", 0))
                while len(rest) < size:
                    rest += connection.recv(1 << 16)
                body, rest = rest[:size], rest[size:]
                call = Call(connection, line, headers, body)
                self._calls.put(call)
                # Until the test has answered, so that a kept connection brings its next request in order.
                call.answered.wait()
                if call.keeps is False:
                    return
        except OSError:
            connection.close()


class Call:
    """One request to the provider, and the test's side of the answer."""

    def __init__(self, connection, line, headers, body):
        self.connection = connection
        self.line = line
        self.headers = headers
        self.body = body
        self.answered = threading.Event()
        # Whether the connection's thread goes on to read the next request.
        self.keeps = False

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def prompt(self):
        return self.json["messages"][-1]["content"]

    def send(self, bytes_):
        self.connection.sendall(bytes_)

    def head(self, status="200 OK", content_type="text/event-stream", **more):
        """A head whose body goes to the end of the connection."""
        lines = [f"HTTP/1.1 {status}"] + ([f"Content-Type: {content_type}"] if content_type else [])
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        if "Content_Length" not in more and "Transfer_Encoding" not in more:
            lines.append("Connection: close")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def event(self, data):
        """One event; `data` is JSON to be, or text as it stands."""
        text = data if isinstance(data, str) else json.dumps(data)
        self.send(f"data: {text}\n\n".encode("utf-8", "surrogatepass"))

    def token(self, text, **more):
        self.event(chunk({"content": text}, **more))

    def finish(self, reason="stop"):
        """The end that a provider should make, and the connection's."""
        self.event(chunk({}, finish_reason=reason))
        self.event("[DONE]")
        self.close()

    def answer(self, body, content_type="text/event-stream", status="200 OK", **more):
        """A whole answer."""
        body = body.encode() if isinstance(body, str) else body
        self.head(status, content_type, Content_Length=len(body), **more)
        self.send(body)
        self.keeps = True
        self.answered.set()

    def close(self):
        """The end of the body, as HTTP/1.0 makes it."""
        self.connection.shutdown(socket.SHUT_WR)
        self.answered.set()

    def reset(self):
        """Breaks the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.answered.set()

    def has_left(self):
        """Whether the other side has closed the connection."""
        try:
            return self.connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait_until_left(self, limit=LIMIT):
        wait_until(self.has_left, "the worker leaves the provider", limit)


def chunk(delta, finish_reason=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]} | more


def stream_of(*texts, reason="stop", usage=None):
    """The body of a whole stream."""
    events = [chunk({"content": text}) for text in texts] + [chunk({}, finish_reason=reason)]
    if usage:
        events.append({"choices": [], "usage": usage})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
