"""mock-provider itself: what the other tests and the benchmarks lean on."""

import contextlib
import json
import socket
import struct
import threading

import pytest

from harness.http import Answer
from harness.waiting import wait_until, wait_until_steady

FLOODS = 4


@pytest.fixture
def own_mock(sites):
    return sites.mock()


def begin(mock, prompt):
    message = {"role": "user", "content": prompt}
    body = json.dumps({"model": "mock", "stream": True, "messages": [message]}).encode()
    return Answer(("127.0.0.1", mock.port), "POST", "/v1/chat/completions", body=body)


def read_all(peer):
    room = bytearray(1 << 20)
    with contextlib.suppress(OSError):
        while peer.recv_into(room):
            pass


@pytest.mark.parametrize("is_full_before", [False, True], ids=["read at once", "read once the sockets are full"])
def test_floods_that_are_read_as_fast_as_they_come_keep_nobody_waiting(own_mock, is_full_before):
    with contextlib.ExitStack() as stack:
        floods = [stack.enter_context(begin(own_mock, "n=100000000")) for _ in range(FLOODS)]
        own_mock.wait_for(open=FLOODS)
        if is_full_before:
            wait_until_steady(lambda: own_mock.stats()["tokens"], "the floods wait for their readers")
        tokens = own_mock.stats()["tokens"]
        for flood in floods:
            reader = threading.Thread(target=read_all, args=(flood.socket,))
            reader.start()
            stack.callback(reader.join)
            stack.callback(flood.socket.shutdown, socket.SHUT_RDWR)
        wait_until(lambda: own_mock.stats()["tokens"] > tokens, "the floods go on")
        for _ in range(5):
            assert own_mock.stats()["open"] == FLOODS


def test_a_client_that_resets_its_connection_is_counted_once(own_mock):
    """As soon as it has a byte, so that the provider's last write finds the connection gone."""
    for _ in range(200):
        with begin(own_mock, "n=200 linger=1") as answer:
            answer.socket.recv(1)
            answer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stats = wait_until_steady(own_mock.stats, "all have been heard")
    assert stats["open"] == 0 and stats["finished"] + stats["aborted"] == stats["requests"]
