"""What a token costs the worker once its stream runs, counted and not timed: no memory, no lock, no timer, one clock read
a turn, and one read, one look and one write for each token."""

import pytest

from harness.counting import Counter, system_calls
from harness.waiting import wait_until

pytestmark = pytest.mark.measures

TOKENS = 200
# A token that comes while another stream's is dealt with needs no turn of its own, never a second one.
SLACK = 5


@pytest.fixture
def counter(sites):
    return Counter(sites.directory())


@pytest.fixture
def site(sites, counter):
    return sites.site(sites.scripted(), env=counter.env)


@pytest.fixture
def answer(site):
    with site.ask("cost") as answer:
        yield answer


@pytest.fixture
def call(site, answer):
    call = site.provider.next_call()
    call.head()
    yield call
    call.finish()
    assert answer.all_events().done


@pytest.fixture
def stream(call, answer):
    """A stream that has said its first tokens: a function that passes more of them on, each by itself."""

    def pass_on(count):
        for number in range(count):
            call.token(f" token{number}")
            assert answer.next_token() == f" token{number}"

    pass_on(20)
    return pass_on


def test_a_token_allocates_no_memory(counter, stream):
    before = counter.counts()
    stream(TOKENS)
    assert counter.since(before).allocations == 0


@pytest.mark.parametrize("bytes_", [b": ping\n\n", b"data: {\"choices\":[]}\n\n"], ids=["comment", "empty event"])
def test_what_says_nothing_allocates_no_memory(counter, stream, call, bytes_):
    stream(20)
    before = counter.counts()
    for _ in range(TOKENS):
        call.send(bytes_)
        stream(1)
    assert counter.since(before).allocations == 0


def test_a_token_takes_no_lock_sets_no_timer_and_changes_no_watch(counter, stream):
    before = counter.counts()
    stream(TOKENS)
    after = counter.since(before)
    assert (after.locks, after.watch_changes) == (0, 0)


def test_the_clock_is_read_once_a_turn(counter, stream):
    before = counter.counts()
    stream(TOKENS)
    after = counter.since(before)
    assert TOKENS - SLACK <= after.turns <= TOKENS + SLACK
    # One turn may have begun before the first count, another not have ended by the last.
    assert abs(after.clock_reads - after.turns) <= 1


def test_a_token_makes_four_system_calls(site, stream):
    """libcurl looks at the socket again after each read; more than that nobody asks of the kernel."""
    with system_calls(site.worker, r"worker-\d+", site.directory) as calls:
        stream(TOKENS)
    assert set(calls) == {"epoll_wait", "recvfrom", "poll", "sendto"}
    for name, count in calls.items():
        assert TOKENS - SLACK <= count <= TOKENS + SLACK, (name, calls)


def test_memory_that_a_request_takes_is_counted(counter, site, stream):
    """The counters count: else the tests above would say nothing."""
    before = counter.counts()
    with site.ask("another") as answer:
        call = site.provider.next_call()
        call.answer(b"data: [DONE]\n\n")
        assert answer.all_events().done
    wait_until(lambda: all(counter.since(before)), "all of it is counted: the log takes a lock when the answer is gone")
