"""How a worker ends: what runs may finish, nothing new is taken, and it does not take for ever."""

import contextlib
import signal

import pytest

from harness.fastcgi import FastCGI, begin_stream, request
from harness.waiting import is_listening, wait_until


@pytest.fixture
def draining(sites):
    """A worker with a provider that the test plays."""

    def make(**timeouts):
        provider = sites.scripted()
        return sites.worker(provider, timeouts=timeouts), provider

    return make


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1], ids=lambda number: number.name
)
def test_a_drain_lets_running_streams_finish_and_takes_nothing_new(draining, number):
    worker, provider = draining()
    with begin_stream(worker.address, "x") as running, FastCGI(worker.address) as kept:
        call = provider.next_call()
        call.head()
        call.token("a")
        events = running.events()
        assert events.next_token() == "a"
        assert kept.ask(keep=True).body == b"pong\n"
        worker.signal(number)
        wait_until(lambda: not is_listening(worker.address), "the listener is closed")
        assert not worker.address.exists()
        # nginx may still send something over a connection that it keeps.
        kept.send(request("POST", "/stream", b'{"prompt":"n=1"}', keep=True))
        refused = kept.response()
        assert refused.status == 503 and b"shutting_down" in refused.body
        assert int(refused.head["Retry-After"]) >= 1
        assert kept.is_cut_off()
        assert not worker.has_ended()
        for text in ("b", "c"):
            call.token(text)
            assert events.next_token() == text
        call.finish()
        assert events.to_end().done
        assert worker.wait() == 0


def test_a_drain_with_nothing_to_wait_for_ends_at_once(draining):
    worker, _ = draining(drain="1h")
    with FastCGI(worker.address) as kept:
        assert kept.ask(keep=True).is_complete
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0


def test_an_idle_kept_connection_stays_as_long_as_the_drain_lasts(draining):
    worker, provider = draining()
    with begin_stream(worker.address, "x") as running, FastCGI(worker.address) as kept:
        call = provider.next_call()
        call.head()
        assert kept.ask(keep=True).is_complete
        worker.signal(signal.SIGTERM)
        worker.wait_for_log("draining")
        with pytest.raises(AssertionError, match="nothing came"):
            kept.record(0.5)
        call.finish()
        assert running.events().to_end().done
        assert kept.is_cut_off()
        assert worker.wait() == 0


def test_what_is_left_at_the_drain_limit_is_told_so(draining):
    worker, provider = draining(drain="700ms")
    with begin_stream(worker.address, "x") as running, begin_stream(worker.address, "y") as waiting:
        calls = [provider.next_call(), provider.next_call()]
        call = next(each for each in calls if each.prompt == "x")
        call.head()
        call.token("a")
        events = running.events()
        assert events.next_token() == "a"
        worker.signal(signal.SIGTERM)
        error = events.to_end().error
        assert (error["type"], error["status"], error["retryable"]) == ("shutting_down", 503, True)
        # This one had no output yet, so it has a status of its own.
        response = waiting.response()
        assert response.status == 503 and b"shutting_down" in response.body
        for each in calls:
            each.wait_until_left()
        assert worker.wait() == 0


def test_at_the_drain_limit_a_client_that_does_not_read_holds_nobody_up(draining):
    worker, provider = draining(drain="500ms")
    with begin_stream(worker.address, "x"):
        call = provider.next_call()
        call.head()
        with contextlib.suppress(OSError):
            call.connection.settimeout(1)
            while True:
                call.token("x" * 10_000)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_second_signal_ends_what_runs(draining, second):
    worker, provider = draining(drain="1h")
    with begin_stream(worker.address, "x") as running:
        call = provider.next_call()
        call.head()
        call.token("a")
        events = running.events()
        assert events.next_token() == "a"
        worker.signal(signal.SIGTERM)
        worker.wait_for_log("draining")
        assert not worker.has_ended()
        worker.signal(second)
        assert events.to_end().error["type"] == "shutting_down"
        assert worker.wait() == 0
    assert worker.requests()[-1]["ended"] == "shutting_down"


def test_a_third_signal_waits_for_nobody(draining):
    worker, provider = draining(drain="1h")
    with begin_stream(worker.address, "x", receive_buffer=4096) as stalled:
        call = provider.next_call()
        call.head()
        for _ in range(40):
            call.token("x" * 10_000)
        stalled.events().next_token()
        for text in ("draining", "running streams are ended", "ended at once"):
            worker.signal(signal.SIGTERM)
            worker.wait_for_log(text)
        worker.wait()


def test_nginx_gives_its_own_503_while_no_worker_listens(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    with site.ask("x") as running:
        call = provider.next_call()
        call.head()
        call.token("a")
        assert running.next_token() == "a"
        site.worker.signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(site.worker.address), "the listener is closed")
        with site.ask("y") as refused:
            refused.problem(503, "overloaded")
            assert refused.header("Retry-After")
        call.finish()
        assert running.all_events().done
    assert site.worker.wait() == 0


def test_hup_does_not_end_it(sites, mock):
    worker = sites.worker(mock)
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("read again")
    with FastCGI(worker.address) as connection:
        assert connection.ask().body == b"pong\n"


def test_a_start_and_a_term_at_any_moment_leave_no_file(sites, mock):
    """Whoever starts it may think otherwise at once."""
    for _ in range(20):
        worker = sites.worker(mock)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert not worker.address.exists()
