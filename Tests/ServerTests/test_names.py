"""Looking providers up by name: once for all who wait, in no thread of each, and nobody else waits for it."""

import shutil
import subprocess

import pytest

from harness.honest import HonestStream
from harness.waiting import wait_until

# getaddrinfo takes `*.test` for this machine. It answers when the file `slow` is gone, and writes down each call.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    int (*original)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    size_t length = node ? strlen(node) : 0;
    if (length < 5 || strcmp(node + length - 5, ".test") != 0) return original(node, service, hints, result);
    const char *directory = getenv("SHIM_DIRECTORY");
    char path[4096];
    snprintf(path, sizeof path, "%s/calls", directory);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(file, "%s\n", node);
    close(file);
    /* Slow for as long as the file is there. */
    snprintf(path, sizeof path, "%s/slow", directory);
    while (access(path, F_OK) == 0) usleep(5000);
    if (strncmp(node, "unknown", 7) == 0) return EAI_NONAME;
    return original("127.0.0.1", service, hints, result);
}
"""


@pytest.fixture(scope="module")
def library(module_sites):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    directory = module_sites.directory()
    (directory / "shim.c").write_text(SHIM)
    built = subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", directory / "shim.so", directory / "shim.c", "-ldl"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    return directory / "shim.so"


class Resolver:
    def __init__(self, directory):
        self.directory = directory
        self.calls_path = directory / "calls"
        self.slow_path = directory / "slow"

    def calls(self):
        return self.calls_path.read_text().split() if self.calls_path.exists() else []

    def is_slow(self):
        self.slow_path.touch()

    def answers(self):
        self.slow_path.unlink(missing_ok=True)


@pytest.fixture
def resolver(sites):
    resolver = Resolver(sites.directory())
    yield resolver
    resolver.answers()


@pytest.fixture
def named(sites, library, resolver):
    """A site whose provider `cold` has a name, and whose provider `mock` has an address."""

    def make(host="cold.test", **more):
        mock = sites.mock()
        base_url = mock.base_url.replace("127.0.0.1", host)
        return sites.site(
            mock,
            providers={"cold": {"base_url": base_url, "models": {"m": {}}}},
            env={"LD_PRELOAD": str(library), "SHIM_DIRECTORY": str(resolver.directory)},
            **more,
        )

    return make


def ask_cold(site, prompt="n=1 stall=1"):
    return site.ask(prompt, model="cold/m")


def test_a_name_is_looked_up_and_used(named, resolver):
    site = named()
    with ask_cold(site, "n=3") as answer:
        assert len(answer.all_events().tokens) == 3
    assert resolver.calls() == ["cold.test"]


@pytest.mark.measures
def test_a_hundred_cold_requests_look_up_once_and_start_no_hundred_threads(named, resolver):
    site = named()
    before = len(site.worker.threads())
    resolver.is_slow()
    answers = [ask_cold(site) for _ in range(100)]
    wait_until(resolver.calls, "the name is looked up")
    # All hundred are with the worker: this one came after them, on the same loop.
    with site.ask("n=1") as answer:
        assert answer.all_events().done
    assert len(site.worker.threads()) <= before + 2, site.worker.threads()
    resolver.answers()
    for answer in answers:
        assert answer.next_token()
    assert resolver.calls() == ["cold.test"]
    for answer in answers:
        answer.close()
    site.provider.wait_for(open=0)


def test_the_next_ones_need_no_lookup(named, resolver):
    site = named()
    for _ in range(5):
        with ask_cold(site, "n=1 cut=1") as answer:
            answer.body()
    assert resolver.calls() == ["cold.test"]


def test_others_stream_on_during_a_slow_lookup(named, resolver):
    site = named()
    honest = HonestStream(site)
    resolver.is_slow()
    with ask_cold(site) as answer:
        wait_until(resolver.calls, "the name is looked up")
        honest.must_go_on("during a lookup")
        with site.ask("n=3") as other:
            assert other.all_events().done
        resolver.answers()
        assert answer.next_token()
    honest.must_go_on("after it")
    honest.leave()


def test_leaving_during_a_slow_lookup_blocks_nobody(named, resolver):
    site = named()
    honest = HonestStream(site)
    resolver.is_slow()
    answers = [ask_cold(site) for _ in range(10)]
    wait_until(resolver.calls, "the name is looked up")
    for answer in answers:
        answer.close()
        honest.must_go_on("while somebody leaves in a lookup")
    wait_until(lambda: len(site.worker.requests()) == 10, "each has its line in the log")
    # The scout has left; whoever comes now is served all the same.
    with ask_cold(site) as late:
        honest.must_go_on("beside a second lookup")
        resolver.answers()
        assert late.next_token()
    honest.leave()
    site.provider.wait_for(open=0)


def test_when_the_first_one_leaves_the_others_are_served(named, resolver):
    site = named()
    resolver.is_slow()
    first = ask_cold(site)
    wait_until(resolver.calls, "the name is looked up")
    others = [ask_cold(site) for _ in range(5)]
    with site.ask("n=1") as answer:
        assert answer.all_events().done
    first.close()
    wait_until(lambda: any(line["ended"] == "client_left" for line in site.worker.requests()), "it has left")
    resolver.answers()
    for answer in others:
        assert answer.next_token()
        answer.close()


def test_a_name_that_nobody_knows_is_a_502_for_all_who_wait(named, resolver):
    site = named(host="unknown.test", timeouts={"hold": "1h"})
    resolver.is_slow()
    answers = [ask_cold(site) for _ in range(20)]
    wait_until(resolver.calls, "the name is looked up")
    with site.ask("n=1") as answer:
        assert answer.all_events().done
    resolver.answers()
    for answer in answers:
        with answer:
            answer.problem(502, "upstream_unreachable")
    assert len(resolver.calls()) < 20
    # Not known is not known for ever.
    calls = len(resolver.calls())
    with ask_cold(site) as answer:
        answer.problem(502, "upstream_unreachable")
    assert len(resolver.calls()) > calls


def test_a_lookup_that_takes_too_long_meets_the_connect_clock(named, resolver):
    site = named(timeouts={"connect": "500ms", "hold": "1h"})
    resolver.is_slow()
    answers = [ask_cold(site) for _ in range(3)]
    for answer in answers:
        with answer:
            answer.problem(504, "upstream_unreachable")
    resolver.answers()
    with ask_cold(site) as answer:
        assert answer.next_token()


def test_the_first_token_clock_runs_during_a_lookup_too(named, resolver):
    site = named(timeouts={"first_token": "500ms", "hold": "1h"})
    resolver.is_slow()
    answers = [ask_cold(site) for _ in range(3)]
    for answer in answers:
        with answer:
            answer.problem(504, "timeout_first_token")


def test_a_drain_during_a_slow_lookup_comes_to_its_end(named, resolver):
    site = named(timeouts={"drain": "300ms", "hold": "1h"})
    resolver.is_slow()
    with ask_cold(site) as answer:
        wait_until(resolver.calls, "the name is looked up")
        site.worker.popen.terminate()
        answer.problem(503, "shutting_down")
        # The resolver still has not answered.
        assert site.worker.wait() == 0
