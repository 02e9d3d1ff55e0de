"""/v1/chat/completions as its clients see it, through nginx."""

import json

import pytest

from harness.http import Answer
from harness.scripted import chunk, stream_of
from harness.worker import KEY

PATH = "/v1/chat/completions"
HI = [{"role": "user", "content": "Hi"}]
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


@pytest.fixture(scope="module")
def chat(module_sites):
    return module_sites.site(module_sites.scripted(), nginx={"chat": True}, timeouts={"hold": "1h"})


def data_lines(answer):
    assert answer.header("Content-Type") == "text/event-stream; charset=utf-8"
    return [event.data for event in answer.all_events()]


def test_a_stream_goes_out_chunk_by_chunk_as_it_comes(chat):
    with chat.post({"messages": HI, "stream": True}, PATH) as answer:
        call = chat.provider.next_call()
        assert call.json["stream"] is True and call.json["stream_options"] == {"include_usage": True}
        call.head()
        call.token("a")
        first = json.loads(answer.next_event().data)
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": "a"}
        assert first["id"] == f"chatcmpl-{answer.request_id}" and first["model"] == "mock/mock"
        call.token("b")
        assert json.loads(answer.next_event().data)["choices"][0]["delta"] == {"content": "b"}
        call.event({"choices": [], "usage": USAGE})
        call.finish()
        *_, last, end = data_lines(answer)
    assert json.loads(last)["choices"][0]["finish_reason"] == "stop" and end == "[DONE]"
    assert all("usage" not in event.data for event in answer.events.seen)


def test_usage_is_told_to_a_client_that_asks(chat):
    with chat.post({"messages": HI, "stream": True, "stream_options": {"include_usage": True}}, PATH) as answer:
        chat.provider.next_call().answer(stream_of("a", usage=USAGE))
        *_, told, end = data_lines(answer)
    assert json.loads(told)["usage"] == USAGE and json.loads(told)["choices"] == [] and end == "[DONE]"


def test_an_answer_in_one_piece_is_asked_as_a_stream_and_collected(chat):
    with chat.post({"messages": HI}, PATH) as answer:
        call = chat.provider.next_call()
        assert call.json["stream"] is True
        call.answer(stream_of("Hel", "lo", usage=USAGE))
        body = answer.json()
        assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    assert body["choices"][0]["message"]["content"] == "Hello" and body["usage"] == USAGE
    assert chat.worker.request(answer.request_id)["ended"] == "done"


@pytest.mark.parametrize("stream", [False, True])
def test_what_of_the_prompt_was_cached_is_told(chat, stream):
    usage = USAGE | {"prompt_tokens_details": {"cached_tokens": 4}}
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    with chat.post({"messages": HI} | options, PATH) as answer:
        chat.provider.next_call().answer(stream_of("a", usage=usage))
        told = json.loads(data_lines(answer)[-2]) if stream else answer.json()
    assert told["usage"] == usage


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_is_the_one_that_spoke_where_a_fallback_did(module_sites, stream):
    first, second = module_sites.scripted(), module_sites.scripted()
    site = module_sites.site(
        first,
        nginx={"chat": True},
        providers={"other": {"base_url": second.base_url, "models": {"spare": {}}}},
        fallback=["other/spare"],
        timeouts={"hold": "1h"},
    )
    with site.post({"messages": HI, "stream": stream}, PATH) as answer:
        first.next_call().answer("{}", "application/json", "503 No")
        second.next_call().answer(stream_of("a", "b"))
        told = [json.loads(line) for line in data_lines(answer)[:-1]] if stream else [answer.json()]
    assert {each["model"] for each in told} == {"other/spare"}
    assert len(told) == (3 if stream else 1)


def test_what_is_not_known_here_reaches_an_openai_wire_as_it_came(chat):
    body = b'{"messages":[{"role":"user","content":"Hi"}],"seed": 7,"x":{ "y":[1.50] },"stop":"END","n":1,"models":["z"]}'
    with chat.post(body, PATH) as answer:
        call = chat.provider.next_call()
        assert b'"seed":7' in call.body and b'"x":{ "y":[1.50] }' in call.body and b'"stop":"END"' in call.body
        assert b'"n"' not in call.body and b'"models"' not in call.body
        call.answer(stream_of("a"))
        assert answer.json()


@pytest.mark.parametrize("refused, status, code", [(401, 502, "upstream_rejected"), (429, 429, "rate_limited")])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_output_has_its_status_in_openais_shape(chat, refused, status, code, stream):
    with chat.post({"messages": HI, "stream": stream}, PATH) as answer:
        chat.provider.next_call().answer(
            json.dumps({"error": {"message": f"no, {KEY}"}}), "application/json", f"{refused} No", Retry_After="7"
        )
        error = answer.chat_error(status, code)
        assert KEY not in error["message"]
        assert answer.header("Retry-After") == "7"
        assert answer.header("x-should-retry") == ("false" if refused == 401 else None)


def test_a_stream_that_fails_later_ends_with_the_error_and_no_done(chat):
    with chat.post({"messages": HI, "stream": True}, PATH) as answer:
        call = chat.provider.next_call()
        call.head()
        call.token("a")
        answer.next_event()
        call.reset()
        *_, last = data_lines(answer)
    assert json.loads(last)["error"]["code"] == "upstream_truncated"


def test_an_answer_in_one_piece_that_breaks_off_is_no_answer(chat):
    with chat.post({"messages": HI}, PATH) as answer:
        call = chat.provider.next_call()
        call.head()
        call.token("a")
        call.reset()
        answer.chat_error(502, "upstream_truncated")


@pytest.mark.parametrize(
    "body, named",
    [
        ({"messages": HI, "n": 2}, "n is not 1"),
        ({"messages": []}, "messages is empty"),
        ({"prompt": "x"}, "messages is missing"),
        ({"messages": HI, "stream": "yes"}, "stream"),
        ({"messages": HI, "max_completion_tokens": -1}, "max_completion_tokens"),
    ],
)
def test_bad_input_is_a_400_without_a_call(chat, body, named):
    with chat.post(body, PATH) as answer:
        assert named in answer.chat_error(400, "bad_request")["message"]
    assert not chat.provider.has_been_called()


def test_a_model_that_is_not_served_is_a_404_as_openai_has_it(chat):
    with chat.post({"messages": HI, "model": "nobody/x"}, PATH) as answer:
        assert "nobody/x" in answer.chat_error(404, "bad_request")["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_a_405(chat, method):
    with chat.request(method, PATH) as answer:
        answer.chat_error(405, "bad_request")
        assert "POST" in answer.header("Allow")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_its_provider(chat, stream):
    with chat.post({"messages": HI, "stream": stream}, PATH) as answer:
        call = chat.provider.next_call()
        call.head()
        call.token("a")
        if stream:
            answer.next_event()
    call.wait_until_left()


def test_a_client_that_leaves_within_an_answer_in_one_piece_has_not_been_answered(chat):
    answer = chat.post({"messages": HI}, PATH, receive_buffer=4096)
    chat.provider.next_call().answer(stream_of(*["x" * 1000] * 8000))
    # The head comes when the provider has ended; the body fits into no socket on the way.
    request_id = answer.request_id
    answer.close()
    assert chat.worker.request(request_id)["ended"] == "client_left"


def test_a_page_of_another_site_is_refused(chat):
    with chat.post({"messages": HI}, PATH, {"Origin": "https://evil.example"}) as answer:
        answer.chat_error(403, "bad_request")
    assert not chat.provider.has_been_called()


def test_what_the_site_fixes_no_client_can_change(module_sites):
    provider = module_sites.scripted()
    fixed = 'fastcgi_param SHEEP_MODEL mock/plain; fastcgi_param SHEEP_SYSTEM "Be kind"; fastcgi_param SHEEP_MAX_TOKENS 5;'
    place = "    fastcgi_param PATH_INFO /v1/chat/completions;"
    site = module_sites.site(provider, nginx={"chat": True, "changes": [("sheep.conf", place, f"{place} {fixed}")]})
    asked = {"messages": [{"role": "system", "content": "Be rude"}] + HI, "model": "mock/mock", "max_tokens": 900}
    with site.post(asked | {"max_completion_tokens": 900}, PATH) as answer:
        call = provider.next_call()
        assert call.json["model"] == "plain" and call.json["max_tokens"] == 5
        assert call.json["messages"] == [{"role": "system", "content": "Be kind"}] + HI
        assert "max_completion_tokens" not in call.json
        call.answer(stream_of("a"))
        answer.json()


def test_nginxs_own_refusals_have_openais_shape(module_sites):
    web = module_sites.nginx(module_sites.directory() / "nobody.sock", chat=True)
    with Answer(web.address, "POST", PATH, {"Content-Type": "application/json"}, b"{}") as answer:
        answer.chat_error(503, "overloaded")
    with Answer(web.address, "POST", PATH, {"Content-Type": "application/json"}, b" " * (17 << 20)) as answer:
        answer.chat_error(413, "bad_request")


def test_a_body_with_images_passes_where_a_stream_would_not(chat):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (3 << 20)}}
    with chat.post({"messages": [{"role": "user", "content": [picture]}]}, PATH) as answer:
        call = chat.provider.next_call()
        assert len(call.body) > 3 << 20
        call.answer(stream_of("a"))
        assert answer.json()["choices"][0]["message"]["content"] == "a"


def test_tool_calls_are_numbered_in_both_forms(chat):
    deltas = [
        {"tool_calls": [{"index": 3, "id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 3, "function": {"arguments": ":1}"}}]},
        {"tool_calls": [{"index": 7, "id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
    ]
    body = "".join(f"data: {json.dumps(chunk(delta))}\n\n" for delta in deltas) + "data: [DONE]\n\n"
    with chat.post({"messages": HI, "stream": True}, PATH) as answer:
        chat.provider.next_call().answer(body)
        *chunks, end = data_lines(answer)
    calls = [json.loads(line)["choices"][0]["delta"].get("tool_calls", [None])[0] for line in chunks]
    assert [call and call["index"] for call in calls] == [0, 0, 1, None] and end == "[DONE]"
    with chat.post({"messages": HI}, PATH) as answer:
        chat.provider.next_call().answer(body)
        choice = answer.json()["choices"][0]
    assert [call["function"] for call in choice["message"]["tool_calls"]] == [
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "g", "arguments": ""},
    ]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
