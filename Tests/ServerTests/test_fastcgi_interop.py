"""FastCGI against programs that are not ours: libfcgi's client in front of our worker, and libfcgi's server behind our
reader and behind nginx, so that what our tests take for FastCGI is what others mean by it."""

import shutil
import subprocess

import pytest

from harness import fastcgi
from harness.fastcgi import END_REQUEST, STDERR, STDOUT, FastCGI, begin_stream, request
from harness.http import Answer
from harness.process import Process, environment
from harness.waiting import is_listening, wait_until

ECHO = r"""
#include <fcgiapp.h>
#include <stdlib.h>
#include <string.h>

/* Says which parameters and which body it was given, and something on the error stream. */
int main(void) {
    FCGX_Request request;
    FCGX_Init();
    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) == 0) {
        FCGX_FPrintF(request.err, "echo at work\n");
        FCGX_FPrintF(request.out, "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n");
        for (char **each = request.envp; *each; each++) FCGX_FPrintF(request.out, "%s\n", *each);
        FCGX_FPrintF(request.out, "\n");
        char piece[4096];
        int count;
        while ((count = FCGX_GetStr(piece, sizeof piece, request.in)) > 0) FCGX_PutStr(piece, count, request.out);
        FCGX_Finish_r(&request);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def echo(module_sites):
    """The socket of an FCGX application that answers with what it was asked."""
    for program in ("gcc", "spawn-fcgi"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    directory = module_sites.directory()
    (directory / "echo.c").write_text(ECHO)
    built = subprocess.run(
        ["gcc", "-o", directory / "echo", directory / "echo.c", "-lfcgi"], capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0, built.stderr
    address = directory / "echo.sock"
    module_sites.keep(
        Process(
            ["spawn-fcgi", "-n", "-s", address, "-M", "0666", "--", directory / "echo"],
            name="echo",
            directory=directory,
        )
    )
    wait_until(lambda: is_listening(address), "the FCGX application listens")
    return address


def cgi_fcgi(address, body=b"", **params):
    """What libfcgi's client gets for a request: standard output and standard error."""
    if not shutil.which("cgi-fcgi"):
        pytest.skip("cgi-fcgi is not installed")
    params = {name: value for name, value in params.items() if value != ""}
    ended = subprocess.run(
        ["cgi-fcgi", "-bind", "-connect", str(address)],
        env=environment(params),
        input=body,
        capture_output=True,
        timeout=60,
    )
    return ended.stdout, ended.stderr


# libfcgi's client and our worker


def test_cgi_fcgi_gets_a_page(site):
    output, errors = cgi_fcgi(site.worker.address, **fastcgi.params(path="/v1/models"))
    head, _, body = output.partition(b"\r\n\r\n")
    assert head.startswith(b"Status: 200 OK\r\n") and b"application/json" in head
    assert b'"mock/mock"' in body and errors == b""


@pytest.mark.parametrize("path", ["/stream", "/stream-backpressure"])
def test_cgi_fcgi_gets_a_stream(site, path):
    body = b'{"prompt":"n=200 rate=1000"}'
    output, _ = cgi_fcgi(site.worker.address, body, **fastcgi.params("POST", path, body=body))
    assert output.count(b'data: {"token"') == 200
    assert output.endswith(b"}\n\n") and output.count(b"event: done") == 1


def test_cgi_fcgi_sends_a_large_body(site):
    body = b'{"prompt":"n=1 ' + b"x" * 500_000 + b'"}'
    output, _ = cgi_fcgi(site.worker.address, body, **fastcgi.params("POST", "/stream", body=body))
    assert b"event: done" in output


def test_cgi_fcgi_gets_a_flood_whole(site):
    """Three times in five. libfcgi 2.4.2's cgi-fcgi takes records for text where a record's header ends with its buffer, which
    befalls some floods in a hundred; a proxy between the two saw all records whole and well-formed each time."""

    def is_whole():
        output, _ = cgi_fcgi(site.worker.address, **fastcgi.params(path="/stream", query="prompt=n%3D20000"))
        return output.count(b'data: {"token"') == 20_000 and b"event: done" in output

    assert sum(is_whole() for _ in range(5)) >= 3


# libfcgi's server and our reader


def test_our_client_and_an_fcgx_application_understand_each_other(echo):
    body = bytes(range(256)) * 1000
    with FastCGI(echo) as connection:
        response = connection.ask("POST", "/somewhere", body, TESTED="yes " * 100, padding=3)
    assert response.is_complete and response.app_status == 0
    assert response.status == 200
    told, _, echoed = response.body.partition(b"\n\n")
    assert b"PATH_INFO=/somewhere" in told and b"TESTED=" + b"yes " * 100 in told
    assert echoed == body
    assert response.stderr == b"echo at work\n"
    assert STDERR in response.types and response.types[-1] == END_REQUEST


def test_an_fcgx_application_and_our_worker_end_their_answers_alike(echo, site):
    """The order of records that nginx takes for a whole answer of a kept connection."""
    for address in (echo, site.worker.address):
        with FastCGI(address) as connection:
            for _ in range(3):
                response = connection.ask(keep=True)
                assert response.types[-1] == END_REQUEST and STDOUT in response.types
                assert response.app_status == 0 and response.protocol_status == 0


def test_cgi_fcgi_reads_both_alike(echo, site):
    told, _ = cgi_fcgi(echo, **fastcgi.params(path="/x"))
    assert b"PATH_INFO=/x" in told
    pong, _ = cgi_fcgi(site.worker.address, **fastcgi.params(path="/ping"))
    assert pong.endswith(b"\r\n\r\npong\n")


# nginx in front of both


@pytest.fixture(scope="module")
def both(module_sites, shared_site, echo):
    """nginx with the FCGX application at /echo beside our worker."""
    server = f"""
        location /echo {{
            fastcgi_pass unix:{echo};
            include sheep_params;
            fastcgi_param PATH_INFO $uri;
        }}
    """
    return module_sites.nginx(shared_site.worker.address, server=server)


def test_the_parameters_that_nginx_sends_are_those_that_we_send_ourselves(both):
    headers = {"Content-Type": "application/json", "Cookie": "secret=1", "SHEEP-MODEL": "x", "Proxy": "x"}
    with Answer(both.address, "POST", "/echo/x?prompt=1", headers, b"{}") as answer:
        assert answer.status == 200
        told = dict(line.split("=", 1) for line in answer.body().decode().partition("\n\n")[0].split("\n"))
    ours = fastcgi.params("POST", "/echo/x", "prompt=1", b"{}")
    for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_ADDR"):
        assert told[name] == ours[name]
    assert len(told["REQUEST_ID"]) == 32
    assert told["SHEEP_ORIGIN"] == f"http://127.0.0.1:{both.port}"
    # A client's header never looks like one of the site's own parameters, and cookies are nobody's business.
    assert "SHEEP_MODEL" not in told and told["HTTP_SHEEP_MODEL"] == "x"
    assert told.get("HTTP_COOKIE", "") == ""


def test_nginx_takes_the_answers_of_both(both):
    with Answer(both.address, "GET", "/echo") as answer:
        assert answer.status == 200 and b"REQUEST_METHOD=GET" in answer.body() and answer.is_whole
    with Answer(both.address, "GET", "/ping") as answer:
        assert (answer.status, answer.body()) == (200, b"pong\n") and answer.is_whole


def test_our_reader_tells_the_worker_to_be_right_where_libfcgi_is(site):
    """A stream in the middle: the reader refuses records of other ids, of other versions, and behind the end."""
    with begin_stream(site.worker.address, "n=300 size=3000") as connection:
        response = connection.response()
        assert response.is_complete and response.body.count(b'data: {"token"') == 300
        assert connection.record() is None
    with FastCGI(site.worker.address) as connection:
        connection.send(request(request_id=65535, keep=True))
        assert connection.response(65535).body == b"pong\n"
