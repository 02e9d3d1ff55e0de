"""Clients that leave: their providers learn of it at once, and nobody else notices."""

import contextlib
import socket
import time

import pytest

from harness.events import numbers
from harness.fastcgi import FastCGI, begin_stream
from harness.waiting import wait_until, wait_until_steady

BOTH_ROUTES = pytest.mark.parametrize("path", ["/stream", "/stream-backpressure"])


@BOTH_ROUTES
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_leaving_after_the_first_token_reaches_the_provider(site, path, method):
    watch = site.provider.watch()
    prompt = "n=2 stall=1"
    answer = site.get(path, prompt=prompt) if method == "GET" else site.ask(prompt, path)
    answer.next_token()
    assert watch["open"] == 1
    answer.close()
    watch.wait_for(aborted=1, open=0)
    assert site.worker.request(answer.request_id)["ended"] == "client_left"


@BOTH_ROUTES
def test_leaving_before_the_first_token_reaches_the_provider_too(site, path):
    for prompt in ("silent=1", "first=3600000 n=1"):
        watch = site.provider.watch()
        answer = site.ask(prompt, path)
        watch.wait_for(requests=1)
        answer.close()
        watch.wait_for(aborted=1, open=0)


def test_leaving_in_the_middle_of_a_flood_reaches_the_provider(site):
    watch = site.provider.watch()
    answer = site.ask("n=100000000")
    for _ in range(1000):
        answer.next_token()
    answer.close()
    watch.wait_for(aborted=1, open=0)
    sent = watch["tokens"]
    assert sent < 10_000_000 and watch["tokens"] == sent


def test_leaving_while_the_provider_is_being_connected_leaves_nothing(sites):
    """The provider's backlog is full, so the connection hangs."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        worker = sites.worker(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        with FastCGI(worker.address) as first:
            assert first.ask().is_complete and first.is_cut_off()
        before = wait_until_steady(lambda: len(worker.descriptors()), "the worker is at rest", span=0.3)
        peer = begin_stream(worker.address, "x")
        wait_until(lambda: len(worker.descriptors()) == before + 2, "the worker connects")
        peer.close()
        wait_until(lambda: len(worker.descriptors()) <= before, "nothing of it is left")


def test_a_hundred_that_leave_cold_are_all_seen(sites):
    """A worker that has not called its provider yet; they leave before the first token and together."""
    mock = sites.mock()
    site = sites.site(mock)
    answers = [site.ask("silent=1") for _ in range(100)]
    mock.wait_for(requests=100)
    for answer in answers:
        answer.close()
    mock.wait_for(aborted=100, open=0, connections=0)
    wait_until(lambda: len(site.worker.requests()) == 100, "each has its line in the log")
    assert {line["ended"] for line in site.worker.requests()} == {"client_left"}


def test_a_hundred_that_leave_at_any_moment_leak_nothing(sites):
    mock = sites.mock()
    site = sites.site(mock)
    with site.ask("n=1") as answer:
        answer.all_events()
    before = len(site.worker.descriptors())
    for round_ in range(100):
        with site.ask("n=50 rate=1000 first=5", receive_buffer=4096) as answer:
            if round_ % 3:
                answer.next_token()
            time.sleep(round_ % 7 / 500)
    mock.wait_for(open=0)
    # Kept connections of nginx and to the provider may stay.
    wait_until(lambda: len(site.worker.descriptors()) < before + 30, "descriptors are given back")
    with site.ask("n=5") as answer:
        assert len(answer.all_events().tokens) == 5


def test_the_others_stream_on_while_somebody_leaves(site):
    with contextlib.ExitStack() as stack:
        stayers = [stack.enter_context(site.ask("n=40 rate=50")) for _ in range(10)]
        leavers = [site.ask("n=40 rate=50") for _ in range(10)]
        for leaver in leavers:
            leaver.next_token()
            leaver.close()
        for stayer in stayers:
            events = stayer.all_events()
            assert numbers(events.tokens) == list(range(40)) and events.done
