"""The configuration file and the environment: what is wrong stops the start with file, line and remedy."""

import json
import signal
import subprocess

import pytest

from harness.http import Answer
from harness.paths import SHEEPFCGI
from harness.process import environment
from harness.waiting import wait_until
from harness.worker import Worker

GOOD = """\
providers:
  p:
    base_url: http://127.0.0.1:9/v1
    models: { m: {} }
"""


@pytest.fixture
def refused(sites):
    """Starts with this file; gives what it said."""
    directory = sites.directory()

    def start(text, env=None, status=78):
        file = directory / "c.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        ended = run(["--config", file, "--listen", f"unix:{directory}/s"], {"KEY": "sk-very-secret"} | (env or {}))
        assert ended.returncode == status, (ended.returncode, ended.stderr)
        assert not (directory / "s").exists(), "it listened with a wrong configuration"
        assert "sk-very-secret" not in ended.stderr + ended.stdout
        return ended.stderr.replace(f"{file}", "c.yaml")

    return start


def run(arguments, env):
    return subprocess.run(
        [SHEEPFCGI, "serve", *map(str, arguments)],
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def under_provider(line):
    return GOOD.replace("    models:", f"    {line}\n    models:")


# Wrong files: each tells where and what to do


@pytest.mark.parametrize(
    "text, place, words",
    [
        ("", "c.yaml", ["empty"]),
        ("# nothing\n", "c.yaml", ["empty"]),
        ("hello", "c.yaml:1", ["mapping"]),
        ("- a", "c.yaml:1", ["mapping"]),
        ("providers:\n\tp: 1\n", "c.yaml:2", ["YAML"]),
        (GOOD + "listen: a: b\n", "c.yaml:5", ["YAML"]),
        (GOOD + "---\n" + GOOD, "c.yaml:5", ["YAML"]),
        (GOOD + "workers: 1\nworkers: 2\n", "c.yaml:5", ["workers", "more than once"]),
        # Two keys to YAML, whose tags differ, and one to us.
        (GOOD + "workers: 1\n!mine workers: 2\n", "c.yaml:6", ["workers", "more than once"]),
        (b"a: \xff\n", "c.yaml", ["UTF-8"]),
        ("workers: 1\n", "c.yaml", ["providers"]),
        ("providers: {}\n", "c.yaml:1", ["providers"]),
        ("providers: [a]\n", "c.yaml:1", ["providers"]),
        (GOOD + "worker: 2\n", "c.yaml:5", ["worker", "did you mean workers?"]),
        (GOOD + "timeouts: { first_tokn: 1s }\n", "c.yaml:5", ["timeouts.first_tokn", "first_token"]),
        (under_provider("base_ulr: x"), "c.yaml:4", ["base_ulr", "base_url"]),
        (GOOD + "workers: two\n", "c.yaml:5", ["workers", "whole number"]),
        (GOOD + "workers: 0\n", "c.yaml:5", ["workers", "1"]),
        (GOOD + "workers:\n", "c.yaml:5", ["workers", "no value"]),
        (GOOD + "fallback: { p/m: p/m }\n", "c.yaml:5", ["fallback", "mapping", "list"]),
        (GOOD + "workers: [2]\n", "c.yaml:5", ["workers", "list", "single value"]),
        (GOOD + "timeouts: 5\n", "c.yaml:5", ["timeouts", "mapping"]),
        (GOOD + "timeouts: { idle: 5 }\n", "c.yaml:5", ["timeouts.idle", "unit"]),
        (GOOD + "timeouts: { idle: 0s }\n", "c.yaml:5", ["timeouts.idle", "zero"]),
        (GOOD + "timeouts: { idle: soon }\n", "c.yaml:5", ["timeouts.idle", "10s"]),
        (GOOD + "limits: { body_bytes: 1MiB }\n", "c.yaml:5", ["limits.body_bytes", "digits"]),
        (GOOD + "limits: { streams: -1 }\n", "c.yaml:5", ["limits.streams"]),
        (GOOD + "retry: { attempts: 0 }\n", "c.yaml:5", ["retry.attempts"]),
        (GOOD + "listen_mode: rw\n", "c.yaml:5", ["listen_mode", "octal"]),
        (GOOD + "listen: [unix:run/x]\n", "c.yaml:5", ["unix:run/x", "not absolute"]),
        (GOOD + "listen: [tcp:9000]\n", "c.yaml:5", ["port"]),
        (GOOD + "default_model: p/x\n", "c.yaml:5", ["default_model", "p/x"]),
        (GOOD + "cors: { allow_origins: ['*'], allow_credentials: true }\n", "c.yaml:5", ["allow_credentials"]),
        (GOOD + "cors: { allow_origins: [example.com] }\n", "c.yaml:5", ["example.com", "https://"]),
        (GOOD + "cors: { allow_credentials: maybe }\n", "c.yaml:5", ["true", "false"]),
        (GOOD + "log: { to: sheepfcgi.log }\n", "c.yaml:5", ["log.to", "stderr", "absolute"]),
        (GOOD + 'log: { to: "/tmp/a\\nb" }\n', "c.yaml:5", ["log.to", "path"]),
        (GOOD + "log: { to: [/tmp/a] }\n", "c.yaml:5", ["log.to", "single value"]),
        (GOOD + "log: { format: xml }\n", "c.yaml:5", ["log.format", "logfmt or json"]),
        (GOOD + "log: { file: /tmp/a }\n", "c.yaml:5", ["log.file", "unknown"]),
        (GOOD + "log: stderr\n", "c.yaml:5", ["log", "mapping"]),
        (GOOD + "status: { allow: [localhost] }\n", "c.yaml:5", ["status.allow", "localhost", "10.0.0.0/8"]),
        (GOOD + "status:\n  allow:\n    - ::1\n    - 10.0.0.1/8\n", "c.yaml:8", ["status.allow", "10.0.0.1/8"]),
        (GOOD + "status: { deny: all }\n", "c.yaml:5", ["status.deny", "unknown"]),
        (GOOD + "log: { to: /no/such/directory/log }\n", "c.yaml:5", ["/no/such/directory/log", "create its directory"]),
        (GOOD + "log:\n  to: /tmp\n", "c.yaml:6", ["/tmp", "name a file in it"]),
        (GOOD.replace("http://", "ftp://"), "c.yaml:3", ["base_url", "https://"]),
        (GOOD.replace("/v1", "/v1?key=1"), "c.yaml:3", ["base_url", "query"]),
        (under_provider("wire: anthropic"), "c.yaml:3", ["base_url", "/v1", "without"]),
        (GOOD.replace("127", "me:pass@127"), "c.yaml:3", ["base_url", "api_key"]),
        (GOOD.replace("    models: { m: {} }\n", ""), "c.yaml:2", ["p", "models"]),
        (GOOD.replace("  p:", "  a/b:"), "c.yaml:2", ["a/b", "name"]),
        (GOOD.replace("m: {}", "m: { price_per_mtok: free }"), "c.yaml:4", ["price_per_mtok", "number"]),
        (GOOD.replace("m: {}", "m: { price_per_mtok: { prompt: 1 } }"), "c.yaml:4", ["completion"]),
        (under_provider("wire: openapi"), "c.yaml:4", ["wire", "openai", "anthropic", "gemini"]),
        (under_provider("http: 3"), "c.yaml:4", ["http", "1.1"]),
        (under_provider("max_tokens_field: tokens"), "c.yaml:4", ["max_completion_tokens"]),
        (under_provider("api_key: sk-very-secret"), "c.yaml:4", ["api_key", "written out", "$NAME"]),
        (under_provider("api_key: $NOPE"), "c.yaml:4", ["NOPE", "not set"]),
        (under_provider("api_key: file:/no/such/file"), "c.yaml:4", ["/no/such/file"]),
        (under_provider("api_key: file:relative"), "c.yaml:4", ["absolute"]),
        (under_provider("headers: { Authorization: Bearer sk-very-secret }"), "c.yaml:4", ["Authorization", "$NAME"]),
        (under_provider("headers: { Accept: text/html }"), "c.yaml:4", ["Accept", "set by the program"]),
        (under_provider("headers: { Anthropic-Version: x }\n    wire: anthropic"), "c.yaml:4", ["Anthropic-Version"]),
        (under_provider("headers: { Authorization: $HOME }\n    api_key: $HOME"), "c.yaml:4", ["Authorization"]),
        (under_provider("headers: { 'X A': b }"), "c.yaml:4", ["X A"]),
    ],
    ids=lambda value: repr(value)[-40:] if isinstance(value, (str, bytes)) else "",
)
def test_a_wrong_file_stops_the_start_with_its_place_and_the_remedy(refused, text, place, words):
    said = refused(text)
    line = next((line for line in said.splitlines() if line.startswith(f"sheepfcgi: {place}: ")), None)
    assert line, said
    assert all(word in line for word in words), said
    assert ";" in line or "?" in line, f"no remedy: {line}"


def test_all_that_is_wrong_is_told_at_once(refused):
    said = refused(GOOD + "worker: 2\nbacklog: x\nlisten: [tcp:1]\n")
    assert [line.split(":")[2] for line in said.splitlines()] == ["5", "6", "7"]


def test_a_file_that_is_missing_stops_the_start(sites):
    ended = run(["--config", "/no/such.yaml", "--listen", f"unix:{sites.directory()}/s"], {})
    assert ended.returncode == 78 and "/no/such.yaml" in ended.stderr


# The environment


@pytest.mark.parametrize(
    "env, words",
    [
        ({"SHEEP_BASE_URL": "localhost:1"}, ["SHEEP_BASE_URL", "https://"]),
        ({"SHEEP_BASE_URL": "http://h/v1", "SHEEP_WIRE": "x"}, ["SHEEP_WIRE", "openai"]),
        ({"SHEEP_BASE_URL": "http://h/v1", "SHEEP_API_KEY": "sk-very-secret\n"}, ["SHEEP_API_KEY"]),
        ({"SHEEP_API_KEY": "sk-very-secret"}, ["SHEEP_API_KEY", "SHEEP_BASE_URL"]),
        ({"OPENAI_API_KEY": "sk-very-secret\nx"}, ["OPENAI_API_KEY"]),
    ],
    ids=str,
)
def test_a_wrong_environment_stops_the_start_and_names_the_variable(sites, env, words):
    ended = run(["--listen", f"unix:{sites.directory()}/s"], env)
    assert ended.returncode == 78
    assert all(word in ended.stderr for word in words) and "sk-very-secret" not in ended.stderr


def models(worker, sites):
    web = sites.nginx(worker.address)
    with Answer(web.address, "GET", "/v1/models") as answer:
        assert answer.status == 200
        return {each["id"]: each["price_per_mtok"] for each in answer.json()["data"]}, web


def test_a_base_url_alone_makes_a_provider(sites, mock):
    worker = sites.keep(Worker(sites.directory(), env={"SHEEP_BASE_URL": mock.base_url}))
    listed, web = models(worker, sites)
    assert listed == {"default/default": None}
    with ask(web, "n=2") as answer:
        assert answer.all_events().done["model"] == "default/default"
    last = mock.stats()["last_request"]
    assert last["body"]["model"] == "default" and "authorization" not in last["headers"]


def test_key_and_model_can_be_named_too(sites, mock):
    env = {
        "SHEEP_BASE_URL": mock.base_url + "/",
        "SHEEP_API_KEY": "sk-env",
        "SHEEP_MODEL": "llama",
        "SHEEP_WIRE": "openai",
    }
    worker = sites.keep(Worker(sites.directory(), env=env))
    listed, web = models(worker, sites)
    assert list(listed) == ["default/llama"]
    with ask(web, "n=1") as answer:
        assert answer.all_events().done
    last = mock.stats()["last_request"]
    assert last["path"] == "/v1/chat/completions"
    assert last["body"]["model"] == "llama" and last["headers"]["authorization"] == "Bearer sk-env"


def test_without_anything_there_are_the_tutorials_four_models(sites):
    listed, _ = models(sites.keep(Worker(sites.directory(), env={"HOLYSHEEP_API_KEY": "k"})), sites)
    assert list(listed) == [
        "holysheep/deepseek-v3.2",
        "openai/gpt-4.1",
        "anthropic/claude-sonnet-4-5",
        "gemini/gemini-2.5-flash",
    ]
    assert list(listed.values()) == [0.42, 8, 15, 2.5]


def test_who_has_one_key_alone_means_that_provider(sites):
    listed, _ = models(sites.keep(Worker(sites.directory(), env={"GEMINI_API_KEY": "k"})), sites)
    assert next(iter(listed)) == "gemini/gemini-2.5-flash"


def test_that_no_provider_has_its_key_is_said_at_the_start(sites):
    worker = sites.keep(Worker(sites.directory()))
    assert "set HOLYSHEEP_API_KEY or OPENAI_API_KEY or ANTHROPIC_API_KEY or GEMINI_API_KEY" in worker.log()


# The file


@pytest.fixture(scope="module")
def rich(module_sites, mock):
    """A site with two providers, headers, a key from a file, and prices of every form."""
    directory = module_sites.directory()
    (directory / "key").write_text("sk-from-a-file\n")
    one = {
        "base_url": mock.base_url,
        "api_key": f"file:{directory}/key",
        "stream_usage": False,
        "max_tokens_field": "max_completion_tokens",
        "headers": {"X-Title": "sheep", "X-Secret": "$SECRET"},
        "models": {"zeta": {}, "alpha": {"price_per_mtok": 0.5}, "sub/model": {}},
    }
    two = {
        "base_url": mock.base_url,
        "models": {"alpha": {}, "only": {"price_per_mtok": {"prompt": 1, "cached": 0.1, "completion": 3}}},
    }
    return module_sites.site(
        mock, env={"SECRET": "hush-hush"}, default_model="two/only", providers={"one": one, "two": two}
    )


def test_models_are_listed_in_the_files_order_with_the_default_first(rich):
    with rich.get("/v1/models") as answer:
        listed = [(each["id"], each["owned_by"], each["price_per_mtok"]) for each in answer.json()["data"]]
    assert listed == [
        ("two/only", "two", {"prompt": 1, "cached": 0.1, "completion": 3}),
        ("mock/mock", "mock", {"prompt": 1, "cached": 1, "completion": 2}),
        ("mock/plain", "mock", None),
        ("one/zeta", "one", None),
        ("one/alpha", "one", 0.5),
        ("one/sub/model", "one", None),
        ("two/alpha", "two", None),
    ]


@pytest.mark.parametrize(
    "asked, resolved",
    [
        (None, "two/only"),
        ("", "two/only"),
        ("one/alpha", "one/alpha"),
        ("two/alpha", "two/alpha"),
        ("zeta", "one/zeta"),
        ("alpha", "one/alpha"),
        ("sub/model", "one/sub/model"),
        ("only", "two/only"),
    ],
)
def test_a_model_is_found_by_its_full_or_its_bare_name(rich, asked, resolved):
    with rich.ask("n=1", **({} if asked is None else {"model": asked})) as answer:
        assert answer.all_events().done["model"] == resolved
    assert rich.provider.last_body()["model"] == resolved.partition("/")[2]


def test_a_provider_gets_its_own_key_headers_and_members(rich):
    with rich.ask("n=1", model="one/zeta", max_tokens=9) as answer:
        done = answer.all_events().done
    last = rich.provider.stats()["last_request"]
    assert last["headers"]["authorization"] == "Bearer sk-from-a-file"
    assert (last["headers"]["x-title"], last["headers"]["x-secret"]) == ("sheep", "hush-hush")
    assert "stream_options" not in last["body"]
    assert last["body"]["max_completion_tokens"] == 9 and "max_tokens" not in last["body"]
    assert done["usage"] is None
    assert "hush-hush" not in rich.worker.log()


def test_any_model_passes_where_the_file_says_so(sites, mock):
    site = sites.site(mock, providers={"any": {"base_url": mock.base_url, "models": {"*": {}}}})
    with site.ask("n=1", model="any/what-ever") as answer:
        assert answer.all_events().done["model"] == "any/what-ever"
    with site.get("/v1/models") as answer:
        assert all("*" not in each["id"] for each in answer.json()["data"])


def test_limits_of_the_file_are_in_force(sites, mock):
    site = sites.site(mock, limits={"body_bytes": 2000, "line_bytes": 3000})
    with site.ask("x" * 2000) as answer:
        answer.problem(413, "bad_request")
    with site.ask("n=1 line=4000") as answer:
        answer.problem(502, "upstream_malformed")
    with site.ask("n=1 line=2900") as answer:
        assert answer.all_events().done


# Reading it again


def test_hup_reads_the_file_again_while_streams_run(sites, mock):
    site = sites.site(mock, limits={"max_tokens": 10})
    with site.ask("n=100000 rate=50") as running:
        running.next_token()
        config = json.loads(site.worker.config_path.read_text())
        config["limits"]["max_tokens"] = 20
        config["providers"]["mock"]["models"]["fresh"] = {}
        site.worker.write(config)
        site.worker.signal(signal.SIGHUP)
        wait_until(lambda: "mock/fresh" in names(site), "the new file is in force")
        with site.ask("n=1", model="fresh") as answer:
            assert answer.all_events().done["model"] == "mock/fresh"
        assert mock.last_body()["max_tokens"] == 20
        for _ in range(5):
            running.next_token()


def test_check_says_the_same_without_starting_anything(sites):
    directory = sites.directory()
    good, bad = directory / "good.yaml", directory / "bad.yaml"
    good.write_text(GOOD + f"log: {{ to: {directory}/log, format: json }}\n")
    bad.write_text(GOOD + "worker: 2\nbacklog: x\nlog: { format: xml }\n")
    checked = subprocess.run([SHEEPFCGI, "check", "--config", good], capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert not (directory / "log").exists()
    checked = subprocess.run([SHEEPFCGI, "check", "--config", bad], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 1
    assert f"{bad}:5: worker" in checked.stderr and f"{bad}:6: backlog" in checked.stderr
    assert f"{bad}:7: log.format" in checked.stderr


@pytest.mark.parametrize("bad", ["providers: [", "workers: none\n", None])
def test_a_bad_file_leaves_the_old_one_in_force(sites, mock, bad):
    site = sites.site(mock)
    with site.ask("n=100000 rate=50") as running:
        running.next_token()
        site.worker.config_path.unlink() if bad is None else site.worker.config_path.write_text(bad)
        site.worker.signal(signal.SIGHUP)
        site.worker.wait_for_log("the old configuration stays in force")
        assert names(site) == ["mock/mock", "mock/plain"]
        with site.ask("n=1") as answer:
            assert answer.all_events().done
        running.next_token()
    assert str(site.worker.config_path) in site.worker.log()


def names(site):
    with site.get("/v1/models") as answer:
        return [each["id"] for each in answer.json()["data"]]


def ask(web, prompt):
    return Answer(
        web.address, "POST", "/stream", {"Content-Type": "application/json"}, json.dumps({"prompt": prompt}).encode()
    )


# The command line


@pytest.mark.parametrize(
    "arguments", [["--workers", "0"], ["--workers", "x"], ["--nonsense"], ["nonsense"], ["--listen-mode", "9"]]
)
def test_a_wrong_command_line_is_64(arguments):
    assert run(arguments, {}).returncode == 64


def test_help_and_version_are_given():
    for arguments, word in ((["serve", "--help"], "--listen"), (["--version"], ".")):
        ended = subprocess.run([SHEEPFCGI, *arguments], env=environment(), capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0 and word in ended.stdout
