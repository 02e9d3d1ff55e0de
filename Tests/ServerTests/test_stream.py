"""What a client of /stream gets while all goes well."""

import json
import re
import time

import pytest

from harness.events import numbers
from harness.fastcgi import FastCGI, begin_stream, request
from harness.scripted import chunk, stream_of
from harness.waiting import wait_until_steady

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


def test_tokens_of_every_size_come_whole(scripted):
    """Small pieces are joined for the socket, larger ones are not."""
    texts = ["x" * size for size in (*range(1, 30), *range(900, 1050), 4000, 65_500)]
    with scripted.ask("sizes") as answer:
        call = scripted.provider.next_call()
        call.head()
        for text in texts:
            call.token(text)
            assert answer.next_token() == text
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
    assert [event.data for event in events.of("message")] == [
        '{"token":"\\ud83d"}',
        '{"token":"\\ude00 \\u0000\\/\\n"}',
    ]
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
        ("mock/mock", "model"),
        ("mock/plain", "model"),
    ]
    assert models["data"][0]["price_per_mtok"]["prompt"] == 1
    assert models["data"][0]["price_per_mtok"]["completion"] == 2
