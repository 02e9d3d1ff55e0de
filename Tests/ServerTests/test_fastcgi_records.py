"""FastCGI's rules beyond one plain request: more than one, abort, management, roles, odd pieces. Each beside an honest
stream on the same worker, as in test_hostile_peers.py.
"""

import json
import socket

import pytest

from harness.beside import is_well
from harness.fastcgi import (
    ABORT_REQUEST,
    BEGIN_REQUEST,
    CANT_MPX_CONN,
    END_REQUEST,
    GET_VALUES,
    GET_VALUES_RESULT,
    PARAMS,
    REQUEST_COMPLETE,
    STDIN,
    UNKNOWN_ROLE,
    UNKNOWN_TYPE,
    FastCGI,
    begin,
    begin_stream,
    pairs,
    params,
    read_pairs,
    record,
    request,
    stream,
)
from harness.waiting import free_port, wait_until

# More than one request at a time


def test_a_request_sent_ahead_waits_for_its_turn(address):
    with FastCGI(address) as peer:
        asks = [
            request("POST", "/stream", json.dumps({"prompt": f"n={count} rate=200"}).encode(), keep=True)
            for count in (20, 10, 5)
        ]
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
    for front in (
        begin(keep=True),
        begin(keep=True) + record(PARAMS, b"\x01"),
        begin(keep=True) + stream(PARAMS, pairs(params("POST", body=b"x"))),
    ):
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
