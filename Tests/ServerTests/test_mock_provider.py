"""mock-provider itself: what the other tests and the benchmarks lean on."""

import contextlib
import json
import threading

import pytest

from harness.waiting import connect, wait_until_steady

FLOODS = 4


@pytest.fixture
def own_mock(sites):
    return sites.mock()


def begin_flood(mock):
    """A stream as fast as its reader takes it, of more tokens than any test waits for."""
    message = {"role": "user", "content": "n=100000000"}
    body = json.dumps({"model": "mock", "stream": True, "messages": [message]}).encode()
    peer = connect(("127.0.0.1", mock.port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nContent-Length: {len(body)}\r\n\r\n"
    peer.sendall(head.encode() + body)
    return peer


def read_all(peer):
    room = bytearray(1 << 20)
    with contextlib.suppress(OSError):
        while peer.recv_into(room):
            pass


@pytest.mark.parametrize("is_full_before", [False, True], ids=["read at once", "read once the sockets are full"])
def test_floods_that_are_read_as_fast_as_they_come_keep_nobody_waiting(own_mock, is_full_before):
    with contextlib.ExitStack() as stack:
        floods = [stack.enter_context(begin_flood(own_mock)) for _ in range(FLOODS)]
        own_mock.wait_for(open=FLOODS)
        if is_full_before:
            wait_until_steady(lambda: own_mock.stats()["tokens"], "the floods wait for their readers")
        for flood in floods:
            threading.Thread(target=read_all, args=(flood,), daemon=True).start()
        tokens = own_mock.stats()["tokens"]
        for _ in range(5):
            stats = own_mock.stats()
            assert stats["open"] == FLOODS
        assert stats["tokens"] > tokens
