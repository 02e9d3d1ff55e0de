"""Waiting for a state, never for a time: the limits only end a test that has failed."""

import socket
import time

LIMIT = 30.0


def wait_until(condition, what, limit=LIMIT, every=0.01):
    """Returns the first true value of `condition()`; fails when `what` has not come about within `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"within {limit:g} s this did not come about: {what}")
        time.sleep(every)


def wait_until_steady(value, what, span=0.7, limit=LIMIT):
    """Returns `value()` once it has been the same for `span` seconds."""
    end = time.monotonic() + limit
    last, since = value(), time.monotonic()
    while time.monotonic() - since < span:
        time.sleep(span / 10)
        now = value()
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() > end:
            raise AssertionError(f"within {limit:g} s this did not become steady: {what}, last {last}")
    return last


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def connect(address, limit=LIMIT, receive_buffer=None):
    """A connected socket. `address`: a Unix socket's path, or host and port."""
    if isinstance(address, tuple):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    else:
        family, address = socket.AF_UNIX, str(address)
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(limit)
        end = time.monotonic() + limit
        while not _connects(connection, address):
            if time.monotonic() > end:
                raise TimeoutError("the listener's backlog stays full")
            time.sleep(0.01)
    except BaseException:
        connection.close()
        raise
    return connection


def _connects(connection, address):
    """False where a Unix socket's backlog is full, for which its connect does not wait."""
    try:
        connection.connect(address)
    except BlockingIOError:
        return False
    return True


def is_listening(address):
    try:
        connect(address, limit=5).close()
        return True
    except OSError:
        return False
