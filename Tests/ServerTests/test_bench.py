"""stream-bench: it finds what it is there to find, and leaves nothing behind."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness.paths import MOCK_PROVIDER, SANITIZER, SHEEPFCGI, STREAM_BENCH
from harness.process import environment
from harness.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(not os.access(STREAM_BENCH, os.X_OK), reason="stream-bench is not built"),
    pytest.mark.skipif(bool(SANITIZER), reason="it measures the ordinary builds"),
]

# A relay of a kind: it makes its tokens up, and one of each stream is missing.
LOSSY = """#!/usr/bin/env python3
import os, socketserver, time

class Stream(socketserver.StreamRequestHandler):
    def handle(self):
        words = self.rfile.readline().decode().replace("%20", " ").replace("%3D", "=").split()
        while self.rfile.readline().strip():
            pass
        count = next(int(word.split("n=")[1]) for word in words if "n=" in word)
        tokens = [f'data: {{"token":"{number}:{time.monotonic_ns()} "}}\\n\\n' for number in range(count) if number != 2]
        body = "".join(tokens) + "event: done\\ndata: {}\\n\\n"
        head = "HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nConnection: close\\r\\n\\r\\n"
        self.wfile.write((head + body).encode())

class Server(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 1024
    daemon_threads = True

with Server(os.environ["SOCKET"], Stream) as server:
    server.serve_forever()
"""


class Bench:
    """A run in a folder of its own, whose processes can be told by their HOME or by the temporary files that they use."""

    def __init__(self, directory):
        self.directory = directory
        self.peers = directory / "peers"
        self.output = directory / "output"
        # Short, as Unix sockets lie below it.
        self.temporary = directory / "t"
        for each in (self.peers, self.temporary):
            each.mkdir()

    def peer(self, name, *, start=None, build=None, speaks="http"):
        folder = self.peers / name
        folder.mkdir()
        (folder / "peer.json").write_text(json.dumps({"title": name.title(), "speaks": speaks}))
        for file, text in (("start", start), ("build", build)):
            if text:
                (folder / file).write_text(text)
                (folder / file).chmod(0o755)

    def start(self, *arguments):
        words = [STREAM_BENCH, *arguments]
        if arguments[0] == "run":
            words += ["--peers", self.peers, "--output", self.output]
            words += ["--sheepfcgi", SHEEPFCGI, "--mock-provider", MOCK_PROVIDER]
        return subprocess.Popen(
            [str(word) for word in words],
            env=environment({"HOME": str(self.directory), "TMPDIR": str(self.temporary)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, status=0):
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == status, errors
        return output, errors

    def run_file(self):
        return json.loads((self.output / "results.json").read_text())

    def results(self):
        return {contender["name"]: contender for contender in self.run_file()["contenders"]}

    def leftovers(self):
        """Processes that it started, and what is left of its temporary files."""
        processes = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                if self._is_ours(folder, command):
                    processes.append(command or folder.name.encode())
            except OSError:
                continue
        return processes + list(self.temporary.iterdir())

    def _is_ours(self, folder, command):
        """By its environment, or, as nginx writes its title over that, by its command line, folder and open files."""
        if f"HOME={self.directory}".encode() in (folder / "environ").read_bytes().split(b"\0"):
            return True
        below = f"{self.temporary}/"
        links = [folder / "cwd", *(folder / "fd").iterdir()]
        return below.encode() in command or any(f"{read_link(link)}/".startswith(below) for link in links)


def read_link(link):
    try:
        return os.readlink(link)
    except OSError:  # It was closed meanwhile.
        return ""


def figures(contender, phase):
    rows = next(each for each in contender["phases"] if each["phase"] == phase)["rows"]
    return {figure["name"]: figure["value"] for figure in rows[0]["figures"]}


@pytest.fixture
def bench(sites):
    return Bench(sites.directory())


def test_a_run_finds_our_worker_without_fault_and_leaves_nothing_behind(bench):
    output, _ = bench.run("run", "--quick", "--only", "sheepfcgi", "--phases", "paced,cancel")
    paced, cancel = (figures(bench.results()["sheepfcgi"], phase) for phase in ("paced", "cancel"))
    assert {paced[name] for name in ("failed", "lost", "doubled", "out_of_order")} == {0}
    assert paced["relay_us_per_token"] > 0 and paced["nginx_us_per_token"] > 0
    assert cancel["cancelled_ms"] >= 0 and cancel["provider_streams_left"] == 0
    assert "SheepFCGI" in output and "relay ÷ nginx" in output
    assert "<svg" in (bench.output / "report.html").read_text()
    assert not bench.leftovers()


def test_lost_tokens_are_found_and_a_peer_that_cannot_be_built_stops_nobody(bench):
    bench.peer("absent", start="#!/bin/sh\n", build="#!/bin/sh\necho 'absent: no zork: apt-get install zork' >&2\nexit 69\n")
    bench.peer("dying", start="#!/bin/sh\necho 'dying: no luck' >&2\nexit 3\n")
    bench.peer("lossy", start=LOSSY)
    output, errors = bench.run("run", "--quick", "--only", "absent,dying,lossy", "--phases", "paced")
    results = bench.results()
    assert figures(results["lossy"], "paced")["lost"] == 300
    for text in (output, errors, results["absent"]["missing"]):
        assert "absent: no zork: apt-get install zork" in text
    for text in (output, errors, results["dying"]["missing"]):
        assert "ended with 3" in text and "no luck" in text
    assert not bench.leftovers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_ends_all_that_it_started(bench, number):
    process = bench.start("run", "--quick", "--only", "sheepfcgi", "--phases", "idle,slow")
    worker = str(SHEEPFCGI).encode() + b"\0serve"
    wait_until(lambda: any(worker in bytes(each) for each in bench.leftovers()), "the worker runs")
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "interrupted" in output and bench.run_file()["interruptedAt"].startswith("sheepfcgi")
    assert not bench.leftovers()


def test_a_run_that_is_interrupted_publishes_what_it_has_measured(bench):
    process = bench.start("run", "--quick", "--only", "nginx-alone,sheepfcgi", "--phases", "cancel,idle")
    for line in process.stderr:
        if "nginx-alone: idle" in line:
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert bench.run_file()["interruptedAt"] == "nginx-alone, idle"
    assert figures(bench.results()["nginx-alone"], "cancel")["cancelled_ms"] >= 0
    assert [phase["phase"] for phase in bench.results()["nginx-alone"]["phases"]] == ["cancel"]
    page = (bench.output / "report.html").read_text()
    for text in (output, page):
        assert "the run was interrupted at nginx-alone, idle" in text
    assert not bench.leftovers()


def test_a_load_is_told_as_json(bench, mock):
    url = f"http://127.0.0.1:{mock.port}/v1/chat/completions"
    output, _ = bench.run("load", url, "--post", "--prompt", "n=20", "--streams", "5", "--total", "12", "--keep-alive")
    result = json.loads(output)
    assert (result["completed"], result["tokens"], result["lost"], result["failed"]) == (12, 240, 0, 0)
    assert result["peak_open"] == 5


def test_a_load_that_misses_something_ends_with_1(bench, mock):
    url = f"http://127.0.0.1:{mock.port}/v1/chat/completions"
    output, _ = bench.run("load", url, "--post", "--prompt", "n=20 truncate=7", status=1)
    result = json.loads(output)
    assert result["lost"] == 13 and result["failures"] == {"ended without its terminal event": 1}


def test_a_report_is_made_again_and_compared(bench):
    bench.run("run", "--quick", "--only", "nginx-alone", "--phases", "cancel")
    file = bench.output / "results.json"
    (bench.output / "report.html").unlink()
    output, _ = bench.run("report", file, "--compare", file)
    assert "(0.0 %)" in output and (bench.output / "report.html").exists()


def test_what_cannot_be_run_says_so(bench):
    for arguments, words in [
        (["run", "--only", "nobody"], "there is no contender nobody"),
        (["run", "--phases", "lunch"], "there is no phase lunch"),
        (["run", "--compare", "/nonexistent"], "there is no file /nonexistent"),
        (["report", "/etc/passwd"], "/etc/passwd holds no results"),
    ]:
        _, errors = bench.run(*arguments, status=1)
        assert words in errors


@pytest.mark.parametrize(
    "option",
    ["--timeout=inf", "--timeout=nan", "--timeout=-1", "--ramp=0", "--ramp=nan", "--leave-after=0", "--streams=0"],
)
def test_a_load_that_makes_no_sense_is_refused(bench, option):
    _, errors = bench.run("load", "http://127.0.0.1:1/", option, status=64)
    assert option.split("=")[0] in errors
