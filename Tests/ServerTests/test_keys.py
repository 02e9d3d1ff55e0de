"""Several keys of one provider: used in turn, and a refused or limited one rests."""

import json

import pytest

from harness.failing import RETRY, config_of, refuse, reload
from harness.scripted import stream_of
from harness.worker import KEY


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
