"""Workers that others start: spawn-fcgi, multiwatch, supervisord, a shell, systemd, and whoever puts a listener on
descriptor 0; and in which order the sources of listeners count.
"""

import json
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from harness import process
from harness.fastcgi import FastCGI, begin_stream
from harness.paths import DEPLOY, SHEEPFCGI
from harness.process import Process, children, environment
from harness.starting import NO_PROVIDER, answers, fails, needs
from harness.waiting import free_port, is_listening, wait_until
from harness.worker import settings

# spawn-fcgi


@needs("spawn-fcgi")
def test_spawn_fcgi_gives_the_listener_on_descriptor_0(launch, directory):
    address = directory / "s"
    launched = launch("spawn-fcgi", "-n", "-s", address, "--", SHEEPFCGI)
    wait_until(lambda: is_listening(address), "spawn-fcgi's worker listens")
    assert answers(address)
    # Others multiply it, so it makes one thread of its own.
    assert [name for name in launched.threads() if name.startswith("worker")] == ["worker-0"]


@needs("spawn-fcgi")
def test_spawn_fcgi_over_tcp(launch):
    port = free_port()
    launch("spawn-fcgi", "-n", "-a", "127.0.0.1", "-p", port, "--", SHEEPFCGI)
    wait_until(lambda: is_listening(("127.0.0.1", port)), "spawn-fcgi's worker listens")
    assert answers(("127.0.0.1", port))


@needs("spawn-fcgi")
def test_spawn_fcgi_makes_four_that_share_a_listener(mock, directory):
    address, pids, connections = directory / "s", [], []
    ended = subprocess.run(
        ["spawn-fcgi", "-F", "4", "-s", address, "-P", directory / "pids", "--", SHEEPFCGI],
        env=environment({"SHEEP_BASE_URL": mock.base_url}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    try:
        assert ended.returncode == 0, ended.stderr
        pids = [int(pid) for pid in re.findall(r"\d+", (directory / "pids").read_text())]
        assert len(pids) == 4
        # Many at once, so that all four get some.
        connections += [begin_stream(address, "n=3 rate=20") for _ in range(80)]
        wholes = [connection.response().body.count(b"event: done") for connection in connections]
        assert wholes == [1] * 80
        # One ends; the listener goes on with the others.
        process.end(pids.pop())
        assert all(answers(address) for _ in range(20))
        while pids:
            assert process.is_alive(pids[0])
            process.end(pids.pop(0))
        wait_until(lambda: not is_listening(address), "nobody listens any more")
    finally:
        for pid in pids:
            process.end(pid)
        for connection in connections:
            connection.close()


@needs("spawn-fcgi")
def test_a_worker_of_spawn_fcgi_that_drains_leaves_the_file_to_its_owner(launch, directory):
    address = directory / "s"
    launched = launch("spawn-fcgi", "-n", "-s", address, "--", SHEEPFCGI)
    wait_until(lambda: is_listening(address), "spawn-fcgi's worker listens")
    assert answers(address)
    launched.signal(signal.SIGTERM)
    assert launched.wait() == 0
    assert address.exists()


@needs("multiwatch")
def test_multiwatch_starts_drains_and_replaces_workers(directory, launch):
    address = directory / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        launched = launch("multiwatch", "-f", "2", "--", SHEEPFCGI, stdin=listener)
    wait_until(lambda: len(children(launched.pid)) == 2, "multiwatch has started two workers")
    assert all(answers(address) for _ in range(10))
    first = children(launched.pid)[0]
    os.kill(first, signal.SIGUSR1)
    wait_until(lambda: len(pids := children(launched.pid)) == 2 and first not in pids, "a drained worker is replaced")
    assert all(answers(address) for _ in range(10))
    pids = children(launched.pid)
    launched.signal(signal.SIGTERM)
    launched.wait()
    wait_until(lambda: not any(process.is_alive(pid) for pid in pids), "the workers drain with multiwatch")


@needs("multiwatch")
def test_multiwatch_restarts_a_worker_that_was_killed(directory, launch):
    address = directory / "s"
    with listener(address) as made:
        launched = launch("multiwatch", "-f", "2", "--", SHEEPFCGI, stdin=made)
    wait_until(lambda: len(children(launched.pid)) == 2, "multiwatch has started two workers")
    assert answers(address)
    killed, other = children(launched.pid)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(pids := children(launched.pid)) == 2 and killed not in pids, "the killed one is replaced")
    assert other in children(launched.pid)
    assert all(answers(address) for _ in range(10))


# supervisord


@pytest.fixture
def supervised(launch, directory, mock):
    """supervisord with the file that we ship; its socket's path."""
    address = directory / "s"
    text = (DEPLOY / "supervisord.conf").read_text()
    for old, new in (
        ("unix:///run/sheepfcgi/sheepfcgi.sock", f"unix://{address}"),
        ("/usr/bin/sheepfcgi serve --config /etc/sheepfcgi/sheepfcgi.yaml", f"{SHEEPFCGI} serve"),
        ("/var/log/supervisor/sheepfcgi.log", f"{directory}/sheepfcgi.log"),
        ("socket_owner=www-data:www-data\n", ""),
        ("user=sheepfcgi\n", ""),
    ):
        assert old in text, f"supervisord.conf has no {old!r} any more"
        text = text.replace(old, new)
    (directory / "supervisord.conf").write_text(
        f"[supervisord]\nnodaemon=true\npidfile={directory}/pid\nlogfile=/dev/null\nlogfile_maxbytes=0\n{text}"
    )
    words = ["supervisord", "-c", directory / "supervisord.conf"]
    launched = launch(*words, env={"SHEEP_BASE_URL": mock.base_url})
    wait_until(lambda: len(children(launched.pid)) == 2, "supervisord has started two workers")
    wait_until(lambda: address.exists() and answers(address), "they answer")
    launched.address = address
    return launched


@needs("supervisord")
def test_supervisord_gives_the_listener_on_descriptor_0(supervised):
    assert all(answers(supervised.address) for _ in range(10))
    assert stat.S_IMODE(supervised.address.stat().st_mode) == 0o660


@needs("supervisord")
def test_supervisord_restarts_a_worker_that_was_killed(supervised):
    killed, other = children(supervised.pid)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(pids := children(supervised.pid)) == 2 and killed not in pids, "the killed one is replaced")
    assert other in children(supervised.pid)
    assert all(answers(supervised.address) for _ in range(10))


@needs("supervisord")
def test_supervisord_lets_running_streams_end_when_it_stops(supervised):
    with begin_stream(supervised.address, "n=20 rate=20") as stream:
        events = stream.events()
        assert events.next_token()
        supervised.signal(signal.SIGTERM)
        assert len(events.to_end().tokens) == 20
    supervised.wait()


# A shell


def test_in_a_shell_it_stays_in_front_until_control_c(directory, launch):
    address = directory / "s"
    words = f"{SHEEPFCGI} serve --listen unix:{address}; echo it ended with $?"
    shell = launch("sh", "-c", words, start_new_session=True)
    wait_until(lambda: is_listening(address), "the worker listens")
    assert answers(address)
    worker = children(shell.pid)
    assert len(worker) == 1 and not children(worker[0]), "a foreground process that starts none"
    # The terminal sends it to all in the foreground; a shell that waits for a program heeds how that ends.
    os.kill(worker[0], signal.SIGINT)
    shell.wait_for_log("it ended with 0")
    assert shell.wait() == 0
    assert not address.exists()


# systemd


@needs("systemd-socket-activate")
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_systemd_passes_its_sockets(launch, directory, kind):
    address = directory / "s" if kind == "unix" else ("127.0.0.1", free_port())
    word = address if kind == "unix" else f"127.0.0.1:{address[1]}"
    launched = launch(
        "systemd-socket-activate", "-l", word, "-E", f"SHEEP_BASE_URL={NO_PROVIDER}", SHEEPFCGI, "--workers", "2"
    )
    wait_until(lambda: is_listening(address), "systemd-socket-activate listens")
    assert answers(address)
    launched.signal(signal.SIGTERM)
    assert launched.wait() == 0
    if kind == "unix":
        assert address.exists()


@needs("systemd-socket-activate")
def test_systemd_passes_several_sockets_at_once(launch, directory):
    first, second = directory / "a", directory / "b"
    launch("systemd-socket-activate", "-l", first, "-l", second, "-E", f"SHEEP_BASE_URL={NO_PROVIDER}", SHEEPFCGI)
    wait_until(lambda: is_listening(first) and is_listening(second), "systemd-socket-activate listens")
    assert answers(first) and answers(second) and answers(first)


@needs("systemd-socket-activate")
def test_a_socket_of_another_kind_is_passed_over_and_told_of(launch, directory):
    good = directory / "good"
    launched = launch(
        "systemd-socket-activate",
        "--datagram",
        "-l",
        directory / "bad",
        "-E",
        f"SHEEP_BASE_URL={NO_PROVIDER}",
        SHEEPFCGI,
    )
    wait_until(lambda: (directory / "bad").exists(), "systemd-socket-activate listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"x", str(directory / "bad"))
    launched.wait_for_log("no stream socket")
    # It has nothing else to listen on.
    assert launched.wait() == 64
    assert not good.exists()


def test_listen_fds_of_another_process_are_not_ours(directory, serve):
    address = directory / "s"
    serve(address, env={"SHEEP_BASE_URL": NO_PROVIDER, "LISTEN_FDS": "3", "LISTEN_PID": "1"})
    assert answers(address)


# Descriptor 0, the order, and nowhere


def listener(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def test_a_listening_socket_on_descriptor_0_is_served(sites, directory):
    with listener(directory / "zero") as zero:
        sites.keep(
            Process([SHEEPFCGI], name="sheepfcgi", directory=directory, env={"SHEEP_BASE_URL": NO_PROVIDER}, stdin=zero)
        )
    assert answers(directory / "zero")


@pytest.mark.parametrize("kind", ["null", "pipe", "connected", "closed"])
def test_any_other_descriptor_0_is_no_listener(kind):
    ends = socket.socketpair()
    popen = {
        "null": {"stdin": subprocess.DEVNULL},
        "pipe": {"stdin": subprocess.PIPE},
        "connected": {"stdin": ends[0]},
        "closed": {"stdin": None, "preexec_fn": lambda: os.close(0)},
    }[kind]
    said = fails(status=64, **popen)
    for each in ends:
        each.close()
    assert "nowhere to listen" in said


def test_with_nothing_to_listen_on_it_says_how_to_start_it():
    said = fails(status=64)
    for word in ("--listen unix:", "spawn-fcgi", "systemd-socket-activate", "`listen`"):
        assert word in said


def test_the_command_line_goes_before_descriptor_0(serve, directory):
    with listener(directory / "zero") as zero:
        serve(directory / "s", stdin=zero)
    assert answers(directory / "s")
    assert not answered_soon(directory / "zero")


@needs("systemd-socket-activate")
def test_systemd_goes_before_descriptor_0(directory, launch):
    with listener(directory / "zero") as zero:
        launch(
            "systemd-socket-activate",
            "-l",
            directory / "s",
            "-E",
            f"SHEEP_BASE_URL={NO_PROVIDER}",
            SHEEPFCGI,
            stdin=zero,
        )
    wait_until(lambda: is_listening(directory / "s"), "systemd-socket-activate listens")
    assert answers(directory / "s")
    assert not answered_soon(directory / "zero")


def test_descriptor_0_goes_before_the_file(sites, directory):
    (directory / "c.yaml").write_text(json.dumps(settings(NO_PROVIDER, listen=[f"unix:{directory}/file"])))
    with listener(directory / "zero") as zero:
        sites.keep(
            Process(
                [SHEEPFCGI, "--config", directory / "c.yaml"],
                name="sheepfcgi",
                directory=directory,
                env={"MOCK_KEY": "k"},
                stdin=zero,
            )
        )
    assert answers(directory / "zero")
    assert not (directory / "file").exists()


def test_the_files_listen_is_the_last(sites, directory):
    config = settings(NO_PROVIDER, listen=[f"unix:{directory}/one", f"unix:{directory}/two"], listen_mode="0600")
    (directory / "c.yaml").write_text(json.dumps(config))
    sites.keep(
        Process(
            [SHEEPFCGI, "serve", "--config", directory / "c.yaml"],
            name="sheepfcgi",
            directory=directory,
            env={"MOCK_KEY": "k"},
        )
    )
    wait_until(lambda: is_listening(directory / "two"), "the worker listens where the file says")
    assert answers(directory / "one") and answers(directory / "two")
    assert stat.S_IMODE((directory / "one").stat().st_mode) == 0o600


def answered_soon(address):
    """Whether somebody accepts there. The kernel alone takes connections, and says nothing."""
    with FastCGI(address, limit=0.5) as connection:
        try:
            return connection.ask().is_complete
        except AssertionError:
            return False
