"""SCGI: nginx's scgi_pass and peers of our own, on the same socket as FastCGI."""

import json

import pytest

from harness import scgi
from harness.events import numbers
from harness.fastcgi import FastCGI
from harness.site import Site
from harness.waiting import connect, wait_until


@pytest.fixture(scope="module")
def over_scgi(module_sites, shared_site):
    """The shared worker behind another nginx, whose sheep.conf is changed as its comments tell."""
    web = module_sites.nginx(shared_site.worker.address, scgi=True)
    return Site(web.directory, web, shared_site.worker, shared_site.provider)


@pytest.mark.parametrize("path", ["/stream", "/stream-backpressure"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stream_comes_whole(over_scgi, path, method):
    with over_scgi.get(path, prompt="n=50") if method == "GET" else over_scgi.ask("n=50", path) as answer:
        assert answer.header("Content-Type") == "text/event-stream; charset=utf-8"
        events = answer.all_events()
    assert numbers(events.tokens) == list(range(50)) and events.done


def test_tokens_come_one_by_one(module_sites):
    provider = module_sites.scripted()
    worker = module_sites.worker(provider)
    web = module_sites.nginx(worker.address, scgi=True)
    site = Site(web.directory, web, worker, provider)
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head()
        for number in range(10):
            call.token(f"{number} ")
            assert answer.next_token() == f"{number} "
        call.finish()
        assert answer.all_events().done


def test_the_request_id_is_nginxs(over_scgi):
    with over_scgi.ask("n=1") as answer:
        assert answer.all_events().done["id"] == answer.request_id
    over_scgi.nginx.wait_for_access(answer.request_id)


def test_a_failure_has_its_true_status(over_scgi):
    with over_scgi.ask("fail=429 retry_after=3") as answer:
        answer.problem(429, "rate_limited")
        assert answer.header("Retry-After") == "3"
    with over_scgi.ask("") as answer:
        answer.problem(400, "bad_request")


def test_a_page_of_another_site_is_refused(over_scgi):
    with over_scgi.ask("n=1", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        answer.problem(403, "bad_request")
    with over_scgi.ask("n=1", headers={"Origin": over_scgi.url}) as answer:
        assert answer.all_events().done


def test_a_body_of_half_a_megabyte_is_taken(over_scgi):
    with over_scgi.ask("n=1 " + "x" * 500_000) as answer:
        assert answer.all_events().done


def test_who_leaves_is_noticed_before_and_after_the_first_token(over_scgi):
    for prompt in ("n=5 stall=1", "silent=1"):
        watch = over_scgi.provider.watch()
        answer = over_scgi.ask(prompt)
        if prompt != "silent=1":
            answer.next_token()
        wait_until(lambda: watch["requests"] == 1, "the provider is called")
        answer.close()
        watch.wait_for(aborted=1, open=0)


def test_one_socket_serves_both_at_once(site):
    address = site.worker.address
    assert scgi.ask(address, scgi.request()).endswith(b"\r\n\r\npong\n")
    with FastCGI(address) as connection:
        assert connection.ask(keep=True).body == b"pong\n"
        assert scgi.ask(address, scgi.request()).endswith(b"pong\n")
        assert connection.ask(keep=True).body == b"pong\n"


def test_the_connection_ends_with_the_answer(site):
    body = json.dumps({"prompt": "n=3"}).encode()
    answer = scgi.ask(site.worker.address, scgi.request("POST", "/stream", body))
    assert scgi.status(answer) == 200
    assert answer.count(b'data: {"token"') == 3 and answer.count(b"event: done") == 1


def test_a_request_byte_by_byte_is_answered(site):
    with connect(site.worker.address) as peer:
        for byte in scgi.request("POST", "/stream", b'{"prompt":"n=3"}'):
            peer.sendall(bytes([byte]))
        answer = b""
        while part := peer.recv(65536):
            answer += part
    assert answer.count(b'data: {"token"') == 3


def test_debians_parameters_alone_are_enough(site):
    """scgi_params sets neither PATH_INFO nor SCRIPT_NAME."""
    headers = {
        "CONTENT_LENGTH": "0",
        "SCGI": "1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/ping",
        "DOCUMENT_URI": "/ping",
    }
    assert scgi.ask(site.worker.address, scgi.netstring(headers)).endswith(b"pong\n")
