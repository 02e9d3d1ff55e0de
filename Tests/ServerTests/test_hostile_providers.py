"""Providers that say what no provider should: the client always gets one proper end, and the worker lives on."""

import json
import random

import pytest

from harness.scripted import chunk, stream_of


@pytest.fixture(scope="module")
def scripted(module_sites):
    return module_sites.site(module_sites.scripted(), timeouts={"hold": "1h"})


def ends_properly(site, reply):
    """Gives the client's events where there was a stream, else the problem. `reply` answers the provider's call."""
    with site.ask("x") as answer:
        call = site.provider.next_call()
        try:
            reply(call)
        except OSError:
            # It has been cut off in the middle.
            call.answered.set()
        if answer.status == 200:
            events = answer.all_events()
            assert events.terminal
            return events
        problem = answer.json()
        assert problem["status"] == answer.status >= 400
        return problem


def event(data):
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


HUGE = [
    "9223372036854775807",
    "-9223372036854775808",
    "1e400",
    "-1",
    "1.5",
    "99999999999999999999999999",
    "true",
    '"7"',
    "null",
    "[]",
    "{}",
]


@pytest.mark.parametrize("number", HUGE)
def test_numbers_that_no_model_reaches_are_no_harm(scripted, number):
    usage = f'{{"prompt_tokens":{number},"completion_tokens":{number},"prompt_tokens_details":{{"cached_tokens":{number}}}}}'
    total = usage.replace("{", f'{{"total_tokens":{number},', 1)
    for report in (usage, total):
        body = event(f'{{"choices":[{{"index":0,"delta":{{"content":"a"}}}}],"usage":{report}}}') + stream_of("b")
        events = ends_properly(scripted, lambda call: call.answer(body))
        assert events.text == "ab" and events.done


@pytest.mark.parametrize("number", HUGE)
def test_indexes_that_nobody_counts_to_are_no_harm(scripted, number):
    fragment = f'{{"index":{number},"function":{{"name":"f","arguments":"{{}}"}}}}'
    body = (
        event(f'{{"choices":[{{"index":{number},"delta":{{"tool_calls":[{fragment}]}},"finish_reason":{number}}}]}}')
        + stream_of()
    )
    assert ends_properly(scripted, lambda call: call.answer(body)).terminal


@pytest.mark.parametrize("number", HUGE)
def test_an_error_with_any_code_is_an_error(scripted, number):
    body = event(f'{{"error":{{"message":"m","code":{number},"status":{number},"type":{number}}}}}')
    assert ends_properly(scripted, lambda call: call.answer(body))["status"] >= 400


@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "1e300",
        "nan",
        "inf",
        "soon",
        "",
        "99999999999999999999",
        "Wed, 21 Oct 1899 07:28:00 GMT",
        "Wed, 99 Foo 9999 99:99:99 GMT",
        "0x10",
        "5; 6",
        "\x7f",
    ],
)
@pytest.mark.parametrize("name", ["Retry_After", "Retry_After_Ms", "X_Ratelimit_Reset"])
def test_a_retry_time_that_is_none_is_no_harm(scripted, name, value):
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer("{}", "application/json", "429 Slow", **{name: value})
        answer.problem(429, "rate_limited")
        passed_on = answer.header("Retry-After")
        assert passed_on is None or 0 <= int(passed_on) <= 366 * 86400


@pytest.mark.parametrize(
    "data",
    [
        "{" * 10_000,
        "[" * 100_000,
        '{"choices":' + "[" * 10_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        '{"choices":[null,1,"a",{}]}',
        '{"choices":{"0":{}}}',
        '{"choices":[{"delta":7}]}',
        '{"choices":[{"delta":{"content":{"a":1}}}]}',
        '{"choices":[{"delta":{"content":["a",null,{"text":7},{"type":"text"}]}}]}',
        '{"choices":[{"delta":{"tool_calls":{"a":1}}}]}',
        '{"choices":[{"delta":{"tool_calls":[null,7,{"function":7},{}]}}]}',
        '{"error":{}}',
        '{"error":[]}',
        '{"error":""}',
        '{"error":false}',
        '{"error":[[[{"message":{"error":"x"}}]]]}',
        "{}",
        '{"":""}',
        '{"choices":[],"choices":[{"delta":{"content":"a"}}]}',
        '{"choices":[{"delta":{"content":"\\u0000"}}]}',
        '{"choices":[{"delta":{"content":"\\ud800"}}]}',
        '{"choices":[{"delta":{"content":"\\q"}}]}',
    ],
    ids=lambda data: f"{data[:40]}",
)
def test_an_odd_event_is_no_harm(scripted, data):
    ends_properly(scripted, lambda call: call.answer(event(data) + stream_of("b")))
    ends_properly(scripted, lambda call: call.answer(stream_of("b").replace("data: [DONE]\n\n", event(data))))
    ends_properly(scripted, lambda call: call.answer(data, "application/json"))
    ends_properly(scripted, lambda call: call.answer(data, "application/json", "500 Oh"))


def test_ten_thousand_calls_in_one_event_are_no_harm(scripted):
    calls = [
        {"index": number, "id": f"c{number}", "function": {"name": "f", "arguments": "{}"}} for number in range(10_000)
    ]
    events = ends_properly(scripted, lambda call: call.answer(event(chunk({"tool_calls": calls})) + stream_of()))
    assert events.done and 1 <= len(events.of("tool_call")) <= 10_000


def test_mutated_streams_end_properly_and_never_crash(scripted):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    parts = [
        event(chunk({"role": "assistant", "content": ""})),
        event(chunk({"content": "Hé 👩‍👩‍👧‍👦"})),
        event(chunk({"reasoning_content": "hm"})),
        event(chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}]})),
        ": ping\n\n",
        event(chunk({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": 2})),
        event({"error": None, "choices": []}),
        stream_of("end"),
    ]
    for _ in range(400):
        body = bytearray("".join(chance.sample(parts, chance.randrange(1, len(parts) + 1))).encode())
        for _ in range(chance.randrange(0, 6)):
            place = chance.randrange(len(body))
            match chance.randrange(4):
                case 0:
                    body[place] = chance.randrange(256)
                case 1:
                    del body[place : place + chance.randrange(1, 20)]
                    body = body or bytearray(b"\n")
                case 2:
                    body[place:place] = chance.choice(
                        [
                            b"\n",
                            b"\r",
                            b"\0",
                            b"{",
                            b"}",
                            b'"',
                            b"\\",
                            b"data:",
                            b"\xff",
                            b"\n\n",
                            b"event: error\n",
                            b"\xef\xbb\xbf",
                        ]
                    )
                case 3:
                    body[place:place] = body[chance.randrange(len(body)) :]
        ends_properly(scripted, lambda call: call.answer(bytes(body)))
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(stream_of("well"))
        assert answer.all_events().text == "well"


def test_mutated_heads_end_properly_and_never_crash(scripted):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(100):
        head = bytearray(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nRetry-After: 5\r\nX-A: b\r\nConnection: close\r\n\r\n"
        )
        for _ in range(chance.randrange(1, 5)):
            head[chance.randrange(9, len(head) - 4)] = chance.randrange(256)

        def reply(call):
            call.send(bytes(head) + stream_of("a").encode())
            call.close()

        # A mutation may announce more than comes, or an interim answer; the end of the connection decides.
        ends_properly(scripted, reply)


def test_a_head_that_begins_with_a_folded_line_does_not_reach_back_to_the_last_one(scripted):
    """In a handle that is used again, libcurl before 8.3 would extend the last answer's freed header."""
    for _ in range(20):
        with scripted.ask("x") as answer:
            scripted.provider.next_call().answer(stream_of("a"))
            assert answer.all_events().text == "a"

        def reply(call):
            call.send(b"HTTP/1.1 200 OK\r\n X-Folded: " + b"b" * 100 + b"\r\nConnection: close\r\n\r\n")
            call.close()

        assert ends_properly(scripted, reply)["status"] == 502


def test_control_bytes_and_broken_text_never_reach_the_client(scripted):
    for bad in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\x1b", b"\x85"):
        body = (
            event(chunk({"content": "ok"})).encode()
            + b'data: {"choices":[{"index":0,"delta":{"content":"'
            + bad
            + b'"}}]}\n\n'
        )
        with scripted.ask("x") as answer:
            scripted.provider.next_call().answer(body + stream_of("rest").encode())
            raw = answer.body()
        assert raw.decode("utf-8").count("event: ") == 1 and b"upstream_malformed" in raw
        assert bad not in raw


def test_an_answer_in_one_piece_is_bounded(scripted):
    """16 MiB, as the documents say."""

    def reply(call):
        call.head(content_type="application/json", Content_Length=40 << 20)
        for _ in range(40):
            call.send(b" " * (1 << 20))
        call.close()

    assert ends_properly(scripted, reply)["type"].endswith("upstream_malformed")


@pytest.mark.measures
def test_a_refusal_without_end_is_bounded_too(scripted):
    def reply(call):
        call.head("500 Oh", "application/json")
        call.connection.settimeout(5)
        for _ in range(2000):
            call.send(b'{"error":{"message":"' + b"x" * 65536)
        call.close()

    before = scripted.worker.memory()
    assert ends_properly(scripted, reply)["status"] == 502
    assert scripted.worker.memory() < before + (24 << 20)


@pytest.mark.measures
def test_comments_without_end_are_no_way_to_fill_memory(scripted):
    before = scripted.worker.memory()

    def reply(call):
        call.head()
        for _ in range(200):
            call.send(b": " + b"x" * 65536 + b"\n")
        call.send(b"unknown: " * 1000 + b"\n")
        call.send(stream_of("a").encode())
        call.close()

    assert ends_properly(scripted, reply).text == "a"
    assert scripted.worker.memory() < before + (8 << 20)
