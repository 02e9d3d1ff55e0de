"""The way to the provider: TLS that is verified, proxies of the environment, connections that are kept."""

import contextlib

import pytest

from harness.scripted import ScriptedProvider, stream_of
from harness.waiting import wait_until
from harness.worker import KEY


@pytest.fixture
def secure(sites, tls):
    return sites.scripted(tls=tls)


def test_a_provider_whose_certificate_nobody_vouches_for_gets_no_request(sites, secure):
    site = sites.site(secure)
    with site.ask("x") as answer:
        problem = answer.problem(502, "upstream_unreachable")
    assert "its certificate is not trusted" in problem["detail"]
    assert not secure.has_been_called()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_the_environment_can_name_whom_to_trust(sites, secure, certificate, variable):
    site = sites.site(secure, env={variable: str(certificate / "cert.pem")})
    for number in range(3):
        with site.ask("x") as answer:
            call = secure.next_call()
            call.answer(stream_of(str(number)))
            assert answer.all_events().text == str(number)
    assert secure.accepted == 1


def test_tokens_come_one_by_one_over_tls(sites, secure, certificate):
    site = sites.site(secure, env={"SSL_CERT_FILE": str(certificate / "cert.pem")})
    with site.ask("x") as answer:
        call = secure.next_call()
        call.head()
        for number in range(10):
            call.token(f"{number} ")
            assert answer.next_token() == f"{number} "
        # More in one go than a TLS record or a receive buffer holds.
        for _ in range(30):
            call.token("y" * 9999)
        assert [len(answer.next_token()) for _ in range(30)] == [9999] * 30
        call.event("[DONE]")
        assert answer.all_events().done


def test_a_new_connection_resumes_the_tls_session_of_the_last(sites, secure, certificate):
    """It spares the provider and us the key exchange, which costs more than all the tokens of an answer."""
    site = sites.site(secure, env={"SSL_CERT_FILE": str(certificate / "cert.pem")})
    resumed = []
    for _ in range(3):
        with site.ask("x") as answer:
            call = secure.next_call()
            resumed.append(call.connection.session_reused)
            call.head()
            call.token("a")
            call.finish()
            assert answer.all_events().done
    assert resumed == [False, True, True]


def test_a_host_of_another_name_is_refused(sites, secure, certificate):
    base_url = secure.base_url.replace("127.0.0.1", "localhost")
    site = sites.site(base_url, env={"SSL_CERT_FILE": str(certificate / "cert.pem")})
    with site.ask("x") as answer:
        problem = answer.problem(502, "upstream_unreachable")
    assert "its certificate" in problem["detail"] and "another host's" in problem["detail"]
    assert not secure.has_been_called()


def test_a_proxy_of_the_environment_is_used(sites):
    """libcurl takes http_proxy in lower case alone, as HTTP_PROXY could be a client's header."""
    proxy = sites.scripted()
    site = sites.site("http://provider.invalid/v1", env={"http_proxy": f"http://127.0.0.1:{proxy.port}"})
    with site.ask("x") as answer:
        call = proxy.next_call()
        assert call.line == "POST http://provider.invalid/v1/chat/completions HTTP/1.1"
        call.answer(stream_of("a"))
        assert answer.all_events().text == "a"


def test_no_proxy_is_honoured(sites):
    proxy, provider = sites.scripted(), sites.scripted()
    env = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "no_proxy": "127.0.0.1"}
    site = sites.site(provider, env=env)
    with site.ask("x") as answer:
        provider.next_call().answer(stream_of("a"))
        assert answer.all_events().text == "a"
    assert proxy.accepted == 0


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_refuses_the_tunnel_is_named_and_gets_no_key(sites, status):
    proxy = sites.scripted()
    site = sites.site("https://provider.invalid/v1", env={"https_proxy": f"http://127.0.0.1:{proxy.port}"})
    with site.ask("x") as answer:
        call = proxy.next_call()
        assert call.line == "CONNECT provider.invalid:443 HTTP/1.1"
        assert KEY not in str(call.headers)
        call.answer("<p>No.</p>", "text/html", status, Proxy_Authenticate='Basic realm="x"')
        problem = answer.problem(502, "upstream_unreachable")
    assert f"the proxy answers with status {status[:3]}" in problem["detail"]


def test_a_proxys_name_that_is_not_found_is_not_taken_for_the_providers(sites):
    provider = sites.scripted()
    site = sites.site(provider, env={"http_proxy": "http://proxy.invalid:3128"})
    with site.ask("x") as answer:
        problem = answer.problem(502, "upstream_unreachable")
    assert "the name of the proxy is not found" in problem["detail"]
    assert provider.accepted == 0


def test_a_clients_proxy_header_changes_nothing(site):
    with site.ask("n=1", headers={"Proxy": "http://127.0.0.1:1"}) as answer:
        assert answer.all_events().done


def test_the_request_is_http_1_1_without_compression_or_100_continue(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    with site.ask("x" * 100_000) as answer:
        call = provider.next_call()
        assert call.line == "POST /v1/chat/completions HTTP/1.1"
        assert call.headers["accept-encoding"] == "identity" and "expect" not in call.headers
        assert call.headers["content-type"] == "application/json"
        assert call.headers["accept"] == "text/event-stream"
        call.answer(stream_of("a"))
        assert answer.all_events().done


def test_nothing_of_the_client_reaches_the_provider_but_what_it_asks(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    headers = {
        "Cookie": "a=secret",
        "Authorization": "Bearer client",
        "User-Agent": "browser",
        "X-Forwarded-For": "1.2.3.4",
    }
    with site.ask("x", headers=headers) as answer:
        call = provider.next_call()
        told = str(call.headers)
        assert "secret" not in told and "client" not in told and "1.2.3.4" not in told and "browser" not in told
        call.answer(stream_of("a"))
        assert answer.all_events().done


def test_a_kept_connection_that_the_provider_closed_is_replaced(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    with site.ask("x") as answer:
        call = provider.next_call()
        call.answer(stream_of("a"))
        assert answer.all_events().done
    call.connection.shutdown(2)
    wait_until(call.has_left, "the worker sees the end")
    with site.ask("y") as answer:
        provider.next_call().answer(stream_of("b"))
        assert answer.all_events().text == "b"


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_kept_connection_that_closes_as_the_next_request_comes_costs_the_client_nothing(sites, leave):
    """The provider's idle limit has run out while the request was on its way. It is no attempt that failed."""
    provider = sites.scripted()
    site = sites.site(provider, retry={"attempts": 1})
    with site.ask("x") as answer:
        kept = provider.next_call()
        kept.answer(stream_of("a"))
        assert answer.all_events().done
    with site.ask("y") as answer:
        late = provider.next_call()
        assert late.prompt == "y" and late.connection is kept.connection
        getattr(late, leave)()
        again = provider.next_call()
        assert again.connection is not late.connection
        assert (again.line, again.headers, again.body) == (late.line, late.headers, late.body)
        again.answer(stream_of("b"))
        assert answer.all_events().text == "b"
    assert provider.accepted == 2


def test_a_new_connection_that_closes_without_a_byte_is_a_failure(sites):
    provider = sites.scripted()
    site = sites.site(provider, retry={"attempts": 1})
    with site.ask("x") as answer:
        provider.next_call().close()
        answer.problem(502, "upstream_truncated")
    assert provider.accepted == 1 and not provider.has_been_called()


@pytest.mark.measures
def test_an_open_stream_holds_on_to_no_request(site):
    with contextlib.ExitStack() as stack:
        before = site.worker.memory()
        for _ in range(40):
            answer = stack.enter_context(site.ask("n=1000 rate=1", system="x" * 900_000))
            assert answer.next_token()
        assert site.worker.memory() < before + (16 << 20)


def test_interim_answers_are_passed_over(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    with site.ask("x") as answer:
        call = provider.next_call()
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        call.answer(stream_of("a"))
        assert answer.all_events().text == "a"


def test_trailers_and_chunk_borders_anywhere_are_no_matter(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head(Transfer_Encoding="chunked")
        for byte in stream_of("ä👩‍👩‍👧‍👦").encode():
            call.send(b"1;ext=1\r\n" + bytes([byte]) + b"\r\n")
        call.send(b"0\r\nX-Trailer: 1\r\n\r\n")
        call.keeps = True
        call.answered.set()
        assert answer.all_events().text == "ä👩‍👩‍👧‍👦"


def test_a_chunked_body_that_breaks_off_is_no_end(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head(Transfer_Encoding="chunked")
        bytes_ = stream_of("a").partition("data: [DONE]")[0].encode()
        call.send(b"%x\r\n%s\r\n" % (len(bytes_), bytes_))
        call.close()
        assert answer.all_events().error["type"] == "upstream_truncated"


def test_header_lines_without_end_are_a_502(sites):
    provider = ScriptedProvider()
    with provider:
        site = sites.site(provider)
        with site.ask("x") as answer:
            call = provider.next_call()
            try:
                call.send(b"HTTP/1.1 200 OK\r\n")
                for _ in range(1000):
                    call.send(b"X-Long: " + b"x" * 60_000 + b"\r\n")
            except OSError:
                pass
            assert answer.status == 502
