"""The scripted provider over HTTP/2: TLS with ALPN, and many requests on one connection."""

import contextlib
import select
import socket
import ssl
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from hyperframe.frame import GoAwayFrame

from .scripted import Call, ScriptedProvider
from .waiting import LIMIT, wait_until


class HTTP2Provider(ScriptedProvider):
    """Each stream becomes a `StreamCall`."""

    def __init__(self, *, tls):
        tls.set_alpn_protocols(["h2"])
        super().__init__(tls=tls)

    def _serve(self, connection):
        try:
            connection = self._tls.wrap_socket(connection, server_side=True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            served = Connection(connection, self._calls)
            with self._lock:
                self._connections.append(served)
            if connection.selected_alpn_protocol() == "h2":
                served.run()
        except OSError:
            pass
        finally:
            connection.close()


class Connection:
    """One connection. Its own thread alone touches the socket, as OpenSSL wants it; the tests' calls fill the outbox."""

    def __init__(self, socket_, calls):
        self._socket = socket_
        self._calls = calls
        self._protocol = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests = {}
        self._open = {}
        self._outbox = bytearray()
        # Of the goodbye; the requests of later streams are nobody's.
        self._last = None
        self._changed = threading.Condition()
        self._woken, self._waker = socket.socketpair()
        # One byte wakes as well as many: where no more fit, none is needed.
        self._waker.setblocking(False)
        self._ends = False
        self.has_ended = False

    def close(self):
        with self._changing():
            self._ends = True

    def go_away(self, last=None):
        """No new request on this connection, please; those that run may end (RFC 9113, section 6.8).

        `last` is the highest stream for which anything was or will be done; without it, the highest of all.
        """
        with self._changing():
            # By hand, as h2's own would let nothing follow it.
            self._last = self._protocol.highest_inbound_stream_id if last is None else last
            self._outbox += GoAwayFrame(stream_id=0, last_stream_id=self._last, error_code=0).serialize()
        # Whatever is asked from here on meets it.
        wait_until(lambda: not self._outbox, "the GOAWAY is sent")

    # For the calls

    def head(self, stream, fields):
        with self._changing() as protocol:
            protocol.send_headers(stream, fields)

    def send(self, stream, bytes_):
        """As fast as the other side's windows allow."""
        rest = memoryview(bytes_)
        while rest:
            with self._changing() as protocol:
                assert self._changed.wait_for(lambda: self._room(stream) != 0, LIMIT), "the other side takes no more"
                room = self._room(stream)
                if room < 0:
                    raise BrokenPipeError("the stream has been reset")
                protocol.send_data(stream, bytes(rest[:room]))
                rest = rest[room:]

    def end(self, stream):
        with self._changing() as protocol:
            protocol.end_stream(stream)

    def reset(self, stream, code):
        with self._changing() as protocol:
            protocol.reset_stream(stream, code)

    def _room(self, stream):
        """Bytes that may be sent now; negative where nobody wants any."""
        if self.has_ended or self._open[stream].reset_by_worker is not None:
            return -1
        return min(self._protocol.local_flow_control_window(stream), self._protocol.max_outbound_frame_size)

    @contextlib.contextmanager
    def _changing(self):
        with self._changed:
            yield self._protocol
            self._outbox += self._protocol.data_to_send()
            self._changed.notify_all()
            with contextlib.suppress(OSError):
                self._waker.send(b"x")

    # The thread

    def run(self):
        try:
            with self._changing() as protocol:
                protocol.initiate_connection()
            self._socket.setblocking(False)
            while not self._ends and self._receive():
                self._transmit()
                # select does not see what TLS holds, but _receive has left nothing there.
                wanted = [self._socket] if self._outbox else []
                select.select([self._socket, self._woken], wanted, [])
        finally:
            with self._changed:
                self.has_ended = True
                self._changed.notify_all()
            self._woken.close()
            self._waker.close()

    def _receive(self):
        """Returns false at the connection's end."""
        if select.select([self._woken], [], [], 0)[0]:
            self._woken.recv(4096)
        while True:
            try:
                bytes_ = self._socket.recv(1 << 16)
            except ssl.SSLWantReadError:
                return True
            if not bytes_:
                return False
            with self._changing() as protocol:
                for event in protocol.receive_data(bytes_):
                    self._take(event, protocol)

    def _take(self, event, protocol):
        match event:
            case RequestReceived():
                self._requests[event.stream_id] = (dict(event.headers), bytearray())
            case DataReceived():
                self._requests[event.stream_id][1].extend(event.data)
                protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                headers, body = self._requests.pop(event.stream_id)
                if self._last is not None and event.stream_id > self._last:
                    return
                call = StreamCall(self, event.stream_id, headers, bytes(body))
                self._open[event.stream_id] = call
                self._calls.put(call)
            case StreamReset() if event.stream_id in self._open:
                self._open[event.stream_id].reset_by_worker = event.error_code

    def _transmit(self):
        with self._changed, contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while self._outbox:
                del self._outbox[: self._socket.send(self._outbox[: 1 << 16])]


class StreamCall(Call):
    """One stream, in the test's hands as a call over HTTP/1.1 is."""

    def __init__(self, connection, stream, headers, body):
        super().__init__(connection, f"{headers[':method']} {headers[':path']} HTTP/2", headers, body)
        self.stream = stream
        # The code with which the worker has reset the stream.
        self.reset_by_worker = None

    def send(self, bytes_):
        self.connection.send(self.stream, bytes_)

    def head(self, status="200 OK", content_type="text/event-stream", **more):
        fields = [(":status", status.split()[0])] + ([("content-type", content_type)] if content_type else [])
        fields += [(name.replace("_", "-").lower(), str(value)) for name, value in more.items()]
        self.connection.head(self.stream, fields)

    def answer(self, body, content_type="text/event-stream", status="200 OK", **more):
        self.head(status, content_type, **more)
        self.send(body.encode() if isinstance(body, str) else body)
        self.close()

    def close(self):
        self.connection.end(self.stream)

    def reset(self, code=ErrorCodes.INTERNAL_ERROR):
        self.connection.reset(self.stream, code)

    def has_left(self):
        return self.reset_by_worker is not None or self.connection.has_ended

    def wait_until_reset(self, limit=LIMIT):
        wait_until(lambda: self.reset_by_worker is not None, "the worker resets the stream", limit)
