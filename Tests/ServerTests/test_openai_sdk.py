"""The official `openai` library, pointed at our nginx."""

import asyncio
import json

import openai
import pytest

from harness.paths import STREAMS
from harness.scripted import chunk, stream_of

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def site(module_sites):
    """Behind each of its models is a provider of that wire; the key is none of ours."""
    provider = module_sites.scripted()
    base_url = provider.base_url.removesuffix("/v1")
    others = {
        wire: {"wire": wire, "base_url": base_url, "models": {"m": {}}} for wire in ("anthropic", "gemini")
    }
    return module_sites.site(provider, nginx={"chat": True}, providers=others)


@pytest.fixture
def client(site):
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def asking(site):
    """asking(make): runs `make()` in a thread, so that the test can be the provider meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        yield lambda make: pool.submit(make)


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["mock/mock", "mock/plain", "anthropic/m", "gemini/m"]


def test_one_model_is_looked_up(client):
    assert client.models.retrieve("mock/plain").id == "mock/plain"
    with pytest.raises(openai.NotFoundError, match="nobody/x"):
        client.models.retrieve("nobody/x")


def test_a_model_that_is_not_served_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="nobody/x"):
        client.chat.completions.create(model="nobody/x", messages=HI)


def test_a_stream_is_read_token_by_token(client, site, asking):
    opened = asking(lambda: client.chat.completions.create(model="mock/mock", messages=HI, stream=True))
    call = site.provider.next_call()
    call.head()
    call.token("a")
    chunks = iter(opened.result(30))
    assert next(chunks).choices[0].delta.content == "a"
    call.token("b")
    assert next(chunks).choices[0].delta.content == "b"
    call.finish()
    assert [each.choices[0].finish_reason for each in chunks] == ["stop"]


def test_an_answer_in_one_piece(client, site, asking):
    answer = asking(lambda: client.chat.completions.create(model="mock/mock", messages=HI, temperature=0.5))
    call = site.provider.next_call()
    assert call.json["temperature"] == 0.5
    call.answer(stream_of("Hel", "lo", usage={"prompt_tokens": 9, "completion_tokens": 2}))
    completion = answer.result(30)
    assert completion.choices[0].message.content == "Hello" and completion.usage.total_tokens == 11
    assert completion.model == "mock/mock" and completion.id.startswith("chatcmpl-")


def test_usage_comes_with_the_stream_where_it_is_asked_for(client, site, asking):
    options = {"include_usage": True}
    opened = asking(
        lambda: list(
            client.chat.completions.create(model="mock/mock", messages=HI, stream=True, stream_options=options)
        )
    )
    site.provider.next_call().answer(stream_of("a", usage={"prompt_tokens": 9, "completion_tokens": 2}))
    assert opened.result(30)[-1].usage.completion_tokens == 2


def test_a_tool_is_called_and_its_result_goes_back(client, site, asking):
    asked = asking(lambda: client.chat.completions.create(model="anthropic/m", messages=HI, tools=[TOOL]))
    call = site.provider.next_call()
    assert call.json["tools"] == [{"name": "add", "input_schema": {"type": "object", "properties": {}}}]
    block = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    events = [
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    call.answer("".join(f"data: {json.dumps(event)}\n\n" for event in events))
    message = asked.result(30).choices[0].message
    assert message.tool_calls[0].function.name == "add" and message.tool_calls[0].function.arguments == '{"a":1}'

    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "2"}
    asked = asking(lambda: client.chat.completions.create(model="anthropic/m", messages=[*HI, message, result]))
    call = site.provider.next_call()
    assert call.json["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "2"}]},
    ]
    call.answer("".join(f"data: {json.dumps(event)}\n\n" for event in events[-2:]))
    assert asked.result(30).choices[0].message.content == ""


@pytest.mark.parametrize(
    "refused, error",
    [
        (400, openai.BadRequestError),
        (401, openai.InternalServerError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
def test_failures_are_the_librarys_own(client, site, asking, refused, error):
    asked = asking(lambda: client.chat.completions.create(model="mock/mock", messages=HI, stream=True))
    body = json.dumps({"error": {"message": "not today"}})
    site.provider.next_call().answer(body, "application/json", f"{refused} No")
    with pytest.raises(error) as raised:
        asked.result(30)
    assert raised.value.request_id and raised.value.code


def test_the_library_does_not_try_again_what_would_fail_again(site, asking):
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key="unused", max_retries=5) as client:
        asked = asking(lambda: client.chat.completions.create(model="mock/mock", messages=HI))
        site.provider.next_call().answer("{}", "application/json", "401 No")
        with pytest.raises(openai.InternalServerError):
            asked.result(30)
    assert not site.provider.has_been_called()


def test_a_stream_that_fails_raises_what_was_told(client, site, asking):
    opened = asking(lambda: client.chat.completions.create(model="mock/mock", messages=HI, stream=True))
    call = site.provider.next_call()
    call.head()
    call.token("a")
    chunks = iter(opened.result(30))
    assert next(chunks).choices[0].delta.content == "a"
    call.event({"error": {"message": "busy", "code": 503}})
    call.close()
    with pytest.raises(openai.APIError, match="overloaded"):
        next(chunks)


def test_closing_the_stream_stops_the_provider(client, site, asking):
    opened = asking(lambda: client.chat.completions.create(model="mock/mock", messages=HI, stream=True))
    call = site.provider.next_call()
    call.head()
    call.token("a")
    stream = opened.result(30)
    next(iter(stream))
    stream.close()
    call.wait_until_left()


def test_the_asynchronous_client_streams_too(site):
    async def ask():
        async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key="unused", max_retries=0) as client:
            asked = asyncio.create_task(
                client.chat.completions.create(model="gemini/m", messages=HI, stream=True, max_completion_tokens=7)
            )
            call = await asyncio.to_thread(site.provider.next_call)
            assert call.json["generationConfig"] == {"maxOutputTokens": 7}
            parts = [{"text": "Hm", "thought": True}, {"text": "Bah"}]
            event = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP", "index": 0}]}
            call.answer(f"data: {json.dumps(event)}\n\n")
            return [each.choices[0].delta async for each in await asked]

    deltas = asyncio.run(ask())
    assert [each.content for each in deltas] == [None, "Bah", None]
    assert deltas[0].reasoning_content == "Hm"


def recordings():
    """Recorded streams of all wires, where their folder is there."""
    for path in sorted(STREAMS.glob("*.expect.json")):
        meant = json.loads(path.read_text("utf-8"))
        if meant.get("wire") in ("openai", "anthropic", "gemini") and not meant.get("error"):
            yield pytest.param(path.name.removesuffix(".expect.json"), meant, id=path.name.removesuffix(".expect.json"))


@pytest.mark.parametrize("name, meant", list(recordings()))
def test_a_recorded_stream_reads_as_its_text(client, site, asking, name, meant):
    model = {"openai": "mock/mock"}.get(meant["wire"], f"{meant['wire']}/m")
    opened = asking(lambda: list(client.chat.completions.create(model=model, messages=HI, stream=True)))
    site.provider.next_call().answer((STREAMS / f"{name}.sse").read_bytes())
    try:
        chunks = opened.result(30)
    except openai.APIError as error:
        assert error.code == "upstream_truncated" and not meant.get("done") and not any(meant.get("finish", {}).values())
        return
    deltas = [each.choices[0].delta for each in chunks if each.choices]
    text = "".join((delta.content or "") + (delta.refusal or "") for delta in deltas)
    assert text == ((STREAMS / f"{name}.txt").read_text("utf-8") or meant.get("refusal", {}).get("0", ""))
    assert chunks[-1].choices[0].finish_reason
