"""Limits that processes share by Redis, and what happens when it is away: no stream ever waits for it."""

import contextlib
import json
import re
import signal
import subprocess
import time

import pytest

from harness.figures import figures, status
from harness.keys import KeyFile, bearer
from harness.paths import SHEEPFCGI
from harness.process import environment
from harness.redis import Impostor, Paused, Redis
from harness.waiting import free_port, wait_until
from harness.worker import settings

RUNNING = "n=100000 rate=20"


def site_with(sites, mock, url, *, client=None, when_away="open", **more):
    redis = {"url": url, "when_away": when_away} | more.pop("redis", {})
    return sites.site(mock, limits={"client": client or {}} | more.pop("limits", {}), redis=redis, **more)


def pair(sites, mock, redis, **more):
    """Two processes, each behind a nginx of its own, with one Redis."""
    return [site_with(sites, mock, redis.url, **more) for _ in range(2)]


def refused(answer, limit):
    problem = answer.problem(429, "rate_limited")
    assert problem["limit"] == limit and int(answer.header("Retry-After")) >= 1
    return problem


def passes(answer):
    assert answer.all_events().done


def is_received(site):
    """What was sent before is with the worker, which takes one after another."""
    for _ in range(3):
        with site.get("/ping") as answer:
            assert answer.body() == b"pong\n"


def is_away(site):
    site.worker.wait_for_log("is away")


def told(site):
    """How often the log says that it is away, and that it is back."""
    log = site.worker.log()
    return len(re.findall("Redis at [^ ]+ is away", log)), len(re.findall("Redis at [^ ]+ is back", log))


def is_back(site):
    wait_until(lambda: told(site)[1], "the worker has Redis again")


# Shared counts


def test_two_processes_share_a_clients_streams(sites, mock, redis):
    one, two = pair(sites, mock, redis, client={"streams": 3}, workers=2)
    with contextlib.ExitStack() as stack:
        for site in (one, two, one):
            stack.enter_context(site.ask(RUNNING)).next_token()
        watch = mock.stats()["requests"]
        for site in (one, two, two):
            with site.ask("n=1") as answer:
                assert "3 running" in refused(answer, "client_streams")["detail"]
            line = site.worker.request(answer.request_id)
            assert (line["status"], line["limit"]) == ("429", "client_streams")
        assert mock.stats()["requests"] == watch
        assert redis.streams() == 3
    wait_until(lambda: redis.streams() == 0, "all are given back")
    with two.ask("n=1") as answer:
        passes(answer)


def test_two_processes_share_a_clients_rate_and_tell_the_wait(sites, mock, redis):
    one, two = pair(sites, mock, redis, client={"requests_per_minute": 6})
    for site in (one, two, one, two, one, two):
        with site.ask("n=1") as answer:
            passes(answer)
    for site in (one, two) * 5:
        with site.ask("n=1") as answer:
            refused(answer, "client_requests")
            assert 1 <= int(answer.header("Retry-After")) <= 10


def test_what_redis_refuses_costs_nothing_here(sites, mock, redis):
    """The other process uses up what there is; when it is gone this one has all its own allowance."""
    one, two = pair(sites, mock, redis, client={"requests_per_minute": 3})
    for _ in range(3):
        with one.ask("n=1") as answer:
            passes(answer)
    for _ in range(10):
        with two.ask("n=1") as answer:
            refused(answer, "client_requests")
    redis.command("FLUSHALL")
    for _ in range(3):
        with two.ask("n=1") as answer:
            passes(answer)


def test_two_processes_share_a_keys_tokens_and_streams(sites, mock, redis):
    keys = KeyFile(sites.directory(), team={"key": "key-1", "streams": 2, "tokens_per_day": 60})
    one, two = pair(sites, mock, redis, client_keys=keys.access())
    with one.ask(RUNNING, headers=bearer("key-1")) as first, two.ask(RUNNING, headers=bearer("key-1")) as second:
        first.next_token()
        second.next_token()
        with two.ask("n=1", headers=bearer("key-1")) as answer:
            refused(answer, "key_streams")
    wait_until(lambda: redis.streams() == 0, "both are given back")
    used = 0
    while used < 60:
        with one.ask("n=10", headers=bearer("key-1")) as answer:
            used += answer.all_events().done["usage"]["total_tokens"]
        one.worker.request(answer.request_id)
    wait_until(lambda: any(":tokens:" in name for name in redis.names()), "the tokens are there")

    def is_refused():
        with two.ask("n=1", headers=bearer("key-1")) as answer:
            if answer.status == 200:
                answer.body()
                return False
            refused(answer, "key_tokens")
            return True

    wait_until(is_refused, "the other process knows them")
    assert not any("key-1" in name for name in redis.names()), "a key is in Redis"


def test_with_nothing_to_count_redis_is_not_asked(sites, mock, redis):
    site = site_with(sites, mock, redis.url, client={})
    with site.ask("n=1") as answer:
        passes(answer)
    assert redis.names() == []


def test_the_prefix_tells_sites_apart(sites, mock, redis):
    one = site_with(sites, mock, redis.url, client={"requests_per_minute": 1}, redis={"prefix": "one:"})
    two = site_with(sites, mock, redis.url, client={"requests_per_minute": 1})
    for site in (one, two):
        with site.ask("n=1") as answer:
            passes(answer)
    assert {name.partition(":")[0] for name in redis.names()} == {"one", "sheepfcgi"}


def test_a_database_and_a_password_are_used(sites, mock):
    redis = sites.keep(Redis(sites.directory(), "--requirepass", "pass:word", port=free_port()))
    for url, password in (
        (f"redis://127.0.0.1:{redis.address[1]}/3", {"password": "$REDIS_PASSWORD"}),
        (f"redis://:pass%3Aword@127.0.0.1:{redis.address[1]}/3", {}),
        (f"redis://default:pass:word@localhost:{redis.address[1]}/3", {}),
    ):
        env = {"REDIS_PASSWORD": "pass:word"}
        more = {"redis": password, "env": env, "when_away": "closed"}
        site = site_with(sites, mock, url, client={"streams": 5}, **more)
        with site.ask("n=1") as answer:
            passes(answer)
        assert "is away" not in site.worker.log() and "pass:word" not in site.worker.log()
    assert redis.popen.poll() is None
    said = subprocess.run(
        ["redis-cli", "-s", redis.socket_path, "-a", "pass:word", "--no-auth-warning", "INFO", "keyspace"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    # The leases are gone again; what was asked was asked there.
    assert "db0" not in said.stdout


def test_who_asks_while_the_worker_connects_waits_for_the_answer(sites, mock, redis):
    # Held, so that a wait without end is no series of pings.
    patient = {"redis": {"timeout": "1h"}, "timeouts": {"hold": "1h"}}
    with Paused(redis):
        site = site_with(sites, mock, redis.url, client={"streams": 1}, when_away="closed", **patient)
        asked = site.ask("n=1")
        is_received(site)
    with asked:
        passes(asked)


def test_a_flushed_script_is_sent_again(sites, mock, redis):
    site = site_with(sites, mock, redis.url, client={"streams": 1}, when_away="closed")
    for _ in range(2):
        with site.ask("n=1") as answer:
            passes(answer)
        redis.command("SCRIPT", "FLUSH")
        wait_until(lambda: redis.streams() == 0, "the stream is given back")
    assert "is away" not in site.worker.log()


def test_a_killed_workers_streams_expire(sites, mock, redis):
    """Their leases last as long as a stream may, and so no longer than that."""
    short = {"timeouts": {"total": "2s", "client_stall": "1s"}, "queue": {"wait": "1s"}}
    one, two = pair(sites, mock, redis, client={"streams": 2}, **short)
    with one.ask(RUNNING) as first, one.ask(RUNNING) as second:
        first.next_token()
        second.next_token()
        one.worker.kill()
        with two.ask("n=1") as answer:
            refused(answer, "client_streams")

        def is_free():
            with two.ask("n=1") as answer:
                return answer.status == 200 and bool(answer.body())

        wait_until(is_free, "the leases have expired", every=0.2)
    wait_until(lambda: redis.names() == [], "nothing stays in Redis")


def test_a_client_that_leaves_is_given_back(sites, mock, redis):
    site = site_with(sites, mock, redis.url, client={"streams": 1})
    for prompt in (RUNNING, "n=1 silent=1"):
        with site.ask(prompt):
            mock.wait_for(open=1)
        wait_until(lambda: redis.streams() == 0, "it is given back")
        mock.wait_for(open=0)


def test_with_a_queue_redis_is_asked_before_the_wait(sites, mock, redis):
    queue = {"length": 5, "wait": "1h"}
    site = site_with(sites, mock, redis.url, client={"streams": 2}, limits={"streams": 1}, queue=queue)
    with site.ask(RUNNING) as running:
        running.next_token()
        with site.ask("n=1") as waiting:
            assert waiting.next_event().data == "place 1 in the queue"
            assert redis.streams() == 2
            with site.ask("n=1") as answer:
                refused(answer, "client_streams")
            running.close()
            assert waiting.all_events().done


# Away and back


@pytest.mark.parametrize("when_away", ["open", "closed"])
def test_redis_stops_and_starts_under_running_streams(sites, mock, when_away):
    directory = sites.directory()
    redis = sites.keep(Redis(directory))
    site = site_with(sites, mock, redis.url, client={"streams": 3}, when_away=when_away, workers=2)
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(site.ask(RUNNING)) for _ in range(2)]
        for each in running:
            each.next_token()
        redis.end()
        is_away(site)
        assert status(site)["redis"] == "away" and figures(site)("redis_away") == 1
        begun = time.monotonic()
        if when_away == "open":
            # The process's own count knows of the streams that Redis admitted.
            third = stack.enter_context(site.ask(RUNNING))
            third.next_token()
            running.append(third)
            with site.ask("n=1") as answer:
                refused(answer, "client_streams")
        else:
            for _ in range(5):
                with site.ask("n=1") as answer:
                    assert answer.problem(503, "overloaded")["retryable"] is True
                    assert int(answer.header("Retry-After")) >= 1
        assert time.monotonic() - begun < 20
        for each in running:
            each.next_token()
        # What has no limit is asked as ever.
        with site.get("/v1/models") as answer:
            assert answer.status == 200
        redis = sites.keep(Redis(directory))
        is_back(site)
        assert status(site)["redis"] == "there" and figures(site)("redis_away") == 0
        for each in running:
            each.next_token()
    assert told(site) == (1, 1)

    def is_free():
        with site.ask("n=1") as answer:
            return answer.status == 200 and bool(answer.body())

    wait_until(is_free, "a request passes again")
    wait_until(lambda: redis.streams() == 0, "nothing is left")


def test_tokens_of_a_time_without_redis_are_told_to_it_later(sites, mock):
    directory = sites.directory()
    redis = sites.keep(Redis(directory))
    keys = KeyFile(sites.directory(), team={"key": "key-1", "tokens_per_day": 1000})
    site = site_with(sites, mock, redis.url, client_keys=keys.access())
    redis.end()
    is_away(site)
    used = 0
    for _ in range(3):
        with site.ask("n=5", headers=bearer("key-1")) as answer:
            used += answer.all_events().done["usage"]["total_tokens"]
        site.worker.request(answer.request_id)
    redis = sites.keep(Redis(directory))
    is_back(site)
    wait_until(lambda: any(":tokens:" in name for name in redis.names()), "they are told")
    name = next(name for name in redis.names() if ":tokens:" in name)
    assert int(redis.command("GET", name)) == used


@pytest.mark.parametrize("when_away", ["open", "closed"])
def test_of_a_redis_that_stands_still_only_the_first_waits(sites, mock, redis, when_away):
    site = site_with(sites, mock, redis.url, client={"streams": 10}, when_away=when_away, redis={"timeout": "4s"})
    with site.ask(RUNNING) as running:
        running.next_token()
        with Paused(redis):
            for number in range(4):
                begun = begun if number > 1 else time.monotonic()
                with site.ask("n=1") as answer:
                    if when_away == "open":
                        passes(answer)
                    else:
                        answer.problem(503, "overloaded")
                running.next_token()
                if number == 0:
                    assert time.monotonic() - begun >= 4
            # The last three together.
            assert time.monotonic() - begun < 4
            is_away(site)
        is_back(site)
        with site.ask("n=1") as answer:
            passes(answer)


IMPOSTORS = {
    "never answers": (None, "does not answer"),
    "answers rubbish": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not Redis's protocol"),
    "answers what nobody asked": (b"+OK\r\n" * 3, "script"),
    "is endless": (b"+" + b"x" * 100_000, "not Redis's protocol"),
    "answers an error": (b"-NOAUTH Authentication required, sk-quoted\r\n", "NOAUTH"),
}


@pytest.mark.parametrize("when_away", ["open", "closed"])
@pytest.mark.parametrize("kind", IMPOSTORS)
def test_what_is_no_redis_is_away(sites, mock, kind, when_away):
    answer_, words = IMPOSTORS[kind]
    impostor = sites.keep(Impostor(answer_))
    site = site_with(sites, mock, impostor.url, client={"streams": 1}, when_away=when_away)
    with contextlib.ExitStack() as stack:
        if when_away == "open":
            stack.enter_context(site.ask(RUNNING)).next_token()
            with site.ask("n=1") as answer:
                refused(answer, "client_streams")
        else:
            for _ in range(3):
                with site.ask("n=1") as answer:
                    answer.problem(503, "overloaded")
        site.worker.wait_for_log("is away")
        assert words in site.worker.log() and "sk-quoted" not in site.worker.log()
        wait_until(lambda: impostor.accepted >= 3, "it is tried again")
    assert told(site) == (1, 0)


def test_a_wrong_password_is_told_and_not_shown(sites, mock):
    redis = sites.keep(Redis(sites.directory(), "--requirepass", "right-password"))
    more = {"redis": {"password": "$REDIS_PASSWORD"}, "env": {"REDIS_PASSWORD": "wrong-password"}}
    site = site_with(sites, mock, redis.url, client={"streams": 1}, when_away="closed", **more)
    site.worker.wait_for_log("refuses the password")
    with site.ask("n=1") as answer:
        answer.problem(503, "overloaded")
    assert "wrong-password" not in site.worker.log()


def test_a_client_that_leaves_while_redis_is_asked_is_cleaned_up(sites, mock, redis):
    site = site_with(sites, mock, redis.url, client={"streams": 1}, redis={"timeout": "1h"})
    with site.ask("n=1") as answer:
        passes(answer)
    watch = mock.watch()
    with Paused(redis):
        asked = site.ask("n=1")
        is_received(site)
        asked.close()
        wait_until(lambda: any(line["ended"] == "client_left" for line in site.worker.requests()), "its line is written")
    # Its question was before its release: whatever Redis made of it is undone.
    with site.ask("n=1") as answer:
        passes(answer)
    assert watch["requests"] == 1
    wait_until(lambda: redis.streams() == 0, "nothing is left")


def test_hup_takes_redis_away_and_brings_it_back(sites, mock, redis):
    site = site_with(sites, mock, redis.url, client={"streams": 9})
    config = json.loads(site.worker.config_path.read_text())
    connected = "connected_clients:"

    def clients():
        line = next(line for line in redis.command("INFO", "clients").splitlines() if line.startswith(connected))
        # redis-cli is one itself.
        return int(line.removeprefix(connected)) - 1

    wait_until(lambda: clients() == 1, "the worker is connected")
    with site.ask(RUNNING) as running:
        running.next_token()
        site.worker.write({name: value for name, value in config.items() if name != "redis"})
        site.worker.signal(signal.SIGHUP)
        wait_until(lambda: clients() == 0, "it has left")
        with site.ask("n=1") as answer:
            passes(answer)
        site.worker.write(config)
        site.worker.signal(signal.SIGHUP)
        wait_until(lambda: clients() == 1, "it is connected again")
        running.next_token()
    with site.ask("n=1") as answer:
        passes(answer)


def test_draining_waits_for_no_redis(sites, mock, redis):
    site = site_with(sites, mock, redis.url, client={"streams": 1})
    with site.ask("n=30 rate=20") as running:
        running.next_token()
        with Paused(redis):
            site.worker.signal(signal.SIGTERM)
            assert running.all_events().done
            assert site.worker.wait() == 0
    wait_until(lambda: redis.streams() == 0, "what the worker said last is heard")


# Settings


@pytest.mark.parametrize(
    "redis_, words",
    [
        ({}, ["redis has no url"]),
        ({"url": "127.0.0.1"}, ["redis.url", "redis://host:port"]),
        ({"url": "rediss://127.0.0.1"}, ["redis.url", "TLS"]),
        ({"url": "unix:run/x"}, ["redis.url", "unix:/path"]),
        ({"url": "redis://"}, ["redis.url", "host"]),
        ({"url": "redis://127.0.0.1:x"}, ["redis.url", "port"]),
        ({"url": "redis://127.0.0.1/x"}, ["redis.url", "database"]),
        ({"url": "redis://no-such-host.invalid"}, ["redis.url", "no-such-host.invalid"]),
        ({"url": "redis://sk-very-secret@127.0.0.1"}, ["redis.url", "password"]),
        ({"url": "redis://127.0.0.1", "password": "sk-very-secret"}, ["redis.password", "written out"]),
        ({"url": "redis://:sk-very-secret@127.0.0.1", "password": "$MOCK_KEY"}, ["redis.password", "keep one"]),
        ({"url": "redis://127.0.0.1", "when_away": "maybe"}, ["redis.when_away", "open or closed"]),
        ({"url": "redis://127.0.0.1", "timeout": "0s"}, ["redis.timeout", "zero"]),
    ],
)
def test_a_wrong_setting_is_told(sites, redis_, words):
    config = sites.directory() / "c.yaml"
    config.write_text(json.dumps(settings("http://127.0.0.1:9/v1", redis=redis_)))
    command = [SHEEPFCGI, "check", "--config", config]
    checked = subprocess.run(command, env=environment({"MOCK_KEY": "k"}), capture_output=True, text=True, timeout=60)
    assert checked.returncode == 1
    assert all(word in checked.stderr for word in words), checked.stderr
    assert "sk-very-secret" not in checked.stderr

