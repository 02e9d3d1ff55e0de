"""Who may ask: pages of this site, pages that the configuration allows, and programs; no hidden image on some page."""

import pytest

from harness.fastcgi import FastCGI

ALLOWED = "https://app.example"
OTHER = "https://evil.example"


@pytest.fixture(scope="module")
def open_site(module_sites, mock):
    """A site that lets pages of ALLOWED ask."""
    return module_sites.site(mock, cors={"allow_origins": [ALLOWED, "http://localhost:3000"]})


@pytest.fixture(scope="module")
def star(module_sites, mock):
    return module_sites.site(mock, cors={"allow_origins": ["*"]})


def refused(site, headers, path="/stream", **more):
    watch = site.provider.watch()
    with site.ask("n=1", path, headers, **more) as answer:
        assert answer.problem(403, "bad_request")["retryable"] is False
        assert answer.header("Access-Control-Allow-Origin") is None
    with site.get(path, headers, prompt="n=1") as answer:
        answer.problem(403, "bad_request")
    assert watch["requests"] == 0


def admitted(site, headers):
    for answer in (site.ask("n=1", headers=headers), site.get("/stream", headers, prompt="n=1")):
        with answer:
            assert answer.all_events().done


# The refusal


@pytest.mark.parametrize("fetch_site", ["cross-site", "same-site", "anything"])
@pytest.mark.parametrize("path", ["/stream", "/stream-backpressure"])
def test_a_page_of_another_site_is_refused_before_any_provider_is_called(site, path, fetch_site):
    refused(site, {"Sec-Fetch-Site": fetch_site}, path)
    refused(site, {"Sec-Fetch-Site": fetch_site, "Origin": OTHER}, path)


def test_a_hidden_image_is_refused(site):
    with site.get("/stream", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, prompt="n=1") as answer:
        answer.problem(403, "bad_request")


@pytest.mark.parametrize("fetch_site", ["same-origin", "none"])
def test_the_sites_own_page_and_its_address_bar_pass(site, fetch_site):
    admitted(site, {"Sec-Fetch-Site": fetch_site})
    admitted(site, {"Sec-Fetch-Site": fetch_site, "Origin": site.url})


def test_a_program_without_any_of_the_headers_passes(site):
    admitted(site, {})


def test_an_old_browsers_origin_must_be_the_sites_own_by_scheme_name_and_port(site):
    admitted(site, {"Origin": site.url})
    refused(site, {"Origin": OTHER})
    refused(site, {"Origin": f"https://127.0.0.1:{site.nginx.port}"})
    refused(site, {"Origin": "http://127.0.0.1:1"})


def test_the_origin_null_never_passes(site, star):
    for headers in ({"Origin": "null"}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}):
        refused(site, headers)
        refused(star, headers)


@pytest.mark.parametrize(
    "origin, host, passes",
    [
        ("https://example.org", "example.org", True),
        ("http://example.org:8080", "example.org", True),
        ("https://EXAMPLE.org", "example.org:443", True),
        ("https://[::1]:8443", "[::1]", True),
        ("https://example.org.evil", "example.org", False),
        ("https://evil", "example.org", False),
        ("https://example.org@evil", "example.org", False),
        ("example.org", "example.org", False),
        ("https://evil/example.org", "example.org", False),
    ],
)
def test_without_sheep_origin_the_name_alone_must_match_the_host(site, origin, host, passes):
    """Debian's fastcgi_params gives the host without its port; so would an existing site."""
    with FastCGI(site.worker.address) as connection:
        response = connection.ask("POST", "/stream", b'{"prompt":"n=1"}', HTTP_ORIGIN=origin, HTTP_HOST=host)
    assert response.status == (200 if passes else 403)


def test_sheep_origin_goes_before_the_host(site):
    with FastCGI(site.worker.address) as connection:
        response = connection.ask(
            "POST",
            "/stream",
            b'{"prompt":"n=1"}',
            HTTP_ORIGIN="http://example.org",
            HTTP_HOST="example.org",
            SHEEP_ORIGIN="https://example.org",
        )
    assert response.status == 403


# CORS


def test_a_page_of_an_allowed_origin_may_ask_and_read(open_site):
    for headers in ({"Origin": ALLOWED}, {"Origin": ALLOWED, "Sec-Fetch-Site": "cross-site"}):
        with open_site.ask("n=2", headers=headers) as answer:
            assert answer.header("Access-Control-Allow-Origin") == ALLOWED
            assert answer.header("Vary") == "Origin"
            assert answer.header("Access-Control-Allow-Credentials") is None
            exposed = answer.header("Access-Control-Expose-Headers")
            assert "X-Request-Id" in exposed and "Retry-After" in exposed
            assert answer.all_events().done


def test_failures_can_be_read_by_an_allowed_page_too(open_site):
    with open_site.ask("", headers={"Origin": ALLOWED}) as answer:
        answer.problem(400, "bad_request")
        assert answer.header("Access-Control-Allow-Origin") == ALLOWED
    with open_site.ask("fail=500", headers={"Origin": ALLOWED}) as answer:
        answer.problem(502, "upstream_failed")
        assert answer.header("Access-Control-Allow-Origin") == ALLOWED


@pytest.mark.parametrize(
    "origin",
    [OTHER, "http://app.example", "https://app.example:444", "https://app.example.evil", "https://APP.example", "null"],
)
def test_origins_count_exactly(open_site, origin):
    refused(open_site, {"Origin": origin, "Sec-Fetch-Site": "cross-site"})


def test_other_answers_vary_by_origin_as_well(open_site):
    with open_site.ask("n=1") as answer:
        assert answer.header("Vary") == "Origin"
        assert answer.header("Access-Control-Allow-Origin") is None
        answer.all_events()


def test_the_models_can_be_read_by_an_allowed_page(open_site):
    with open_site.get("/v1/models", {"Origin": ALLOWED}) as answer:
        assert answer.status == 200 and answer.header("Access-Control-Allow-Origin") == ALLOWED


def test_a_star_lets_every_page_ask_but_never_with_credentials(star):
    with star.ask("n=1", headers={"Origin": OTHER, "Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.header("Access-Control-Allow-Origin") in ("*", OTHER)
        assert answer.header("Access-Control-Allow-Credentials") is None
        assert answer.all_events().done


def test_credentials_are_allowed_where_the_configuration_says_so(sites, mock):
    site = sites.site(mock, cors={"allow_origins": [ALLOWED], "allow_credentials": True})
    with site.ask("n=1", headers={"Origin": ALLOWED}) as answer:
        assert answer.header("Access-Control-Allow-Origin") == ALLOWED
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        answer.all_events()


# The preflight


def preflight(site, origin, path="/stream"):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,last-event-id",
        "Sec-Fetch-Site": "cross-site",
    }
    return site.request("OPTIONS", path, headers)


@pytest.mark.parametrize("path", ["/stream", "/stream-backpressure"])
def test_the_preflight_of_an_allowed_page_is_answered(open_site, path):
    watch = open_site.provider.watch()
    with preflight(open_site, ALLOWED, path) as answer:
        assert answer.status in (200, 204) and answer.body() == b""
        assert answer.header("Access-Control-Allow-Origin") == ALLOWED
        assert {"GET", "POST"} <= set(answer.header("Access-Control-Allow-Methods").split(", "))
        assert {"content-type", "last-event-id"} <= set(
            answer.header("Access-Control-Allow-Headers").lower().split(", ")
        )
        assert answer.header("Vary") == "Origin"
    assert watch["requests"] == 0


def test_the_preflight_of_any_other_page_allows_nothing(open_site, site):
    for asked in (open_site, site):
        with preflight(asked, OTHER) as answer:
            assert answer.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("path, methods", [("/stream", "GET, POST, OPTIONS"), ("/v1/models", "GET, HEAD, OPTIONS")])
def test_options_tells_the_methods_to_anyone(site, path, methods):
    with site.request("OPTIONS", path) as answer:
        assert answer.status == 204 and answer.header("Allow") == methods


@pytest.mark.parametrize(
    "named",
    [
        b"x-a\r\nSet-Cookie: a=b",
        b"x-a\nx-b",
        b"x-a\rx-b",
        b"x-\0",
        b"x-\x7f",
        b"x-\x1b[31m",
        "x-ä".encode(),
        b"x-\xff\xfe",
        b"x" * 2049,
    ],
    ids=lambda named: repr(named[:24]),
)
def test_what_is_no_list_of_headers_does_not_come_back(open_site, named):
    with FastCGI(open_site.worker.address) as connection:
        response = connection.ask(
            "OPTIONS", "/stream", HTTP_ORIGIN=ALLOWED, HTTP_ACCESS_CONTROL_REQUEST_HEADERS=named
        )
    assert response.head["Access-Control-Allow-Headers"] == "Content-Type, Last-Event-ID"
    assert "Set-Cookie" not in response.head and not response.body
