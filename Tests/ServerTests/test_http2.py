"""A provider that is called over HTTP/2: one stream a connection, which the next stream uses again."""

import contextlib

import pytest
from h2.errors import ErrorCodes

from harness.http2 import HTTP2Provider
from harness.scripted import chunk, stream_of


@pytest.fixture
def provider(sites, tls):
    return sites.keep(HTTP2Provider(tls=tls))


@pytest.fixture
def trusting(sites, certificate):
    """Makes a site whose worker calls a provider over HTTP/2."""

    def make(provider, **options):
        env = {"SSL_CERT_FILE": str(certificate / "cert.pem")}
        return sites.site(provider, env=env, providers={"mock": {"http": 2}}, **options)

    return make


@pytest.fixture
def site(trusting, provider):
    """One whose first connection stands already."""
    made = trusting(provider)
    with made.ask("first") as answer:
        provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"
    return made


def test_tokens_come_one_by_one(trusting, provider):
    with trusting(provider).ask("Grüße") as answer:
        call = provider.next_call()
        assert call.line == "POST /v1/chat/completions HTTP/2" and call.prompt == "Grüße"
        assert call.headers["content-type"] == "application/json"
        assert call.headers["accept-encoding"] == "identity"
        call.head()
        for number in range(10):
            call.token(f"{number} ")
            assert answer.next_token() == f"{number} "
        call.finish()
        assert answer.all_events().done


def test_a_provider_that_has_no_http_2_is_spoken_to_in_http_1_1(sites, trusting, tls):
    provider = sites.scripted(tls=tls)
    with trusting(provider).ask("x") as answer:
        call = provider.next_call()
        assert call.line == "POST /v1/chat/completions HTTP/1.1"
        call.answer(stream_of("a"))
        assert answer.all_events().text == "a"


@pytest.mark.parametrize("kilobytes", [20, 64, 300])
def test_an_event_larger_than_a_receive_buffer_comes_whole(site, provider, kilobytes):
    """Behind an open stream, so that no end of the body helps what waits in TLS on its way."""
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head()
        for letter in "abc":
            call.token(letter * kilobytes * 1000)
            assert answer.next_token() == letter * kilobytes * 1000
            call.token("!")
            assert answer.next_token() == "!"
        call.finish()
        assert answer.all_events().done


def test_three_thousand_tokens_at_once_all_come(site, provider):
    texts = [f"{number} " for number in range(3000)]
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head()
        body = stream_of(*texts)
        ended = body.index("data: [DONE]")
        call.send(body[:ended].encode())
        assert [answer.next_token() for _ in texts] == texts
        call.send(body[ended:].encode())
        call.close()
        assert answer.all_events().done


def test_a_burst_of_many_streams_is_each_ones_own(site, provider):
    with contextlib.ExitStack() as stack:
        answers = {name: stack.enter_context(site.ask(name)) for name in "abcdefgh"}
        calls = {call.prompt: call for call in (provider.next_call() for _ in answers)}
        assert calls.keys() == answers.keys()
        for call in calls.values():
            call.head()
        for _ in range(5):
            for name, call in calls.items():
                call.token(name * 40_000)
            for name, answer in answers.items():
                assert answer.next_token() == name * 40_000
        for call in calls.values():
            call.finish()
        for answer in answers.values():
            assert answer.all_events().done
    assert provider.accepted == len(answers)


def test_streams_one_after_the_other_use_one_connection(site, provider):
    for number in range(5):
        with site.ask("x") as answer:
            provider.next_call().answer(stream_of(str(number)))
            assert answer.all_events().text == str(number)
    assert provider.accepted == 1


def test_a_stream_that_runs_outlives_its_connections_goaway_and_the_next_takes_a_new_one(site, provider):
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head()
        call.token("a")
        assert answer.next_token() == "a"
        call.connection.go_away()
        # In order behind it.
        call.token("b")
        assert answer.next_token() == "b"
        with site.ask("y") as other:
            second = provider.next_call()
            assert second.connection is not call.connection
            second.answer(stream_of("c"))
            assert other.all_events().text == "c"
        call.finish()
        events = answer.all_events()
        assert events.text == "ab" and events.done
    assert provider.accepted == 2


def test_a_stream_above_a_goaways_last_is_asked_for_again_as_nothing_was_done_for_it(site, provider):
    """The provider's idle limit has run out while the request was on its way. It is no attempt that failed."""
    with site.ask("x") as answer:
        call = provider.next_call()
        call.connection.go_away(last=call.stream - 2)
        again = provider.next_call()
        assert again.connection is not call.connection and (again.prompt, again.body) == (call.prompt, call.body)
        again.answer(stream_of("a"))
        assert answer.all_events().text == "a"


def test_a_new_connection_that_says_goodbye_at_once_is_a_failure(trusting, provider):
    with trusting(provider).ask("x") as answer:
        provider.next_call().connection.go_away(last=0)
        answer.problem(502, "upstream_truncated")
    assert not provider.has_been_called()


def test_a_stream_above_a_goaways_last_that_has_output_ends_in_an_error(site, provider):
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head()
        call.token("a")
        assert answer.next_token() == "a"
        call.connection.go_away(last=call.stream - 2)
        events = answer.all_events()
        assert events.tokens == ["a"] and events.error["type"] == "upstream_truncated"
    assert not provider.has_been_called()


def test_a_goaway_while_nothing_runs_costs_the_next_request_nothing(site, provider):
    with site.ask("x") as answer:
        call = provider.next_call()
        call.answer(stream_of("a"))
        assert answer.all_events().done
    call.connection.go_away()
    with site.ask("y") as answer:
        again = provider.next_call()
        assert again.prompt == "y"
        again.answer(stream_of("b"))
        assert answer.all_events().text == "b"


def test_a_stream_that_is_reset_in_mid_answer_ends_in_an_error_and_no_other_does(site, provider):
    with site.ask("x") as answer, site.ask("y") as other:
        calls = {call.prompt: call for call in (provider.next_call(), provider.next_call())}
        for call in calls.values():
            call.head()
            call.token("a")
        assert answer.next_token() == "a"
        calls["x"].reset()
        events = answer.all_events()
        assert events.tokens == ["a"]
        assert (events.error["type"], events.error["status"]) == ("upstream_truncated", 502)
        calls["y"].finish()
        assert other.all_events().done


def test_a_connection_that_breaks_ends_its_stream_in_an_error(site, provider):
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head()
        call.token("a")
        assert answer.next_token() == "a"
        call.connection.close()
        assert answer.all_events().error["type"] == "upstream_truncated"


@pytest.mark.parametrize("has_head", [False, True])
def test_a_stream_that_is_reset_before_any_output_is_a_failure_by_status(site, provider, has_head):
    with site.ask("x") as answer:
        call = provider.next_call()
        if has_head:
            call.head()
        call.reset()
        answer.problem(502, "upstream_truncated")
    assert not provider.has_been_called()


def test_a_stream_that_is_reset_before_any_output_is_tried_again(trusting, provider):
    with trusting(provider, retry={"attempts": 2}).ask("x") as answer:
        provider.next_call().reset()
        provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"


def test_a_refused_stream_is_asked_for_again_as_nothing_was_done_for_it(site, provider):
    """RFC 9113, section 8.7; it is no attempt that failed."""
    with site.ask("x") as answer:
        provider.next_call().reset(ErrorCodes.REFUSED_STREAM)
        again = provider.next_call()
        assert again.prompt == "x"
        again.answer(stream_of("a"))
        assert answer.all_events().text == "a"


@pytest.mark.parametrize("has_output", [False, True])
def test_a_client_that_leaves_is_seen_by_the_provider_at_once(site, provider, has_output):
    leaver = site.ask("x")
    call = provider.next_call()
    if has_output:
        call.head()
        call.token("a")
        assert leaver.next_token() == "a"
    leaver.close()
    call.wait_until_left()
    with site.ask("y") as answer:
        provider.next_call().answer(stream_of("b"))
        assert answer.all_events().text == "b"


@pytest.mark.measures
def test_a_reader_that_stands_still_holds_up_nobody_else_and_costs_no_memory(site, provider):
    before = site.worker.memory()
    with site.ask("x", receive_buffer=4096) as slow, site.ask("y") as other, site.ask("z") as leaver:
        calls = {call.prompt: call for call in (provider.next_call() for _ in "xyz")}
        for call in calls.values():
            call.head()
        text = "x" * 10_000
        for _ in range(1000):
            calls["x"].token(text)
        assert slow.next_token() == text
        for number in range(50):
            calls["y"].token(f"{number}")
            assert other.next_token() == f"{number}"
        calls["z"].token("a")
        assert leaver.next_token() == "a"
        leaver.close()
        calls["z"].wait_until_left()
        assert site.worker.memory() < before + (4 << 20)
        calls["y"].finish()
        assert other.all_events().done
        calls["x"].finish()
        events = slow.all_events()
        assert events.done and events.tokens == [text] * 1000
