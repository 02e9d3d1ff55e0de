"""Peers that break the protocol: each is answered or cut off, and costs nobody else anything.

Beside every attack an honest stream runs on the same worker; it must go on without a token lost or late, and the worker's
memory must stay flat.
"""

import contextlib
import json
import random
import socket
import struct
import threading
import time

import pytest

from harness import scgi
from harness.fastcgi import (
    ABORT_REQUEST, BEGIN_REQUEST, CANT_MPX_CONN, END_REQUEST, GET_VALUES, GET_VALUES_RESULT, PARAMS, REQUEST_COMPLETE,
    STDIN, UNKNOWN_ROLE, UNKNOWN_TYPE, FastCGI, begin, begin_stream, length, pairs, params, read_pairs, record, request,
    stream)
from harness.honest import HonestStream
from harness.paths import SANITIZER
from harness.waiting import connect, free_port, wait_until

# What a hostile peer may cost.
ROOM = 12 << 20
# For the tests that wait for it. Everywhere else the clocks are long, so that only a breach of the protocol cuts anyone off.
HALF_REQUEST = 1.5
LONG = {name: "1h" for name in ("half_request", "idle_connection", "idle", "hold")}


@pytest.fixture(scope="module")
def patient(module_sites, mock):
    """One worker with one thread, so that whoever blocks it blocks all; and an honest stream on it."""
    yield from with_stream(module_sites.site(mock, workers=1, timeouts=LONG))


@pytest.fixture(scope="module")
def hasty(module_sites, mock):
    """The same with a short time for a request."""
    yield from with_stream(module_sites.site(mock, workers=1, timeouts=LONG | {"half_request": f"{HALF_REQUEST * 1000:.0f}ms"}))


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


# Garbage


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0", b"\xff" * 64, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\x02" + b"\0" * 7,
        b"-1:x,", b":,", b"abc", b"\n", "ä".encode(), b"0:,", b"00000000000000:", b"12345678901:",
    ], ids=lambda value: repr(value)[:24])
def test_garbage_in_place_of_a_record_is_cut_off(address, garbage):
    with connect(address) as peer:
        peer.sendall(garbage)
        assert_cut_off(peer)
    assert is_well(address)


def test_random_bytes_never_harm(address):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(200):
        with FastCGI(address) as peer:
            front = chance.choice([b"", b"\x01", begin(), begin() + record(PARAMS, b"\x01")[:-1], b"70:CONTENT_LENGTH\0"])
            peer.send_as_far_as_possible(front + chance.randbytes(chance.randrange(1, 4000)))
    assert is_well(address)


def test_mutated_requests_never_harm(address):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    whole = request("POST", "/nothing", b'{"prompt":"x"}', padding=3, piece=50)
    for _ in range(200):
        bytes_ = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            bytes_[chance.randrange(len(bytes_))] = chance.randrange(256)
        with FastCGI(address) as peer:
            peer.send_as_far_as_possible(bytes(bytes_))
    assert is_well(address)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_a_record_of_a_wrong_version_is_cut_off(peer, version):
    peer.send(begin() + record(PARAMS, b"", version=version))
    assert peer.is_cut_off()


def test_a_record_of_a_wrong_version_within_a_running_stream_ends_only_that(address, mock):
    aborted = mock.stats()["aborted"]
    with begin_stream(address, "n=2 stall=1") as peer:
        peer.events().next_token()
        peer.send(record(STDIN, b"", version=9))
        assert peer.is_cut_off()
    wait_until(lambda: mock.stats()["aborted"] == aborted + 1, "the provider sees the end")


# Half a request


def test_half_a_request_is_cut_off_in_time(hasty_address):
    """Wherever it stops; not before its time, as nginx may be slow; and all at once, as each one has to wait."""
    halves = [
        b"\x01", begin()[:7], begin()[:15], begin(), begin() + record(PARAMS, b"\x0e\x03REQ"),
        request("POST", "/stream", b'{"prompt":"n=1"}')[:-1], request()[:-8], b"2", b"20:CONTENT", b"\x01\xff" * 1000,
        scgi.request("POST", "/stream", b'{"prompt":"n=1"}')[:-1],
    ]
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connect(hasty_address)) for _ in halves]
        start = time.monotonic()
        for peer, half in zip(peers, halves):
            peer.sendall(half)
        for peer in peers:
            assert_cut_off(peer)
            assert time.monotonic() - start > HALF_REQUEST * 0.9


def test_dribbling_does_not_buy_more_time(hasty_address):
    """The clock runs from the first byte: a byte now and then does not wind it up."""
    with connect(hasty_address) as peer:
        start = time.monotonic()
        peer.settimeout(0.05)
        for byte in request("POST", "/stream", b'{"prompt":"n=1"}')[:-1]:
            try:
                peer.sendall(bytes([byte]))
                assert peer.recv(1) == b"", "an answer to less than a request"
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                pass
            break
        else:
            raise AssertionError("all but the last byte were taken, one by one")
        assert time.monotonic() - start > HALF_REQUEST * 0.9


def test_a_hundred_halves_at_once_are_all_cut_off(hasty_address):
    peers = [connect(hasty_address) for _ in range(100)]
    for peer in peers:
        peer.sendall(begin() + record(PARAMS, b"\x0e\x03REQ"))
    for peer in peers:
        with peer:
            assert_cut_off(peer)


def test_a_connection_that_says_nothing_is_left_alone(hasty_address):
    """It may be one that nginx keeps for later."""
    with FastCGI(hasty_address) as silent, FastCGI(hasty_address) as half:
        half.send(begin())
        assert half.is_cut_off()
        assert silent.ask().body == b"pong\n"


# Too much


def test_params_that_announce_4_gib_are_refused_without_room_for_them(peer):
    value = length(4, long=True) + struct.pack("!I", 0xFFFFFFFF) + b"NAME"
    peer.send_as_far_as_possible(begin() + record(PARAMS, value) + record(PARAMS) + record(STDIN))
    assert peer.is_cut_off()


def test_params_without_end_are_cut_off(peer):
    peer.send(begin())
    sent = 0
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while sent < 1 << 30:
            peer.send(record(PARAMS, b"x" * 65535))
            sent += 65535


def test_a_hundred_thousand_params_are_cut_off(peer):
    content = pairs((f"NAME_{number}", "x") for number in range(100_000))
    peer.send_as_far_as_possible(begin() + stream(PARAMS, content) + record(STDIN))
    assert peer.is_cut_off()


def test_params_up_to_the_bound_are_taken(address):
    for size, is_taken in ((64 << 10, True), ((64 << 10) + 1, False)):
        content = pairs(params())
        content += length(3) + length(9999, long=True) + b"PAD"
        # The last value fills up what is left.
        filler = size - len(content)
        content = pairs(params()) + length(3) + length(filler, long=True) + b"PAD" + b"x" * filler
        assert len(content) == size
        with FastCGI(address) as peer:
            peer.send_as_far_as_possible(begin() + stream(PARAMS, content) + record(STDIN))
            if is_taken:
                assert peer.response().body == b"pong\n"
            else:
                assert peer.is_cut_off()


def test_scgi_headers_over_the_bound_are_cut_off(address):
    for front in (b"99999999999:", b"4294967296:", b"65537:CONTENT_LENGTH"):
        with connect(address) as peer:
            peer.sendall(front)
            assert_cut_off(peer)


def test_every_name_a_thousand_times_is_answered(address):
    names = list(params().items())
    content = pairs(names * 1000)
    with FastCGI(address) as peer:
        peer.send_as_far_as_possible(begin() + stream(PARAMS, content) + record(STDIN))
        assert len(content) > 64 << 10 and peer.is_cut_off()
    few = pairs([("PATH_INFO", "/nothing"), ("REQUEST_METHOD", "PUT")] * 1000 + names)
    with FastCGI(address) as peer:
        peer.send(begin() + stream(PARAMS, few) + record(STDIN))
        assert peer.response().body == b"pong\n"


def test_an_endless_body_is_refused_and_costs_no_memory(peer):
    content = pairs(params("POST", "/stream") | {"CONTENT_LENGTH": "", "CONTENT_TYPE": "application/json"})
    peer.send(begin() + stream(PARAMS, content))
    sent = 0
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while sent < 1 << 30:
            peer.send(record(STDIN, b"x" * 65535))
            sent += 65535


def test_empty_records_and_padding_without_end_are_no_way_to_stay(hasty_address):
    with FastCGI(hasty_address) as peer:
        peer.send(begin())
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            start = time.monotonic()
            while time.monotonic() - start < 60:
                peer.send(record(PARAMS, b"\0\0", padding=255) * 50)


def test_who_asks_for_values_and_never_reads_is_cut_off(peer):
    ask = record(GET_VALUES, pairs({"FCGI_MAX_CONNS": "", "FCGI_MAX_REQS": "", "FCGI_MPXS_CONNS": ""}), 0)
    peer.socket.settimeout(30)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100_000):
            peer.send(ask * 100)


# Bodies that are not as announced


@pytest.mark.parametrize("path", ["/stream", "/v1/models"])
@pytest.mark.parametrize("announced", [0, 1, 15, 17, 1000, 10**18])
def test_a_body_shorter_or_longer_than_announced_is_refused(address, mock, path, announced):
    before = mock.stats()["requests"]
    body = b'{"prompt":"n=1"}'
    with FastCGI(address) as peer:
        response = peer.ask("POST", path, body, keep=True, CONTENT_LENGTH=str(announced))
    assert response.is_complete
    assert response.status in (400, 413) and json.loads(response.body)["type"].endswith("bad_request")
    assert mock.stats()["requests"] == before


def test_a_length_that_is_no_number_is_refused(address):
    for announced in ("-1", "x", "1e3", "99999999999999999999", "١٦"):
        with FastCGI(address) as peer:
            response = peer.ask("POST", "/stream", b'{"prompt":"n=1"}', CONTENT_LENGTH=announced)
        assert response.status == 400, announced


def test_an_scgi_body_longer_than_announced_is_no_second_request(address, mock):
    before = mock.stats()["requests"]
    one = scgi.request("POST", "/stream", b'{"prompt":"n=1"}')
    scgi.ask(address, one + one)
    assert is_well(address)
    assert mock.stats()["requests"] <= before + 1


def test_an_scgi_request_without_its_marks_is_cut_off(address):
    wrong = [
        scgi.netstring({"REQUEST_METHOD": "GET", "CONTENT_LENGTH": "0", "SCGI": "1"}),
        scgi.netstring({"CONTENT_LENGTH": "0", "REQUEST_METHOD": "GET"}),
        b"4:abcd,", b"24:CONTENT_LENGTH\x000\x00SCGI\x001\x00x",
    ]
    for bytes_ in wrong:
        assert scgi.ask(address, bytes_) == b""


# More than one request at a time


def test_a_request_sent_ahead_waits_for_its_turn(address):
    with FastCGI(address) as peer:
        asks = [request("POST", "/stream", json.dumps({"prompt": f"n={count} rate=200"}).encode(), keep=True) for count in (20, 10, 5)]
        peer.send(b"".join(asks))
        for count in (20, 10, 5):
            response = peer.response()
            assert response.is_complete and response.body.count(b'data: {"token"') == count


def test_a_request_sent_ahead_byte_by_byte_waits_too(address):
    with FastCGI(address) as peer:
        peer.send(request("POST", "/stream", b'{"prompt":"n=20 rate=100"}', keep=True))
        for byte in request(keep=True):
            peer.send(bytes([byte]))
        assert peer.response().body.count(b'data: {"token"') == 20
        assert peer.response().body == b"pong\n"


def test_who_sends_without_end_behind_a_running_request_waits_in_the_kernel(address, hostile_site, mock):
    with begin_stream(address, "n=1 stall=1", keep=True) as peer:
        events = peer.events()
        events.next_token()
        peer.socket.settimeout(1)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += peer.socket.send(request(keep=True) * 100)
        except TimeoutError:
            pass
        assert sent < 64 << 20, "the worker took in what it cannot answer yet"
        aborted = mock.stats()["aborted"]
    wait_until(lambda: mock.stats()["aborted"] == aborted + 1, "the provider sees that the flooder left")


def test_a_second_id_beside_a_running_request_is_refused_and_the_first_goes_on(address):
    with begin_stream(address, "n=20 rate=40", keep=True) as peer:
        events = peer.events()
        assert events.next_token()
        peer.send(request("POST", "/stream", b'{"prompt":"n=1"}', request_id=2, keep=True))
        refusals, rest = [], b""
        while (next_ := peer.record()) is not None:
            type_, request_id, content = next_
            if request_id == 2:
                refusals.append((type_, content[4]))
            elif type_ == END_REQUEST:
                break
            else:
                rest += content
        assert refusals == [(END_REQUEST, CANT_MPX_CONN)]
        assert rest.count(b'data: {"token"') == 19 and b"event: done" in rest
        assert peer.ask(keep=True).body == b"pong\n"


def test_a_request_that_begins_twice_is_cut_off_or_refused(peer):
    peer.send(begin() + begin() + stream(PARAMS, pairs(params())) + record(STDIN))
    assert peer.is_cut_off()


# Abort


def test_an_abort_of_a_running_request_reaches_the_provider_and_is_answered(address, mock):
    for keep in (True, False):
        with begin_stream(address, "n=1 stall=1", keep=keep) as peer:
            aborted = mock.stats()["aborted"]
            events = peer.events()
            events.next_token()
            peer.send(record(ABORT_REQUEST))
            types = []
            while (next_ := peer.record()) is not None:
                types.append(next_[0])
                if next_[0] == END_REQUEST:
                    break
            assert types[-1] == END_REQUEST
            wait_until(lambda: mock.stats()["aborted"] == aborted + 1, "the provider sees the abort")
            if keep:
                assert peer.ask(keep=True).body == b"pong\n"
            else:
                assert peer.is_cut_off()


def test_an_abort_before_the_first_token_reaches_the_provider_too(address, mock):
    before = mock.stats()
    with begin_stream(address, "silent=1", keep=True) as peer:
        wait_until(lambda: mock.stats()["requests"] == before["requests"] + 1, "the provider is called")
        peer.send(record(ABORT_REQUEST))
        assert peer.response().protocol_status == REQUEST_COMPLETE
        wait_until(lambda: mock.stats()["aborted"] == before["aborted"] + 1, "the provider sees the abort")
        assert peer.ask(keep=True).body == b"pong\n"


def test_an_abort_within_the_params_or_the_body_is_answered(address):
    for front in (begin(keep=True), begin(keep=True) + record(PARAMS, b"\x01"), begin(keep=True) + stream(PARAMS, pairs(params("POST", body=b"x")))):
        with FastCGI(address) as peer:
            peer.send(front + record(ABORT_REQUEST))
            assert peer.response().protocol_status == REQUEST_COMPLETE
            assert peer.ask(keep=True).body == b"pong\n"


def test_an_abort_of_nothing_is_passed_over(address):
    with FastCGI(address) as peer:
        peer.send(record(ABORT_REQUEST) + record(ABORT_REQUEST, request_id=7) + request(keep=True))
        assert peer.response().body == b"pong\n"


# Management records and roles


def test_values_are_told_before_within_and_after_a_request(address):
    ask = record(GET_VALUES, pairs({"FCGI_MAX_CONNS": "", "FCGI_MPXS_CONNS": "", "FCGI_MAX_REQS": "", "OTHER": ""}), 0)

    def values(next_):
        type_, request_id, content = next_
        assert (type_, request_id) == (GET_VALUES_RESULT, 0)
        result = dict(read_pairs(content))
        assert set(result) == {b"FCGI_MAX_CONNS", b"FCGI_MPXS_CONNS", b"FCGI_MAX_REQS"}
        assert result[b"FCGI_MPXS_CONNS"] == b"0" and int(result[b"FCGI_MAX_CONNS"]) > 0
        return result

    with FastCGI(address) as peer:
        peer.send(ask)
        values(peer.record())
        bytes_ = request("POST", "/stream", b'{"prompt":"n=2"}', keep=True)
        peer.send(bytes_[:16] + ask + bytes_[16:])
        values(peer.record())
        assert peer.response().is_complete
        peer.send(ask)
        values(peer.record())


def test_values_are_told_in_the_middle_of_a_stream(address):
    with begin_stream(address, "n=20 rate=40", keep=True) as peer:
        events = peer.events()
        events.next_token()
        peer.send(record(GET_VALUES, pairs({"FCGI_MPXS_CONNS": ""}), 0))
        types = []
        while (next_ := peer.record()) is not None and next_[0] != END_REQUEST:
            types.append(next_[0])
        assert types.count(GET_VALUES_RESULT) == 1


def test_values_without_a_name_or_broken_are_no_harm(address):
    for content in (b"", b"\x05", b"\xff\xff\xff\xff"):
        with FastCGI(address) as peer:
            peer.send_as_far_as_possible(record(GET_VALUES, content, 0) + request())
            peer.is_cut_off()
    assert is_well(address)


@pytest.mark.parametrize("type_", [0, 12, 99, 255])
def test_an_unknown_management_type_is_named(peer, type_):
    peer.send(record(type_, b"xyz", 0, padding=5) + request())
    next_ = peer.record()
    assert next_ == (UNKNOWN_TYPE, 0, bytes([type_]) + b"\0" * 7)
    assert peer.response().body == b"pong\n"


@pytest.mark.parametrize("role", [0, 2, 3, 4, 65535])
def test_another_role_is_refused(address, role):
    for keep in (True, False):
        with FastCGI(address) as peer:
            peer.send(request(role=role, keep=keep))
            assert peer.response().protocol_status == UNKNOWN_ROLE
            if keep:
                assert peer.ask(keep=True).body == b"pong\n"
            else:
                assert peer.is_cut_off()


def test_records_of_other_requests_are_passed_over(address):
    strange = record(STDIN, b"x", 9) + record(PARAMS, b"x", 9) + record(8, b"x", 9) + record(200, b"x", 9)
    with FastCGI(address) as peer:
        bytes_ = request("POST", "/stream", b'{"prompt":"n=1"}', keep=True)
        peer.send(strange + bytes_[:16] + strange + bytes_[16:] + strange)
        assert peer.response().status == 200


def test_a_begin_record_that_is_too_short_is_cut_off(peer):
    peer.send(record(BEGIN_REQUEST, b"\0\x01"))
    assert peer.is_cut_off()


def test_a_connection_is_closed_after_the_answer_when_it_is_not_to_be_kept(address):
    with FastCGI(address) as peer:
        assert peer.ask(keep=False).is_complete
        assert peer.is_cut_off()


# Whole requests in odd pieces


@pytest.mark.parametrize("piece, padding", [(1, 0), (7, 1), (65535, 255), (3, 7)])
def test_params_and_bodies_over_many_records_are_joined_and_padding_is_honoured(address, piece, padding):
    with FastCGI(address) as peer:
        response = peer.ask("POST", "/stream", b'{"prompt":"n=3"}', piece=piece, padding=padding)
    assert response.body.count(b'data: {"token"') == 3


def test_a_request_byte_by_byte_is_answered_over_unix_and_tcp(sites, mock):
    worker = sites.worker(mock)
    other = sites.worker(mock, address=("127.0.0.1", free_port()))
    for address in (worker.address, other.address):
        with FastCGI(address) as peer:
            if isinstance(address, tuple):
                peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request("POST", "/stream", b'{"prompt":"n=3"}', padding=2):
                peer.send(bytes([byte]))
            assert peer.response().body.count(b'data: {"token"') == 3


# All at once


def test_all_of_it_at_once_beside_a_paced_stream(hostile_site, address):
    paced = HonestStream(hostile_site, "n=150 rate=50")
    is_over = threading.Event()

    def attack(seed):
        chance = random.Random(seed)
        while not is_over.is_set():
            try:
                with FastCGI(address, limit=5) as peer:
                    peer.send_as_far_as_possible(
                        chance.choice([
                            chance.randbytes(2000), begin() + record(PARAMS, b"\x0e\x03REQ"), begin() + record(PARAMS, b"x" * 65535) * 3,
                            request("POST", "/stream", b'{"prompt":"n=1"}', CONTENT_LENGTH="3"), b"99999999:", record(99, b"", 0) * 50,
                            request("POST", "/stream", b'{"prompt":"silent=1"}'),
                        ]))
            except OSError:
                continue

    attackers = [threading.Thread(target=attack, args=(seed,)) for seed in range(4)]
    for attacker in attackers:
        attacker.start()
    try:
        assert len(paced.to_end()) == 150
    finally:
        is_over.set()
        for attacker in attackers:
            attacker.join(60)
    assert is_well(address)


def test_who_was_cut_off_is_told_of_in_the_log_with_the_reason(hostile_site, address):
    with connect(address) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert_cut_off(peer)
    wait_until(lambda: "neither FastCGI nor SCGI" in hostile_site.worker.log(), "the log names the reason")


def assert_cut_off(peer):
    """The worker closes the connection, and says nothing before."""
    try:
        assert peer.recv(1 << 16) == b""
    except ConnectionResetError:
        pass
