"""The files that we ship for nginx: they are taken as they stand, and do what they say."""

import contextlib
import os
import shutil
import subprocess

import pytest

from harness.http import Answer
from harness.nginx import change, command, scgi_variant
from harness.paths import NGINX_FILES, PAGE
from harness.process import Process, environment
from harness.site import Site
from harness.waiting import free_port, is_listening, wait_until


def is_taken(directory, file):
    """nginx -t, which must not even warn."""
    ended = subprocess.run(
        [*map(str, command(directory, file)), "-t"], capture_output=True, text=True, timeout=60, env=environment()
    )
    assert ended.returncode == 0, ended.stderr
    assert "warn" not in ended.stderr, ended.stderr


@pytest.fixture
def shipped(sites):
    """A directory with the files as they are shipped, and the page."""
    directory = sites.directory()
    for file in NGINX_FILES.iterdir():
        shutil.copy(file, directory)
    for name in ("scgi_params", "fastcgi_params", "mime.types"):
        shutil.copy(f"/etc/nginx/{name}", directory)
    shutil.copytree(PAGE, directory / "public")
    return directory


# nginx -t


def test_demo_conf_is_taken_as_it_is(shipped):
    is_taken(shipped, "demo.conf")


def test_demo_conf_is_taken_without_root_too(shipped):
    if os.geteuid() != 0:
        pytest.skip("it is the other test already")
    shutil.chown(shipped, "nobody")
    ended = subprocess.run(
        [*map(str, command(shipped, "demo.conf")), "-t"],
        capture_output=True,
        text=True,
        timeout=60,
        user="nobody",
        env=environment(),
    )
    assert ended.returncode == 0, ended.stderr


SITE = """
pid nginx.pid;
events {}
http {
    include mime.types;
    include sheep_http.conf;
    # nginx's own places are for root alone.
    access_log access.log sheepfcgi;
    client_body_temp_path tmp-body;
    fastcgi_temp_path tmp-fastcgi;
    scgi_temp_path tmp-scgi;
    proxy_temp_path tmp-proxy;
    uwsgi_temp_path tmp-uwsgi;
    server { listen 127.0.0.1:8081; root public; include sheep.conf; }
}
"""


def test_sheep_conf_is_taken_in_an_existing_site(shipped):
    (shipped / "site.conf").write_text(SITE)
    is_taken(shipped, "site.conf")


def test_so_is_its_scgi_variant(shipped):
    (shipped / "site.conf").write_text(SITE)
    (shipped / "sheep.conf").write_text(scgi_variant((shipped / "sheep.conf").read_text()))
    is_taken(shipped, "site.conf")


def test_every_line_that_is_commented_out_is_valid_too(shipped):
    """All fastcgi lines together: what the site fixes, and the endpoint that waits for client keys."""
    text = (shipped / "sheep.conf").read_text()
    lines = []
    for line in text.splitlines():
        bare = line.strip()
        if (
            bare.startswith("#fastcgi_param")
            or bare.startswith("#location")
            or bare == "#}"
            or line.startswith("#    ")
        ):
            line = line.replace("#", "", 1)
        lines.append(line)
    changed = "\n".join(lines)
    assert changed.count("fastcgi_param SHEEP_") == 4 and "\nlocation = /v1/chat/completions {" in changed
    (shipped / "sheep.conf").write_text(changed)
    (shipped / "site.conf").write_text(SITE)
    is_taken(shipped, "site.conf")


def test_it_serves_at_the_root_and_below_a_prefix(sites, mock, shared_site):
    site = shared_site
    for prefix in ("", "/ai", "/shop/helper"):
        if prefix == "/shop/helper":
            # As its comment tells.
            web = sites.nginx(site.worker.address, changes=[("sheep.conf", "(?:/ai)?", f"(?:{prefix})?")])
            site = Site(web.directory, web, site.worker, mock)
        with site.ask("n=2", f"{prefix}/stream") as answer:
            assert answer.all_events().done
        with site.get(f"{prefix}/v1/models") as answer:
            assert answer.json()["data"]
    with site.ask("n=2", "/ai/stream") as answer:
        assert answer.status in (404, 405)


# What sheep.conf promises


def test_it_has_in_place_what_a_stream_needs():
    text = (NGINX_FILES / "sheep.conf").read_text()
    for line in (
        "limit_req zone=sheep_requests",
        "limit_conn sheep_streams",
        "fastcgi_keep_conn on;",
        "fastcgi_buffering off;",
        "fastcgi_ignore_client_abort off;",
        "client_max_body_size 1m;",
        "client_body_buffer_size 128k;",
    ):
        assert line in text
    assert "keepalive " in (NGINX_FILES / "sheep_http.conf").read_text()
    assert "$request_id" in (NGINX_FILES / "sheep_params").read_text()


@pytest.fixture(scope="module")
def limited(module_sites, mock, shared_site):
    """The shared worker behind an nginx whose limits are as they are shipped."""
    web = module_sites.nginx(shared_site.worker.address, limits=True)
    return Site(web.directory, web, shared_site.worker, mock)


def test_one_address_gets_a_burst_and_then_429_with_a_time(limited):
    watch = limited.provider.watch()
    statuses = []
    for _ in range(60):
        with limited.get("/stream") as answer:
            statuses.append(answer.status)
            if answer.status == 429:
                answer.problem(429, "rate_limited")
                assert answer.header("Retry-After") and answer.request_id
    # 20 beyond the first, and some more as time goes by.
    assert statuses[:21] == [400] * 21 and statuses.count(429) > 10
    assert watch["requests"] == 0


def test_one_address_gets_ten_streams_at_a_time(sites, mock, shared_site):
    web = sites.nginx(shared_site.worker.address, limits=True)
    site = Site(web.directory, web, shared_site.worker, mock)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(site.ask("n=1 stall=1")).next_token()
        with site.ask("n=1") as refused:
            refused.problem(429, "rate_limited")
            assert refused.header("Retry-After")
    mock.wait_for(open=0)
    with site.ask("n=1") as answer:
        assert answer.all_events().done


def test_the_limits_quote_no_prompt_in_the_error_log(limited):
    for _ in range(60):
        with limited.get("/stream", prompt="n=1 private-question") as answer:
            answer.body()
    assert answer.status == 429
    # nginx quotes the whole request there, so it is said on a level that no site writes down.
    lines = limited.nginx.error_log().splitlines()
    assert not [line for line in lines if "private-question" in line and "[info]" not in line]


def test_a_body_over_the_bound_is_a_problem_in_our_form(site):
    with site.ask("x" * (2 << 20)) as answer:
        answer.problem(413, "bad_request")
        assert answer.request_id


def test_no_worker_is_a_problem_in_our_form(sites):
    directory = sites.directory()
    web = sites.nginx(directory / "nobody.sock")
    with Answer(web.address, "POST", "/stream", {"Content-Type": "application/json"}, b'{"prompt":"x"}') as answer:
        answer.problem(503, "overloaded")
        assert answer.header("Retry-After") and answer.request_id
    with Answer(web.address, "GET", "/v1/models") as answer:
        answer.problem(503, "overloaded")


def test_a_get_that_meets_a_dead_worker_goes_to_the_next_and_a_post_does_not_break(sites, mock):
    worker = sites.worker(mock)
    web = sites.nginx(sites.directory() / "dead.sock", worker.address)
    for number in range(6):
        with Answer(web.address, "GET", "/stream?prompt=n%3D1") as answer:
            assert answer.all_events().done, number


def test_the_operators_routes_are_closed_to_others(sites, mock, shared_site):
    """Through the loopback they are open; a realip header stands for another address."""
    web = sites.nginx(shared_site.worker.address, server="set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;")
    for path in ("/ping", "/status", "/metrics"):
        with Answer(web.address, "GET", path, {"X-Real-IP": "192.0.2.7"}) as answer:
            assert answer.status == 403
    with Answer(web.address, "GET", "/ping") as answer:
        assert answer.status == 200


def test_the_openai_endpoint_is_closed_until_there_are_client_keys(site):
    with site.post({"messages": []}, "/v1/chat/completions") as answer:
        assert answer.status in (404, 405)


def test_gzip_of_the_site_does_not_touch_a_stream(sites):
    provider = sites.scripted()
    worker = sites.worker(provider)
    web = sites.nginx(worker.address, http="gzip on; gzip_types *; gzip_min_length 1;")
    site = Site(web.directory, web, worker, provider)
    with site.ask("x", headers={"Accept-Encoding": "gzip, br"}) as answer:
        call = provider.next_call()
        call.head()
        call.token("a")
        assert answer.next_token() == "a" and answer.header("Content-Encoding") is None
        call.finish()
        assert answer.all_events().done


# The demo


@pytest.fixture
def demo(sites, shipped, shared_site):
    """demo.conf, changed in the two places that scripts/demo changes."""
    port = free_port()
    change(shipped / "demo.conf", "127.0.0.1:8080", f"127.0.0.1:{port}")
    change(shipped / "sheep_http.conf", "unix:/run/sheepfcgi/sheepfcgi.sock", f"unix:{shared_site.worker.address}")
    if os.geteuid() == 0:
        change(shipped / "demo.conf", "daemon off;", "daemon off; user root;")
    sites.keep(Process(command(shipped, "demo.conf"), name="nginx", directory=shipped))
    address = ("127.0.0.1", port)
    wait_until(lambda: is_listening(address), "nginx listens")
    return address


def test_the_demo_serves_the_page_under_a_strict_policy(demo):
    with Answer(demo, "GET", "/") as answer:
        assert answer.status == 200 and b"<title>SheepFCGI</title>" in answer.body()
        policy = dict(part.strip().split(" ", 1) for part in answer.header("Content-Security-Policy").split(";"))
        assert answer.header("X-Content-Type-Options") == "nosniff"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'" and policy["connect-src"] == "'self'" and policy["style-src"] == "'self'"
    assert (
        policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'" and policy["form-action"] == "'none'"
    )
    assert "unsafe" not in str(policy)


def test_the_demo_serves_every_file_with_its_type(demo):
    types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for file in PAGE.iterdir():
        with Answer(demo, "GET", f"/{file.name}") as answer:
            assert answer.status == 200 and answer.body() == file.read_bytes()
            assert answer.header("Content-Type").split(";")[0] == types[file.suffix]


def test_the_demo_streams(demo):
    with Answer(demo, "POST", "/stream", {"Content-Type": "application/json"}, b'{"prompt":"n=5"}') as answer:
        assert len(answer.all_events().tokens) == 5


def test_the_demos_logs_hold_no_prompt(demo, shipped):
    with Answer(demo, "GET", "/stream?prompt=n%3D1+private-question") as answer:
        assert answer.all_events().done
    wait_until(lambda: answer.request_id in (shipped / "nginx-access.log").read_text(), "nginx logs the request")
    assert "private" not in (shipped / "nginx-access.log").read_text() + (shipped / "nginx-error.log").read_text()
