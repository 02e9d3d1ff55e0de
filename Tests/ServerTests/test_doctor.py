"""sheepfcgi doctor: what is in order passes, and each fault has a finding with its remedy."""

import contextlib
import email.utils
import json
import os
import resource
import shutil
import socket
import subprocess
import threading
import time

import pytest

from harness.nginx import change, command, scgi_variant, with_chat, write_files
from harness.paths import NGINX_FILES, SHEEPFCGI
from harness.process import environment
from harness.redis import Redis
from harness.tls import make_certificate, server_context
from harness.waiting import free_port, wait_until
from harness.worker import KEY, listen_word, settings

UNREACHED = "http://127.0.0.1:9/v1"


class Report:
    def __init__(self, ended):
        assert ended.stderr == "", ended.stderr
        assert KEY not in ended.stdout
        self.status = ended.returncode
        self.all = json.loads(ended.stdout)
        self.findings = self.all["findings"]
        assert (self.status == 1) == any(each["level"] == "problem" for each in self.findings)

    def levels(self):
        """Of what is not in order: level and check."""
        return {(each["level"], each["check"]) for each in self.findings if each["level"] != "ok"}

    def find(self, check):
        found = [each for each in self.findings if each["check"] == check]
        assert len(found) == 1, (check, self.findings)
        return found[0]

    def says(self, check, level, *words):
        finding = self.find(check)
        assert finding["level"] == level, finding
        assert (finding["remedy"] is None) == (level == "ok")
        text = f"{finding['subject']}: {finding['text']}; {finding['remedy']}"
        assert all(word in text for word in words), text


@pytest.fixture
def doctor(sites):
    """Runs it with a configuration as `harness.worker.settings` makes it; gives its report."""

    def run(*arguments, base_url=UNREACHED, address=None, env=None, listens=True, popen=None, **changes):
        directory = sites.directory()
        config = directory / "c.yaml"
        config.write_text(json.dumps(settings(base_url, **changes)))
        if listens:
            arguments += ("--listen", listen_word(address or directory / "worker.sock"))
        ended = subprocess.run(
            [SHEEPFCGI, "doctor", "--json", "--config", config, *map(str, arguments)],
            env=environment({"MOCK_KEY": KEY, "PATH": "/nowhere"} | (env or {})),
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            **(popen or {}),
        )
        return Report(ended)

    return run


# nginx


@pytest.fixture
def shipped(sites):
    """demo.conf and the files that it includes, as they are shipped but for the worker's socket; and a worker there,
    which nginx's user may connect to."""
    worker = sites.worker(UNREACHED, arguments=("--listen-mode", "0666"))
    directory = sites.directory()
    write_files(directory, [worker.address], limits=True)
    shutil.copy(NGINX_FILES / "demo.conf", directory)
    (directory / "public").mkdir()
    return directory, worker.address


def nginx_t(directory):
    """The output of the real nginx."""
    ended = subprocess.run(
        [*map(str, command(directory, "demo.conf")), "-T"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert ended.returncode == 0, ended.stderr
    path = directory / "nginx-T.txt"
    path.write_text(ended.stdout)
    return path


def open_chat(directory):
    path = directory / "sheep.conf"
    path.write_text(with_chat(path.read_text(), limits=True))


def speak_scgi(directory):
    path = directory / "sheep.conf"
    path.write_text(scgi_variant(path.read_text()))


@pytest.mark.parametrize("variant", [None, open_chat, speak_scgi], ids=["as shipped", "with chat", "scgi"])
def test_the_shipped_files_are_in_order(doctor, shipped, variant):
    directory, address = shipped
    if variant:
        variant(directory)
    report = doctor("--offline", "--nginx", nginx_t(directory), address=address)
    assert report.levels() == set() and report.status == 0
    assert sum(each["check"] == "nginx.location" for each in report.findings) == (3 if variant is open_chat else 2)


READ = "fastcgi_read_timeout 75s;"
WORLD = ("demo.conf", "listen 127.0.0.1:8080;", "listen 8080;")


@pytest.mark.parametrize(
    "level, check, changes",
    [
        ("warning", "buffering", [("sheep.conf", "fastcgi_buffering off;", "")]),
        (
            "problem",
            "buffering",
            [("sheep.conf", "fastcgi_buffering off;", "fastcgi_ignore_headers X-Accel-Buffering;")],
        ),
        ("problem", "read_timeout", [("sheep.conf", READ, "fastcgi_read_timeout 10;")]),
        ("problem", "read_timeout", [("sheep.conf", READ, "fastcgi_read_timeout 15s;")]),
        ("warning", "read_timeout", [("sheep.conf", READ, "fastcgi_read_timeout 16s;")]),
        ("warning", "keep_conn", [("sheep.conf", "fastcgi_keep_conn on;\n    fastcgi_buffering", "fastcgi_buffering")]),
        ("problem", "keepalive_timeout", [("sheep_http.conf", "keepalive 64;", "keepalive 64; keepalive_timeout 2m;")]),
        ("warning", "client_max_body_size", [("sheep.conf", "client_max_body_size 1m;", "client_max_body_size 64k;")]),
        ("warning", "client_max_body_size", [("sheep.conf", "client_max_body_size 1m;", "client_max_body_size 0;")]),
        ("warning", "request_buffering", [("sheep.conf", "request_buffering on;", "request_buffering off;")]),
        ("warning", "gzip", [("sheep.conf", "gzip off;", "gzip on; gzip_types text/event-stream;")]),
        (
            "warning",
            "gzip",
            [("sheep.conf", "gzip off;", ""), ("demo.conf", "charset utf", "gzip on; gzip_types *; charset utf")],
        ),
        ("problem", "ignore_client_abort", [("sheep.conf", "ignore_client_abort off;", "ignore_client_abort on;")]),
        ("problem", "next_upstream", [("sheep.conf", "next_upstream error;", "next_upstream error non_idempotent;")]),
        ("problem", "operators_routes", [("sheep.conf", "    deny all;\n", ""), WORLD]),
        ("warning", "worker_connections", [("demo.conf", "worker_connections 1024;", "worker_connections 16;")]),
        (
            "warning",
            "worker_rlimit_nofile",
            [("demo.conf", "worker_processes auto;", "worker_processes auto; worker_rlimit_nofile 600;")],
        ),
        ("warning", "worker_rlimit_nofile", [("demo.conf", "worker_connections 1024;", "worker_connections 4096;")]),
    ],
    ids=lambda value: value[-1][-1][-40:].strip() if isinstance(value, list) else value,
)
def test_each_fault_of_nginxs_files_is_found(doctor, shipped, level, check, changes):
    directory, address = shipped
    for file, old, new in changes:
        change(directory / file, old, new)
    report = doctor("--offline", "--nginx", nginx_t(directory), address=address)
    assert report.levels() == {(level, f"nginx.{check}")}
    place = {"worker": "demo.conf:", "keepalive": "sheep_http.conf:"}.get(check.split("_")[0], "sheep.conf:")
    report.says(f"nginx.{check}", level, place)


@pytest.mark.parametrize(
    "file, old, check",
    [
        ("sheep_http.conf", "keepalive 64;", "keepalive"),
        ("sheep_params", "fastcgi_param  REQUEST_ID       $request_id;", "request_id"),
    ],
)
def test_what_is_missing_is_found_too(doctor, shipped, file, old, check):
    directory, address = shipped
    change(directory / file, old, "")
    report = doctor("--offline", "--nginx", nginx_t(directory), address=address)
    assert report.levels() == {("warning", f"nginx.{check}")}
    report.says(f"nginx.{check}", "warning")


@pytest.mark.parametrize(
    "old, new, check",
    [("610s", "60s", "read_timeout"), ("client_max_body_size 16m", "client_max_body_size 1m", "client_max_body_size")],
)
def test_the_openai_endpoint_has_rules_of_its_own(doctor, shipped, old, new, check):
    directory, address = shipped
    open_chat(directory)
    change(directory / "sheep.conf", old, new)
    report = doctor("--offline", "--nginx", nginx_t(directory), address=address)
    assert report.levels() == {("warning", f"nginx.{check}")}
    report.says(f"nginx.{check}", "warning", "location = /v1/chat/completions")


def test_our_own_settings_count_in_the_comparison(doctor, shipped):
    directory, address = shipped
    report = doctor(
        "--offline",
        "--nginx",
        nginx_t(directory),
        address=address,
        timeouts={"ping": "2m", "idle_connection": "30s"},
        limits={"body_bytes": 1 << 21},
    )
    assert report.levels() == {
        ("problem", "nginx.read_timeout"),
        ("problem", "nginx.keepalive_timeout"),
        ("warning", "nginx.client_max_body_size"),
    }


def test_an_nginx_that_leads_elsewhere_is_told(doctor, shipped):
    directory, address = shipped
    change(directory / "sheep_http.conf", f"server unix:{address};", "server unix:/run/other.sock;")
    report = doctor("--offline", "--nginx", nginx_t(directory), address=address)
    assert report.levels() == {("problem", "nginx.pass")}
    report.says("nginx.pass", "problem", f"unix:{address}", "include sheep_http.conf")


def test_a_variable_as_the_target_is_told(doctor, shipped):
    directory, address = shipped
    path = directory / "sheep.conf"
    path.write_text(path.read_text().replace("fastcgi_pass sheepfcgi;", "fastcgi_pass $sheep_origin;"))
    report = doctor("--offline", "--nginx", nginx_t(directory), address=address)
    assert report.levels() == {("warning", "nginx.pass")}


def test_a_tcp_address_is_found_in_nginx_too(doctor, shipped):
    directory, address = shipped
    port = free_port()
    change(directory / "sheep_http.conf", f"server unix:{address};", f"server localhost:{port};")
    report = doctor("--offline", "--nginx", nginx_t(directory), address=("127.0.0.1", port))
    assert report.levels() == set()


@pytest.mark.parametrize("text", ["", "http {", None], ids=["empty", "broken", "missing"])
def test_a_file_that_is_no_configuration_is_told(doctor, shipped, text):
    directory, address = shipped
    path = directory / "dump"
    if text is not None:
        path.write_text(text)
    report = doctor("--offline", "--nginx", path, address=address)
    assert report.levels() == {("problem", "nginx.configuration")}


def wrapper(directory, conf):
    """A PATH on which nginx is the real one with that configuration."""
    words = " ".join(map(str, command(directory, conf)))
    path = directory / "bin"
    path.mkdir()
    (path / "nginx").write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    (path / "nginx").chmod(0o755)
    return {"PATH": f"{path}:/usr/bin:/bin"}


def test_nginx_itself_is_asked_where_no_file_is_given(doctor, shipped):
    directory, address = shipped
    report = doctor("--offline", address=address, env=wrapper(directory, "demo.conf"))
    assert report.levels() == set()
    assert sum(each["check"] == "nginx.location" for each in report.findings) == 2


def test_an_nginx_whose_configuration_is_broken_is_told(doctor, shipped):
    directory, address = shipped
    change(directory / "demo.conf", "server_tokens off;", "no_such_thing;")
    report = doctor("--offline", address=address, env=wrapper(directory, "demo.conf"))
    level = "problem" if os.geteuid() == 0 else "warning"
    report.says("nginx.configuration", level, "no_such_thing")


# Sockets


@pytest.fixture
def nobodys_nginx(sites):
    """An output of nginx -T whose user is nobody, and that leads to the given address."""

    def make(address, user="nobody"):
        path = sites.directory() / "T"
        target = "%s:%d" % address if isinstance(address, tuple) else f"unix:{address}"
        path.write_text(
            f"user {user}; worker_processes 4; events {{ worker_connections 1024; }}\n"
            f"http {{ gzip off; server {{ location = /ping {{ fastcgi_pass {target}; }} }} }}\n"
        )
        return path

    return make


@pytest.mark.parametrize(
    "mode, level, words",
    [("0666", "ok", ["may connect"]), ("0660", "problem", ["nobody may not connect", "0660", "listen_group"])],
)
def test_whether_nginxs_user_may_connect_is_seen_by_the_sockets_mode(sites, doctor, nobodys_nginx, mode, level, words):
    worker = sites.worker(UNREACHED, arguments=("--listen-mode", mode))
    report = doctor("--offline", "--nginx", nobodys_nginx(worker.address), address=worker.address)
    report.says("socket.web_server", level, *words)
    report.says("socket.listener", "ok", f"sheepfcgi (pid {worker.pid}) listens there")


@pytest.mark.parametrize("mode, level", [("0666", "ok"), ("0600", "problem")])
def test_before_the_start_the_options_say_what_the_socket_will_be(sites, doctor, nobodys_nginx, mode, level):
    address = sites.directory() / "s"
    report = doctor("--offline", "--listen-mode", mode, "--nginx", nobodys_nginx(address), address=address)
    report.says("socket.web_server", level)
    report.says("socket.listener", "warning", "nobody listens there now", "start the program")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_group_lets_nginxs_user_in(sites, doctor, nobodys_nginx):
    address = sites.directory() / "s"
    arguments = ("--offline", "--listen-group", "nogroup", "--nginx", nobodys_nginx(address))
    doctor(*arguments, address=address).says("socket.web_server", "ok")
    arguments = ("--offline", "--nginx", nobodys_nginx(address, "nobody root"))
    doctor(*arguments, address=address).says("socket.web_server", "ok")


def test_a_directory_on_the_way_that_nginxs_user_may_not_pass_is_named(sites, doctor, nobodys_nginx):
    closed = sites.directory() / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    address = closed / "inner/s"
    report = doctor("--offline", "--listen-mode", "0666", "--nginx", nobodys_nginx(address), address=address)
    report.says("socket.web_server", "problem", f"may not pass the directory {closed}", f"chmod o+x {closed}")


def test_a_directory_that_is_missing_is_told(sites, doctor, nobodys_nginx):
    address = sites.directory() / "no/s"
    report = doctor("--offline", "--nginx", nobodys_nginx(address), address=address)
    report.says("socket.directory", "problem", f"{address.parent} does not exist", "RuntimeDirectory=")


def test_an_unknown_group_is_told(sites, doctor, nobodys_nginx):
    address = sites.directory() / "s"
    report = doctor("--offline", "--listen-group", "nosuch", "--nginx", nobodys_nginx(address), address=address)
    report.says("socket.owner", "problem", "there is no such group")


@pytest.mark.parametrize("what", ["stale", "file", "datagram"])
def test_what_lies_in_the_sockets_place_is_told(sites, doctor, nobodys_nginx, what):
    address = sites.directory() / "s"
    if what == "file":
        address.write_text("")
    else:
        kind = socket.SOCK_DGRAM if what == "datagram" else socket.SOCK_STREAM
        with socket.socket(socket.AF_UNIX, kind) as other:
            other.bind(str(address))
            report = doctor("--offline", "--nginx", nobodys_nginx(address), address=address)
    if what == "file":
        report = doctor("--offline", "--nginx", nobodys_nginx(address), address=address)
    if what == "stale":
        report.says("socket.listener", "warning", "left of one who did")
    else:
        report.says("socket.file", "problem", "choose another path")


@pytest.mark.parametrize(
    "addresses, level", [("", "problem"), ("10.0.0.1", "ok"), ("x", "problem")]
)
def test_a_tcp_listener_for_other_machines_needs_their_addresses(doctor, addresses, level):
    report = doctor("--offline", address=("0.0.0.0", free_port()), env={"FCGI_WEB_SERVER_ADDRS": addresses})
    report.says("socket.peers", level, *([] if level == "ok" else ["FCGI_WEB_SERVER_ADDRS"]))


def test_one_for_this_machine_does_not(doctor):
    doctor("--offline", address=("127.0.0.1", free_port())).says("socket.peers", "ok")


def test_without_an_address_that_is_said(doctor):
    report = doctor("--offline", listens=False)
    report.says("socket.none", "warning", "give --listen")
    report = doctor("--offline", listens=False, listen=["tcp:127.0.0.1:9000"])
    report.says("socket.peers", "ok", "tcp:127.0.0.1:9000")


# Descriptors, configuration, keys


def test_too_few_descriptors_are_told(doctor):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    doctor("--offline", popen={"preexec_fn": few}).says("descriptors.streams", "warning", "LimitNOFILE")
    report = doctor("--offline", popen={"preexec_fn": few}, limits={"streams": 1000}, workers=1)
    report.says("descriptors.streams", "problem", "limits.streams", "1000")
    doctor("--offline", limits={"streams": 10}, workers=2).says("descriptors.streams", "ok", "20 streams")


def test_a_wrong_configuration_is_told_with_its_place(doctor):
    report = doctor("--offline", worker=2)
    report.says("configuration.file", "problem", "c.yaml:", "worker is an unknown key", "did you mean workers?")


def test_a_missing_key_keeps_nothing_else_from_being_looked_at(doctor, mock):
    report = doctor(base_url=mock.base_url, env={"MOCK_KEY": ""}, timeouts={"ping": "1h"})
    report.says("configuration.file", "problem", "MOCK_KEY", "set it where the program is started")
    assert {"socket.listener", "descriptors.streams"} <= {each["check"] for each in report.findings}
    assert KEY not in json.dumps(report.all)


@pytest.mark.parametrize("mode, level", [(0o644, "problem"), (0o640, "ok"), (0o600, "ok")])
@pytest.mark.parametrize("where", ["api_key", "headers"])
def test_a_key_that_others_may_read_is_told(sites, doctor, mode, level, where):
    file = sites.directory() / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(mode)
    reference = f"file:{file}"
    provider = {"api_key": reference} if where == "api_key" else {"headers": {"X-Key": reference}}
    report = doctor("--offline", providers={"mock": provider})
    report.says("configuration.secret_file", level, str(file))
    file.parent.chmod(0o700)
    doctor("--offline", providers={"mock": provider}).says("configuration.secret_file", "ok")


# The log, and Redis


@pytest.mark.parametrize(
    "to, level, remedy",
    [
        ("{directory}/new.log", "ok", None),
        ("{directory}/nowhere/new.log", "problem", "create {directory}/nowhere/"),
        ("journald:{directory}/nowhere", "problem", "start the daemon"),
        ("stderr", "ok", None),
    ],
)
def test_a_log_that_cannot_be_opened_is_told_and_none_is_made(doctor, sites, to, level, remedy):
    directory = sites.directory()
    report = doctor("--offline", log={"to": to.format(directory=directory)})
    report.says("log.destination", level, *([remedy.format(directory=directory)] if remedy else []))
    assert not list(directory.iterdir())


def test_a_redis_that_is_there_away_or_refuses_the_password_is_told(doctor, sites):
    redis = sites.keep(Redis(sites.directory()))
    doctor(redis={"url": redis.url}).says("redis.login", "ok")
    refused = doctor(redis={"url": redis.url, "password": "$REDIS_PASSWORD"}, env={"REDIS_PASSWORD": "sk-redis"})
    refused.says("redis.login", "problem")
    assert "sk-redis" not in json.dumps(refused.findings)
    redis.end()
    away = doctor(redis={"url": redis.url, "when_away": "closed"})
    away.says("redis.login", "problem", "who has a limit is refused")


def test_a_redis_that_says_nothing_holds_nobody_up(doctor):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        report = doctor(redis={"url": f"redis://127.0.0.1:{silent.getsockname()[1]}"})
    report.says("redis.login", "problem", "does not answer")


# Providers


def serve_models(provider, status="200 OK", **headers):
    """Answers in the background; the thread ends with the provider."""

    def run():
        with contextlib.suppress(Exception):
            while True:
                call = provider.next_call()
                calls.append(call)
                call.answer("{}", "application/json", status, **headers)

    calls = []
    threading.Thread(target=run, daemon=True).start()
    return calls


def test_a_provider_that_takes_the_key_is_in_order(doctor, mock):
    report = doctor(base_url=mock.base_url)
    report.says("provider.key", "ok", "mock", "it takes the key")


@pytest.mark.parametrize(
    "wire, suffix, path, header",
    [
        ("openai", "/v1", "/v1/models", ("authorization", f"Bearer {KEY}")),
        ("anthropic", "", "/v1/models", ("x-api-key", KEY)),
        ("gemini", "/v1beta", "/v1beta/models", ("x-goog-api-key", KEY)),
    ],
)
def test_each_wire_is_asked_as_its_maker_has_it(sites, doctor, wire, suffix, path, header):
    provider = sites.scripted()
    calls = serve_models(provider)
    base_url = f"http://127.0.0.1:{provider.port}{suffix}"
    report = doctor(base_url=base_url, providers={"mock": {"wire": wire, "headers": {"X-Title": "t"}}})
    report.says("provider.key", "ok")
    assert calls[0].line == f"GET {path} HTTP/1.1"
    assert calls[0].headers[header[0]] == header[1] and calls[0].headers["x-title"] == "t"
    assert len(calls) == 1


@pytest.mark.parametrize(
    "status, check, level, words",
    [
        ("401 No", "key", "problem", ["it refuses the key (401)", "set api_key"]),
        ("403 No", "key", "problem", ["it refuses the key (403)"]),
        ("404 No", "key", "ok", ["the key was not tried"]),
        ("429 No", "key", "ok", ["429"]),
        ("500 No", "answer", "warning", ["500"]),
        ("302 No", "answer", "warning", ["302"]),
    ],
)
def test_what_a_provider_answers_is_told_apart(sites, doctor, status, check, level, words):
    provider = sites.scripted()
    serve_models(provider, status)
    doctor(base_url=provider.base_url).says(f"provider.{check}", level, "mock", *words)


def test_of_several_keys_the_one_that_is_refused_is_named(sites, doctor):
    provider = sites.scripted()

    def run():
        with contextlib.suppress(Exception):
            for _ in range(2):
                call = provider.next_call()
                call.answer("{}", status="401 No" if "second" in call.headers["authorization"] else "200 OK")

    threading.Thread(target=run, daemon=True).start()
    keys = {"mock": {"api_key": ["$MOCK_KEY", "$OTHER_KEY"]}}
    report = doctor(base_url=provider.base_url, providers=keys, env={"OTHER_KEY": "second"})
    told = {each["subject"]: each["level"] for each in report.findings if each["check"] == "provider.key"}
    assert told == {"mock, key 1": "ok", "mock, key 2": "problem"}
    assert "second" not in json.dumps(report.all)


@pytest.mark.parametrize(
    "base_url, check, words",
    [
        ("http://127.0.0.1:{port}/v1", "connect", ["nobody takes the connection"]),
        ("http://no-such-host.invalid/v1", "name", ["not found"]),
    ],
)
def test_a_provider_that_is_not_there_is_told(doctor, base_url, check, words):
    report = doctor(base_url=base_url.format(port=free_port()))
    report.says(f"provider.{check}", "problem", *words)
    assert not [each for each in report.findings if each["check"] == "clock.skew"]


@pytest.fixture
def certified(sites):
    """A provider with a certificate of that kind, and the environment that trusts it."""

    def make(trusted=True, **kind):
        directory = make_certificate(sites.directory(), **kind)
        provider = sites.scripted(tls=server_context(directory))
        serve_models(provider)
        return provider.base_url, {"SSL_CERT_FILE": str(directory / "cert.pem")} if trusted else {}

    return make


@pytest.mark.parametrize(
    "kind, words",
    [
        ({"trusted": False}, "its certificate is signed by itself"),
        ({"host": "DNS:other.example"}, "its certificate is another host's"),
        ({"begins": -20, "ends": -10}, "its certificate has expired"),
        ({"begins": 2}, "its certificate is not valid yet"),
    ],
    ids=["untrusted", "another host", "expired", "not yet"],
)
def test_what_is_wrong_with_a_certificate_is_told_apart(doctor, certified, kind, words):
    base_url, env = certified(**kind)
    doctor(base_url=base_url, env=env).says("provider.tls", "problem", words)


def test_a_certificate_is_in_order_until_two_weeks_before_its_end(doctor, certified):
    base_url, env = certified(ends=20)
    assert not any(check.startswith("provider") for _, check in doctor(base_url=base_url, env=env).levels())
    base_url, env = certified(ends=5)
    report = doctor(base_url=base_url, env=env)
    report.says("provider.certificate", "warning", "ends in 4 days")
    report.says("provider.key", "ok")


def test_tls_where_there_is_none_is_told(doctor, mock):
    doctor(base_url=mock.base_url.replace("http:", "https:")).says("provider.tls", "problem", "https://")


class Silent:
    """Accepts, and says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()
        self.base_url = f"https://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(self.listener.accept()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()


def test_providers_are_asked_all_at_the_same_time(sites, doctor):
    dead = [sites.keep(Silent()) for _ in range(4)]
    providers = {f"p{number}": {"base_url": each.base_url, "models": {"m": {}}} for number, each in enumerate(dead)}
    reports = []

    def run():
        reports.append(doctor(base_url=dead[0].base_url, providers=providers, timeouts={"connect": "1h"}))

    thread = threading.Thread(target=run)
    thread.start()
    # In turn, the second would not be asked before the first has had its hour.
    wait_until(lambda: all(each.connections for each in dead), "all are asked")
    for each in dead:
        each.__exit__()
    thread.join(60)
    assert len([each for each in reports[0].findings if each["check"].startswith("provider.")]) == 5


def test_a_provider_that_says_nothing_is_not_waited_for_for_ever(sites, doctor):
    report = doctor(base_url=sites.keep(Silent()).base_url, timeouts={"connect": "1s"})
    report.says("provider.connect", "problem", "does not answer in time")


def test_offline_asks_nobody(sites, doctor):
    provider = sites.scripted()
    report = doctor("--offline", base_url=provider.base_url)
    assert provider.accepted == 0
    assert not [each for each in report.findings if each["check"].startswith(("provider", "clock"))]


# The clock


@pytest.mark.parametrize(
    "offset, level, words", [(0, "ok", []), (-3600, "problem", ["before"]), (3600, "problem", ["behind"])]
)
def test_a_clock_that_differs_from_the_providers_is_told(sites, doctor, offset, level, words):
    provider = sites.scripted()
    serve_models(provider, Date=email.utils.formatdate(time.time() + offset, usegmt=True))
    doctor(base_url=provider.base_url).says("clock.skew", level, *words)


def test_one_provider_whose_clock_is_wrong_does_not_make_ours_wrong(sites, doctor):
    right, wrong = sites.scripted(), sites.scripted()
    for provider, offset in ((right, 0), (wrong, 3600)):
        serve_models(provider, Date=email.utils.formatdate(time.time() + offset, usegmt=True))
    providers = {"other": {"base_url": wrong.base_url, "models": {"m": {}}}}
    doctor(base_url=right.base_url, providers=providers).says("clock.skew", "ok")


# What it prints


def run_text(*arguments, env=None):
    return subprocess.run(
        [SHEEPFCGI, "doctor", *map(str, arguments)],
        env=environment({"PATH": "/nowhere"} | (env or {})),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_text_has_the_worst_first_and_a_remedy_below_each(nobodys_nginx):
    env = {"OPENAI_API_KEY": KEY, "FCGI_WEB_SERVER_ADDRS": ""}
    nginx = nobodys_nginx(("127.0.0.1", 9000))
    ended = run_text("--offline", "--listen", "tcp:0.0.0.0:9000", "--nginx", nginx, env=env)
    assert ended.returncode == 1 and KEY not in ended.stdout
    lines = ended.stdout.splitlines()
    assert lines[0] == "configuration" and lines[-1].startswith("1 problem, ")
    for number, line in enumerate(lines):
        if line.startswith(("  problem ", "  warning ")):
            assert lines[number + 1].startswith("           → ")
    socket_lines = lines[lines.index("socket") :]
    assert socket_lines[1].startswith("  problem  tcp:0.0.0.0:9000: ")


def test_warnings_alone_are_no_failure():
    ended = run_text("--offline", env={"OPENAI_API_KEY": KEY})
    assert ended.returncode == 0 and "0 problems, " in ended.stdout and "  warning " in ended.stdout


def test_the_form_for_machines_is_stable(doctor):
    report = doctor("--offline")
    assert list(report.all) == ["problems", "warnings", "findings"]
    assert report.all["problems"] == sum(each["level"] == "problem" for each in report.findings)
    assert report.all["warnings"] == sum(each["level"] == "warning" for each in report.findings)
    for each in report.findings:
        assert list(each) == ["level", "check", "subject", "text", "remedy"]
        assert each["level"] in ("ok", "warning", "problem")
