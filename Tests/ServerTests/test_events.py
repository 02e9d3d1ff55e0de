"""What the events of a stream tell, how long the first of them is waited for, and what the provider is asked."""

import json

import pytest

from harness.scripted import chunk, stream_of
from harness.worker import KEY


@pytest.fixture(scope="module")
def scripted(module_sites):
    """A site whose provider is the test itself."""
    return module_sites.site(module_sites.scripted())


# The events


def test_done_tells_model_usage_cost_and_times(site):
    with site.ask("n=100") as answer:
        done = answer.all_events().done
    assert done["model"] == "mock/mock"
    assert done["usage"] == {"prompt_tokens": 1, "completion_tokens": 100, "total_tokens": 101}
    # A dollar a million for the prompt, two for the answer.
    assert done["cost_usd"] == pytest.approx(1e-6 + 200e-6)
    assert 0 <= done["ttft_ms"] <= done["duration_ms"]
    assert "skipped" not in done


def test_without_a_price_there_is_no_cost(site):
    with site.ask("n=1", model="mock/plain") as answer:
        done = answer.all_events().done
    assert done["model"] == "mock/plain" and done["usage"] and "cost_usd" not in done


def test_without_a_report_of_the_provider_usage_is_null(scripted):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(stream_of("a"))
        done = answer.all_events().done
    assert done["usage"] is None and "cost_usd" not in done


def test_the_last_report_of_usage_counts(scripted):
    first = chunk({"content": "a"}, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
    last = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(f"data: {json.dumps(first)}\n\n" + stream_of("b", usage=last))
        assert answer.all_events().done["usage"] == last


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_comes_as_events_of_its_own(scripted, field):
    with scripted.ask("x") as answer:
        thought = f"data: {json.dumps(chunk({field: 'hm '}))}\n\n"
        scripted.provider.next_call().answer(thought + thought + stream_of("yes"))
        events = answer.all_events()
    assert [event.type for event in events] == ["reasoning", "reasoning", "message", "done"]
    assert [event.token for event in events.of("reasoning")] == ["hm ", "hm "]


def test_the_mocks_thinking_comes_before_its_text(site):
    with site.ask("reasoning=3 n=2") as answer:
        assert [event.type for event in answer.all_events()] == ["reasoning"] * 3 + ["message"] * 2 + ["done"]


def test_tool_calls_come_in_fragments_and_in_order(site):
    with site.ask("tools=2") as answer:
        events = answer.all_events()
    calls = {}
    for event in events.of("tool_call"):
        fragment = event.json
        assert set(fragment) <= {"index", "id", "name", "arguments"}
        call = calls.setdefault(fragment["index"], {"arguments": ""})
        call["arguments"] += fragment["arguments"]
        call |= {name: fragment[name] for name in ("id", "name") if name in fragment}
    assert sorted(calls) == [0, 1]
    for call in calls.values():
        assert call["id"] and call["name"] and isinstance(json.loads(call["arguments"]), dict)
    assert events.done["finish_reason"] == "tool_calls"


def test_tool_calls_count_from_0_and_a_missing_id_is_made_up(scripted):
    def part(index, **function):
        return chunk({"tool_calls": [{"index": index, "type": "function", "function": function}]})

    parts = [part(4, name="look", arguments=""), part(4, arguments="{}"), part(9, name="find", arguments="{}")]
    with scripted.ask("x") as answer:
        text = "".join(f"data: {json.dumps(each)}\n\n" for each in parts)
        scripted.provider.next_call().answer(text + stream_of(reason="tool_calls"))
        fragments = [event.json for event in answer.all_events().of("tool_call")]
    assert [(each["index"], each.get("name"), each["arguments"]) for each in fragments] == [
        (0, "look", ""),
        (0, None, "{}"),
        (1, "find", "{}"),
    ]
    assert fragments[0]["id"] and fragments[2]["id"] and fragments[0]["id"] != fragments[2]["id"]


@pytest.mark.parametrize(
    "told, shown",
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("function_call", "tool_calls"),
        ("SAFETY", "content_filter"),
        ("Something_New", "something_new"),
    ],
)
def test_the_finish_reason_is_one_of_ours_or_in_lower_case(site, told, shown):
    with site.ask(f"n=1 finish={told}") as answer:
        assert answer.all_events().done["finish_reason"] == shown


def test_an_end_marker_without_a_reason_is_a_stop(scripted):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(f"data: {json.dumps(chunk({'content': 'a'}))}\n\ndata: [DONE]\n\n")
        assert answer.all_events().done["finish_reason"] == "stop"


def test_a_reason_and_the_end_of_the_body_is_an_end_too_even_without_a_blank_line(scripted):
    with scripted.ask("x") as answer:
        text = stream_of("a").removesuffix("\n\ndata: [DONE]\n\n")
        scripted.provider.next_call().answer(text)
        events = answer.all_events()
    assert events.text == "a" and events.done["finish_reason"] == "stop"


def test_a_connection_that_breaks_after_the_end_marker_harms_nothing(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head(Content_Length=100_000)
        call.send(stream_of("a").encode())
        assert answer.next_token() == "a"
        call.reset()
        assert answer.all_events().done


def test_a_refusal_is_visible_text_and_the_reason_is_the_filter(scripted):
    with scripted.ask("x") as answer:
        refusal = f"data: {json.dumps(chunk({'refusal': 'I must not.'}))}\n\n"
        scripted.provider.next_call().answer(refusal + stream_of())
        events = answer.all_events()
    assert events.text == "I must not." and events.done["finish_reason"] == "content_filter"


def test_of_several_choices_the_first_is_told(scripted):
    both = {"choices": [{"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": "A"}}]}
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(f"data: {json.dumps(both)}\n\n" + stream_of("!"))
        assert answer.all_events().text == "A!"


def test_events_that_are_no_objects_are_passed_over_and_counted(scripted):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer("data: ping\n\ndata: 7\n\n" + stream_of("a"))
        events = answer.all_events()
    assert events.text == "a" and events.done["skipped"] == 2


def test_an_answer_in_one_piece_is_told_as_if_streamed(site):
    with site.ask("n=3 json=1") as answer:
        events = answer.all_events()
    assert events.text.count(" ") == 3 and events.done["usage"]["completion_tokens"] == 3


def test_reasoning_and_tool_calls_of_an_answer_in_one_piece_are_told_too(site):
    with site.ask("n=0 reasoning=2 tools=1 json=1") as answer:
        events = answer.all_events()
    assert events.of("reasoning") and events.of("tool_call")
    assert events.done["finish_reason"] == "tool_calls"


# The status line that is held, and pings


@pytest.fixture(scope="module")
def hasty(module_sites, mock):
    """A site that holds its status line for a moment only, and pings often."""
    return module_sites.site(mock, timeouts={"hold": "300ms", "ping": "300ms"})


def test_the_status_is_held_until_the_first_output(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head()
        call.event(chunk({"role": "assistant", "content": ""}))
        with pytest.raises(AssertionError, match="nothing came"):
            answer.limit = 0.5
            answer.head()
        answer.limit = 30
        call.token("a")
        assert answer.status == 200 and answer.next_token() == "a"
        call.finish()
        assert answer.all_events().done


def test_after_the_hold_the_head_and_a_ping_go_out_all_the_same(hasty):
    with hasty.ask("first=2000 n=1") as answer:
        assert answer.status == 200
        first = answer.next_event()
        assert (first.type, first.data) == ("comment", "ping")
        events = answer.all_events()
    assert events.done and len(events.tokens) == 1


def test_a_silence_in_the_middle_is_filled_with_pings(hasty):
    with hasty.ask("n=2 rate=0.5") as answer:
        types = [event.type for event in answer.all_events()]
    assert types.count("comment") >= 3
    assert types[0] == "message" and types[-2:] == ["message", "done"] or types[-1] == "done"
    between = types[types.index("message") + 1 :]
    assert between.index("comment") < between.index("message")


def test_while_tokens_come_there_are_no_pings(hasty):
    with hasty.ask("n=40 rate=20") as answer:
        assert not answer.all_events().of("comment")


# What is asked of the provider


def test_the_provider_is_asked_for_a_stream_with_usage_and_with_our_key(site):
    with site.ask("n=1", system="Be brief.", max_tokens=7, temperature=0.5) as answer:
        answer.all_events()
    last = site.provider.stats()["last_request"]
    assert last["path"] == "/v1/chat/completions"
    assert last["headers"]["authorization"] == f"Bearer {KEY}"
    assert last["body"] == {
        "model": "mock",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "n=1"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.5,
    }


def test_get_takes_the_same_names_as_post(site):
    with site.get("/stream", prompt="n=1 ä+ß", model="plain", system="S", max_tokens=3, temperature=1) as answer:
        answer.all_events()
    body = site.provider.last_body()
    assert [each["content"] for each in body["messages"]] == ["S", "n=1 ä+ß"]
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("plain", 3, 1)


def test_messages_go_to_the_provider_as_they_are(site):
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "n=1"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
        {"role": "user", "content": "n=2 \u2028"},
    ]
    with site.post({"messages": messages}) as answer:
        assert len(answer.all_events().tokens) == 2
    assert site.provider.last_body()["messages"] == messages


def test_a_large_body_passes_through_nginxs_disk(site):
    with site.ask("n=1 " + "x" * 900_000) as answer:
        assert answer.all_events().done
    assert len(site.provider.last_body()["messages"][0]["content"]) == 900_004


def test_a_body_in_chunks_is_taken(site):
    """nginx counts it, and tells the worker how long it is."""
    body = b'{"prompt":"n=1 chunked"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", "Content-Length": None}
    with site.request("POST", "/stream", headers, chunks) as answer:
        assert answer.all_events().done
    assert site.provider.last_body()["messages"][0]["content"] == "n=1 chunked"
