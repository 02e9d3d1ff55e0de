"""The Anthropic and the Gemini wire: what the provider is asked, and what the client is told."""

import json

import pytest

KEY = "key-of-the-site"


@pytest.fixture
def spoken(sites):
    """spoken(wire): a scripted provider of that wire, and a site in front of it."""

    def start(wire, **settings):
        provider = sites.scripted()
        base_url = provider.base_url.removesuffix("/v1")
        section = {"wire": wire, "base_url": base_url, "api_key": "$KEY", "models": {"m": {"price_per_mtok": 2.0}}}
        site = sites.site(provider, providers={"p": section | settings}, default_model="p/m", env={"KEY": KEY})
        return provider, site

    return start


def events(call, *pairs):
    """Named events, then the connection's end."""
    call.head()
    for name, data in pairs:
        call.send((f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode())
    call.close()


ANTHROPIC = [
    ("message_start", {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}),
    ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    (
        "content_block_delta",
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Bah"}},
    ),
    ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 3}}),
    ("message_stop", {"type": "message_stop"}),
]

GEMINI = [
    ("", {"candidates": [{"content": {"parts": [{"text": "Hm", "thought": True}, {"text": "Bah"}]}, "index": 0}]}),
    (
        "",
        {
            "candidates": [{"finishReason": "MAX_TOKENS", "index": 0}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 1},
        },
    ),
]


def test_anthropic_is_asked_in_its_own_way_and_told_in_ours(spoken):
    provider, site = spoken("anthropic")
    with site.post({"prompt": "What does a sheep say?", "system": "Be brief.", "temperature": 0.5}) as answer:
        call = provider.next_call()
        assert call.line.split()[1] == "/v1/messages"
        assert call.headers["x-api-key"] == KEY and call.headers["anthropic-version"]
        assert call.json == {
            "model": "m",
            "max_tokens": 4096,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "What does a sheep say?"}]}],
            "stream": True,
            "temperature": 0.5,
        }
        events(call, *ANTHROPIC)
        told = answer.all_events()
    assert told.text == "Bah"
    assert told.done["finish_reason"] == "length"
    assert told.done["usage"] == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    assert told.done["cost_usd"] == pytest.approx(24e-6)


def test_gemini_is_asked_in_its_own_way_and_told_in_ours(spoken):
    provider, site = spoken("gemini")
    body = {"prompt": "What does a sheep say?", "system": "Be brief.", "max_tokens": 50}
    with site.post(body) as answer:
        call = provider.next_call()
        assert call.line.split()[1] == "/models/m:streamGenerateContent?alt=sse"
        assert call.headers["x-goog-api-key"] == KEY
        assert call.json == {
            "contents": [{"role": "user", "parts": [{"text": "What does a sheep say?"}]}],
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {"maxOutputTokens": 50},
        }
        events(call, *GEMINI)
        told = answer.all_events()
    assert told.text == "Bah" and [event.token for event in told.of("reasoning")] == ["Hm"]
    assert told.done["finish_reason"] == "length"
    assert told.done["usage"] == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


@pytest.mark.parametrize("wire", ["anthropic", "gemini"])
def test_a_message_of_an_unknown_role_is_refused_before_the_provider_is_asked(spoken, wire):
    provider, site = spoken(wire)
    with site.post({"messages": [{"role": "shepherd", "content": "x"}]}) as answer:
        assert "messages[0].role" in answer.problem(400, "bad_request")["detail"]
    assert not provider.has_been_called()


def test_an_overload_within_a_200_is_told_as_one(spoken):
    provider, site = spoken("anthropic")
    with site.post({"prompt": "x"}) as answer:
        failure = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        events(provider.next_call(), *ANTHROPIC[:3], ("error", failure))
        told = answer.all_events()
    assert told.text == "Bah" and told.error["type"] == "overloaded"
