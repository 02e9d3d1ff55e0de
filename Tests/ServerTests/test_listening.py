"""Where a worker listens: by its command line, by a launcher, by its file; and what it does when it cannot."""

import grp
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from harness import process
from harness.fastcgi import FastCGI, begin_stream
from harness.paths import SHEEPFCGI
from harness.process import Process, environment
from harness.waiting import connect, free_port, is_listening, wait_until
from harness.worker import Worker, listen_word, settings

NO_PROVIDER = "http://127.0.0.1:9/v1"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
has_ipv6 = pytest.mark.skipif(
    not Path("/proc/net/if_inet6").exists() or not Path("/proc/net/if_inet6").read_text(), reason="no IPv6 here")


def answers(address):
    with FastCGI(address) as connection:
        return connection.ask().body == b"pong\n"


def fails(*arguments, env=None, status, **popen):
    """What it says on standard error when it does not start."""
    ended = subprocess.run(
        [SHEEPFCGI, *map(str, arguments)], env=environment({"SHEEP_BASE_URL": NO_PROVIDER} | (env or {})),
        capture_output=True, text=True, timeout=60, **({"stdin": subprocess.DEVNULL} | popen))
    assert ended.returncode == status, (ended.returncode, ended.stderr)
    assert ended.stderr.startswith("sheepfcgi: ")
    return ended.stderr


@pytest.fixture
def directory(sites):
    return sites.directory()


@pytest.fixture
def serve(sites):
    """Starts a worker without a configuration."""
    def start(address, *arguments, **more):
        more.setdefault("env", {"SHEEP_BASE_URL": NO_PROVIDER})
        return sites.keep(Worker(sites.directory(), address=address, arguments=arguments, **more))

    return start


@pytest.fixture
def launch(sites):
    """Starts a launcher that starts workers."""
    def start(*words, env=None, **popen):
        env = {"SHEEP_BASE_URL": NO_PROVIDER} | (env or {})
        return sites.keep(Process(words, name=Path(words[0]).name, directory=sites.directory(), env=env, **popen))

    return start


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


# --listen


def test_a_unix_socket_is_for_its_owner_and_group_by_default(serve, directory):
    address = directory / "s"
    serve(address)
    assert stat.S_IMODE(address.stat().st_mode) == 0o660 and stat.S_ISSOCK(address.stat().st_mode)
    assert answers(address)


def test_the_mode_is_as_asked_whatever_the_umask(serve, directory):
    for mode in ("0600", "0666", "0640"):
        address = directory / mode
        serve(address, "--listen-mode", mode, umask=0o077)
        assert stat.S_IMODE(address.stat().st_mode) == int(mode, 8)


@as_root
@pytest.mark.parametrize("form", ["name", "number"])
def test_owner_and_group_are_as_asked(serve, directory, form):
    user, group = pwd.getpwnam("nobody"), grp.getgrnam("daemon")
    address = directory / "s"
    words = (user.pw_name, group.gr_name) if form == "name" else (user.pw_uid, group.gr_gid)
    serve(address, "--listen-owner", words[0], "--listen-group", words[1])
    assert (address.stat().st_uid, address.stat().st_gid) == (user.pw_uid, group.gr_gid)
    assert answers(address)


@pytest.mark.parametrize("option, value", [("--listen-owner", "nobody-here"), ("--listen-group", "no-group-here")])
def test_an_owner_that_does_not_exist_stops_the_start(directory, option, value):
    said = fails("--listen", f"unix:{directory}/s", option, value, status=71)
    assert value in said and not (directory / "s").exists()


def test_tcp_over_ipv4(serve):
    address = ("127.0.0.1", free_port())
    serve(address)
    assert answers(address)


@has_ipv6
def test_tcp_over_ipv6(serve):
    address = ("::1", free_port("::1"))
    serve(address)
    assert answers(address)


def test_a_name_is_looked_up(serve):
    address = ("localhost", free_port())
    serve(address)
    assert answers(("127.0.0.1", address[1]))


def test_several_addresses_at_once(serve, directory):
    address, second = directory / "a", ("127.0.0.1", free_port())
    serve(address, "--listen", f"unix:{directory}/b", "--listen", listen_word(second))
    assert answers(address) and answers(directory / "b") and answers(second)


def test_a_port_in_use_stops_the_start_and_says_so():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = fails("--listen", f"tcp:127.0.0.1:{port}", status=71)
    assert str(port) in said and "in use" in said and ";" in said


@pytest.mark.parametrize(
    "address, words",
    [
        ("unix:relative", ["not absolute"]), ("tcp:127.0.0.1", ["port"]), ("tcp:127.0.0.1:0", ["port"]),
        ("tcp:127.0.0.1:65536", ["port"]), ("tcp:::1:9000", ["brackets"]), ("udp:1:2", ["unix:/path", "tcp:host:port"]),
        ("", []), ("unix:/" + "x" * 200, ["107"]),
    ])
def test_an_address_that_is_none_is_refused_with_the_remedy(address, words):
    ended = subprocess.run(
        [SHEEPFCGI, "--listen", address], env=environment(), capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL)
    assert ended.returncode == 64
    assert all(word in ended.stderr for word in words), ended.stderr


def test_a_directory_that_is_missing_is_named(directory):
    said = fails("--listen", f"unix:{directory}/none/s", status=71)
    assert f"{directory}/none/s" in said and "create the directory" in said


# The socket's file


def test_the_file_goes_with_its_worker(serve, directory):
    address = directory / "s"
    worker = serve(address)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert not address.exists()


def test_a_stale_socket_is_replaced(serve, directory):
    address = directory / "s"
    serve(address).kill()
    assert address.exists() and not is_listening(address)
    serve(address)
    assert answers(address)


def test_a_live_socket_is_not_replaced(serve, directory):
    address = directory / "s"
    worker = serve(address)
    before = address.stat().st_ino
    said = fails("--listen", f"unix:{address}", status=71)
    assert "another worker listens there" in said
    assert address.stat().st_ino == before and answers(address) and not worker.has_ended()


def test_a_live_socket_with_a_full_backlog_is_not_replaced(directory):
    address = directory / "s"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(address))
        busy.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(str(address))
        assert "another worker listens there" in fails("--listen", f"unix:{address}", status=71)
        for each in waiting:
            each.close()
    assert address.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(directory, kind):
    path = directory / "s"
    match kind:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case "link":
            (directory / "target").write_text("precious")
            path.symlink_to(directory / "target")
    fails("--listen", f"unix:{path}", status=71)
    assert path.is_symlink() if kind == "link" else path.exists()
    assert not path.is_file() or path.read_text() == "precious"


def test_another_workers_file_is_not_removed_at_the_end(serve, directory):
    address = directory / "s"
    first = serve(address)
    address.unlink()
    serve(address)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    assert answers(address)


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
        env=environment({"SHEEP_BASE_URL": mock.base_url}), capture_output=True, text=True, timeout=60)
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


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# systemd


@needs("systemd-socket-activate")
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_systemd_passes_its_sockets(launch, directory, kind):
    address = directory / "s" if kind == "unix" else ("127.0.0.1", free_port())
    word = address if kind == "unix" else f"127.0.0.1:{address[1]}"
    launched = launch(
        "systemd-socket-activate", "-l", word, "-E", f"SHEEP_BASE_URL={NO_PROVIDER}", SHEEPFCGI, "--workers", "2")
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
        "systemd-socket-activate", "--datagram", "-l", directory / "bad", "-E", f"SHEEP_BASE_URL={NO_PROVIDER}",
        SHEEPFCGI)
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
            Process([SHEEPFCGI], name="sheepfcgi", directory=directory, env={"SHEEP_BASE_URL": NO_PROVIDER}, stdin=zero))
    assert answers(directory / "zero")


@pytest.mark.parametrize("kind", ["null", "pipe", "connected", "closed"])
def test_any_other_descriptor_0_is_no_listener(kind):
    ends = socket.socketpair()
    popen = {
        "null": {"stdin": subprocess.DEVNULL}, "pipe": {"stdin": subprocess.PIPE}, "connected": {"stdin": ends[0]},
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
            "systemd-socket-activate", "-l", directory / "s", "-E", f"SHEEP_BASE_URL={NO_PROVIDER}", SHEEPFCGI, stdin=zero)
    wait_until(lambda: is_listening(directory / "s"), "systemd-socket-activate listens")
    assert answers(directory / "s")
    assert not answered_soon(directory / "zero")


def test_descriptor_0_goes_before_the_file(sites, directory):
    (directory / "c.yaml").write_text(json.dumps(settings(NO_PROVIDER, listen=[f"unix:{directory}/file"])))
    with listener(directory / "zero") as zero:
        sites.keep(
            Process(
                [SHEEPFCGI, "--config", directory / "c.yaml"], name="sheepfcgi", directory=directory,
                env={"MOCK_KEY": "k"}, stdin=zero))
    assert answers(directory / "zero")
    assert not (directory / "file").exists()


def test_the_files_listen_is_the_last(sites, directory):
    config = settings(NO_PROVIDER, listen=[f"unix:{directory}/one", f"unix:{directory}/two"], listen_mode="0600")
    (directory / "c.yaml").write_text(json.dumps(config))
    sites.keep(
        Process(
            [SHEEPFCGI, "serve", "--config", directory / "c.yaml"], name="sheepfcgi", directory=directory,
            env={"MOCK_KEY": "k"}))
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


# FCGI_WEB_SERVER_ADDRS


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_a_listener_that_others_can_reach_does_not_start_without_the_list(host):
    if host == "[::]" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    said = fails("--listen", f"tcp:{host}:{free_port()}", status=78)
    assert "FCGI_WEB_SERVER_ADDRS" in said


@needs("spawn-fcgi")
def test_an_inherited_listener_that_others_can_reach_does_not_start_either(launch):
    launched = launch("spawn-fcgi", "-n", "-a", "0.0.0.0", "-p", free_port(), "--", SHEEPFCGI)
    assert launched.wait() == 78
    assert "FCGI_WEB_SERVER_ADDRS" in launched.log()


@pytest.mark.parametrize("value", ["10.0.0.0/8", "example.org", "127.0.0.1,", "127.0.0.1;::1"])
def test_a_list_that_is_none_stops_the_start(directory, value):
    said = fails("--listen", f"unix:{directory}/s", env={"FCGI_WEB_SERVER_ADDRS": value}, status=78)
    assert "FCGI_WEB_SERVER_ADDRS" in said


@pytest.mark.parametrize(
    "host, peers, passes",
    [
        ("127.0.0.1", "127.0.0.1", True), ("127.0.0.1", "192.0.2.7, 127.0.0.1", True), ("127.0.0.1", "192.0.2.7", False),
        ("::1", "::1", True), ("::1", "0:0:0:0:0:0:0:1", True), ("::1", "127.0.0.1", False), ("0.0.0.0", "127.0.0.1", True),
    ])
def test_only_listed_peers_may_connect_over_tcp(sites, host, peers, passes):
    if host == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    port = free_port("::1" if host == "::1" else "127.0.0.1")
    env = {"SHEEP_BASE_URL": NO_PROVIDER, "FCGI_WEB_SERVER_ADDRS": peers}
    worker = sites.keep(Worker(sites.directory(), address=(host, port), env=env))
    address = ("127.0.0.1" if host == "0.0.0.0" else host, port)
    if passes:
        assert answers(address)
    else:
        with connect(address) as peer:
            try:
                assert peer.recv(1) == b""
            except ConnectionResetError:
                pass
        wait_until(lambda: "FCGI_WEB_SERVER_ADDRS" in worker.log(), "the log says why")


def test_a_unix_socket_is_not_subject_to_the_list(serve, directory):
    serve(directory / "s", env={"SHEEP_BASE_URL": NO_PROVIDER, "FCGI_WEB_SERVER_ADDRS": "192.0.2.7"})
    assert answers(directory / "s")
