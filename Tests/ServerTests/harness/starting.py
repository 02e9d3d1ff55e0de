"""Starting workers in every way, with and without success."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .fastcgi import FastCGI
from .paths import SHEEPFCGI
from .process import Process, environment
from .worker import Worker

NO_PROVIDER = "http://127.0.0.1:9/v1"


def answers(address):
    with FastCGI(address) as connection:
        return connection.ask().body == b"pong\n"


def fails(*arguments, env=None, status, **popen):
    """What it says on standard error when it does not start."""
    ended = subprocess.run(
        [SHEEPFCGI, *map(str, arguments)],
        env=environment({"SHEEP_BASE_URL": NO_PROVIDER} | (env or {})),
        capture_output=True,
        text=True,
        timeout=60,
        **({"stdin": subprocess.DEVNULL} | popen),
    )
    assert ended.returncode == status, (ended.returncode, ended.stderr)
    assert ended.stderr.startswith("sheepfcgi: ")
    return ended.stderr


@pytest.fixture
def directory(sites):
    return sites.directory()


@pytest.fixture
def serve(sites):
    """Starts a worker without a configuration."""

    def start(address, *arguments, **more):
        more.setdefault("env", {"SHEEP_BASE_URL": NO_PROVIDER})
        return sites.keep(Worker(sites.directory(), address=address, arguments=arguments, **more))

    return start


@pytest.fixture
def launch(sites):
    """Starts a launcher that starts workers."""

    def start(*words, env=None, **popen):
        env = {"SHEEP_BASE_URL": NO_PROVIDER} | (env or {})
        return sites.keep(Process(words, name=Path(words[0]).name, directory=sites.directory(), env=env, **popen))

    return start


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")
