"""The four clocks of a generation: connect, first token, idle, total."""

import socket

import pytest

from harness.scripted import chunk


@pytest.fixture
def clocks(sites):
    """A site with a scripted provider and these clocks."""

    def make(**timeouts):
        return sites.site(sites.scripted(), timeouts={"hold": "1h"} | timeouts)

    return make


def test_the_connect_clock_gives_504_unreachable(sites):
    """A listener whose backlog is full takes no further connection, and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        try:
            for _ in range(8):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
            site = sites.site(base_url, timeouts={"connect": "400ms", "hold": "1h"})
            with site.ask("x") as answer:
                answer.problem(504, "upstream_unreachable")
        finally:
            for filler in fillers:
                filler.close()


def test_a_provider_that_says_nothing_at_all_meets_the_first_token_clock(clocks):
    site = clocks(first_token="400ms")
    with site.ask("x") as answer:
        call = site.provider.next_call()
        answer.problem(504, "timeout_first_token")
        call.wait_until_left()


def test_a_head_and_comments_are_no_first_token(clocks):
    site = clocks(first_token="400ms")
    with site.ask("x") as answer:
        call = site.provider.next_call()
        call.head()
        call.send(b": still thinking\n\n")
        call.event(chunk({"role": "assistant", "content": ""}))
        answer.problem(504, "timeout_first_token")
        call.wait_until_left()


def test_after_the_hold_the_first_token_clock_is_an_event(clocks):
    site = clocks(hold="100ms", first_token="600ms")
    with site.ask("x") as answer:
        events = answer.all_events()
    assert (events.error["type"], events.error["status"]) == ("timeout_first_token", 504)


def test_a_silence_after_output_meets_the_idle_clock(clocks):
    site = clocks(idle="400ms")
    with site.ask("x") as answer:
        call = site.provider.next_call()
        call.head()
        call.token("a")
        events = answer.all_events()
        call.wait_until_left()
    assert events.text == "a"
    assert (events.error["type"], events.error["status"]) == ("timeout_idle", 504)


def test_any_byte_of_the_provider_winds_the_idle_clock_up(clocks):
    site = clocks(idle="2s", ping="1h")
    with site.ask("x") as answer:
        call = site.provider.next_call()
        call.head()
        call.token("a")
        answer.next_token()
        for _ in range(8):
            # Each well within the clock, all together well beyond it.
            assert not call.has_left()
            call.send(b": thinking\n\n")
            with pytest.raises(AssertionError, match="nothing came"):
                answer.next_event(0.4)
        call.finish()
        assert answer.all_events().done


def test_an_answer_that_does_not_end_meets_the_total_clock(clocks, mock):
    site = clocks(total="700ms")
    with site.ask("x") as answer:
        call = site.provider.next_call()
        call.head()
        ended = None
        while ended is None:
            try:
                call.token("a")
                event = answer.next_event()
                ended = event if event.is_terminal else None
            except OSError:
                ended = answer.next_event()
        call.wait_until_left()
    assert (ended.type, ended.json["type"], ended.json["status"]) == ("error", "timeout_total", 504)
