"""What a client of /stream gets while all goes well."""

import json
import re
import time

import pytest

from harness.events import numbers
from harness.fastcgi import FastCGI, begin_stream, request
from harness.scripted import chunk, stream_of
from harness.waiting import wait_until_steady
from harness.worker import KEY

BOTH_ROUTES = pytest.mark.parametrize("path", ["/stream", "/stream-backpressure"])


@pytest.fixture(scope="module")
def scripted(module_sites):
    """A site whose provider is the test itself."""
    return module_sites.site(module_sites.scripted())


# The way of a token


@BOTH_ROUTES
@pytest.mark.parametrize("ask", ["GET", "POST"])
def test_all_tokens_come_in_order_and_then_the_end(site, path, ask):
    prompt = "n=50 rate=0"
    with site.get(path, prompt=prompt) if ask == "GET" else site.ask(prompt, path) as answer:
        events = answer.all_events()
    assert numbers(events.tokens) == list(range(50))
    assert events.done["finish_reason"] == "stop"


@BOTH_ROUTES
def test_a_token_is_with_the_client_before_the_provider_sends_the_next(scripted, path):
    with scripted.ask("step", path) as answer:
        call = scripted.provider.next_call()
        call.head()
        for number in range(20):
            call.token(f"{number} ")
            assert answer.next_token() == f"{number} "
        call.finish()
        assert answer.all_events().done


def test_an_event_that_came_in_single_bytes_is_passed_on_whole_at_its_last_byte(scripted):
    with scripted.ask("dribble") as answer:
        call = scripted.provider.next_call()
        call.head()
        text = "zażółć 👩‍👩‍👧‍👦 שלום"
        for byte in f"data: {json.dumps(chunk({'content': text}), ensure_ascii=False)}\n\n".encode():
            call.send(bytes([byte]))
        assert answer.next_token() == text
        call.finish()
        assert answer.all_events().done


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_line_end_a_byte_order_mark_and_comments_are_understood(scripted, line_end):
    with scripted.ask("lines") as answer:
        call = scripted.provider.next_call()
        text = "\ufeff: hello\n\ndata:" + json.dumps(chunk({"content": "a"})) + "\n\n:\n\n"
        text += "event: message\nid: 7\nretry: 10\n" + stream_of("b", "c")
        call.answer(text.replace("\n", line_end))
        assert answer.all_events().text == "abc"


@pytest.mark.parametrize("name", ["emoji", "rtl", "mixed", "markdown"])
def test_text_survives_borders_at_every_byte(site, name):
    with site.ask(f"text={name} json=1") as answer:
        whole = answer.all_events().text
    with site.ask(f"text={name} split=1") as answer:
        events = answer.all_events()
    assert events.done and events.text == whole
    assert len(events.tokens) > 30


def test_text_passes_unchanged_even_a_surrogate_pair_split_over_two_tokens(scripted):
    with scripted.ask("split pair") as answer:
        call = scripted.provider.next_call()
        call.head()
        call.event('{"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}')
        call.event('{"choices":[{"index":0,"delta":{"content":"\\ude00 \\u0000\\/\\n"}}]}')
        call.finish()
        events = answer.all_events()
    assert [event.data for event in events.of("message")] == ['{"token":"\\ud83d"}', '{"token":"\\ude00 \\u0000\\/\\n"}']
    assert events.text == "😀 \0/\n"


# The head


@BOTH_ROUTES
def test_the_head_says_event_stream_and_that_nothing_may_hold_it_up(site, path):
    with site.ask("n=1", path) as answer:
        assert answer.status == 200
        assert answer.header("Content-Type") == "text/event-stream; charset=utf-8"
        assert answer.header("Cache-Control") == "no-cache, no-transform"
        answer.all_events()


def test_the_worker_tells_nginx_not_to_buffer(site):
    """nginx keeps this field to itself, so the worker is asked directly."""
    with FastCGI(site.worker.address) as connection:
        response = connection.ask("GET", "/stream", QUERY_STRING="prompt=n%3D1")
    assert response.head["X-Accel-Buffering"] == "no"
    assert response.head["Cache-Control"] == "no-cache, no-transform"


def test_nginxs_request_id_is_in_the_header_the_done_event_and_both_logs(site):
    with site.ask("n=2") as answer:
        events = answer.all_events()
    request_id = answer.request_id
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    assert events.done["id"] == request_id
    assert events.terminal.id == f"{request_id}.end"
    assert site.worker.request(request_id)["ended"] == "done"
    site.nginx.wait_for_access(request_id)


def test_a_clients_own_request_id_is_not_taken(site):
    with site.ask("n=1", headers={"X-Request-Id": "forged", "Request-Id": "forged"}) as answer:
        assert answer.all_events().done["id"] != "forged"
        assert answer.request_id != "forged"


def test_without_an_id_of_the_web_server_every_request_gets_one(site):
    heads = []
    for _ in range(2):
        with FastCGI(site.worker.address) as connection:
            heads.append(connection.ask(path="/v1/models").head)
    first, second = (head["X-Request-Id"] for head in heads)
    assert first and second and first != second


@pytest.mark.parametrize("bad", ["a b", "a\r\nSet-Cookie: x=1", "a" * 200, "ä"])
def test_an_id_that_would_harm_a_header_is_replaced(site, bad):
    with FastCGI(site.worker.address) as connection:
        head = connection.ask(path="/v1/models", REQUEST_ID=bad).head
    assert re.fullmatch("[0-9a-f]+", head["X-Request-Id"]) and "Set-Cookie" not in head


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
        (0, "look", ""), (0, None, "{}"), (1, "find", "{}")]
    assert fragments[0]["id"] and fragments[2]["id"] and fragments[0]["id"] != fragments[2]["id"]


@pytest.mark.parametrize(
    "told, shown",
    [
        ("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"), ("content_filter", "content_filter"),
        ("eos", "stop"), ("end_turn", "stop"), ("max_tokens", "length"), ("function_call", "tool_calls"),
        ("SAFETY", "content_filter"), ("Something_New", "something_new"),
    ])
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


# An EventSource that comes back


def test_who_has_had_the_end_gets_204_and_the_provider_is_not_asked(site):
    with site.ask("n=1") as answer:
        last_id = answer.all_events().terminal.id
    watch = site.provider.watch()
    with site.get("/stream", {"Last-Event-ID": last_id}, prompt="n=1") as answer:
        assert answer.status == 204 and answer.body() == b""
    assert watch["requests"] == 0


def test_an_error_is_an_end_too(site):
    with site.ask("n=2 drop=1") as answer:
        events = answer.all_events()
    assert events.error and events.terminal.id == f"{answer.request_id}.end"


def test_any_other_last_id_is_a_new_request(site):
    with site.get("/stream", {"Last-Event-ID": "7"}, prompt="n=1") as answer:
        assert answer.all_events().done


# Kept connections


def test_requests_follow_each_other_over_one_kept_connection(site):
    with begin_stream(site.worker.address, "n=3", keep=True) as connection:
        for _ in range(5):
            response = connection.response()
            assert response.is_complete and response.body.count(b"data:") == 4
            connection.send(begin_again("n=3"))
        assert connection.response().is_complete


def begin_again(prompt):
    return request("POST", "/stream", json.dumps({"prompt": prompt}).encode(), keep=True)


def test_nginx_keeps_its_connections_to_the_worker(module_sites, mock):
    site = module_sites.site(mock)
    for prompt in ["n=1"] * 5 + ["n=1 fail=500"] * 2 + [""] * 2 + ["n=1"]:
        with site.ask(prompt) as answer:
            answer.body()
    # One is enough for requests that follow each other, and it is still there.
    kept = wait_until_steady(lambda: sum(site.worker.web_connections()), "the connections are at rest", span=0.3)
    assert kept == 1


def test_providers_connections_are_used_again(module_sites):
    provider = module_sites.scripted()
    site = module_sites.site(provider)
    for _ in range(5):
        with site.ask("x") as answer:
            provider.next_call().answer(stream_of("a"))
            assert answer.all_events().done
    assert provider.accepted == 1


def test_an_idle_connection_ends_after_its_time_and_not_while_it_streams(sites, mock):
    worker = sites.worker(mock, timeouts={"idle_connection": "500ms"})
    with begin_stream(worker.address, "n=20 rate=10", keep=True) as peer:
        assert peer.response().body.count(b"data:") == 21
        start = time.monotonic()
        assert peer.record() is None
        assert time.monotonic() - start > 0.4


# Routes for people


def test_ping_says_pong(site):
    with site.get("/ping") as answer:
        assert (answer.status, answer.body()) == (200, b"pong\n")


def test_models_lists_the_default_first_with_the_prices(site):
    with site.get("/v1/models") as answer:
        assert answer.status == 200 and answer.header("Content-Type") == "application/json"
        models = answer.json()
    assert models["object"] == "list"
    assert [(each["id"], each["object"]) for each in models["data"]] == [
        ("mock/mock", "model"), ("mock/plain", "model")]
    assert models["data"][0]["price_per_mtok"]["prompt"] == 1
    assert models["data"][0]["price_per_mtok"]["completion"] == 2
