"""Clients that read slowly or not at all: their providers are paused, and nobody else pays for it."""

import contextlib
import json
import socket
import threading
import time

import pytest

from harness.events import numbers
from harness.fastcgi import FastCGI, begin_stream
from harness.honest import HonestStream
from harness.scripted import chunk
from harness.waiting import wait_until, wait_until_steady

BOTH_ROUTES = pytest.mark.parametrize("path", ["/stream", "/stream-backpressure"])
MIB = 1 << 20


# Reading slowly


@pytest.fixture(scope="module")
def narrow(module_sites):
    """A site on whose way there is little room: what a client does not read soon stops its provider."""
    return module_sites.site(module_sites.mock(), nginx={"listen": "sndbuf=16k"})


@BOTH_ROUTES
@pytest.mark.measures
def test_a_client_that_does_not_read_pauses_its_provider_and_gets_every_token_later(narrow, path):
    count = 40_000
    watch = narrow.provider.watch()
    before = narrow.worker.memory()
    with narrow.ask(f"n={count} size=2000", path, receive_buffer=4096) as answer:
        assert answer.next_token()
        sent = wait_until_steady(lambda: watch["tokens"], "the provider stands still")
        assert sent < count / 2, "the provider was not paused"
        assert watch["open"] == 1
        spent = narrow.worker.cpu_seconds()
        grown = narrow.worker.memory() - before
        assert grown < 2 * MIB, f"one client that does not read costs {grown >> 10} kB"
        assert watch["tokens"] == sent
        time.sleep(0.5)
        assert narrow.worker.cpu_seconds() - spent < 0.2, "waiting costs CPU time"
        answer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
        events = answer.all_events()
    assert numbers(events.tokens) == list(range(count)) and events.done
    assert all(len(token) == 2000 for token in events.tokens)


@pytest.mark.measures
def test_twenty_slow_readers_cost_no_memory_and_disturb_nobody(narrow):
    honest = HonestStream(narrow)
    before = narrow.worker.memory()
    watch_tokens = narrow.provider.stats
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(narrow.ask("n=1000000 size=500", receive_buffer=4096)) for _ in range(20)]
        for answer in slow:
            answer.next_token()
        # The honest stream has its tokens counted too.
        wait_until(lambda: _rate(watch_tokens) < 400, "the providers of the slow ones stand still")
        honest.must_go_on("beside slow readers")
        grown = narrow.worker.memory() - before
        assert grown < 6 * MIB, f"20 slow readers cost {grown >> 10} kB"
        for _ in range(30):
            for answer in slow:
                answer.next_token()
        assert narrow.worker.memory() - before < 6 * MIB
    honest.must_go_on("after them")
    honest.leave()
    narrow.provider.wait_for(open=0)


def _rate(stats):
    before, start = stats()["tokens"], time.monotonic()
    time.sleep(0.3)
    return (stats()["tokens"] - before) / (time.monotonic() - start)


def test_the_token_route_counts_tokens_and_the_other_bytes(sites):
    """Large tokens and a large bound in bytes: 20 tokens stop one provider, 24 MiB the other."""
    provider = sites.scripted(send_buffer=16 << 10)
    worker = sites.worker(provider, limits={"buffer_tokens": 20, "buffer_bytes": 24 * MIB, "line_bytes": 2 * MIB})
    sent = {}
    for path in ("/stream", "/stream-backpressure"):
        with begin_stream(worker.address, "x", path, receive_buffer=4096):
            call = provider.next_call()
            call.head()
            call.connection.settimeout(2)
            sent[path] = 0
            bytes_ = f"data: {json.dumps(chunk({'content': 'x' * 50_000}))}\n\n".encode()
            with contextlib.suppress(TimeoutError):
                while sent[path] < 60 * MIB:
                    call.connection.sendall(bytes_)
                    sent[path] += len(bytes_)
    assert 24 * MIB <= sent["/stream"] < 50 * MIB, sent
    assert sent["/stream-backpressure"] < 20 * MIB, sent


def test_both_routes_are_bounded_in_bytes(sites):
    provider = sites.scripted(send_buffer=16 << 10)
    worker = sites.worker(provider)
    for path in ("/stream", "/stream-backpressure"):
        with begin_stream(worker.address, "x", path, receive_buffer=4096):
            call = provider.next_call()
            call.head()
            call.connection.settimeout(2)
            sent = 0
            bytes_ = f"data: {json.dumps(chunk({'content': 'x' * 50_000}))}\n\n".encode()
            with contextlib.suppress(TimeoutError):
                while sent < 40 * MIB:
                    call.connection.sendall(bytes_)
                    sent += len(bytes_)
            assert sent < 20 * MIB, f"{path} took {sent >> 20} MiB for a client that reads nothing"


@pytest.mark.measures
def test_what_a_slow_reader_made_wait_is_given_back(sites, mock):
    site = sites.site(mock, nginx={"listen": "sndbuf=16k"}, limits={"buffer_bytes": 4 * MIB})

    def round_():
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(site.ask("n=1000000 size=1000", receive_buffer=4096)).next_token()
            wait_until_steady(lambda: mock.stats()["tokens"], "the providers stand still")
        mock.wait_for(open=0)

    round_()
    first = site.worker.memory()
    for _ in range(4):
        round_()
    # The providers may see their ends before the buffers are given back.
    wait_until(lambda: site.worker.memory() < first + 8 * MIB, "the buffers are given back")


# Reading nothing for too long


@BOTH_ROUTES
def test_a_client_that_takes_nothing_is_cut_off_at_the_stall_limit(sites, path):
    mock = sites.mock()
    site = sites.site(mock, nginx={"listen": "sndbuf=16k"}, timeouts={"client_stall": "1s"})
    with site.ask("n=100000000", path, receive_buffer=4096) as stalled, site.ask("n=1000000 rate=20", path) as reader:
        stalled.next_token()
        assert reader.next_token()
        mock.wait_for(aborted=1, open=1)
        line = site.worker.request(stalled.request_id)
        assert line["ended"] == "client_stalled" and line["status"] == "200"
        assert reader.next_token()
    # It was cut off, and can tell: there is no terminal event.
    mock.wait_for(open=0)


def test_a_client_that_takes_a_little_now_and_then_is_not_cut_off(sites):
    mock = sites.mock()
    worker = sites.worker(mock, timeouts={"client_stall": "2s"})
    with begin_stream(worker.address, "n=100000000", receive_buffer=4096) as peer:
        events = peer.events()
        start = time.monotonic()
        while time.monotonic() - start < 5:
            # Some hundred kilobytes, in far less than the limit.
            for _ in range(5000):
                events.next_token()
            time.sleep(0.3)
        assert mock.stats()["aborted"] == 0
    mock.wait_for(aborted=1)


def test_a_provider_that_is_paused_is_not_idle(sites):
    """Its silence is ours, so neither clock may end it."""
    mock = sites.mock()
    site = sites.site(mock, nginx={"listen": "sndbuf=16k"}, timeouts={"idle": "500ms", "client_stall": "1h"})
    with site.ask("n=40000 size=2000", receive_buffer=4096) as answer:
        answer.next_token()
        wait_until_steady(lambda: mock.stats()["tokens"], "the provider stands still", span=1.5)
        assert mock.stats()["open"] == 1
        answer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
        events = answer.all_events()
    assert events.done and len(events.tokens) == 40_000


def test_the_end_reaches_a_reader_that_comes_late(sites):
    """The provider has ended long ago; what waits for the client is still its own."""
    provider = sites.scripted()
    worker = sites.worker(provider)
    with begin_stream(worker.address, "x", receive_buffer=4096, keep=True) as peer:
        call = provider.next_call()
        call.head()
        for number in range(60):
            call.token(f"{number} " + "x" * 8000)
        threading.Thread(target=call.finish, daemon=True).start()
        time.sleep(0.3)
        response = peer.response()
        assert response.is_complete and response.body.count(b'data: {"token"') == 60
        assert response.body.count(b"event: done") == 1
        assert peer.ask(keep=True).body == b"pong\n"


def test_a_flood_comes_whole_over_many_clients(sites):
    mock = sites.mock()
    site = sites.site(mock, workers=2)
    results = []

    def read():
        with site.ask("n=20000") as answer:
            events = answer.all_events()
            results.append(numbers(events.tokens) == list(range(20_000)) and bool(events.done))

    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(120)
    assert results == [True] * 6


def test_a_kept_connection_is_as_good_as_new_after_a_slow_reader(sites, mock):
    worker = sites.worker(mock)
    with begin_stream(worker.address, "n=5000 size=500", receive_buffer=4096, keep=True) as peer:
        wait_until_steady(lambda: mock.stats()["tokens"], "the provider stands still")
        assert peer.response().body.count(b'data: {"token"') == 5000
        for _ in range(3):
            assert peer.ask(keep=True).body == b"pong\n"


def test_a_provider_without_a_reader_is_let_go_although_it_never_stops(sites):
    """The client leaves while the provider is paused."""
    mock = sites.mock()
    worker = sites.worker(mock)
    with begin_stream(worker.address, "n=100000000", receive_buffer=4096):
        wait_until_steady(lambda: mock.stats()["tokens"], "the provider stands still")
    mock.wait_for(aborted=1, open=0, connections=0)
    with FastCGI(worker.address) as connection:
        assert connection.ask().body == b"pong\n"
