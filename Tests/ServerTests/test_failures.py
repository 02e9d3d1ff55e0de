"""What a client is told when the provider fails: by the status line before any output, by an event after it."""

import email.utils
import json
import time

import pytest

from harness.scripted import chunk, stream_of
from harness.waiting import free_port
from harness.worker import KEY


@pytest.fixture(scope="module")
def failing(module_sites, mock):
    """The mock, and a status line that is held for as long as it takes."""
    return module_sites.site(mock, timeouts={"hold": "1h"})


@pytest.fixture(scope="module")
def scripted(module_sites):
    return module_sites.site(module_sites.scripted(), timeouts={"hold": "1h"})


def told(scripted, call_answers, status, kind):
    """The problem before any output."""
    with scripted.ask("x") as answer:
        call_answers(scripted.provider.next_call())
        problem = answer.problem(status, kind)
        problem["retry_after"] = answer.header("Retry-After")
        return problem


# Before any output


@pytest.mark.parametrize(
    "refused, status, kind, retryable",
    [
        (400, 400, "bad_request", False),
        (404, 400, "bad_request", False),
        (413, 400, "bad_request", False),
        (422, 400, "bad_request", False),
        (401, 502, "upstream_rejected", False),
        (402, 502, "upstream_rejected", False),
        (403, 502, "upstream_rejected", False),
        (429, 429, "rate_limited", True),
        (500, 502, "upstream_failed", True),
        (502, 502, "upstream_failed", True),
        (504, 502, "upstream_failed", True),
        (418, 502, "upstream_failed", True),
        (503, 503, "overloaded", True),
        (529, 503, "overloaded", True),
    ],
)
def test_a_providers_refusal_has_our_status_and_type(failing, refused, status, kind, retryable):
    with failing.ask(f"fail={refused}") as answer:
        problem = answer.problem(status, kind)
        assert problem["retryable"] is retryable
        assert failing.worker.request(answer.request_id) | {"status": str(status), "ended": kind} == (
            failing.worker.request(answer.request_id)
        )


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed(sites, scripted, status):
    """Its target would get the key."""
    target = sites.scripted()
    place = f"http://127.0.0.1:{target.port}/v1/chat/completions"
    told(scripted, lambda call: call.answer("", None, status, Location=place), 502, "upstream_failed")
    assert target.accepted == 0 and not scripted.provider.has_been_called()


@pytest.mark.parametrize("status, kind", [(429, "rate_limited"), (503, "overloaded")])
def test_a_retry_time_in_seconds_is_passed_on(failing, status, kind):
    with failing.ask(f"fail={status} retry_after=17") as answer:
        answer.problem(status, kind)
        assert answer.header("Retry-After") == "17"


@pytest.mark.parametrize(
    "header, body, seconds",
    [
        ({"Retry_After": "1.2"}, {}, "2"),
        ({"Retry_After_Ms": "1500"}, {}, "2"),
        ({}, {"error": {"message": "slow", "details": [{"retryDelay": "21.4s"}]}}, "22"),
    ],
)
def test_a_retry_time_in_any_form_becomes_whole_seconds_rounded_up(scripted, header, body, seconds):
    problem = told(
        scripted,
        lambda call: call.answer(json.dumps(body), "application/json", "429 Too Many Requests", **header),
        429,
        "rate_limited",
    )
    assert problem["retry_after"] == seconds


def test_a_retry_time_as_a_date_becomes_seconds(scripted):
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    problem = told(
        scripted, lambda call: call.answer("{}", "application/json", "503 Busy", Retry_After=date), 503, "overloaded"
    )
    assert 60 <= int(problem["retry_after"]) <= 101


def test_a_retry_time_on_a_200_means_nothing(scripted):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(stream_of("a"), Retry_After="9")
        assert answer.all_events().done and answer.header("Retry-After") is None


def test_an_account_without_money_is_not_to_be_tried_again(scripted):
    body = json.dumps({"error": {"message": "no money", "type": "insufficient_quota", "code": "insufficient_quota"}})
    problem = told(
        scripted, lambda call: call.answer(body, "application/json", "429 Too Many Requests"), 429, "rate_limited"
    )
    assert problem["retryable"] is False


def test_a_refusals_message_is_passed_on(scripted):
    body = json.dumps({"error": {"message": "too many sheep", "type": "invalid_request_error"}})
    problem = told(scripted, lambda call: call.answer(body, "application/json", "400 Bad Request"), 400, "bad_request")
    assert "too many sheep" in problem["detail"]


@pytest.mark.parametrize("status", ["400 Bad Request", "429 Slow", "500 Oh", "401 Who"])
def test_the_key_never_comes_back_however_the_provider_quotes_it(scripted, status):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        assert KEY in call.headers["authorization"]
        call.answer(json.dumps({"error": {"message": f"bad key {KEY}, again {KEY}"}}), "application/json", status)
        body = answer.body()
    assert answer.status >= 400 and KEY.encode() not in body
    assert scripted.worker.request(answer.request_id)
    assert KEY not in scripted.worker.log() and KEY not in scripted.nginx.error_log()


def test_the_key_does_not_come_back_inside_a_stream_either(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head()
        call.token("a")
        call.event({"error": {"message": f"your key {KEY} has expired", "code": 500}})
        call.close()
        body = answer.body()
    assert b"event: error" in body and KEY.encode() not in body


@pytest.mark.parametrize(
    "prompt, kind",
    [
        ("drop=0", "upstream_truncated"),
        ("cut=0", "upstream_truncated"),
        ("truncate=0", "upstream_truncated"),
        ("empty=1", "upstream_truncated"),
        ("html=1", "upstream_malformed"),
        ("n=1 line=2097152", "upstream_malformed"),
    ],
)
def test_a_reply_without_any_output_is_a_502(failing, prompt, kind):
    with failing.ask(prompt) as answer:
        answer.problem(502, kind)


@pytest.mark.parametrize("body", ["", ": hi\n\n", "data: [DO", "data:\n\n", "<html></html>", "\0\1\2", "{"])
def test_a_200_that_is_no_answer_is_a_502(scripted, body):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(body)
        assert answer.status == 502
        assert json.loads(answer.body())["type"].split(":")[-1] in ("upstream_truncated", "upstream_malformed")


@pytest.mark.parametrize(
    "data", ['{"choices":[{"index":0,"delta":{"content":"a', '{"a":"\x01"}', '{"a":"\udcff"}', "{]}"]
)
def test_an_object_that_does_not_parse_is_malformed_as_it_may_have_held_a_token(scripted, data):
    body = b"data: " + data.encode("utf-8", "surrogateescape") + b"\n\n" + stream_of("rest").encode()
    told(scripted, lambda call: call.answer(body), 502, "upstream_malformed")


@pytest.mark.parametrize(
    "error, status, kind",
    [
        ({"message": "slow down", "type": "rate_limit_error"}, 429, "rate_limited"),
        ({"message": "x", "code": 401}, 502, "upstream_rejected"),
        ({"message": "x", "code": "503"}, 503, "overloaded"),
        ({"message": "x", "type": "overloaded_error"}, 503, "overloaded"),
        ({"message": "x", "type": "invalid_request_error"}, 400, "bad_request"),
        ("it broke", 502, "upstream_failed"),
    ],
)
def test_an_error_inside_a_200_before_any_output_has_its_true_status(scripted, error, status, kind):
    told(scripted, lambda call: call.answer(f"data: {json.dumps({'error': error})}\n\n"), status, kind)


@pytest.mark.parametrize("form", ["event: error\ndata: {0}\n\n", "error: {0}\n\n", "{0}"])
def test_an_error_inside_a_200_is_known_in_every_form(scripted, form):
    error = json.dumps({"error": {"message": "over the limit", "code": 429}}, indent=None if "data" in form else 1)
    if "error: " in form and "data" not in form:
        error = error.replace("\n", "")
    problem = told(scripted, lambda call: call.answer(form.replace("{0}", error)), 429, "rate_limited")
    assert "over the limit" in problem["detail"]


def test_an_error_as_json_is_told_with_its_status(failing):
    with failing.ask("json=1 error=0") as answer:
        answer.problem(429, "rate_limited")


def test_nobody_listening_is_a_502_at_once(sites):
    site = sites.site(f"http://127.0.0.1:{free_port()}/v1")
    with site.ask("x") as answer:
        problem = answer.problem(502, "upstream_unreachable")
        assert problem["retryable"] is True


def test_a_host_that_does_not_exist_is_a_502(sites):
    site = sites.site("http://no-such-host.invalid/v1")
    with site.ask("x") as answer:
        problem = answer.problem(502, "upstream_unreachable")
    assert "its name is not found" in problem["detail"] and problem["retryable"] is True


def test_something_that_speaks_no_http_is_a_502(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        call.close()
        assert answer.status == 502


# After output


@pytest.mark.parametrize(
    "prompt, kind, status",
    [
        ("n=9 drop=5", "upstream_truncated", 502),
        ("n=9 cut=5", "upstream_truncated", 502),
        ("n=9 truncate=5", "upstream_truncated", 502),
        ("n=9 error=5", "rate_limited", 429),
    ],
)
def test_a_failure_after_output_is_an_event(failing, prompt, kind, status):
    with failing.ask(prompt) as answer:
        assert answer.status == 200
        events = answer.all_events()
    assert len(events.tokens) == 5
    error = events.error
    assert (error["type"], error["status"]) == (kind, status)
    assert error["message"] and error["retryable"] is True
    assert events.terminal.id == f"{answer.request_id}.end"
    line = failing.worker.request(answer.request_id)
    assert (line["status"], line["ended"], line["tokens"]) == ("200", kind, "5")


def test_a_line_of_2_mib_after_output_is_an_event(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head()
        call.token("a")
        assert answer.next_token() == "a"
        try:
            call.token("b" * (2 << 20))
        except OSError:
            pass
        assert answer.all_events().error["type"] == "upstream_malformed"


def test_a_long_line_within_the_bound_passes(scripted):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(stream_of("a" * 1_000_000))
        assert answer.all_events().text == "a" * 1_000_000


def test_after_the_hold_a_refusal_is_an_event_and_tells_the_retry_time(sites, mock):
    site = sites.site(mock, timeouts={"hold": "100ms"})
    with site.ask("fail=429 first=1500 retry_after=9") as answer:
        assert answer.status == 200
        events = answer.all_events()
    assert events[0].type == "comment"
    assert (events.error["type"], events.error["status"], events.error["retry_after"]) == ("rate_limited", 429, 9)


def test_an_unreadable_event_after_output_ends_the_stream(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head()
        call.token("a")
        call.event('{"choices":[')
        call.token("never")
        events = answer.all_events()
    assert events.text == "a" and events.error["type"] == "upstream_malformed"


def test_thinking_is_output_too(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head()
        call.event(chunk({"reasoning_content": "hm"}))
        call.close()
        assert answer.status == 200
        assert answer.all_events().error["type"] == "upstream_truncated"


def test_html_behind_output_is_no_silent_end(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head()
        call.token("a")
        call.send(b"<html><body>Bad gateway</body></html>")
        call.close()
        assert answer.all_events().error


# Neither does it harm others


def test_a_failure_leaves_the_worker_as_good_as_new(failing):
    for prompt in ("drop=0", "n=3 drop=2", "html=1", "fail=500", "n=1 line=2097152", "n=3 stall=3"):
        with failing.ask(prompt) as answer:
            answer.status if "stall" not in prompt else answer.next_token()
    with failing.ask("n=5") as answer:
        assert len(answer.all_events().tokens) == 5


@pytest.mark.measures
def test_the_memory_of_many_long_lines_is_given_back(scripted):
    before = None
    for round_ in range(12):
        with scripted.ask("x") as answer:
            call = scripted.provider.next_call()
            call.head(Content_Length=4 << 20)
            try:
                call.send(b"data: " + b"x" * (2 << 20))
            except OSError:
                pass
            answer.problem(502, "upstream_malformed")
            call.answered.set()
        if round_ == 3:
            before = scripted.worker.memory()
    assert scripted.worker.memory() < before + (8 << 20)
