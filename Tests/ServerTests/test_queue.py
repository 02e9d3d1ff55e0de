"""The queue: who waits when all slots are taken, what is told meanwhile, and how a wait ends."""

import json
import signal

import pytest

from harness.events import Event
from harness.waiting import wait_until

RUNNING = "n=100000 rate=20"


def queueing(sites, mock, length=3, wait="1h", **more):
    """One worker with one slot."""
    queue = {"length": length, "wait": wait}
    return sites.site(mock, limits={"streams": 1}, queue=queue, nginx={"chat": True}, **more)


def place(answer):
    """The next place that it is told."""
    event = answer.next_event()
    assert event is not None and event.type == "comment" and event.data.startswith("place "), event
    return int(event.data.split()[1])


def chat(site, **more):
    body = {"messages": [{"role": "user", "content": "n=2"}]} | more
    return site.post(body, "/v1/chat/completions")


def test_who_waits_is_told_the_place_and_is_served_in_turn(sites, mock):
    site = queueing(sites, mock)
    running = site.ask(RUNNING)
    running.next_token()
    with site.ask(RUNNING) as second, site.ask("n=2") as third:
        assert place(second) == 1 and second.status == 200
        assert place(third) == 2
        assert mock.stats()["open"] == 1
        running.close()
        assert second.next_token()
        assert place(third) == 1
        second.close()
        assert third.all_events().done
    line = site.worker.request(third.request_id)
    assert line["ended"] == "done" and int(line["queued_ms"]) >= 0
    assert "queued_ms" not in site.worker.request(running.request_id)


def test_the_clocks_of_the_answer_start_when_its_turn_comes(sites, mock):
    site = queueing(sites, mock, timeouts={"total": "3s", "first_token": "2s", "ping": "500ms"})
    running = site.ask("n=10000 rate=20")
    running.next_token()
    with site.ask("n=1") as waiting:
        assert place(waiting) == 1
        # The first is ended by its own clock, which has longer to go than the second's first token may take.
        error = running.all_events().error
        assert error["type"] == "timeout_total"
        events = waiting.all_events()
        done = events.done
        assert any(event.data == "ping" for event in events.of("comment")), "it is kept alive meanwhile"
    line = site.worker.request(waiting.request_id)
    assert int(line["queued_ms"]) >= 2000
    assert done["duration_ms"] < 2000 and int(line["duration_ms"]) == done["duration_ms"]


def test_beyond_its_length_it_is_503_at_once(sites, mock):
    site = queueing(sites, mock, length=1)
    with site.ask(RUNNING) as running, site.ask("n=1") as waiting:
        running.next_token()
        place(waiting)
        with site.ask("n=1") as answer:
            assert answer.problem(503, "overloaded")["retryable"] is True
            assert int(answer.header("Retry-After")) >= 1
        running.close()
        assert waiting.all_events().done


def test_beyond_its_time_it_is_an_error_event_and_the_place_is_free(sites, mock):
    site = queueing(sites, mock, length=1, wait="300ms")
    watch = mock.watch()
    with site.ask(RUNNING) as running:
        running.next_token()
        for _ in range(2):
            with site.ask("n=1") as answer:
                assert place(answer) == 1
                error = answer.all_events().error
                assert error["type"] == "overloaded" and error["retryable"] and error["retry_after"] >= 1
            line = site.worker.request(answer.request_id)
            assert line["ended"] == "overloaded" and int(line["queued_ms"]) >= 300
        assert watch["requests"] == 1


def test_an_answer_that_is_collected_waits_silently(sites, mock):
    site = queueing(sites, mock, length=2)
    running = site.ask(RUNNING)
    running.next_token()
    with chat(site, stream=False) as silent, chat(site, stream=True) as told:
        event = told.next_event()
        assert (event.type, event.data) == ("comment", "place 2 in the queue")
        running.close()
        assert silent.json()["choices"][0]["finish_reason"] == "stop" and silent.status == 200
        while event.type == "comment":
            event = told.next_event()
        assert event.json["object"] == "chat.completion.chunk"


def test_an_answer_that_is_collected_and_waits_in_vain_has_its_status(sites, mock):
    site = queueing(sites, mock, wait="300ms")
    with site.ask(RUNNING) as running:
        running.next_token()
        with chat(site, stream=False) as answer:
            answer.chat_error(503, "overloaded")
            assert int(answer.header("Retry-After")) >= 1


def test_who_leaves_frees_the_place_and_the_others_move_up(sites, mock):
    site = queueing(sites, mock, length=2)
    running = site.ask(RUNNING)
    running.next_token()
    first, second = site.ask("n=1"), site.ask("n=1")
    assert (place(first), place(second)) == (1, 2)
    first.close()
    assert place(second) == 1
    with site.ask("n=1") as third:
        assert place(third) == 2
        line = site.worker.request(first.request_id)
        assert line["ended"] == "client_left" and "queued_ms" in line
        running.close()
        assert second.all_events().done and third.all_events().done
    second.close()


def test_nobody_is_told_a_place_twice_a_second(sites, mock):
    site = queueing(sites, mock, length=8)
    running = site.ask(RUNNING)
    running.next_token()
    others = [site.ask("n=1") for _ in range(6)]
    assert [place(each) for each in others] == [1, 2, 3, 4, 5, 6]
    with site.ask("n=1") as last:
        assert place(last) == 7
        # All of them leave at once.
        for each in others:
            each.close()
        assert place(last) == 1
        told = [event for event in last.events.seen if event.data.startswith("place")]
        assert len(told) - 1 <= told[-1].at - told[0].at + 1
        running.close()
        assert last.all_events().done


@pytest.mark.parametrize("stream", [True, False])
def test_draining_ends_what_waits_and_lets_what_runs_go_on(sites, mock, stream):
    site = queueing(sites, mock)
    with site.ask("n=40 rate=20") as running, chat(site, stream=stream) as waiting:
        running.next_token()
        if stream:
            waiting.next_event()
        else:
            # It says nothing, but holds a place: the next one is behind it.
            def is_second():
                with site.ask("n=1") as probe:
                    return place(probe) == 2

            wait_until(is_second, "it waits")
        site.worker.signal(signal.SIGTERM)
        if stream:
            body = waiting.body()
            assert b'"code":"shutting_down"' in body and b"[DONE]" not in body
        else:
            waiting.chat_error(503, "shutting_down")
        assert running.all_events().done
    assert site.worker.wait() == 0


def test_a_higher_bound_lets_those_in_who_wait(sites, mock):
    site = queueing(sites, mock)
    with site.ask(RUNNING) as running, site.ask("n=1") as waiting:
        running.next_token()
        place(waiting)
        config = json.loads(site.worker.config_path.read_text())
        config["limits"]["streams"] = 2
        site.worker.write(config)
        site.worker.signal(signal.SIGHUP)
        assert waiting.all_events().done
        running.next_token()


def test_who_waits_holds_a_stream_of_its_client(sites, mock):
    site = sites.site(mock, limits={"streams": 1, "client": {"streams": 2}}, queue={"length": 5, "wait": "1h"})
    with site.ask(RUNNING) as running, site.ask("n=1") as waiting:
        running.next_token()
        place(waiting)
        with site.ask("n=1") as answer:
            assert answer.problem(429, "rate_limited")["limit"] == "client_streams"
        running.close()
        assert waiting.all_events().done


def test_a_place_is_a_comment_that_every_reader_skips(sites, mock):
    site = queueing(sites, mock)
    running = site.ask(RUNNING)
    running.next_token()
    with site.ask("n=3") as waiting:
        event = waiting.next_event()
        assert event == Event("comment", "place 1 in the queue")
        running.close()
        assert len(waiting.all_events().tokens) == 3
