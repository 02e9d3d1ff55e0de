"""Fixtures for attacks on a worker: an honest stream runs beside them, and memory is watched."""

import pytest

from .fastcgi import FastCGI
from .honest import HonestStream
from .paths import SANITIZER

# What a hostile peer may cost.
ROOM = 12 << 20
# For the tests that wait for it. Everywhere else clocks are long, so that only a breach of the protocol cuts anyone off.
HALF_REQUEST = 1.5
LONG = {name: "1h" for name in ("half_request", "idle_connection", "idle", "hold")}


@pytest.fixture(scope="module")
def patient(module_sites, mock):
    """One worker with one thread, so that whoever blocks it blocks all; and an honest stream on it."""
    yield from with_stream(module_sites.site(mock, workers=1, timeouts=LONG))


@pytest.fixture(scope="module")
def hasty(module_sites, mock):
    """The same with a short time for a request."""
    yield from with_stream(
        module_sites.site(mock, workers=1, timeouts=LONG | {"half_request": f"{HALF_REQUEST * 1000:.0f}ms"})
    )


def with_stream(site):
    stream = HonestStream(site)
    yield site, stream
    stream.leave()


@pytest.fixture
def hostile_site(patient):
    yield from unharmed(*patient)


@pytest.fixture
def hasty_address(hasty):
    for site in unharmed(*hasty):
        yield site.worker.address


def unharmed(site, stream):
    before = site.worker.memory()
    yield site
    stream.must_go_on("beside the attack")
    if not SANITIZER:
        grown = site.worker.memory() - before
        assert grown < ROOM, f"the worker's memory grew by {grown >> 10} kB"


@pytest.fixture
def address(hostile_site):
    return hostile_site.worker.address


@pytest.fixture
def peer(address):
    with FastCGI(address) as connection:
        yield connection


def is_well(address):
    with FastCGI(address) as connection:
        return connection.ask().body == b"pong\n"


def assert_cut_off(peer):
    """The worker closes the connection, and says nothing before."""
    try:
        assert peer.recv(1 << 16) == b""
    except ConnectionResetError:
        pass
