"""Models that stand in for one that fails before any output, and the breaker that leaves a provider out."""

import pytest

from harness.failing import config_of, refuse, reload
from harness.scripted import stream_of


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


# Over a reload


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
