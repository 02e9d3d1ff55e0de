"""A worker process that dies: what it takes with it, what goes on, and what is said and left of it."""

import os
import resource
import signal
import socket
import subprocess
from contextlib import ExitStack

import pytest

from harness.events import numbers
from harness.paths import SANITIZER, SHEEPFCGI
from harness.process import children, environment
from harness.site import Site
from harness.starting import NO_PROVIDER, answers, needs
from harness.waiting import is_listening, wait_until


@needs("multiwatch")
def test_a_killed_process_takes_its_own_streams_alone_and_is_replaced(sites, mock, launch):
    """Four under multiwatch, with nginx in front; one is killed in the midst of two hundred streams."""
    address = sites.directory() / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(1024)
        address.chmod(0o666)
        launched = launch(
            "multiwatch", "-f", "4", "--", SHEEPFCGI, stdin=listener, env={"SHEEP_BASE_URL": mock.base_url}
        )
    pids = wait_until(lambda: len(found := children(launched.pid)) == 4 and found, "four run")
    nginx = sites.nginx(address)
    site = Site(nginx.directory, nginx, launched, mock)
    with ExitStack() as stack:
        streams = [stack.enter_context(site.ask("n=60 rate=10")) for _ in range(200)]
        for stream in streams:
            assert stream.next_token()
        # Which of them takes a connection is the kernel's choice: one may have none.
        victim = max(pids, key=lambda pid: len(os.listdir(f"/proc/{pid}/fd")))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(now := children(launched.pid)) == 4 and victim not in now, "another takes its place")
        with site.ask("n=3") as fresh:
            assert fresh.all_events().done
        wholes, cuts = 0, 0
        for stream in streams:
            events = stream.events.to_end()
            # nginx ends it as if it were whole; the terminal event tells the difference.
            assert stream.is_whole
            if any(event.is_terminal for event in events):
                assert events.done and numbers(events.tokens) == list(range(60))
                wholes += 1
            else:
                cuts += 1
    assert wholes + cuts == 200 and 0 < cuts < 200
    launched.signal(signal.SIGTERM)
    launched.wait()


@pytest.mark.skipif(bool(SANITIZER), reason=f"the {SANITIZER} sanitizer has its own report")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL, signal.SIGABRT], ids=lambda number: number.name)
def test_one_that_crashes_says_so(sites, number):
    worker = sites.worker(NO_PROVIDER)
    worker.signal(number)
    assert worker.wait() == -number
    assert f"process {worker.pid:07d} is ended by signal {number:02d}" in worker.log()


def test_the_stream_of_a_killed_worker_is_told_as_cut(sites):
    provider = sites.scripted()
    site = sites.site(provider)
    with site.ask("x") as answer:
        call = provider.next_call()
        call.head()
        call.token("a")
        assert answer.next_token() == "a"
        site.worker.kill()
        events = answer.events.to_end()
    assert not any(event.is_terminal for event in events)


@pytest.mark.skipif(bool(SANITIZER), reason=f"the {SANITIZER} sanitizer forbids core dumps itself")
@pytest.mark.parametrize("allowed", [False, True])
def test_a_crash_leaves_no_image_of_the_memory_unless_it_may(sites, allowed):
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("this machine allows no core dump at all")
    directory = sites.directory()
    config = directory / "c.yaml"
    config.write_text(
        f'{{"core_dumps": {str(allowed).lower()},'
        ' "providers": {"mock": {"base_url": "http://127.0.0.1:9/v1", "models": {"mock": {}}}}}'
    )
    words = [SHEEPFCGI, "serve", "--config", config, "--listen", f"unix:{directory}/s"]
    popen = subprocess.Popen(
        words,
        cwd=directory,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
    )
    try:
        wait_until(lambda: is_listening(directory / "s"), "it listens")
        assert answers(directory / "s")
    finally:
        popen.send_signal(signal.SIGSEGV)
        _, status = os.waitpid(popen.pid, 0)
        popen.returncode = -signal.SIGSEGV
    assert os.WIFSIGNALED(status) and os.WCOREDUMP(status) == allowed
