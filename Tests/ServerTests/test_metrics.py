"""/metrics and /status: what is counted, of all workers together."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness.failing import config_of, refuse, reload
from harness.fastcgi import FastCGI, begin_stream, request
from harness.figures import Figures, figures, status, wait_for_figure
from harness.paths import REPOSITORY
from harness.scripted import chunk, stream_of
from harness.waiting import wait_until

MODEL = {"model": "mock/mock"}


@pytest.fixture
def fresh(sites, mock):
    """A site of three workers that has counted nothing yet."""
    return sites.site(mock, workers=3)


# Adding up


def test_figures_are_of_all_workers_together(fresh):
    for _ in range(6):
        with fresh.ask("n=7") as answer:
            assert answer.all_events().done
    with contextlib.ExitStack() as stack:
        # At the same time, so that each of the workers has some. The prompt has a word more.
        for answer in [stack.enter_context(fresh.ask("n=7 first=100")) for _ in range(6)]:
            assert answer.all_events().done
    seen = figures(fresh)
    assert seen("tokens_total", **MODEL) == 84
    assert seen("usage_tokens_total", **MODEL, type="completion") == 84
    assert seen("usage_tokens_total", **MODEL, type="prompt") == 18
    assert seen("requests_total", route="/stream", status="200") == 12
    assert seen("streams_ended_total", **MODEL, type="done") == 12
    assert seen("first_token_seconds_count", **MODEL) == 12
    assert seen("token_gap_seconds_count", **MODEL) == 72
    assert seen("stream_duration_seconds_count", **MODEL) == 12
    # 1 dollar for a million of the prompt's, 2 for the completion's.
    assert seen("cost_dollars_total", **MODEL) == pytest.approx(18 * 1e-6 + 84 * 2e-6)
    assert seen("streams") == 0 and seen("workers") == 3 and seen("workers_silent") == 0
    told = status(fresh)
    assert (told["tokens"], told["workers"], told["workers_silent"], told["streams"]) == (84, 3, 0, 0)
    assert told["cost_usd"] == pytest.approx(seen("cost_dollars_total", **MODEL))
    assert told["requests"] == 13 and told["pid"] == fresh.worker.pid
    model = next(each for each in told["models"] if each["model"] == "mock/mock")
    assert (model["streams_done"], model["tokens"], model["completion_tokens"]) == (12, 84, 84)


def test_bytes_to_clients_and_from_providers_are_counted(sites):
    site = sites.site(sites.scripted())
    with site.ask("x") as answer:
        body = stream_of("a", "b")
        site.provider.next_call().answer(body)
        events = answer.all_events()
    seen = figures(site)
    assert seen("received_bytes_total", **MODEL) == len(body)
    sent = seen("sent_bytes_total", **MODEL)
    # The body that the client saw, behind a head.
    text = sum(len(f'data: {{"token":"{token}"}}\n\n') for token in events.tokens)
    assert text < sent < text + 1000


def test_a_running_stream_is_counted_before_it_ends_and_its_client_s_leaving_after_it(fresh):
    with fresh.ask("n=5 stall=5") as answer:
        for _ in range(5):
            answer.next_token()
        seen = figures(fresh)
        assert seen("streams") == 1 and seen("tokens_total", **MODEL) == 5
        assert seen("sent_bytes_total", **MODEL) > 100 and seen("received_bytes_total", **MODEL) > 100
        assert seen("streams_ended_total", **MODEL, type="done") == 0
        time.sleep(0.2)
        before = seen.sum("stream_seconds_total", **MODEL)
        assert figures(fresh).sum("stream_seconds_total", **MODEL) >= before + 0.2
    wait_for_figure(fresh, 1, "cancels_total")
    seen = figures(fresh)
    assert seen("streams") == 0 and seen("tokens_total", **MODEL) == 5
    assert seen("streams_ended_total", **MODEL, type="client_left") == 1
    assert seen("requests_total", route="/stream", status="200") == 1
    assert status(fresh)["cancels"] == 1


def test_no_counter_ever_decreases(sites, two):
    """While streams run, are refused, fall back, and end."""
    site, first, second = two(workers=2, timeouts={"hold": "1ms"})
    last = {}

    def look():
        nonlocal last
        now = figures(site).counters()
        for key, value in last.items():
            assert now[key] >= value, key
        last = now

    with site.ask("x") as answer:
        call = first.next_call()
        # The head and a ping have gone out, in the first model's name.
        assert answer.next_event().type == "comment"
        look()
        refuse(call, 503)
        call = second.next_call()
        look()
        call.head()
        for number in range(20):
            call.token(f"{number}")
            answer.next_token()
            look()
        call.finish()
        assert answer.all_events().done
    look()
    assert last["sheepfcgi_tokens_total", frozenset({("model", "other/spare")})] == 20
    assert last["sheepfcgi_sent_bytes_total", frozenset({("model", "mock/mock")})] > 0


# Times


def test_tokens_that_came_in_one_read_have_no_gap_and_others_the_time_between_them(sites):
    site = sites.site(sites.scripted())
    with site.ask("x") as answer:
        call = site.provider.next_call()
        time.sleep(0.3)
        call.head()
        together = "".join(f"data: {json.dumps(chunk({'content': text}))}\n\n" for text in "abcd")
        call.send(together.encode())
        for _ in "abcd":
            answer.next_token()
        time.sleep(0.3)
        call.token("e")
        answer.next_token()
        call.finish()
        assert answer.all_events().done
    seen = figures(site)
    assert seen("first_token_seconds_count", **MODEL) == 1
    assert 0.3 <= seen("first_token_seconds_sum", **MODEL) < 20
    assert seen("first_token_seconds_bucket", **MODEL, le="0.25") == 0
    assert seen("token_gap_seconds_count", **MODEL) == 4
    assert seen("token_gap_seconds_bucket", **MODEL, le="0.25") == 3
    assert 0.3 <= seen("token_gap_seconds_sum", **MODEL) < 20
    assert seen("stream_seconds_total", **MODEL, waiting_for="provider") >= 0.6
    assert seen("stream_seconds_total", **MODEL, waiting_for="client") == 0
    assert seen("stream_duration_seconds_sum", **MODEL) >= 0.6


def test_time_that_a_client_holds_a_stream_up_is_told_apart_and_the_stall_counted(sites, mock):
    site = sites.site(mock, nginx={"listen": "sndbuf=16k"}, timeouts={"client_stall": "2s"})
    with site.ask("n=1000000 size=500", receive_buffer=4096) as answer:
        answer.next_token()
        # While it lasts,
        wait_until(lambda: figures(site)("streams_paused") == 1, "its provider is paused")
        told = status(site, "json&full")
        (stream,) = told["running"]
        assert stream["paused_by"] == "client" and stream["buffered_bytes"] >= 65536
        held = figures(site)("stream_seconds_total", **MODEL, waiting_for="client")
        assert figures(site)("stream_seconds_total", **MODEL, waiting_for="client") > held
        # and when it is over.
        wait_for_figure(site, 1, "stalls_total")
    seen = figures(site)
    assert seen("streams_ended_total", **MODEL, type="client_stalled") == 1 and seen("cancels_total", **MODEL) == 0
    held = seen("stream_seconds_total", **MODEL, waiting_for="client")
    assert held >= 2
    assert seen.sum("stream_seconds_total", **MODEL) == pytest.approx(
        seen("stream_duration_seconds_sum", **MODEL), abs=0.001
    )
    assert status(site)["stalls"] == 1


# Failures


def test_each_failed_attempt_counts_and_so_do_retries_and_fallbacks(two):
    site, first, second = two(retry={"attempts": 2})
    with site.ask("x") as answer:
        refuse(first.next_call(), 503)
        refuse(first.next_call(), 429)
        second.next_call().answer(stream_of("a", usage={"prompt_tokens": 3, "completion_tokens": 4}))
        assert answer.all_events().done
    seen = figures(site)
    assert seen("provider_errors_total", provider="mock", type="overloaded") == 1
    assert seen("provider_errors_total", provider="mock", type="rate_limited") == 1
    assert seen.sum("provider_errors_total", provider="other") == 0
    assert seen("retries_total", **MODEL) == 1 and seen("fallbacks_total", **MODEL) == 1
    other = {"model": "other/spare"}
    assert seen("retries_total", **other) == 0 and seen("fallbacks_total", **other) == 0
    assert seen("streams_ended_total", **other, type="done") == 1
    assert seen("streams_ended_total", **MODEL, type="done") == 0
    assert seen("usage_tokens_total", **other, type="completion") == 4
    # The time until it was given up is the first one's.
    assert seen("stream_seconds_total", **MODEL, waiting_for="provider") > 0.01
    assert status(site)["providers"][0] == {
        "provider": "mock",
        "left_out": False,
        "errors": 2,
        "errors_overloaded": 1,
        "errors_rate_limited": 1,
    }


@pytest.mark.parametrize(
    "prompt, kind, code",
    [
        ("n=3 drop=2", "upstream_truncated", "200"),
        ("n=3 error=2", "rate_limited", "200"),
        ("fail=401", "upstream_rejected", "502"),
        ("fail=400", "bad_request", "400"),
        ("html=1", "upstream_malformed", "502"),
    ],
)
def test_a_stream_that_fails_is_one_failure_of_its_provider(sites, mock, prompt, kind, code):
    site = sites.site(mock, timeouts={"hold": "1h"})
    with site.ask(prompt) as answer:
        answer.body()
        assert str(answer.status) == code
    seen = figures(site)
    assert seen("provider_errors_total", provider="mock", type=kind) == 1
    assert seen.sum("provider_errors_total") == 1
    assert seen("streams_ended_total", **MODEL, type=kind) == 1
    assert seen("requests_total", route="/stream", status=code) == 1


def test_who_waits_and_who_was_refused_by_a_limit_is_counted(sites, mock):
    limits = {"streams": 1, "client": {"by": "address", "streams": 2}}
    site = sites.site(mock, limits=limits, queue={"length": 2})
    with site.ask("n=100000 rate=20") as running, site.ask("n=1") as waiting:
        assert running.next_token()
        assert waiting.next_event().data == "place 1 in the queue"
        with site.ask("n=1") as refused:
            assert refused.problem(429, "rate_limited")["limit"] == "client_streams"
        seen = figures(site)
        assert (seen("streams"), seen("streams_queued"), seen("redis_away")) == (1, 1, 0)
        assert seen("limit_refusals_total", limit="client_streams") == 1
        assert seen.sum("limit_refusals_total") == 1
        told = status(site, "json&full")
        assert (told["streams"], told["streams_queued"], told["limit_refusals"], told["redis"]) == (1, 1, 1, None)
        assert sorted(each["state"] for each in told["running"]) == ["queued", "streaming"]


def test_what_is_not_the_provider_s_fault_is_no_failure_of_it(sites, mock):
    site = sites.site(mock, limits={"streams": 1})
    with site.ask("n=2 stall=1") as answer:
        answer.next_token()
        with site.ask("n=2") as refused:
            refused.problem(503, "overloaded")
        with site.post(b"no JSON") as bad:
            bad.problem(400, "bad_request")
    wait_for_figure(site, 1, "cancels_total")
    seen = figures(site)
    assert seen.sum("provider_errors_total") == 0
    assert seen("requests_total", route="/stream", status="503") == 1
    assert seen("requests_total", route="/stream", status="400") == 1


def test_a_provider_that_is_left_out_is_told(two):
    site, first, second = two(workers=2)
    assert figures(site)("breaker_open", provider="mock") == 0
    for _ in range(5):
        with site.ask("x") as answer:
            refuse(first.next_call(), 500)
            second.next_call().answer(stream_of("a"))
            assert answer.all_events().done
    seen = figures(site)
    assert seen("breaker_open", provider="mock") == 1 and seen("breaker_open", provider="other") == 0
    assert seen("fallbacks_total", **MODEL) == 5
    assert status(site)["providers"][0]["left_out"] is True
    # Passed over from the start, it is replaced all the same.
    with site.ask("x") as answer:
        second.next_call().answer(stream_of("a"))
        assert answer.all_events().done
    seen = figures(site)
    assert seen("fallbacks_total", **MODEL) == 6 and seen.sum("provider_errors_total", provider="mock") == 5


# What there may be of each


def test_paths_that_nobody_serves_are_one_route(fresh):
    for path in ("/v1/models", "/v1/models/mock/mock", "/v1/models/none"):
        with fresh.get(path) as answer:
            answer.body()
    with FastCGI(fresh.worker.address) as connection:
        for number in range(5):
            assert connection.ask("GET", f"/nowhere/{number}", keep=True).status == 404
    seen = figures(fresh)
    assert seen("requests_total", route="other", status="404") == 5
    assert seen("requests_total", route="/v1/models", status="200") == 2
    assert seen("requests_total", route="/v1/models", status="404") == 1
    assert len({pairs for name, pairs in seen.samples if name == "sheepfcgi_requests_total"}) == 3


def test_models_that_a_star_lets_through_are_counted_together(sites, mock):
    site = sites.site(mock, providers={"mock": {"models": {"*": {}}}})
    for number in range(5):
        with site.ask("n=2", model=f"mock/made-up-{number}") as answer:
            assert answer.all_events().done
    seen = figures(site)
    assert seen("tokens_total", model="mock/*") == 10
    assert {dict(pairs)["model"] for name, pairs in seen.samples if name == "sheepfcgi_tokens_total"} == {
        "mock/mock",
        "mock/plain",
        "mock/*",
    }


def test_a_reload_keeps_what_was_counted(sites, mock):
    site = sites.site(mock, workers=2)
    with site.ask("n=3") as answer:
        assert answer.all_events().done
    reload(site, config_of(site))
    with site.ask("n=4") as answer:
        assert answer.all_events().done
    seen = figures(site)
    assert seen("tokens_total", **MODEL) == 7 and seen("tokens_total", model="mock/read") == 0


# The process


@pytest.mark.measures
def test_the_process_is_told_by_the_usual_names(fresh):
    seen = figures(fresh)
    # The connection of the request itself may have come and gone.
    assert abs(seen("process_open_fds") - len(fresh.worker.descriptors())) <= 3
    assert 0.5 < seen("process_resident_memory_bytes") / fresh.worker.memory() < 2
    assert 0 < seen("process_cpu_seconds_total") <= fresh.worker.cpu_seconds() + 0.1
    assert time.time() - 600 < seen("process_start_time_seconds") <= time.time()
    assert seen("process_max_fds") >= 256
    told = status(fresh)
    assert told["resident_bytes"] > 0 and told["version"] and told["state"] == "running"
    assert seen("build_info", version=told["version"]) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_log_lines_that_were_lost_are_counted(sites, mock):
    site = sites.site(mock, log={"to": "/dev/full"})
    with site.ask("n=1") as answer:
        assert answer.all_events().done
    wait_until(lambda: figures(site)("log_lines_lost_total") >= 2, "the start's line and the request's are lost")


def test_a_process_that_drains_says_so_with_the_figures_of_the_workers_that_have_ended(sites, mock):
    worker = sites.worker(mock, workers=2)
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(FastCGI(worker.address)) for _ in range(2)]
        for connection in kept:
            connection.send(request("POST", "/stream", b'{"prompt":"n=6"}', keep=True))
            assert b"event: done" in connection.response().body
        running = stack.enter_context(begin_stream(worker.address, "n=4 stall=4"))
        events = running.events()
        for _ in range(4):
            events.next_token()
        wait_until(lambda: len(worker.worker_threads()) == 2, "both run")
        worker.signal(signal.SIGTERM)
        wait_until(lambda: len(worker.worker_threads()) == 1, "the worker without a stream has ended")
        for connection in kept:
            connection.send_as_far_as_possible(request("GET", "/metrics", keep=True))
        (answer,) = [response for response in (each.response() for each in kept) if response.is_complete]
        seen = Figures(answer.body.decode())
        assert seen("draining") == 1 and seen("workers_silent") == 0 and seen("streams") == 1
        assert seen("tokens_total", **MODEL) == 16
        assert seen("streams_ended_total", **MODEL, type="done") == 2
    worker.wait()


# Forms


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_has_nothing_to_say_about_the_text_format(fresh):
    with fresh.ask("n=3") as answer:
        assert answer.all_events().done
    with fresh.get("/metrics") as answer:
        assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        text = answer.body()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_openmetrics_comes_where_it_is_asked_for_with_the_same_samples(fresh):
    accept = "application/openmetrics-text; version=1.0.0; q=0.8, text/plain; q=0.5"
    with fresh.get("/metrics", {"Accept": accept}) as answer:
        assert answer.header("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        text = answer.body().decode()
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1 and "\n\n" not in text
    open_ = Figures(text)
    plain = figures(fresh)
    assert {name for name, _ in open_.samples} | {"sheepfcgi_requests_total"} == {name for name, _ in plain.samples}
    for name, type_ in open_.types.items():
        suffix = {"counter": "_total", "info": "_info"}.get(type_, "")
        assert not name.endswith(("_total", "_info")) and name + suffix in plain.types
    units = dict(re.findall(r"# UNIT (\S+) (\S+)", text))
    assert units and all(name.endswith(f"_{unit}") for name, unit in units.items())


@pytest.mark.parametrize("accept", [None, "*/*", "text/plain", "application/openmetrics-text;q=0.1,text/plain"])
def test_whoever_does_not_ask_for_openmetrics_gets_the_text_format(fresh, accept):
    with fresh.get("/metrics", {"Accept": accept}) as answer:
        assert answer.header("Content-Type").startswith("text/plain") and b"# EOF" not in answer.body()


def test_every_metric_has_its_row_in_the_documentation(fresh):
    with fresh.ask("n=3") as answer:
        assert answer.all_events().done
    rows = re.findall(r"(?m)^\| `((?:sheepfcgi|process)_\w+)` \|", (REPOSITORY / "docs/operations.md").read_text())
    assert len(rows) == len(set(rows))
    assert set(rows) == set(figures(fresh).types)


