"""Limits of clients and of keys: what is refused, how it is told, and that no provider hears of it."""

import contextlib
import json
import subprocess
import time

import pytest

from harness.fastcgi import FastCGI, request
from harness.keys import KeyFile, bearer, reload
from harness.paths import SHEEPFCGI
from harness.process import environment
from harness.waiting import wait_until
from harness.worker import settings

CHAT = "/v1/chat/completions"
RUNNING = "n=100000 rate=20"
# What tells clients apart in the tests of `header`.
BY_HEADER = [("sheep_params", "# The id in", "fastcgi_param SHEEP_CLIENT $http_x_client if_not_empty;\n# The id in")]


def limited(sites, mock, keys=None, nginx=None, **client):
    more = {}
    if keys:
        file = KeyFile(sites.directory(), **keys)
        more["client_keys"] = file.access()
    workers = client.pop("workers", 1)
    site = sites.site(mock, workers=workers, nginx={"chat": True} | (nginx or {}), limits={"client": client}, **more)
    site.keys = file if keys else None
    return site


def refused(answer, limit, status=429, kind="rate_limited"):
    """The problem of one that a limit refused."""
    problem = answer.problem(status, kind)
    assert problem["limit"] == limit and problem["retryable"] is True
    assert int(answer.header("Retry-After")) >= 1
    return problem


def passes(answer):
    assert answer.all_events().done


def is_free(site, headers=None):
    """Waits until one more stream passes: a slot is given back when the connection's end has been seen."""

    def passes_now():
        with site.ask("n=1", headers=headers) as answer:
            return answer.status == 200 and bool(answer.body())

    wait_until(passes_now, "the slot is free")


# Streams of a client


@pytest.mark.parametrize("workers", [1, 2])
def test_a_client_has_so_many_streams_and_no_more(sites, mock, workers):
    """Of two workers each has some; the limit is that of both together."""
    site = limited(sites, mock, streams=4, workers=workers)
    watch = mock.watch()
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(site.ask(RUNNING)).next_token()
        for _ in range(6):
            with site.ask("n=1") as answer:
                assert "4 running" in refused(answer, "client_streams")["detail"]
            line = site.worker.request(answer.request_id)
            assert (line["status"], line["ended"], line["limit"]) == ("429", "rate_limited", "client_streams")
        assert watch["requests"] == 4
        # What asks no provider is under no limit.
        with site.get("/v1/models") as answer:
            assert answer.status == 200
    is_free(site)


def test_a_slot_is_given_back_however_its_stream_ended(sites, mock):
    site = limited(sites, mock, streams=1)
    for prompt in ("n=2", "n=2 drop=1", "fail=500", "html=1", "empty=1", ""):
        with site.ask(prompt) as answer:
            assert answer.status != 429, prompt
            answer.body()
    with site.ask("n=1", model="no/such") as answer:
        answer.problem(400, "bad_request")
    with site.post(b"{") as answer:
        answer.problem(400, "bad_request")
    with site.ask(RUNNING) as answer:
        answer.next_token()
    is_free(site)
    with site.ask("n=1 silent=1") as answer:
        mock.wait_for(open=1)
    is_free(site)


def test_a_refusal_costs_no_reading_of_the_body(sites, mock):
    """What is wrong with it is not found out."""
    site = limited(sites, mock, streams=1)
    with site.ask(RUNNING) as running:
        running.next_token()
        with site.post(b"{" * 1000) as answer:
            refused(answer, "client_streams")


def test_below_v1_it_is_told_in_openais_form(sites, mock):
    site = limited(sites, mock, streams=1)
    body = {"messages": [{"role": "user", "content": RUNNING}], "stream": True}
    with site.post(body, CHAT) as running:
        assert running.status == 200 and running.more()
        with site.post(body, CHAT) as answer:
            error = answer.chat_error(429, "rate_limited")
            assert error["type"] == "rate_limit_error" and error["limit"] == "client_streams"
            assert int(answer.header("Retry-After")) >= 1 and answer.header("x-should-retry") is None


# Requests a minute


def test_a_minutes_requests_may_come_at_once_and_then_come_back_evenly(sites, mock):
    site = limited(sites, mock, requests_per_minute=30)
    begun = time.monotonic()
    for _ in range(30):
        with site.ask("n=1") as answer:
            passes(answer)
    # One comes back every two seconds, so as many more may pass as the thirty took.
    late = 0
    while True:
        with site.ask("n=1") as answer:
            if answer.status == 429:
                problem = refused(answer, "client_requests")
                break
            late += 1
            answer.body()
    assert late <= (time.monotonic() - begun) / 2 + 1
    wait = int(answer.header("Retry-After"))
    assert wait in (1, 2) and f"in {wait} s" in problem["detail"] and "30" in problem["detail"]
    assert site.worker.request(answer.request_id)["limit"] == "client_requests"
    time.sleep(wait)
    with site.ask("n=1") as answer:
        passes(answer)


def test_a_refused_request_does_not_put_the_next_off(sites, mock):
    site = limited(sites, mock, requests_per_minute=6)
    for _ in range(6):
        with site.ask("n=1") as answer:
            passes(answer)
    waits = []
    for _ in range(20):
        with site.ask("n=1") as answer:
            refused(answer, "client_requests")
            waits.append(int(answer.header("Retry-After")))
    assert max(waits) <= 10 and waits == sorted(waits, reverse=True)


# What tells clients apart


def from_address(worker, address, prompt="n=1"):
    """The status of a request that nginx would say came from this address."""
    body = json.dumps({"prompt": prompt}).encode()
    with FastCGI(worker.address) as connection:
        connection.send(request("POST", "/stream", body, REMOTE_ADDR=address))
        return connection.response().status


def test_an_ipv4_client_is_an_address_and_an_ipv6_client_a_64(sites, mock):
    worker = sites.worker(mock, limits={"client": {"requests_per_minute": 1}})
    for address, status in [
        ("192.0.2.1", 200),
        ("192.0.2.2", 200),
        ("192.0.2.1", 429),
        ("::ffff:192.0.2.1", 429),
        ("2001:db8:1:2::1", 200),
        ("2001:db8:1:2:ffff::9", 429),
        ("2001:db8:1:3::1", 200),
        ("unix:", 200),
        ("unix:", 429),
        ("", 200),
        ("", 429),
    ]:
        assert from_address(worker, address) == status, address


def test_a_header_of_nginx_tells_clients_apart_and_their_own_does_not(sites, mock):
    site = limited(
        sites, mock, by="header:SHEEP_CLIENT", requests_per_minute=1, nginx={"chat": True, "changes": BY_HEADER}
    )

    def status(**headers):
        with site.ask("n=1", headers={name.replace("_", "-"): value for name, value in headers.items()}) as answer:
            answer.body()
            return answer.status

    assert [status(X_Client="a"), status(X_Client="b"), status(X_Client="a")] == [200, 200, 429]
    # Without it the address counts.
    assert [status(), status(), status(Sheep_Client="c")] == [200, 429, 429]


def test_by_key_each_key_is_a_client_and_who_has_none_is_an_address(sites, mock):
    keys = {"a": {"key": ["key-a", "key-a2"]}, "b": {"key": "key-b"}}
    site = limited(sites, mock, keys, by="key", requests_per_minute=1)

    def status(headers):
        with site.ask("n=1", headers=headers) as answer:
            answer.body()
            return answer.status

    assert [status(bearer(key)) for key in ("key-a", "key-b", "key-a2", "key-b")] == [200, 200, 429, 429]
    assert [status({}), status({})] == [200, 429]


# Keys


def test_a_key_has_so_many_streams_from_wherever_they_come(sites, mock):
    keys = {"team": {"key": ["key-1", "key-2"], "streams": 2}, "other": {"key": "key-3"}}
    site = limited(sites, mock, keys, workers=2)
    with site.ask(RUNNING, headers=bearer("key-1")) as one, site.ask(RUNNING, headers=bearer("key-2")) as two:
        one.next_token()
        two.next_token()
        with site.ask("n=1", headers=bearer("key-1")) as answer:
            refused(answer, "key_streams")
        line = site.worker.request(answer.request_id)
        assert (line["limit"], line["key"]) == ("key_streams", "team")
        for headers in (bearer("key-3"), {}):
            with site.ask("n=1", headers=headers) as answer:
                passes(answer)
    is_free(site, bearer("key-2"))


def test_a_key_has_so_many_requests_a_minute(sites, mock):
    site = limited(sites, mock, {"team": {"key": "key-1", "requests_per_minute": 2}})
    for _ in range(2):
        with site.ask("n=1", headers=bearer("key-1")) as answer:
            passes(answer)
    with site.ask("n=1", headers=bearer("key-1")) as answer:
        refused(answer, "key_requests")
        assert int(answer.header("Retry-After")) <= 30
    with site.ask("n=1") as answer:
        passes(answer)


def test_a_key_has_so_many_tokens_a_day(sites, mock):
    """The provider's count: prompt and completion."""
    site = limited(sites, mock, {"team": {"key": "key-1", "tokens_per_day": 50}})
    used = 0
    while used < 50:
        with site.ask("n=10", headers=bearer("key-1")) as answer:
            used += answer.all_events().done["usage"]["total_tokens"]
        site.worker.request(answer.request_id)
    with site.ask("n=1", headers=bearer("key-1")) as answer:
        problem = refused(answer, "key_tokens")
        wait, rest = int(answer.header("Retry-After")), 86400 - time.time() % 86400
        # Midnight may have passed between the answer and our look at the clock.
        assert abs(wait - rest) < 60 or rest > 86000 and wait < 60
        assert "midnight UTC" in problem["detail"] and "50" in problem["detail"]
    assert site.worker.request(answer.request_id)["limit"] == "key_tokens"
    with site.ask("n=1") as answer:
        passes(answer)


def test_without_a_providers_count_the_visible_tokens_are_counted(sites):
    provider = sites.scripted()
    site = limited(sites, provider, {"team": {"key": "key-1", "tokens_per_day": 3}})
    with site.ask("x", headers=bearer("key-1")) as answer:
        call = provider.next_call()
        call.head()
        for text in "abc":
            call.token(text)
            assert answer.next_token() == text
    site.worker.request(answer.request_id)
    with site.ask("x", headers=bearer("key-1")) as answer:
        refused(answer, "key_tokens")
    assert not provider.has_been_called()


def test_both_the_clients_and_the_keys_limit_hold(sites, mock):
    site = limited(sites, mock, {"team": {"key": "key-1", "streams": 5}}, streams=1)
    with site.ask(RUNNING, headers=bearer("key-1")) as running:
        running.next_token()
        with site.ask("n=1", headers=bearer("key-1")) as answer:
            refused(answer, "client_streams")


def test_hup_changes_a_keys_limit_and_forgets_nothing(sites, mock):
    site = limited(sites, mock, {"team": {"key": "key-1", "streams": 5, "tokens_per_day": 1000}})
    with site.ask(RUNNING, headers=bearer("key-1")) as running:
        running.next_token()
        site.keys.write(team={"key": "key-1", "streams": 1})
        reload(site.worker)

        def is_refused():
            with site.ask("n=1", headers=bearer("key-1")) as answer:
                answer.body()
                return answer.status == 429

        wait_until(is_refused, "the new limit is in force, and knows the stream that runs")
        running.next_token()
    is_free(site, bearer("key-1"))


def test_a_client_that_sees_a_full_server_has_lost_nothing_of_its_own(sites, mock):
    site = sites.site(mock, limits={"streams": 1, "client": {"requests_per_minute": 2}})
    with site.ask(RUNNING) as running:
        running.next_token()
        for _ in range(5):
            with site.ask("n=1") as answer:
                assert "limit" not in answer.problem(503, "overloaded")
    is_free(site)


# Settings


@pytest.mark.parametrize(
    "client, words",
    [
        ({"by": "header:HTTP_X_CLIENT"}, ["limits.client.by", "header:SHEEP_NAME"]),
        ({"by": "cookie"}, ["limits.client.by", "address"]),
        ({"streams": -1}, ["limits.client.streams"]),
        ({"request_per_minute": 1}, ["did you mean requests_per_minute?"]),
    ],
)
def test_a_wrong_setting_is_told(sites, client, words):
    config = sites.directory() / "c.yaml"
    config.write_text(json.dumps(settings("http://127.0.0.1:9/v1", limits={"client": client})))
    command = [SHEEPFCGI, "check", "--config", config]
    checked = subprocess.run(command, env=environment({"MOCK_KEY": "k"}), capture_output=True, text=True, timeout=60)
    assert checked.returncode == 1
    assert all(word in checked.stderr for word in words), checked.stderr
