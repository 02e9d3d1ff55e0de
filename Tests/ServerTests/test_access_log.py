"""The log: one line a request that says how it went, and nothing that is secret; and nobody waits for its reader."""

import fcntl
import os
import subprocess

import pytest

from harness.fastcgi import FastCGI
from harness.scripted import chunk
from harness.waiting import wait_until
from harness.worker import KEY, logfmt

PROMPT = "n=3 private-question"


def test_a_stream_has_one_line_with_all_that_was_measured(site):
    with site.ask("n=3") as answer:
        done = answer.all_events().done
    line = site.worker.request(answer.request_id)
    assert line["level"] == "info" and line["msg"] == "request" and line["time"].endswith("Z")
    assert (line["client"], line["route"], line["model"]) == ("127.0.0.1", "/stream", "mock/mock")
    assert (line["status"], line["ended"], line["finish"], line["tokens"]) == ("200", "done", "stop", "3")
    assert line["prompt_tokens"] == str(done["usage"]["prompt_tokens"]) and line["completion_tokens"] == "3"
    assert float(line["cost_usd"]) == pytest.approx(done["cost_usd"])
    assert int(line["ttft_ms"]) == done["ttft_ms"] and int(line["duration_ms"]) == done["duration_ms"]
    assert int(line["bytes"]) > 0 and "attempts" not in line
    assert len([each for each in site.worker.requests() if each["id"] == answer.request_id]) == 1


@pytest.mark.parametrize("path", ["/ping", "/stream?prompt=n%3D3", "/no-such"])
def test_bytes_are_those_of_the_answer_without_the_records_around_it(site, path):
    path, _, query = path.partition("?")
    with FastCGI(site.worker.address) as connection:
        response = connection.ask("GET", path, QUERY_STRING=query)
        line = site.worker.request(response.head["X-Request-Id"])
    assert int(line["bytes"]) == len(response.stdout)


def test_of_an_answer_that_nobody_takes_only_what_was_taken_counts(sites):
    site = sites.site(sites.scripted())
    with site.ask("x") as answer:
        call = site.provider.next_call()
        call.head()
        call.token("a")
        assert answer.next_token() == "a"
        request_id = answer.request_id
    line = site.worker.request(request_id)
    assert line["ended"] == "client_left" and 100 < int(line["bytes"]) < 1000


@pytest.mark.parametrize(
    "ask, status, ended",
    [
        (lambda site: site.get("/ping"), "200", "done"),
        (lambda site: site.get("/v1/models"), "200", "done"),
        (lambda site: site.ask(""), "400", "bad_request"),
        (lambda site: site.request("OPTIONS", "/stream"), "204", "done"),
        (lambda site: site.ask("fail=500"), "502", "upstream_failed"),
        (lambda site: site.ask("drop=0"), "502", "upstream_truncated"),
        (lambda site: site.ask("n=2 error=1"), "200", "rate_limited"),
        (lambda site: site.ask("n=1", headers={"Sec-Fetch-Site": "cross-site"}), "403", "bad_request"),
    ],
)
def test_every_other_request_has_one_too(site, ask, status, ended):
    with ask(site) as answer:
        answer.body()
    line = site.worker.request(answer.request_id)
    assert (line["status"], line["ended"]) == (status, ended)
    assert line["route"] and int(line["duration_ms"]) >= 0


# Each tells the usage so far before, or beside, its first token.
TOLD_EARLY = {
    "anthropic": [
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    ],
    "openai": [chunk({"content": "a"}, usage={"prompt_tokens": 9, "completion_tokens": 1})],
}


@pytest.mark.parametrize("wire", TOLD_EARLY)
@pytest.mark.parametrize("ended", ["upstream_truncated", "client_left"])
def test_what_a_stream_without_a_good_end_has_cost_so_far_is_logged(sites, wire, ended):
    provider = sites.scripted()
    base_url = provider.base_url.removesuffix("/v1")
    site = sites.site(provider, providers={"mock": {"wire": wire, "base_url": base_url}})
    with site.ask("x") as answer:
        call = site.provider.next_call()
        call.head()
        for event in TOLD_EARLY[wire]:
            call.event(event)
        assert answer.next_token() == "a"
        if ended == "upstream_truncated":
            call.reset()
            assert answer.all_events().error["type"] == ended
    line = site.worker.request(answer.request_id)
    assert line["ended"] == ended
    assert (line["prompt_tokens"], line["completion_tokens"]) == ("9", "1")
    assert float(line["cost_usd"]) == pytest.approx(9e-6 + 2e-6)


def test_thinking_and_tool_calls_are_no_visible_tokens(site):
    with site.ask("n=2 reasoning=5 tools=1") as answer:
        answer.all_events()
    assert site.worker.request(answer.request_id)["tokens"] == "2"


def test_no_key_no_prompt_and_no_reply_is_in_any_log(sites, mock):
    site = sites.site(mock)
    marks = ["private-question", "private-system", KEY]
    for answer in (
        site.ask(PROMPT, system="private-system"),
        site.get("/stream", prompt=PROMPT, system="private-system"),
        site.ask(PROMPT + " drop=2"),
        site.ask(PROMPT + " fail=400"),
        site.post(b'{"prompt":"private-question"'),
        site.post(
            {
                "messages": [{"role": "user", "content": "private-question", "x": "private-system"}],
                "prompt": "private-question",
            }
        ),
        site.ask(PROMPT, model="no/such"),
        site.ask(PROMPT, headers={"Sec-Fetch-Site": "cross-site", "Referer": "http://x/?private-question"}),
        site.ask("n=3 text=markdown"),
        site.get("/ping", prompt="private-question"),
    ):
        with answer:
            answer.body()
        site.worker.request(answer.request_id)
        site.nginx.wait_for_access(answer.request_id)
    for log in (site.worker.log(), site.nginx.access_log(), site.nginx.error_log()):
        for mark in marks + ["Streaming a token"]:
            assert mark not in log


@pytest.mark.parametrize(
    "name, value",
    [("REMOTE_ADDR", "1.2.3.4 level=error"), ("REMOTE_ADDR", 'a"b\\c\nx=1'), ("PATH_INFO", '/a b\n\x1b[31m="')],
)
def test_nobody_can_forge_a_line_or_a_field(site, name, value):
    before = len(site.worker.lines())
    with FastCGI(site.worker.address) as connection:
        request_id = connection.ask(**{name: value}).head["X-Request-Id"]
    line = site.worker.request(request_id)
    assert (
        line["level"] == "info"
        and "x" not in line
        and set(line)
        == set(site.worker.requests()[0])
        - {"model", "finish", "tokens", "prompt_tokens", "completion_tokens", "cost_usd", "ttft_ms"}
        | {"client"}
    )
    assert len(site.worker.lines()) == before + 1
    assert "\x1b" not in site.worker.log()


def test_broken_utf8_is_no_harm_to_the_log(site):
    with FastCGI(site.worker.address) as connection:
        assert connection.ask(PATH_INFO=b"/\xff\xfe\x80").status == 404
    site.worker.log_path.read_text("utf-8")


@pytest.mark.parametrize("kind", ["blocked", "closed", "full"])
def test_a_log_that_nobody_reads_holds_no_stream_up(sites, mock, kind):
    reader, writer = os.pipe()
    match kind:
        case "blocked":
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
            error = writer
        case "closed":
            os.close(reader)
            error = writer
        case "full":
            error = os.open("/dev/full", os.O_WRONLY)
    site = sites.site(mock, popen={"stderr": error, "stdout": subprocess.DEVNULL})
    os.close(writer)
    if error != writer:
        os.close(error)
    # Each has a line of some 250 bytes.
    for _ in range(300):
        with site.ask("n=2") as answer:
            assert answer.all_events().done
    assert not site.worker.has_ended()
    if kind == "blocked":
        seen = b""
        while seen.count(b"ended=done") < 300:
            part = os.read(reader, 65536)
            assert part, "the log ended"
            seen += part
        lines = [logfmt(line) for line in seen.decode().splitlines() if "msg=request" in line]
        assert len(lines) == 300 and all(line["tokens"] == "2" for line in lines)
    if kind != "closed":
        os.close(reader)


def test_an_end_waits_for_no_reader_of_the_log(sites, mock):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    site = sites.site(mock, popen={"stderr": writer, "stdout": subprocess.DEVNULL})
    os.close(writer)
    for _ in range(60):
        with site.ask("n=1") as answer:
            answer.all_events()
    site.worker.popen.terminate()
    assert site.worker.wait() == 0
    os.close(reader)


def test_the_start_the_drain_and_the_end_are_told(sites, mock):
    worker = sites.worker(mock)
    worker.popen.terminate()
    assert worker.wait() == 0
    log = worker.log()
    assert f"unix:{worker.address}" in log and "draining" in log
    wait_until(lambda: "ended" in worker.log(), "the end is told")
