"""What a service manager is told, by sd_notify's protocol."""

import signal
import socket

import pytest

from harness.fastcgi import begin_stream
from harness.replacement import Line
from harness.starting import NO_PROVIDER, answers


class Manager:
    """The socket that NOTIFY_SOCKET names."""

    def __init__(self, address):
        self.name = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(30)
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def next(self):
        self.heard += self.socket.recv(4096).decode().split("\n")

    def wait_for(self, assignment):
        """Waits for one more of them; what came before it is forgotten."""
        while assignment not in self.heard:
            self.next()
        self.heard = self.heard[self.heard.index(assignment) + 1 :]


@pytest.fixture(params=["path", "abstract"])
def manager(sites, request):
    directory = sites.directory()
    return sites.keep(Manager(f"{'@' if request.param == 'abstract' else ''}{directory}/notify"))


def test_it_is_told_of_readiness_reload_and_end(sites, manager):
    provider = sites.scripted()
    worker = sites.worker(provider, env={"NOTIFY_SOCKET": manager.name}, timeouts={"drain": "20s"})
    manager.wait_for("READY=1")
    worker.signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    with begin_stream(worker.address, "x") as running:
        call = provider.next_call()
        call.head()
        worker.signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        # Longer than the drain, or it would be killed on the way.
        manager.wait_for("EXTEND_TIMEOUT_USEC=30000000")
        call.finish()
        assert running.events().to_end().done
    assert worker.wait() == 0


def test_the_watchdog_hears_of_it_as_long_as_it_goes_round(sites, manager):
    worker = sites.worker(NO_PROVIDER, workers=2, env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "200000"})
    for _ in range(5):
        manager.wait_for("WATCHDOG=1")
    worker.signal(signal.SIGSTOP)
    try:
        manager.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                manager.next()
    finally:
        worker.signal(signal.SIGCONT)
    manager.socket.settimeout(30)
    manager.wait_for("WATCHDOG=1")
    assert answers(worker.address)


def test_without_a_watchdog_it_says_nothing_more(sites, manager):
    other = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    sites.worker(NO_PROVIDER, env=other)
    manager.wait_for("READY=1")
    manager.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            manager.next()
    assert "WATCHDOG=1" not in manager.heard


def test_the_process_that_takes_its_place_becomes_the_main_one(sites, manager):
    worker = sites.worker(NO_PROVIDER, env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "500000"})
    manager.wait_for("READY=1")
    line = sites.keep(Line(worker))
    line.replace()
    manager.wait_for("READY=1")
    manager.wait_for(f"MAINPID={line.newest}")
    manager.wait_for("WATCHDOG=1")
    assert worker.wait() == 0
    manager.wait_for("WATCHDOG=1")


def test_a_manager_that_is_gone_costs_nothing(sites):
    worker = sites.worker(NO_PROVIDER, env={"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "100000"})
    assert answers(worker.address)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
