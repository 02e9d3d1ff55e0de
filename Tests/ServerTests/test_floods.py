"""Too much of everything over TCP: those who really ask are served all the same."""

import contextlib
import resource

import pytest

from harness.fastcgi import PARAMS, FastCGI, begin, begin_stream, record
from harness.starting import answers
from harness.waiting import connect, free_port, wait_until

# Room for few streams, so that a flood is soon one.
DESCRIPTORS = 256
FLOOD = 1000


@pytest.fixture
def narrow(sites, mock):
    """A worker with few descriptors on a TCP port."""
    return sites.worker(
        mock,
        address=("127.0.0.1", free_port()),
        popen={"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))},
        timeouts={"half_request": "5m", "idle_connection": "5m"},
    )


@pytest.mark.parametrize(
    "said",
    [b"", begin(), begin() + record(PARAMS, b"\x0e\x03REQ" * 1000), b"9999:", b"\x01"],
    ids=["silent", "half a request", "half of a large one", "half an SCGI one", "one byte"],
)
def test_a_flood_of_connections_keeps_nobody_out(narrow, mock, said):
    """Their clocks would give them minutes; whoever really asks has their descriptors long before."""
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(begin_stream(narrow.address, "n=60 rate=20"))
        events = running.events()
        assert events.next_token()
        kept = stack.enter_context(FastCGI(narrow.address))
        assert kept.ask(keep=True).is_complete
        for _ in range(FLOOD):
            peer = stack.enter_context(connect(narrow.address))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.sendall(said)
        for _ in range(20):
            assert answers(narrow.address)
        with begin_stream(narrow.address, "n=3") as fresh:
            assert fresh.events().to_end().done
        # A connection that has asked before is no intruder.
        assert kept.ask(keep=True).is_complete
        assert events.to_end().done
    narrow.wait_for_log("cut off")
    assert "asked nothing" in narrow.log()
    wait_until(lambda: len(narrow.descriptors()) < DESCRIPTORS // 2, "the flood's descriptors are free again")


def test_header_bombs_by_the_hundred_cost_no_memory_and_keep_nobody_out(narrow):
    """Each up to the bound and never whole: what they hold is bounded by their number and limits.params_bytes."""
    bomb = begin() + record(PARAMS, b"\x04\x00NAME" * 9000)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            peer = stack.enter_context(connect(narrow.address))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.sendall(bomb)
        assert answers(narrow.address)
        with begin_stream(narrow.address, "n=3") as fresh:
            assert fresh.events().to_end().done
