"""/status and /metrics: who may read them, in which form, and what they say of running streams."""

import contextlib
import os
import re
import socket
import subprocess
import time

import pytest

from harness.failing import config_of, reload
from harness.fastcgi import FastCGI, request
from harness.figures import Figures, ask, status
from harness.freezing import frozen
from harness.paths import SHEEPFCGI
from harness.process import end, environment
from harness.reading import POLICY
from harness.starting import NO_PROVIDER, needs
from harness.waiting import wait_until

ROUTES = pytest.mark.parametrize("path", ["/status", "/metrics"])


# Who may


@pytest.fixture(scope="module")
def closed(module_sites):
    """A worker with the defaults, as a web server would ask it that lets everybody through."""
    return module_sites.worker(NO_PROVIDER).address


@ROUTES
@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "unix:"])
def test_loopback_may_read_them(closed, path, client):
    assert ask(closed, path, REMOTE_ADDR=client).status == 200


@ROUTES
@pytest.mark.parametrize("client", ["192.0.2.7", "127.0.0.2", "::2", "", "nobody", "127.0.0.1, 192.0.2.7"])
def test_others_and_those_of_whom_nothing_is_said_may_not(closed, path, client):
    answer = ask(closed, path, REMOTE_ADDR=client)
    assert answer.status == 403
    assert answer.head["Content-Type"] == "application/problem+json" and b"status.allow" in answer.body


@ROUTES
def test_what_a_client_says_of_itself_does_not_matter(closed, path):
    forged = {"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_REAL_IP": "127.0.0.1", "HTTP_REMOTE_ADDR": "127.0.0.1"}
    assert ask(closed, path, REMOTE_ADDR="192.0.2.7", **forged).status == 403


def test_ping_is_open_to_all(closed):
    assert ask(closed, "/ping", REMOTE_ADDR="192.0.2.7").body == b"pong\n"


@ROUTES
def test_the_setting_names_networks_and_loopback_is_only_one_of_them(sites, path):
    address = sites.worker(NO_PROVIDER, status={"allow": ["10.1.0.0/16", "fd00::/8"]}).address
    for client, code in (("10.1.255.3", 200), ("10.2.0.1", 403), ("fd12::1", 200), ("127.0.0.1", 403), ("unix:", 403)):
        assert ask(address, path, REMOTE_ADDR=client).status == code, client


def test_an_empty_list_closes_them(sites):
    address = sites.worker(NO_PROVIDER, status={"allow": []}).address
    assert ask(address, "/status").status == 403 and ask(address, "/ping").status == 200


def test_hup_puts_a_changed_list_in_force(sites, mock):
    site = sites.site(mock)
    with site.get("/status") as answer:
        assert answer.status == 200
    reload(site, config_of(site) | {"status": {"allow": ["10.0.0.0/8"]}})
    with site.get("/status") as answer:
        assert answer.status == 403


@ROUTES
def test_they_are_for_reading_alone(closed, path):
    answer = ask(closed, path)
    with FastCGI(closed) as connection:
        refused = connection.ask("POST", path, b"{}")
        assert refused.status == 405 and refused.head["Allow"] == "GET, HEAD"
    with FastCGI(closed) as connection:
        assert connection.ask("HEAD", path).status == 200
    assert answer.head["Cache-Control"] == "no-store" and answer.head["X-Request-Id"]


# What is told


def test_status_is_lines_of_name_and_value(sites, mock):
    site = sites.site(mock)
    with site.get("/status") as answer:
        assert answer.header("Content-Type") == "text/plain; charset=utf-8"
        text = answer.body().decode()
    lines = dict(line.split(": ", 1) for line in text.partition("\n\n")[0].splitlines())
    assert lines["pid"] == str(site.worker.pid) and lines["state"] == "running" and lines["streams"] == "0"
    assert set(lines) == {name for name, value in status(site).items() if not isinstance(value, list)}
    assert all(re.fullmatch(r"[a-z0-9_]+: .+", line) for line in text.splitlines() if line)


@pytest.mark.parametrize("words", ["full", "json&full"])
def test_a_running_stream_is_told_but_never_its_prompt(sites, mock, words):
    site = sites.site(mock, workers=2)
    secret = "thesecretofthisprompt"
    with site.ask(f"n=5 stall=5 {secret}", model="plain", system=secret) as answer:
        for _ in range(5):
            token = answer.next_token()
        with site.get(f"/status?{words}") as told:
            text = told.body().decode()
        assert secret not in text and token.strip() not in text.split()
        (stream,) = status(site, "json&full")["running"]
        assert stream["id"] == answer.request_id and stream["id"] in text
        assert stream["model"] == "mock/plain" and stream["route"] == "/stream" and stream["state"] == "streaming"
        assert stream["tokens"] == 5 and stream["buffered_bytes"] == 0 and stream["paused_by"] is None
        assert 0 <= stream["age_ms"] < 60_000
    assert "running" not in status(site)


def test_a_stream_waits_streams_waits_for_another_try_and_sends(two):
    site, first, _ = two(retry={"attempts": 2, "backoff": "1h", "max_wait": "1h"}, timeouts={"total": "2h"})

    def state():
        return [each["state"] for each in status(site, "json&full")["running"]]

    with site.ask("x"):
        call = first.next_call()
        assert state() == ["waiting"]
        call.head()
        call.token("a")
        wait_until(lambda: state() == ["streaming"], "it streams")
    wait_until(lambda: state() == [], "it has ended")
    with site.ask("x"):
        first.next_call().answer("{}", "application/json", "503 No")
        wait_until(lambda: state() == ["retrying"], "it waits for another try")


def test_a_stream_whose_client_has_yet_to_take_the_rest_is_sending(sites, mock):
    site = sites.site(mock, nginx={"listen": "sndbuf=16k"}, limits={"buffer_bytes": 1 << 30})
    with site.ask("n=20000 size=500", receive_buffer=4096) as answer:
        answer.next_token()
        wait_until(lambda: status(site, "json&full")["running"][0]["state"] == "sending", "the provider has ended")
        stream = status(site, "json&full")["running"][0]
        assert stream["tokens"] == 20000 and stream["buffered_bytes"] > 0


def test_the_streams_of_all_workers_are_told_the_oldest_first(sites, mock):
    site = sites.site(mock, workers=3)
    with contextlib.ExitStack() as stack:
        ids = []
        for _ in range(9):
            answer = stack.enter_context(site.ask("n=1 stall=1"))
            answer.next_token()
            ids.append(answer.request_id)
            time.sleep(0.003)
        told = status(site, "json&full")
        assert [each["id"] for each in told["running"]] == ids and told["streams"] == 9


# A worker that does not answer


def test_a_worker_that_does_not_answer_is_left_out_and_named_and_a_client_that_leaves_meanwhile_costs_nothing(
    sites, mock
):
    worker = sites.worker(mock, workers=2)
    with contextlib.ExitStack() as stack:
        # One on each.
        kept = [stack.enter_context(FastCGI(worker.address)) for _ in range(2)]
        for connection in kept:
            connection.send(request("POST", "/stream", b'{"prompt":"n=2"}', keep=True))
            assert b"event: done" in connection.response().body
        with frozen(worker, "worker-1"):
            for connection in kept:
                connection.send(request("GET", "/metrics", keep=True))
            answered = []

            def answer():
                for connection in kept:
                    connection.socket.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        if connection.socket.recv(1, socket.MSG_PEEK):
                            answered.append(connection)
                return answered

            wait_until(answer, "the other worker does not wait for it")
            (awake,) = answered
            seen = Figures(awake.response().body.decode())
            assert seen("workers_silent") == 1 and seen("workers") == 2 and seen("tokens_total", model="mock/mock") == 2
            text = awake.ask("GET", "/status", keep=True).body.decode()
            assert "workers_silent: 1\n" in text and "worker-1 did not answer" in text
            # A stream on the worker that is awake is not held up by the question.
            awake.send(request("GET", "/status", keep=True))
            awake.close()
        asleep = next(connection for connection in kept if connection is not awake)
        assert Figures(asleep.response().body.decode())("workers_silent") == 0
        # Only that one is left.
        with FastCGI(worker.address) as connection:
            wait_until(
                lambda: b"\nconnections: 2\n" in connection.ask("GET", "/status", keep=True).body,
                "the connection that was lost is gone",
            )


def test_a_question_that_is_called_off_is_answered_by_nothing(sites):
    """FCGI_ABORT_REQUEST while the other worker is asked."""
    worker = sites.worker(NO_PROVIDER, workers=2)
    with FastCGI(worker.address) as connection:
        for _ in range(20):
            connection.send(request("GET", "/status", keep=True) + bytes([1, 2, 0, 1, 0, 0, 0, 0]))
            assert connection.response().is_complete
        assert connection.ask("GET", "/ping", keep=True).body == b"pong\n"


# Several processes


@needs("spawn-fcgi")
def test_processes_on_one_socket_say_so_and_name_themselves(directory):
    address, file = directory / "s", directory / "pids"
    started = subprocess.run(
        ["spawn-fcgi", "-F", "3", "-s", address, "-P", file, "--", SHEEPFCGI],
        env=environment({"SHEEP_BASE_URL": NO_PROVIDER}),
        capture_output=True,
        timeout=60,
    )
    pids = re.findall(r"\d+", file.read_text())
    try:
        assert started.returncode == 0 and len(pids) == 3, started.stderr

        # They start one after another.
        wait_until(lambda: Figures(ask(address, "/metrics").body.decode())("other_processes") == 2, "all have started")
        for others in (2, 1):
            text = ask(address, "/status").body.decode()
            pid = re.search(r"(?m)^pid: (\d+)$", text)[1]
            assert f"note: these are the figures of process {pid} alone; {others} more on its socket" in text
            pids.remove(pid)
            end(int(pid))
    finally:
        for pid in pids:
            end(int(pid))


@needs("multiwatch")
def test_the_launcher_that_holds_the_socket_too_is_no_further_process(directory, launch):
    address = directory / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        launch("multiwatch", "-f", "1", "--", SHEEPFCGI, stdin=listener)
    assert "other_processes: 0\n" in ask(address, "/status").body.decode()


def test_another_process_on_a_socket_of_its_own_does_not_count(sites):
    address = sites.worker(NO_PROVIDER).address
    sites.worker(NO_PROVIDER)
    text = ask(address, "/status").body.decode()
    assert "other_processes: 0\n" in text and "note:" not in text


# The page


@pytest.mark.parametrize("words, accept", [("?html", None), ("", "text/html,*/*;q=0.8"), ("?full", "text/html")])
def test_a_browser_gets_a_page_under_a_strict_policy(site, words, accept):
    with site.get(f"/status{words}", {"Accept": accept}) as answer:
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        assert answer.header("Refresh") == "5"
        policy = answer.header("Content-Security-Policy")
        nonce = re.search(r"style-src 'nonce-([0-9a-f]+)'", policy)[1]
        body = answer.body().decode()
    assert policy.startswith("default-src 'none'; ") and "script" not in policy and "unsafe" not in policy
    assert f'<style nonce="{nonce}">' in body and "<script" not in body and "style=" not in body
    with site.get(f"/status{words}", {"Accept": accept}) as again:
        assert nonce not in again.header("Content-Security-Policy")


@pytest.mark.parametrize(
    "words, accept", [("?json", "text/html"), ("?text", "text/html"), ("", "text/plain, text/html;q=0.5")]
)
def test_a_word_decides_before_what_the_browser_would_like(site, words, accept):
    with site.get(f"/status{words}", {"Accept": accept}) as answer:
        assert not answer.header("Content-Type").startswith("text/html")


def test_names_that_clients_make_up_are_text_on_the_page(sites, mock):
    site = sites.site(mock, providers={"mock": {"models": {"*": {}}}})
    with site.ask("n=1 stall=1", model='mock/<b>"&') as answer:
        answer.next_token()
        with site.get("/status?html") as page:
            body = page.body().decode()
    assert "mock/&lt;b&gt;&quot;&amp;" in body and "<b>\"" not in body


def test_the_page_shows_the_streams_and_refreshes_itself(driver, sites, mock):
    """Under the policy that demo.conf has for the rest of the site."""
    site = sites.site(mock, workers=2, nginx={"server": POLICY})
    driver.get_log("browser")
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(site.ask("n=3 stall=3")).next_token()
        driver.get(site.url + "/status")
        tables = "return document.querySelectorAll('table').length"
        assert driver.execute_script(tables) == 3
        assert driver.execute_script("return [...document.querySelectorAll('table')].at(-1).rows.length") == 21
        assert driver.title.startswith("20 streams")
        # The style is in force, so the policy lets it in.
        tile = "return getComputedStyle(document.querySelector('.tiles')).display"
        assert driver.execute_script(tile) == "grid"
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(wide) <= 0
        if folder := os.environ.get("SHEEPFCGI_SCREENSHOTS"):
            driver.save_screenshot(f"{folder}/status-20.png")
    wait_until(lambda: driver.title.startswith("0 streams"), "the page has refreshed itself")
    if folder := os.environ.get("SHEEPFCGI_SCREENSHOTS"):
        driver.save_screenshot(f"{folder}/status-0.png")
    bad = [line["message"] for line in driver.get_log("browser") if "Security" in line["message"]]
    assert not bad, bad
