"""Where the log goes and how it is laid out: files, what HUP does to them, and disks that are full."""

import contextlib
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess

import pytest

from harness.fastcgi import FastCGI
from harness.log import LOST, Log
from harness.paths import REPOSITORY
from harness.waiting import wait_until
from harness.worker import logfmt

@pytest.fixture
def log(sites):
    return Log(sites.directory() / "sheep.log")


def stream(site):
    """Asks for one, and gives its id."""
    with site.ask("n=2") as answer:
        assert answer.all_events().done
    return answer.request_id


def change(site, **to):
    """Writes another `log` into the configuration, and has it read."""
    config = json.loads(site.worker.config_path.read_text())
    config["log"] = {name: str(value) for name, value in to.items()}
    site.worker.write(config)
    site.worker.signal(signal.SIGHUP)


def test_the_log_goes_to_a_file_that_is_made_for_owner_and_group(sites, mock, log):
    site = sites.site(mock, log={"to": str(log.path)})
    assert log.request(stream(site))["ended"] == "done"
    assert "listens on" in log.text()
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o640
    site.worker.popen.terminate()
    assert site.worker.wait() == 0
    assert log.lines()[-1]["msg"] == "ended"
    assert site.worker.log() == ""


def test_a_file_that_is_there_is_appended_to(sites, mock, log):
    log.path.write_text("level=info msg=before\n")
    log.path.chmod(0o604)
    sites.worker(mock, log={"to": str(log.path)})
    log.wait_for("listens on")
    assert log.lines()[0]["msg"] == "before"
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o604


@pytest.mark.parametrize("to", ["file", "stderr"])
def test_json_has_one_object_a_line_with_numbers_as_numbers(sites, mock, log, to):
    site = sites.site(mock, log={"to": str(log.path) if to == "file" else "stderr", "format": "json"})
    if to == "stderr":
        log = Log(site.worker.log_path)
    with site.ask("n=3") as answer:
        done = answer.all_events().done
    line = log.request(answer.request_id)
    assert list(line)[:3] == ["time", "level", "msg"] and line["time"].endswith("Z")
    assert (line["client"], line["route"], line["model"]) == ("127.0.0.1", "/stream", "mock/mock")
    assert (line["status"], line["ended"], line["finish"], line["tokens"]) == (200, "done", "stop", 3)
    assert (line["prompt_tokens"], line["completion_tokens"]) == (done["usage"]["prompt_tokens"], 3)
    assert line["cost_usd"] == pytest.approx(done["cost_usd"])
    assert (line["ttft_ms"], line["duration_ms"]) == (done["ttft_ms"], done["duration_ms"])
    assert log.lines()[0]["level"] == "notice" and "listens on" in log.lines()[0]["msg"]


def test_both_formats_have_the_same_names_and_values(sites, mock, log):
    site = sites.site(mock, log={"to": str(log.path)})
    one = log.request(stream(site))
    change(site, to=log.path, format="json")
    log.wait_for('"msg":"the configuration was read again')
    other = log.request(stream(site))
    assert list(one) == list(other)
    own = {"time", "id", "ttft_ms", "duration_ms"}
    for name, value in other.items():
        assert name in own or type(value)(one[name]) == value


def test_nobody_can_forge_a_line_of_json(sites, mock, log):
    site = sites.site(mock, log={"to": str(log.path), "format": "json"})
    path = '/a\n{"level":"error"}\x1b\\\x7f\u00e9'
    with FastCGI(site.worker.address) as connection:
        request_id = connection.ask(PATH_INFO=path, REMOTE_ADDR='","level":"error').head["X-Request-Id"]
    line = log.request(request_id)
    assert (line["route"], line["client"]) == (path, '","level":"error')
    assert len(log.requests()) == 1
    assert {line["level"] for line in log.lines()} <= {"notice", "info"}


# HUP


@pytest.mark.parametrize("config", ["good", "bad"])
def test_hup_after_a_rename_writes_a_new_file(sites, mock, log, config):
    site = sites.site(mock, log={"to": str(log.path)})
    before = stream(site)
    log.request(before)
    old = Log(log.path.rename(log.path.with_suffix(".1")))
    between = stream(site)
    old.request(between)
    if config == "bad":
        site.worker.config_path.write_text("workers: none\n")
    site.worker.signal(signal.SIGHUP)
    log.wait_for("read again" if config == "good" else "the old configuration stays in force")
    after = stream(site)
    log.request(after)
    assert [line["id"] for line in old.requests()] == [before, between]
    assert [line["id"] for line in log.requests()] == [after]
    assert str(old.path) not in site.worker.descriptors().values()


def test_hup_moves_the_log_and_changes_its_format(sites, mock, log):
    site = sites.site(mock)
    first = stream(site)
    assert site.worker.request(first)
    change(site, to=log.path, format="json")
    log.wait_for("read again")
    second = stream(site)
    assert log.request(second)["status"] == 200
    assert all(line.startswith("{") for line in log.text().splitlines())
    change(site, to="stderr", format="logfmt")
    site.worker.wait_for_log("read again")
    third = stream(site)
    assert site.worker.request(third)["status"] == "200"
    assert [line["id"] for line in log.requests()] == [second]
    assert [line["id"] for line in site.worker.requests()] == [first, third]


def test_a_path_that_cannot_be_opened_at_hup_leaves_the_log_where_it_is(sites, mock, log):
    site = sites.site(mock, log={"to": str(log.path)})
    change(site, to="/no/such/directory/log", format="json")
    log.wait_for("the log stays where it is")
    line = next(line for line in log.lines() if line["level"] == "error")
    assert f"{site.worker.config_path}:" in line["msg"] and "create its directory" in line["msg"]
    assert log.request(stream(site))["ended"] == "done"
    # A later HUP with a file that says nothing of use reopens what is in force.
    old = Log(log.path.rename(log.path.with_suffix(".1")))
    site.worker.config_path.write_text("workers: none\n")
    site.worker.signal(signal.SIGHUP)
    log.wait_for("the old configuration stays in force")
    assert "the old configuration" not in old.text()


def test_a_fifo_that_nobody_reads_is_an_error_and_no_wait(sites, mock, log):
    site = sites.site(mock)
    os.mkfifo(log.path)
    change(site, to=log.path)
    site.worker.wait_for_log("start who reads it first")


@pytest.mark.skipif(not shutil.which("logrotate"), reason="logrotate is not installed")
def test_the_shipped_logrotate_rule_rotates_and_loses_nothing(sites, mock, log):
    site = sites.site(mock, log={"to": str(log.path)})
    before = stream(site)
    log.request(before)
    text = (REPOSITORY / "deploy/logrotate").read_text()
    # The unit's signal is sent to this worker, and its directory is ours.
    text = text.replace("/var/log/sheepfcgi", f"{log.path.parent}")
    text, count = re.subn(r"(?s)if systemctl is-active.*?fi\n", f"kill -HUP {site.worker.pid}\n", text)
    assert count == 1 and f"{log.path.parent}/*.log {{" in text
    rules = log.path.parent / "rules"
    rules.write_text(text)
    rules.chmod(0o644)
    ended = subprocess.run(
        ["logrotate", "-f", "-s", log.path.parent / "state", rules], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    log.wait_for("read again")
    after = stream(site)
    log.request(after)
    old = Log(log.path.with_suffix(".log.1"))
    assert [line["id"] for line in old.requests()] == [before]
    assert [line["id"] for line in log.requests()] == [after]
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o640


# What cannot be written


def pass_on(call, answer, *texts):
    for text in texts:
        call.token(text)
        assert answer.next_token() == text


@pytest.mark.parametrize("kind", ["blocked", "closed", "full"])
def test_a_log_that_cannot_be_written_holds_up_no_running_stream(sites, kind):
    provider = sites.scripted()
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    error = os.open("/dev/full", os.O_WRONLY) if kind == "full" else writer
    site = sites.site(provider, popen={"stderr": error, "stdout": subprocess.DEVNULL})
    for descriptor in {error, writer}:
        os.close(descriptor)
    with contextlib.ExitStack() as stack:
        streams = []
        for number in range(10):
            answer = stack.enter_context(site.ask(f"stream {number}"))
            call = provider.next_call()
            call.head()
            pass_on(call, answer, "a")
            streams.append((call, answer))
        if kind == "closed":
            os.close(reader)
        for _ in range(100):
            with FastCGI(site.worker.address) as connection:
                assert connection.ask().body == b"pong\n"
            for call, answer in streams:
                pass_on(call, answer, "b")
        for call, answer in streams:
            call.finish()
            assert answer.all_events().done
    assert not site.worker.has_ended()
    if kind != "closed":
        os.close(reader)


def test_a_disk_that_was_full_holds_up_no_running_stream_and_is_written_on_once_there_is_room(sites):
    directory = sites.directory()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "none", directory], capture_output=True, timeout=30
    )
    if not mounted or mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        log, ballast = Log(directory / "sheep.log"), directory / "ballast"
        provider = sites.scripted()
        site = sites.site(provider, log={"to": str(log.path)})
        log.wait_for("listens on")
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        with site.ask("x") as answer:
            call = provider.next_call()
            call.head()
            for _ in range(100):
                with FastCGI(site.worker.address) as connection:
                    assert connection.ask().body == b"pong\n"
                pass_on(call, answer, "a")
            # Until then the rest of the file's last block takes lines.
            wait_until(lambda: log.path.stat().st_size % 4096 == 0, "the disk is full")
            ballast.unlink()
            pass_on(call, answer, "b")
            call.finish()
            assert answer.all_events().done
        log.wait_for(answer.request_id)
        lines = log.text().splitlines()
        whole = [line for line in lines if re.fullmatch(r"time=.* msg=request .* duration_ms=\d+", line)]
        assert log.lost() and len(whole) + log.lost() == 101
        site.worker.popen.terminate()
        assert site.worker.wait() == 0
    finally:
        subprocess.run(["umount", "-l", directory], check=True, timeout=30)


def test_a_full_disk_holds_nothing_up_and_what_it_cost_is_told(sites, mock):
    site = sites.site(mock, log={"to": "/dev/full"})
    ids = [stream(site) for _ in range(50)]
    change(site, to="stderr")
    site.worker.wait_for_log("read again")
    log = Log(site.worker.log_path)
    wait_until(lambda: log.lost(), "the lost lines are told")
    wait_until(lambda: len(log.requests()) + log.lost() == len(ids) + 1, "each line is there or counted, and the first")
    stream(site)
    assert len(LOST.findall(log.text())) == 1
    assert not site.worker.has_ended()


@pytest.mark.parametrize("reopened", [False, True], ids=["kept", "reopened"])
def test_a_file_that_may_grow_again_tells_what_was_lost(sites, mock, log, reopened):
    """As on a disk that was full for a while: a line may be cut, but the next one begins a line of its own."""
    site = sites.site(mock, log={"to": str(log.path), "format": "json"})
    log.request(stream(site))
    size, hard = log.path.stat().st_size, resource.prlimit(site.worker.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(site.worker.pid, resource.RLIMIT_FSIZE, (size + 100, hard))
    for _ in range(20):
        stream(site)
    wait_until(lambda: log.path.stat().st_size == size + 100, "the file is full")
    resource.prlimit(site.worker.pid, resource.RLIMIT_FSIZE, (hard, hard))
    if reopened:
        site.worker.signal(signal.SIGHUP)
        log.wait_for("read again")
    last = stream(site)
    log.wait_for(last)
    cut, *rest = log.path.read_bytes()[size:].decode().splitlines()
    assert len(cut) == 100
    rest = [json.loads(line) for line in rest]
    assert rest[0]["level"] == "warning" and LOST.match(rest[0]["msg"])
    assert sum(line["msg"] == "request" for line in rest) + int(LOST.match(rest[0]["msg"])[1]) == 21
    assert rest[-1]["id"] == last


@pytest.fixture
def stuck(sites, mock):
    """A site whose standard error nobody reads, with more lines waiting than it holds; their ids; the reading end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    site = sites.site(mock, popen={"stderr": writer, "stdout": subprocess.DEVNULL})
    os.close(writer)
    yield site, [stream(site) for _ in range(60)], reader
    os.close(reader)


def taken(reader):
    os.set_blocking(reader, False)
    lines = [logfmt(line) for line in os.read(reader, 65536).decode().splitlines()]
    return [line["id"] for line in lines if line["msg"] == "request"]


def test_hup_takes_the_log_away_from_a_reader_that_stands_still(stuck, log):
    site, ids, reader = stuck
    change(site, to=log.path)
    log.wait_for(ids[-1])
    assert taken(reader) + [line["id"] for line in log.requests()] == ids


def test_of_lines_that_are_written_together_those_that_still_went_in_are_not_counted(stuck, log):
    site, ids, reader = stuck
    hard = resource.prlimit(site.worker.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(site.worker.pid, resource.RLIMIT_FSIZE, (1000, hard))
    change(site, to=log.path)
    wait_until(lambda: log.path.exists() and log.path.stat().st_size == 1000, "the file is full")
    resource.prlimit(site.worker.pid, resource.RLIMIT_FSIZE, (hard, hard))
    log.wait_for(stream(site))
    whole, newline, _ = log.text()[:1000].rpartition("\n")
    lines = [logfmt(line) for line in (whole + newline + log.text()[1000:].lstrip("\n")).splitlines()]
    there = taken(reader) + [line["id"] for line in lines if line["msg"] == "request"]
    told = sum(line["msg"].startswith("the configuration was read") for line in lines)
    assert whole and len(there) + told + log.lost() == len(ids) + 2
