"""Attempts that fail before any output: the next one of the same model, the next key, the fallback models."""

import json
import re
import signal
import socket
import time
from email.utils import formatdate

import pytest

from harness.scripted import chunk, stream_of
from harness.waiting import free_port, wait_until
from harness.worker import KEY, merge

# As the defaults, but for the waits.
RETRY = {"attempts": 3, "backoff": "20ms", "max_wait": "10s"}


def refuse(call, status, body="{}", **headers):
    call.answer(body, "application/json", f"{status} No", **headers)


@pytest.fixture
def scripted(sites):
    return sites.site(sites.scripted(), retry=RETRY, timeouts={"hold": "1h"})


@pytest.fixture
def two(sites):
    """two(**changes): a site whose fallback is another provider; and both providers."""

    def start(**changes):
        first, second = sites.scripted(), sites.scripted()
        other = {"base_url": second.base_url, "api_key": "$OTHER_KEY", "models": {"spare": {"price_per_mtok": 5.0}}}
        site = sites.site(
            first,
            **merge(
                {
                    "providers": {"other": other},
                    "fallback": ["other/spare"],
                    "retry": RETRY | {"attempts": 1},
                    "timeouts": {"hold": "1h"},
                    "env": {"OTHER_KEY": "key-of-the-other"},
                },
                changes,
            ),
        )
        return site, first, second

    return start


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


# Fallback


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500, 503])
def test_another_model_answers_where_the_first_cannot(two, status):
    site, first, second = two()
    with site.ask("x") as answer:
        refuse(first.next_call(), status)
        call = second.next_call()
        assert call.json["model"] == "spare" and call.prompt == "x"
        assert call.headers["authorization"] == "Bearer key-of-the-other"
        call.answer(stream_of("a", usage={"prompt_tokens": 100_000, "completion_tokens": 100_000}))
        done = answer.all_events().done
    assert done["model"] == "other/spare" and done["cost_usd"] == 1
    line = site.worker.request(answer.request_id)
    assert (line["model"], line["attempts"], line["ended"]) == ("other/spare", "2", "done")


def test_a_fallback_whose_wire_cannot_carry_the_request_is_passed_over(sites):
    first, deaf, third = sites.scripted(), sites.scripted(), sites.scripted()
    site = sites.site(
        first,
        providers={
            "deaf": {"base_url": deaf.base_url.removesuffix("/v1"), "wire": "anthropic", "models": {"m": {}}},
            "other": {"base_url": third.base_url, "models": {"spare": {}}},
        },
        fallback=["deaf/m", "other/spare"],
        timeouts={"hold": "1h"},
        nginx={"chat": True},
    )
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    with site.post({"messages": [{"role": "user", "content": [sound]}]}, "/v1/chat/completions") as answer:
        refuse(first.next_call(), 503)
        call = third.next_call()
        assert call.json["messages"][0]["content"] == [sound]
        call.answer(stream_of("a"))
        assert answer.json()["model"] == "other/spare"
    assert not deaf.has_been_called()


def test_a_bad_request_is_not_carried_to_another_model(two):
    site, first, second = two()
    with site.ask("x") as answer:
        refuse(first.next_call(), 400)
        answer.problem(400, "bad_request")
    assert not second.has_been_called()


def test_with_no_model_left_the_last_failure_is_told(two):
    site, first, second = two()
    with site.ask("x") as answer:
        refuse(first.next_call(), 500)
        refuse(second.next_call(), 429, Retry_After="60")
        answer.problem(429, "rate_limited")
        assert answer.header("Retry-After") == "60"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_fallback_refuses_does_not_make_a_passing_failure_look_final(two, status):
    """Its key may be wrong, its model not exist or be too small for what was asked."""
    site, first, second = two()
    with site.ask("x") as answer:
        refuse(first.next_call(), 503, Retry_After="60")
        refuse(second.next_call(), status)
        assert answer.problem(503, "overloaded")["retryable"] is True
        assert answer.header("Retry-After") == "60"
    line = site.worker.request(answer.request_id)
    assert (line["model"], line["ended"], line["cause"]) == ("mock/mock", "overloaded", "status 503")
    assert line["attempts"] == "2"


def test_the_log_has_a_line_for_each_failed_attempt(two):
    site, first, second = two(providers={"mock": {"api_key": ["$MOCK_KEY", "$OTHER_KEY"]}}, retry={"attempts": 2})
    with site.ask("x") as answer:
        refuse(first.next_call(), 401)
        refuse(first.next_call(), 503)
        refuse(second.next_call(), 401)
        answer.problem(503, "overloaded")
    site.worker.request(answer.request_id)
    told = [line["msg"] for line in site.worker.lines() if answer.request_id in line["msg"]]
    assert [line.split(";")[0] for line in told] == [
        "mock/mock with key 1 failed with upstream_rejected (status 401)",
        "mock/mock with key 2 failed with overloaded (status 503)",
        "other/spare failed with upstream_rejected (status 401)",
    ]
    assert "no attempt is left" in told[-1]


def test_the_fallback_itself_is_not_asked_twice(two):
    site, first, second = two()
    with site.ask("x", model="other/spare") as answer:
        refuse(second.next_call(), 500)
        answer.problem(502, "upstream_failed")
    assert not first.has_been_called() and not second.has_been_called()


def leave_out(site, first, second):
    """Has the first provider fail so often that it is left out."""
    for _ in range(5):
        with site.ask("x") as answer:
            refuse(first.next_call(), 500)
            second.next_call().answer(stream_of("a"))
            assert answer.all_events().done["model"] == "other/spare"


def test_a_provider_that_failed_five_times_in_a_row_is_left_out(two):
    site, first, second = two()
    leave_out(site, first, second)
    for _ in range(2):
        with site.ask("x") as answer:
            second.next_call().answer(stream_of("a"))
            assert answer.all_events().done["model"] == "other/spare"
    assert not first.has_been_called()
    site.worker.wait_for_log("mock is left out for 30")
    line = site.worker.request(answer.request_id)
    assert (line["model"], line["asked"]) == ("other/spare", "mock/mock") and "attempts" not in line


def test_a_provider_that_is_left_out_is_asked_where_no_other_can(two):
    site, first, second = two()
    leave_out(site, first, second)
    with site.ask("x") as answer:
        refuse(second.next_call(), 401)
        first.next_call().answer(stream_of("b"))
        assert answer.all_events().done["model"] == "mock/mock"
    site.worker.wait_for_log("mock answers again")


def test_a_refusal_of_what_was_asked_says_nothing_against_the_provider(two):
    site, first, second = two()
    for _ in range(2):
        for status in (500, 500, 500, 400):
            with site.ask("x") as answer:
                refuse(first.next_call(), status)
                if status == 500:
                    second.next_call().answer(stream_of("a"))
                answer.body()


def test_a_success_in_between_begins_the_count_anew(two):
    site, first, second = two()
    for works in 2 * [False, False, False, False, True]:
        with site.ask("x") as answer:
            call = first.next_call()
            if works:
                call.answer(stream_of("a"))
            else:
                refuse(call, 500)
                second.next_call().answer(stream_of("a"))
            assert answer.all_events().done["model"] == ("mock/mock" if works else "other/spare")


def test_all_workers_of_a_process_leave_it_out_together(two):
    site, first, second = two(workers=2)
    for number in range(12):
        with site.ask(f"x{number}") as answer:
            if number < 5:
                refuse(first.next_call(), 500)
            second.next_call().answer(stream_of("a"))
            answer.all_events()
    assert not first.has_been_called()


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


# Keys


def bearer(call):
    return call.headers["authorization"].removeprefix("Bearer ")


@pytest.fixture
def keyed(sites):
    provider = sites.scripted()
    return sites.site(
        provider,
        providers={"mock": {"api_key": ["$MOCK_KEY", "$SECOND", "$THIRD"]}},
        env={"SECOND": "second-key", "THIRD": "third-key"},
        retry=RETRY,
        timeouts={"hold": "1h"},
    )


def test_several_keys_are_used_in_turn(keyed):
    used = []
    for _ in range(4):
        with keyed.ask("x") as answer:
            call = keyed.provider.next_call()
            used.append(bearer(call))
            call.answer(stream_of("a"))
            answer.all_events()
    assert used == [KEY, "second-key", "third-key", KEY]


@pytest.mark.parametrize("status", [401, 429])
def test_a_key_that_is_refused_or_limited_rests_and_another_answers_at_once(keyed, status):
    with keyed.ask("x") as answer:
        call = keyed.provider.next_call()
        assert bearer(call) == KEY
        refuse(call, status, Retry_After="3600")
        call = keyed.provider.next_call()
        assert bearer(call) == "second-key"
        call.answer(stream_of("a"))
        assert answer.all_events().text == "a"
    for expected in ("third-key", "second-key", "third-key"):
        with keyed.ask("x") as answer:
            call = keyed.provider.next_call()
            assert bearer(call) == expected
            call.answer(stream_of("a"))
            answer.all_events()


def test_limits_of_single_keys_are_not_the_providers(two):
    names = [f"KEY_{number}" for number in range(7)]
    site, first, second = two(
        providers={"mock": {"api_key": [f"${name}" for name in names]}},
        env={name: f"value-of-{name}" for name in names},
        retry={"attempts": 7},
    )
    with site.ask("x") as answer:
        for _ in range(6):
            refuse(first.next_call(), 429, Retry_After="3600")
        with site.ask("y") as other:
            first.next_call().answer(stream_of("a"))
            call = first.next_call()
            call.answer(stream_of("b"))
            assert answer.all_events().done["model"] == other.all_events().done["model"] == "mock/mock"
    assert not second.has_been_called()


def test_a_prompt_that_is_refused_lets_no_key_rest(keyed):
    for expected in (KEY, "second-key", "third-key", KEY):
        with keyed.ask("x") as answer:
            call = keyed.provider.next_call()
            assert bearer(call) == expected
            refuse(call, 403)
            answer.problem(502, "upstream_rejected")


def test_no_key_comes_back_whichever_was_quoted(keyed):
    with keyed.ask("x") as answer:
        said = json.dumps({"error": {"message": f"not {KEY}, not second-key, not third-key"}})
        refuse(keyed.provider.next_call(), 400, said)
        problem = answer.problem(400, "bad_request")
    assert not any(key in problem["detail"] for key in (KEY, "second-key", "third-key"))
    assert not any(key in keyed.worker.log() for key in (KEY, "second-key", "third-key"))


# Reading the configuration again


def reload(site, config):
    """The worker has it when it lists a model of its own, `read`."""
    site.worker.write(merge(config, {"providers": {"mock": {"models": {"read": {}}}}}))
    site.worker.signal(signal.SIGHUP)

    def is_in_force():
        with site.get("/v1/models") as answer:
            return "mock/read" in [each["id"] for each in answer.json()["data"]]

    wait_until(is_in_force, "the configuration is read again")


def config_of(site):
    return json.loads(site.worker.config_path.read_text())


def test_a_reload_takes_the_settings_of_what_runs_away_from_nobody(two):
    """The fallback is gone from the configuration while a request of before waits for it."""
    site, first, second = two(retry={"attempts": 2, "backoff": "300ms", "max_wait": "1s"})
    with site.ask("x") as answer:
        call = first.next_call()
        config = config_of(site)
        del config["fallback"], config["providers"]["other"]
        reload(site, config)
        refuse(call, 500)
        refuse(first.next_call(), 500)
        second.next_call().answer(stream_of("a"))
        assert answer.all_events().done["model"] == "other/spare"


def test_a_fallback_is_asked_from_the_reload_on_that_brings_it(two):
    site, first, second = two(fallback=[])
    with site.ask("x") as answer:
        refuse(first.next_call(), 500)
        answer.problem(502, "upstream_failed")
    reload(site, config_of(site) | {"fallback": ["other/spare"]})
    with site.ask("x") as answer:
        refuse(first.next_call(), 500)
        second.next_call().answer(stream_of("a"))
        assert answer.all_events().done["model"] == "other/spare"


def test_a_provider_that_is_left_out_stays_so_over_a_reload(two):
    site, first, second = two()
    leave_out(site, first, second)
    reload(site, config_of(site))
    with site.ask("x") as answer:
        second.next_call().answer(stream_of("a"))
        assert answer.all_events().done["model"] == "other/spare"
    assert not first.has_been_called()


def test_a_resting_key_rests_on_over_a_reload(keyed):
    with keyed.ask("x") as answer:
        refuse(keyed.provider.next_call(), 401)
        keyed.provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"
    reload(keyed, config_of(keyed))
    for expected in ("third-key", "second-key", "third-key"):
        with keyed.ask("x") as answer:
            call = keyed.provider.next_call()
            assert bearer(call) == expected
            call.answer(stream_of("a"))
            answer.all_events()
