"""Where a worker listens: by its command line, by a launcher, by its file; and what it does when it cannot."""

import grp
import os
import pwd
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from harness.paths import SHEEPFCGI
from harness.process import environment
from harness.starting import NO_PROVIDER, answers, fails, needs
from harness.waiting import connect, free_port, is_listening, wait_until
from harness.worker import Worker, listen_word

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
has_ipv6 = pytest.mark.skipif(
    not Path("/proc/net/if_inet6").exists() or not Path("/proc/net/if_inet6").read_text(), reason="no IPv6 here"
)


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
        ("unix:relative", ["not absolute"]),
        ("tcp:127.0.0.1", ["port"]),
        ("tcp:127.0.0.1:0", ["port"]),
        ("tcp:127.0.0.1:65536", ["port"]),
        ("tcp:::1:9000", ["brackets"]),
        ("udp:1:2", ["unix:/path", "tcp:host:port"]),
        ("", []),
        ("unix:/" + "x" * 200, ["107"]),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_remedy(address, words):
    ended = subprocess.run(
        [SHEEPFCGI, "--listen", address],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
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
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.7, 127.0.0.1", True),
        ("127.0.0.1", "192.0.2.7", False),
        ("::1", "::1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("::1", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", True),
    ],
)
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
