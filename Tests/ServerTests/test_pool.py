"""The pool: how load spreads over its threads, and what happens when it is full."""

import contextlib
import os
import resource
import time

import pytest

from harness.fastcgi import FastCGI, begin_stream, request
from harness.site import Site
from harness.waiting import wait_until
from harness.worker import Worker, settings

# Threads


def test_every_worker_is_a_thread(sites, mock):
    worker = sites.worker(mock, workers=4)
    wait_until(lambda: len(worker.worker_threads()) == 4, "there are four")
    assert worker.worker_threads() == ["worker-0", "worker-1", "worker-2", "worker-3"]


def test_without_a_number_there_is_one_for_each_core(sites, mock):
    worker = sites.worker(mock, workers=None)
    cores = len(os.sched_getaffinity(0))
    wait_until(lambda: len(worker.worker_threads()) == cores, f"there are {cores}")


@pytest.mark.parametrize("asked, count", [(None, 3), (2, 2)])
def test_the_file_tells_the_number_and_the_command_line_overrules_it(sites, mock, asked, count):
    config = settings(mock.base_url) | {"workers": 3}
    worker = sites.keep(Worker(sites.directory(), config, workers=asked))
    wait_until(lambda: len(worker.worker_threads()) == count, f"there are {count}")


@pytest.mark.measures
def test_a_stream_costs_no_thread(sites, mock):
    worker = sites.worker(mock, workers=1)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(begin_stream(worker.address, "n=1 stall=1"))
        first.events().next_token()
        before = len(worker.threads())
        for _ in range(50):
            stack.enter_context(begin_stream(worker.address, "n=1 stall=1")).events().next_token()
        assert len(worker.threads()) == before


# Spreading


def test_of_a_thousand_streams_no_worker_has_more_than_its_share_and_a_fifth(sites):
    mock = sites.mock()
    worker = sites.worker(mock, workers=4)
    count = 1000
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(begin_stream(worker.address, "n=1 stall=1"))
        mock.wait_for(open=count)
        loops = [count for count in worker.web_connections() if count]
    assert sum(loops) == count
    assert len(loops) == 4 and max(loops) <= 1.2 * count / 4, loops
    mock.wait_for(open=0, aborted=count)


def test_connections_that_ended_count_no_more(sites):
    """Some go and others come; the load stays even."""
    mock = sites.mock()
    worker = sites.worker(mock, workers=2)
    with contextlib.ExitStack() as stack:
        first = [begin_stream(worker.address, "n=1 stall=1") for _ in range(100)]
        mock.wait_for(open=100)
        for connection in first[:60]:
            connection.close()
        mock.wait_for(open=40)
        for connection in first[60:] + [begin_stream(worker.address, "n=1 stall=1") for _ in range(160)]:
            stack.enter_context(connection)
        mock.wait_for(open=200)
        loops = [count for count in worker.web_connections() if count]
    assert sum(loops) == 200 and max(loops) <= 120, loops


# Full


def test_when_all_slots_are_taken_the_next_is_503_and_told_when_to_come_back(sites, mock):
    site = sites.site(mock, limits={"streams": 2})
    watch = mock.watch()
    with site.ask("n=2 stall=1") as one, site.ask("n=2 stall=1") as two:
        one.next_token()
        two.next_token()
        with site.ask("n=1") as refused:
            problem = refused.problem(503, "overloaded")
            assert problem["retryable"] is True
            assert int(refused.header("Retry-After")) >= 1
        # What needs no slot is served.
        with site.get("/v1/models") as answer:
            assert answer.status == 200
        assert watch["requests"] == 2
        assert site.worker.request(refused.request_id)["status"] == "503"
    watch.wait_for(open=0)
    with site.ask("n=1") as answer:
        assert answer.all_events().done


def test_a_slot_is_free_again_however_its_stream_ended(sites, mock):
    site = sites.site(mock, limits={"streams": 1}, timeouts={"hold": "1h"})
    for prompt in ("n=2", "n=2 drop=1", "fail=500", "html=1", "n=2 stall=1", "silent=1", "empty=1"):
        with site.ask(prompt) as answer:
            if "stall" in prompt:
                answer.next_token()
            elif "silent" not in prompt:
                answer.body()
            else:
                mock.wait_for(open=1)
        mock.wait_for(open=0)
    with site.ask("n=1") as answer:
        assert answer.all_events().done


# Out of descriptors


def starved(sites, mock, **more):
    """A worker with 256 descriptors."""
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))}
    return sites.worker(mock, popen=limit, **more)


@pytest.mark.parametrize("workers", [1, 2])
def test_300_clients_of_256_descriptors_get_a_stream_or_a_503(sites, workers):
    mock = sites.mock()
    worker = starved(sites, mock, workers=workers)
    web = sites.nginx(worker.address)
    site = Site(web.directory, web, worker, mock)
    with contextlib.ExitStack() as stack:
        answers = [stack.enter_context(site.ask("n=3 first=300 stall=3")) for _ in range(300)]
        served = 0
        for answer in answers:
            if answer.status == 200:
                assert answer.next_token()
                served += 1
            else:
                answer.problem(503, "overloaded")
        assert served >= 60, f"only {served} of 300 were served"
        spent = worker.cpu_seconds()
        time.sleep(1)
        assert worker.cpu_seconds() - spent < 0.5, "the worker spins"
    mock.wait_for(open=0)
    recovers(site)


@pytest.mark.parametrize("workers", [1, 2])
def test_at_the_end_of_the_descriptors_nothing_spins_and_nothing_is_lost(sites, workers):
    mock = sites.mock()
    worker = starved(sites, mock, workers=workers)
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(begin_stream(worker.address, "n=1000000 rate=50"))
        events = served.events()
        events.next_token()
        kept = stack.enter_context(FastCGI(worker.address))
        assert kept.ask(keep=True).is_complete
        # More than there are descriptors. They have asked, as a web server has whose connections are kept.
        idle = []
        while len(worker.descriptors()) < 256 or len(idle) < 300:
            idle.append(stack.enter_context(FastCGI(worker.address)))
            idle[-1].send_as_far_as_possible(request(keep=True))
        spent = worker.cpu_seconds()
        before = len(events.seen)
        while len(events.seen) < before + 100:
            events.next_token()
        assert worker.cpu_seconds() - spent < 1, "the worker spins"
        # The provider cannot be called now, which is our own lack and not the provider's.
        kept.send(request("POST", "/stream", b'{"prompt":"n=1"}', keep=True))
        refused = kept.response()
        assert refused.status == 503 and b":overloaded" in refused.body, refused.stdout
        assert int(refused.head["Retry-After"]) >= 1
        # One leaves, and one of those that waited is let in.
        for each in idle:
            each.close()
        wait_until(lambda: len(worker.descriptors()) < 50, "the descriptors are free again")
        kept.send(request("POST", "/stream", b'{"prompt":"n=1"}', keep=True))
        assert b"event: done" in kept.response().body
        with FastCGI(worker.address) as late:
            assert late.ask().body == b"pong\n"
        assert events.next_token()


def recovers(site):
    for _ in range(20):
        with site.ask("n=2") as answer:
            assert answer.all_events().done
    assert not site.worker.has_ended()
