"""Client keys: who may ask, for which models, and what is told to whom else."""

import json
import subprocess

import pytest

from harness.keys import KeyFile, bearer, reload
from harness.paths import SHEEPFCGI
from harness.process import environment
from harness.waiting import wait_until
from harness.worker import settings

ALICE, BOB, SPARE = "sk-alice-0123456789abcdef", "sk-bob-0123456789abcdef", "sk-alice-another-key"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def keyed(module_sites, mock):
    """A site whose /v1 takes keys: alice's two for all models, and bob's, who may use mock/plain."""
    return make_site(module_sites, mock)


def make_site(sites, mock, required="v1", **more):
    directory = sites.directory()
    (directory / "bob").write_text(BOB + "\n")
    keys = KeyFile(
        directory,
        alice={"key": [ALICE, "$SPARE"]},
        bob={"key": f"file:{directory}/bob", "models": ["mock/plain"]},
        carol={"key": "sk-carol-of-a-provider", "models": ["mock/*"]},
    )
    site = sites.site(
        mock,
        nginx={"chat": True},
        env={"SPARE": SPARE},
        client_keys=keys.access(required=required),
        **more,
    )
    site.keys = keys
    return site


def chat(site, headers=None, **more):
    body = {"messages": [{"role": "user", "content": "n=2"}], "stream": False} | more
    return site.post(body, CHAT, headers)


# Who may ask


@pytest.mark.parametrize("headers", [bearer(ALICE), bearer(SPARE), {"Authorization": f"bearer   {ALICE}"}])
def test_a_key_opens_v1_and_its_name_stands_in_the_log(keyed, headers):
    with chat(keyed, headers) as answer:
        assert answer.json()["choices"][0]["message"]["content"]
    assert keyed.worker.request(answer.request_id)["key"] == "alice"


def test_x_api_key_will_do(keyed):
    with chat(keyed, {"X-Api-Key": BOB}, model="mock/plain") as answer:
        assert answer.status == 200
    assert keyed.worker.request(answer.request_id)["key"] == "bob"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("sk-wrong"),
        bearer(ALICE + "x"),
        bearer(ALICE[:-1]),
        bearer(ALICE.upper()),
        bearer("x" * 600),
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"X-Api-Key": "alice"},
    ],
)
def test_without_a_right_key_v1_is_401(keyed, headers):
    watch = keyed.provider.watch()
    with chat(keyed, headers) as answer:
        error = answer.chat_error(401, "unauthorized")
        assert error["type"] == "authentication_error"
        assert answer.header("WWW-Authenticate") == "Bearer" and answer.header("x-should-retry") == "false"
    with keyed.get("/v1/models", headers) as answer:
        answer.chat_error(401, "unauthorized")
    assert watch["requests"] == 0
    line = keyed.worker.request(answer.request_id)
    assert (line["status"], line["ended"]) == ("401", "unauthorized") and "key" not in line


def test_the_page_goes_without_a_key_and_a_key_that_it_sends_counts(keyed):
    with keyed.ask("n=1") as answer:
        assert answer.all_events().done
    assert "key" not in keyed.worker.request(answer.request_id)
    with keyed.ask("n=1", headers=bearer(ALICE)) as answer:
        assert answer.all_events().done
    assert keyed.worker.request(answer.request_id)["key"] == "alice"
    with keyed.ask("n=1", headers=bearer("sk-wrong")) as answer:
        problem = answer.problem(401, "unauthorized")
        assert problem["retryable"] is False and answer.header("WWW-Authenticate") == "Bearer"
    # Its password is between the browser and nginx.
    with keyed.ask("n=1", headers={"Authorization": "Basic YTpi"}) as answer:
        assert answer.all_events().done


def test_all_means_everywhere_but_for_operators(sites, mock):
    site = make_site(sites, mock, required="all")
    with site.ask("n=1") as answer:
        answer.problem(401, "unauthorized")
    with site.ask("n=1", headers=bearer(ALICE)) as answer:
        assert answer.all_events().done
    for path in ("/ping", "/status", "/metrics"):
        with site.get(path) as answer:
            assert answer.status == 200
        with site.get(path, bearer("sk-wrong")) as answer:
            assert answer.status == 200


def test_a_preflight_needs_no_key_and_a_page_can_read_the_401(sites, mock):
    site = make_site(sites, mock, required="all", cors={"allow_origins": ["https://app.example"]})
    headers = {"Origin": "https://app.example", "Access-Control-Request-Headers": "authorization"}
    for path in ("/stream", CHAT, "/v1/models"):
        with site.request("OPTIONS", path, headers) as answer:
            assert answer.status == 204
            assert "authorization" in answer.header("Access-Control-Allow-Headers")
        with site.request("GET", path, headers) as answer:
            assert answer.status == 401
            assert answer.header("Access-Control-Allow-Origin") == "https://app.example"


# Models


def test_a_model_that_a_key_may_not_use_is_403(keyed):
    watch = keyed.provider.watch()
    for asked in ({}, {"model": "mock/mock"}, {"model": "mock"}):
        with chat(keyed, bearer(BOB), **asked) as answer:
            assert "mock/mock" in answer.chat_error(403, "bad_request")["message"]
    with keyed.ask("n=1", headers=bearer(BOB)) as answer:
        assert answer.problem(403, "bad_request")["retryable"] is False
    with chat(keyed, bearer(BOB), model="mock/no-such") as answer:
        answer.chat_error(404, "bad_request")
    assert watch["requests"] == 0
    with chat(keyed, bearer(BOB), model="plain") as answer:
        assert answer.json()["model"] == "mock/plain"


def test_models_are_listed_as_far_as_the_key_may_use_them(keyed):
    def names(key):
        with keyed.get("/v1/models", bearer(key)) as answer:
            return [each["id"] for each in answer.json()["data"]]

    assert names(ALICE) == ["mock/mock", "mock/plain"] == names("sk-carol-of-a-provider")
    assert names(BOB) == ["mock/plain"]
    with keyed.get("/v1/models/mock/mock", bearer(BOB)) as answer:
        answer.chat_error(404, "bad_request")
    with keyed.get("/v1/models/mock/plain", bearer(BOB)) as answer:
        assert answer.json()["id"] == "mock/plain"


def test_a_fallback_that_the_key_may_not_use_is_not_asked(sites, mock):
    site = make_site(sites, mock, fallback=["mock/mock"])
    watch = mock.watch()
    body = {"messages": [{"role": "user", "content": "fail=500"}], "model": "mock/plain", "stream": False}
    with site.post(body, CHAT, bearer(BOB)) as answer:
        answer.chat_error(502, "upstream_failed")
    assert watch["requests"] == 1


# The file


def test_of_a_thousand_keys_each_is_found_and_no_other(sites, mock):
    names = {f"name-{number}": {"key": f"sk-{number:06}-of-many"} for number in range(1000)}
    keys = KeyFile(sites.directory(), **names)
    site = sites.site(mock, client_keys=keys.access(required="all"))
    for number in (0, 1, 499, 998, 999):
        with site.get("/v1/models", bearer(f"sk-{number:06}-of-many")) as answer:
            assert answer.status == 200
        assert site.worker.request(answer.request_id)["key"] == f"name-{number}"
    for wrong in ("sk-001000-of-many", "sk-000000-of-man", "sk-000000-of-many "[:-1] + "y"):
        with site.get("/v1/models", bearer(wrong)) as answer:
            assert answer.status == 401


def test_hup_reads_the_keys_again_while_streams_run(sites, mock):
    site = make_site(sites, mock)
    with site.ask("n=100000 rate=50", headers=bearer(ALICE)) as running:
        running.next_token()
        site.keys.write(dave={"key": "sk-dave-is-new"})
        reload(site.worker)

        def status(key):
            with site.get("/v1/models", bearer(key)) as answer:
                return answer.status

        wait_until(lambda: status("sk-dave-is-new") == 200, "the new key is in force")
        assert status(ALICE) == 401
        for _ in range(5):
            running.next_token()
        site.keys.path.write_text("dave: {")
        reload(site.worker)
        assert f"{site.keys.path}:" in site.worker.log() and "old configuration stays" in site.worker.log()
        assert status("sk-dave-is-new") == 200 and status(ALICE) == 401
        running.next_token()


def test_a_file_that_all_can_read_is_told_and_one_for_its_group_is_not(sites, mock):
    site = make_site(sites, mock)
    reload(site.worker)
    assert "can read the client keys" not in site.worker.log()
    site.keys.path.chmod(0o644)
    reload(site.worker)
    wait_until(lambda: "can read the client keys" in site.worker.log(), "it is told")
    worker = sites.worker(mock, client_keys=site.keys.access(), env={"SPARE": SPARE})
    worker.wait_for_log("can read the client keys")


@pytest.mark.parametrize("mode, level", [(0o640, "ok"), (0o644, "problem")])
def test_doctor_looks_at_the_file_too(sites, mode, level):
    directory = sites.directory()
    keys = KeyFile(directory, a={"key": "sk-a"})
    keys.path.chmod(mode)
    # Above it nothing may keep others out.
    directory.chmod(0o755)
    config = directory / "c.yaml"
    config.write_text(json.dumps(settings("http://127.0.0.1:9/v1", client_keys=keys.access())))
    command = [SHEEPFCGI, "doctor", "--offline", "--json", "--config", config]
    said = subprocess.run(command, env=environment({"MOCK_KEY": "k"}), capture_output=True, text=True, timeout=60)
    findings = json.loads(said.stdout)["findings"]
    found = [each for each in findings if each["check"] == "configuration.secret_file"]
    assert [(each["subject"], each["level"]) for each in found] == [(str(keys.path), level)]


def test_no_key_is_in_any_log_or_answer(sites, mock):
    site = make_site(sites, mock)
    for headers in (bearer(ALICE), bearer("sk-wrong-but-private"), {"X-Api-Key": BOB}):
        for send in (chat, lambda site, headers: site.ask("n=1 drop=1", headers=headers)):
            with send(site, headers) as answer:
                body = answer.body()
            site.worker.request(answer.request_id)
            for secret in (ALICE, BOB, SPARE, "wrong-but-private"):
                assert secret.encode() not in body
    for log in (site.worker.log(), site.nginx.access_log(), site.nginx.error_log()):
        for secret in (ALICE, BOB, SPARE, "wrong-but-private"):
            assert secret not in log
    last = mock.stats()["last_request"]
    assert ALICE not in json.dumps(last) and BOB not in json.dumps(last)


WRONG = [
    ("", "keys.yaml", ["empty", "NAME: { key"]),
    ("{}", "keys.yaml:1", ["lists no key"]),
    ("a: {", "keys.yaml", ["YAML"]),
    ("a: {}", "keys.yaml:1", ["a has no key", "openssl rand"]),
    ("a: { key: [] }", "keys.yaml:1", ["a.key", "empty list"]),
    ("a: { key: two words }", "keys.yaml:1", ["a.key", "no key", "no space"]),
    ("a: { key: $NOPE }", "keys.yaml:1", ["NOPE", "not set"]),
    ("a: { key: file:/no/such }", "keys.yaml:1", ["/no/such"]),
    ("a: { key: sk-very-secret }\nb: { key: sk-very-secret }", "keys.yaml:2", ["b.key", "the key of a too"]),
    ("a b: { key: k }", "keys.yaml:1", ["a b", "name"]),
    ("a: { key: k, models: [mock/none] }", "keys.yaml:1", ["mock/none", "no provider"]),
    ("a: { key: k, models: [other/*] }", "keys.yaml:1", ["other/*"]),
    ("a: { key: k, models: [] }", "keys.yaml:1", ["a.models", "empty"]),
    ("a: { key: k, stream: 1 }", "keys.yaml:1", ["a.stream", "did you mean streams?"]),
    ("a: { key: k, tokens_per_day: -1 }", "keys.yaml:1", ["tokens_per_day"]),
]


@pytest.mark.parametrize("text, place, words", WRONG)
def test_a_wrong_file_of_keys_is_told_with_place_and_remedy(sites, text, place, words):
    directory = sites.directory()
    keys, config = directory / "keys.yaml", directory / "c.yaml"
    keys.write_text(text)
    config.write_text(json.dumps(settings("http://127.0.0.1:9/v1", client_keys={"file": str(keys)}) | {"workrs": 1}))
    checked = check(config)
    assert checked.returncode == 1
    told = checked.stderr.replace(f"{directory}/", "")
    assert place in told and all(word in told for word in words), told
    assert "workrs" in told, "the other file's problems are told in the same go"
    assert "sk-very-secret" not in told


@pytest.mark.parametrize(
    "access, words",
    [
        ({}, ["client_keys has no file"]),
        ({"file": "keys.yaml"}, ["client_keys.file", "absolute"]),
        ({"file": "/no/such/keys"}, ["/no/such/keys", "cannot be read"]),
        ({"file": "/dev/null", "required": "some"}, ["client_keys.required", "v1 or all"]),
    ],
)
def test_a_wrong_setting_is_told(sites, access, words):
    config = sites.directory() / "c.yaml"
    config.write_text(json.dumps(settings("http://127.0.0.1:9/v1", client_keys=access)))
    told = check(config).stderr
    assert all(word in told for word in words), told


def check(config):
    return subprocess.run(
        [SHEEPFCGI, "check", "--config", config],
        env=environment({"MOCK_KEY": "k"}),
        capture_output=True,
        text=True,
        timeout=60,
    )
