"""Attempts that fail before any output: the next one of the same model."""

import json
import re
import socket
import time
from email.utils import formatdate

import pytest

from harness.failing import RETRY, refuse
from harness.scripted import chunk, stream_of
from harness.waiting import free_port, wait_until


@pytest.fixture
def scripted(sites):
    return sites.site(sites.scripted(), retry=RETRY, timeouts={"hold": "1h"})


# The same model again


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_failure_that_may_pass_is_tried_again_unseen(scripted, status):
    with scripted.ask("x") as answer:
        for _ in range(2):
            refuse(scripted.provider.next_call(), status)
        call = scripted.provider.next_call()
        assert call.prompt == "x"
        call.answer(stream_of("a", "b"))
        assert answer.all_events().text == "ab"
    assert scripted.worker.request(answer.request_id)["attempts"] == "3"


def test_after_the_last_attempt_its_failure_is_told(scripted):
    with scripted.ask("x") as answer:
        for _ in range(2):
            refuse(scripted.provider.next_call(), 500)
        refuse(scripted.provider.next_call(), 503)
        answer.problem(503, "overloaded")
    assert not scripted.provider.has_been_called()


@pytest.mark.parametrize(
    "status, body",
    [
        (400, "{}"),
        (401, "{}"),
        (403, "{}"),
        (404, "{}"),
        (422, "{}"),
        (429, json.dumps({"error": {"message": "no money", "code": "insufficient_quota"}})),
    ],
)
def test_what_would_fail_again_is_told_at_once(scripted, status, body):
    with scripted.ask("x") as answer:
        refuse(scripted.provider.next_call(), status, body)
        assert answer.status >= 400
        answer.body()
    assert not scripted.provider.has_been_called()
    assert "attempts" not in scripted.worker.request(answer.request_id)


def test_a_connection_that_ends_without_a_word_is_tried_again(scripted):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().reset()
        scripted.provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"


def test_a_provider_that_is_away_for_a_moment_is_waited_for(sites):
    port = free_port()
    site = sites.site(f"http://127.0.0.1:{port}/v1", retry={"attempts": 50, "backoff": "50ms", "max_wait": "50ms"})
    with site.ask("x") as answer:
        wait_until(lambda: "upstream_unreachable" in site.worker.log(), "the first attempt has failed")
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            connection, _ = listener.accept()
            with connection:
                body = stream_of("a").encode()
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
                connection.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
                assert answer.all_events().text == "a"


def test_each_attempt_has_the_first_tokens_time_to_itself(sites):
    site = sites.site(sites.scripted(), retry=RETRY, timeouts={"hold": "1h", "first_token": "500ms"})
    with site.ask("x") as answer:
        for _ in range(2):
            call = site.provider.next_call()
            call.head()
            call.event(chunk({"role": "assistant", "content": ""}))
            call.wait_until_left()
        site.provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"


def test_the_total_clock_covers_all_attempts(sites):
    site = sites.site(
        sites.scripted(), retry=RETRY | {"attempts": 100}, timeouts={"hold": "1h", "first_token": "300ms", "total": "1s"}
    )
    with site.ask("x") as answer:
        answer.problem(504, "timeout_total")


def test_an_error_inside_a_200_before_any_output_is_tried_again(scripted):
    with scripted.ask("x") as answer:
        body = f"data: {json.dumps(chunk({'role': 'assistant', 'content': ''}))}\n\n"
        error = json.dumps({"error": {"message": "busy", "code": 503}})
        scripted.provider.next_call().answer(body + f"data: {error}\n\n")
        scripted.provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"


def test_after_three_tokens_an_error_is_told_and_never_tried_again(two):
    site, first, second = two(retry=RETRY)
    with site.ask("x") as answer:
        call = first.next_call()
        call.head()
        for token in "abc":
            call.token(token)
        assert [answer.next_token() for _ in range(3)] == ["a", "b", "c"]
        call.event({"error": {"message": "busy", "code": 503}})
        call.close()
        events = answer.all_events()
    assert events.error["type"] == "overloaded" and events.tokens == ["a", "b", "c"]
    assert not first.has_been_called() and not second.has_been_called()


# The provider's own wish


@pytest.mark.parametrize(
    "headers, body",
    [
        ({"Retry_After": "1"}, {}),
        ({"Retry_After_Ms": "600"}, {}),
        ({"X_Ratelimit_Reset": "1s"}, {}),
        ({}, {"error": {"code": 429, "message": "slow", "details": [{"retryDelay": "0.6s"}]}}),
    ],
)
def test_a_short_wish_is_kept(scripted, headers, body):
    with scripted.ask("x") as answer:
        began = time.monotonic()
        refuse(scripted.provider.next_call(), 429, json.dumps(body), **headers)
        scripted.provider.next_call().answer(stream_of("a"))
        # The policy's own wait would be 20 ms.
        assert time.monotonic() - began >= 0.5
        assert answer.all_events().text == "a"


def test_a_wish_that_is_a_date_is_kept(scripted):
    with scripted.ask("x") as answer:
        began = time.monotonic()
        # A date has no fraction of a second, so it is more than a second away.
        refuse(scripted.provider.next_call(), 429, Retry_After=formatdate(time.time() + 2, usegmt=True))
        scripted.provider.next_call().answer(stream_of("a"))
        assert time.monotonic() - began >= 0.9
        assert answer.all_events().text == "a"


@pytest.mark.parametrize("status, kind", [(429, "rate_limited"), (503, "overloaded")])
def test_a_wish_of_an_hour_is_not_waited_for_but_passed_on(scripted, status, kind):
    with scripted.ask("x") as answer:
        refuse(scripted.provider.next_call(), status, Retry_After="3600")
        answer.problem(status, kind)
        assert answer.header("Retry-After") == "3600"
    assert not scripted.provider.has_been_called()


def test_a_provider_without_another_is_asked_however_often_it_failed(scripted):
    for _ in range(8):
        with scripted.ask("x") as answer:
            refuse(scripted.provider.next_call(), 500)
            refuse(scripted.provider.next_call(), 500)
            refuse(scripted.provider.next_call(), 500)
            answer.problem(502, "upstream_failed")
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"


# While it waits


def waiting(sites):
    """A site whose first attempt has failed and whose second is an hour away, and the open answer."""
    site = sites.site(sites.scripted(), retry={"attempts": 2, "backoff": "1h", "max_wait": "2h"}, timeouts={"hold": "0s"})
    answer = site.ask("x")
    refuse(site.provider.next_call(), 500)
    return site, answer


def test_the_client_is_kept_alive_between_attempts(sites):
    _, answer = waiting(sites)
    with answer:
        assert answer.next_event().type == "comment"


@pytest.mark.parametrize("headers, least, most", [({}, 45, 60), ({"Retry_After": "3600"}, 60, 75)])
def test_who_failed_together_does_not_come_back_together(sites, headers, least, most):
    """Chance takes a quarter of our own wait at most, and adds one to the provider's wish; in minutes."""
    site = sites.site(
        sites.scripted(), retry={"attempts": 2, "backoff": "1h", "max_wait": "2h"}, timeouts={"hold": "1h"}
    )

    def waits():
        return re.findall(r"asking mock/mock in (\d+) ms", site.worker.log())

    for number in range(3):
        with site.ask("x"):
            refuse(site.provider.next_call(), 503, **headers)
            wait_until(lambda: len(waits()) > number, "the log tells the wait")
    assert len(set(waits())) == 3
    assert all(least * 60_000 <= int(wait) <= most * 60_000 for wait in waits())


def test_a_client_that_leaves_during_a_wait_ends_it(sites):
    site, answer = waiting(sites)
    with answer:
        request_id = answer.request_id
    assert site.worker.request(request_id)["ended"] == "client_left"
    assert not site.provider.has_been_called()


def test_a_second_term_or_the_drain_limit_ends_a_wait_with_an_event(sites):
    site = sites.site(
        sites.scripted(),
        retry={"attempts": 2, "backoff": "1h", "max_wait": "2h"},
        timeouts={"hold": "0s", "drain": "100ms"},
    )
    with site.ask("x") as answer:
        refuse(site.provider.next_call(), 500)
        assert answer.next_event().type == "comment"
        site.worker.may_end = True
        site.worker.popen.terminate()
        assert answer.all_events().error["type"] == "shutting_down"
