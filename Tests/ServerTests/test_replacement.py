"""USR2: the program started anew with the listening sockets, in place of a process that goes on until its streams end."""

import os
import shutil
import signal
import socket
from pathlib import Path

import pytest

from harness import process
from harness.crowd import Crowd
from harness.fastcgi import FastCGI, begin_stream, request
from harness.paths import SHEEPFCGI
from harness.process import children
from harness.replacement import Line
from harness.starting import NO_PROVIDER, answers, needs
from harness.waiting import wait_until, wait_until_steady
from harness.worker import Worker


@pytest.fixture
def lines(sites):
    return lambda worker: sites.keep(Line(worker))


@pytest.fixture
def line(sites, lines):
    """One, in front of a provider that the test plays."""
    provider = sites.scripted()
    line = lines(sites.worker(provider, workers=2))
    line.provider = provider
    return line


# No stream is cut, no connection refused


def test_no_stream_of_two_hundred_is_cut_in_twenty_replacements(sites, mock, lines):
    """By POST, which nginx does not repeat, over connections that it keeps."""
    site = sites.site(mock, workers=2)
    line = lines(site.worker)
    with Crowd(site, 200, "n=20 rate=10", 20) as crowd:
        wait_until(lambda: mock.stats()["open"] >= 200, "two hundred streams run")
        for _ in range(20):
            before = crowd.ended
            line.replace()
            wait_until(lambda: crowd.ended >= before + 50, "fifty more streams have ended")
    assert not crowd.faults, f"{len(crowd.faults)} of {crowd.ended} streams: {crowd.faults[:3]}"
    assert crowd.ended >= 1000
    # Once nginx lets go of the connections that it keeps, only the newest process is left.
    site.nginx.stop()
    for pid in line.pids[:-1]:
        line.wait_for_end(pid)
    assert process.is_alive(line.newest) and answers(site.worker.address)


def test_a_running_stream_ends_in_the_old_process_and_a_new_one_runs_in_the_new(line):
    address = line.worker.address
    with begin_stream(address, "x") as old:
        first = line.provider.next_call()
        first.head()
        first.token("a")
        events = old.events()
        assert events.next_token() == "a"
        line.replace()
        with begin_stream(address, "y") as new:
            second = line.provider.next_call()
            second.head()
            second.finish()
            assert new.events().to_end().done
        assert not line.worker.has_ended()
        first.token("b")
        assert events.next_token() == "b"
        first.finish()
        assert events.to_end().done
    assert line.worker.wait() == 0
    assert answers(address)


def test_the_new_process_is_no_child_of_the_old_one(line):
    """systemd would kill such a main process where it is to stop it, and would not hear of its end."""
    old = line.pids[0]
    with begin_stream(line.worker.address, "x"):
        line.provider.next_call()
        line.replace()
        assert process.is_alive(old) and process.is_alive(line.newest)
        assert Path(f"/proc/{old}/task/{old}/children").read_text() == ""


def test_an_idle_kept_connection_is_served_once_more_and_closed_with_that_answer(line):
    with FastCGI(line.worker.address) as kept:
        assert kept.ask(keep=True).is_complete
        line.replace()
        # It is not closed under the feet of a web server that may be about to use it.
        with pytest.raises(AssertionError, match="nothing came"):
            kept.record(0.5)
        kept.send(request(keep=True))
        assert kept.response().body == b"pong\n"
        assert kept.is_cut_off()
    assert line.worker.wait() == 0


def test_the_old_process_can_still_be_told_to_drain(line):
    with begin_stream(line.worker.address, "x") as old:
        call = line.provider.next_call()
        call.head()
        call.token("a")
        events = old.events()
        assert events.next_token() == "a"
        line.replace()
        line.worker.signal(signal.SIGTERM)
        line.worker.wait_for_log("draining")
        line.worker.signal(signal.SIGTERM)
        assert events.to_end().error["type"] == "shutting_down"
    assert line.worker.wait() == 0
    assert answers(line.worker.address)


def test_nothing_is_left_over_in_the_new_process(line):
    def descriptors():
        assert answers(line.worker.address)
        return wait_until_steady(lambda: len(os.listdir(f"/proc/{line.newest}/fd")), "its descriptors")

    line.replace()
    before = descriptors()
    for _ in range(5):
        line.replace()
    assert descriptors() == before
    process.end(line.newest)
    assert not line.worker.address.exists(), "the last one removes the socket's file"


def test_a_socket_that_others_have_put_in_its_place_stays(line):
    address = line.worker.address
    address.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(address))
        line.replace()
        process.end(line.newest)
        assert address.exists()


@needs("spawn-fcgi")
def test_a_launchers_listener_stays_on_descriptor_0(launch, directory, lines):
    address = directory / "s"
    launched = launch("spawn-fcgi", "-n", "-s", address, "--", SHEEPFCGI)
    launched.wait_for_log("listens on")
    line = lines(launched)
    line.replace()
    assert launched.wait() == 0
    assert answers(address)
    names = [Path(f"/proc/{line.newest}/task/{task}/comm").read_text() for task in os.listdir(f"/proc/{line.newest}/task")]
    assert sum(name.startswith("worker") for name in names) == 1
    process.end(line.newest)
    assert address.exists(), "the file is the launcher's"


# A new one that does not start


def test_a_bad_configuration_leaves_the_old_process_serving_and_says_why(line):
    line.worker.config_path.write_text("providers: {}\n")
    line.ask()
    line.worker.wait_for_log("exit status 78")
    assert "providers lists none" in said(line.worker, "exit status 78")
    assert answers(line.worker.address)
    # And is as good as before.
    line.worker.write(line.worker.config)
    line.replace()
    assert answers(line.worker.address)


@pytest.fixture
def copied(sites, lines):
    """One whose program's file the test may change."""
    program = sites.directory() / "sheepfcgi"
    shutil.copy(SHEEPFCGI, program)
    worker = sites.keep(
        Worker(sites.directory(), env={"SHEEP_BASE_URL": NO_PROVIDER}, program=program),
    )
    line = lines(worker)
    line.program = program
    return line


def put(program, text):
    """As an upgrade does: another file under the same name."""
    new = program.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.rename(program)


@pytest.mark.parametrize(
    "text, said_of_it",
    [
        ("no program at all", "Exec format error"),
        ("#!/nowhere/interpreter\n", "No such file or directory"),
        ("#!/bin/sh\nexit 7\n", "exit status 7"),
        ("#!/bin/sh\nkill -SEGV $$\n", "ended by signal 11"),
    ],
)
def test_a_broken_program_leaves_the_old_process_serving_and_says_why(copied, text, said_of_it):
    put(copied.program, text)
    copied.ask()
    copied.worker.wait_for_log(said_of_it)
    assert "goes on" in said(copied.worker, said_of_it)
    assert answers(copied.worker.address)
    assert not children(copied.worker.pid)


def test_an_upgraded_program_takes_the_place_of_one_whose_file_is_gone(copied):
    put(copied.program, f'#!/bin/sh\necho "$0 is the new one" >&2\nexec {SHEEPFCGI} "$@"\n')
    copied.replace()
    assert f"{copied.program} is the new one" in copied.worker.log()
    assert copied.worker.wait() == 0
    assert answers(copied.worker.address)


def test_one_that_never_serves_is_asked_for_once_and_ends_with_the_old_process(copied):
    put(copied.program, "#!/bin/sh\nexec sleep 1000\n")
    copied.ask()
    [pid] = wait_until(lambda: children(copied.worker.pid), "it has started")
    copied.ask()
    copied.worker.wait_for_log("still on its start")
    assert answers(copied.worker.address)
    copied.worker.signal(signal.SIGTERM)
    assert copied.worker.wait() == 0
    assert not process.is_alive(pid)


# Where another process would be one too many


def test_under_supervisord_it_is_refused(sites):
    worker = sites.worker(NO_PROVIDER, env={"SUPERVISOR_ENABLED": "1"})
    worker.signal(signal.SIGUSR2)
    worker.wait_for_log("supervisord would start a third process")
    assert answers(worker.address) and not children(worker.pid)


@needs("multiwatch")
def test_under_multiwatch_it_is_refused(launch, directory):
    address = directory / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        launched = launch("multiwatch", "-f", "1", "--", SHEEPFCGI, stdin=listener)
    [pid] = wait_until(lambda: children(launched.pid), "multiwatch has started a worker")
    assert answers(address)
    os.kill(pid, signal.SIGUSR2)
    launched.wait_for_log("multiwatch starts the program that is there now")
    assert answers(address) and children(launched.pid) == [pid]
    launched.signal(signal.SIGTERM)
    launched.wait()
    wait_until(lambda: not process.is_alive(pid), "the worker drains with multiwatch")


def test_under_systemd_without_notification_it_is_refused(sites):
    # As systemd does: the variable holds the number of the process that it has started.
    words = ["/bin/sh", "-c", 'SYSTEMD_EXEC_PID=$$ exec "$@"', "sh"]
    worker = sites.keep(Worker(sites.directory(), env={"SHEEP_BASE_URL": NO_PROVIDER}, launcher=words))
    worker.signal(signal.SIGUSR2)
    worker.wait_for_log("Type=notify")
    assert answers(worker.address) and not children(worker.pid)


def said(worker, text):
    [line] = [line for line in worker.log().splitlines() if text in line]
    return line
