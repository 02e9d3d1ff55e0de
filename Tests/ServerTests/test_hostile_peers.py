"""Peers that break the protocol: each is answered or cut off, and costs nobody else anything.

Beside every attack an honest stream runs on the same worker; it must go on without a token lost or late, and the
worker's memory must stay flat.
"""

import contextlib
import json
import random
import struct
import threading
import time

import pytest

from harness import scgi
from harness.beside import HALF_REQUEST, assert_cut_off, is_well
from harness.fastcgi import (
    GET_VALUES,
    PARAMS,
    STDIN,
    FastCGI,
    begin,
    begin_stream,
    length,
    pairs,
    params,
    record,
    request,
    stream,
)
from harness.honest import HonestStream
from harness.waiting import connect, wait_until

# Garbage


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0",
        b"\xff" * 64,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x02" + b"\0" * 7,
        b"-1:x,",
        b":,",
        b"abc",
        b"\n",
        "ä".encode(),
        b"0:,",
        b"00000000000000:",
        b"12345678901:",
    ],
    ids=lambda value: repr(value)[:24],
)
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
            front = chance.choice(
                [b"", b"\x01", begin(), begin() + record(PARAMS, b"\x01")[:-1], b"70:CONTENT_LENGTH\0"]
            )
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
        b"\x01",
        begin()[:7],
        begin()[:15],
        begin(),
        begin() + record(PARAMS, b"\x0e\x03REQ"),
        request("POST", "/stream", b'{"prompt":"n=1"}')[:-1],
        request()[:-8],
        b"2",
        b"20:CONTENT",
        b"\x01\xff" * 1000,
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
    told = json.loads(response.body)
    assert response.status in (400, 413)
    assert (told["error"]["code"] if path.startswith("/v1/") else told["type"]).endswith("bad_request")
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
        b"4:abcd,",
        b"24:CONTENT_LENGTH\x000\x00SCGI\x001\x00x",
    ]
    for bytes_ in wrong:
        assert scgi.ask(address, bytes_) == b""


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
                        chance.choice(
                            [
                                chance.randbytes(2000),
                                begin() + record(PARAMS, b"\x0e\x03REQ"),
                                begin() + record(PARAMS, b"x" * 65535) * 3,
                                request("POST", "/stream", b'{"prompt":"n=1"}', CONTENT_LENGTH="3"),
                                b"99999999:",
                                record(99, b"", 0) * 50,
                                request("POST", "/stream", b'{"prompt":"silent=1"}'),
                            ]
                        )
                    )
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
