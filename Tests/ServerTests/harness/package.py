"""The Debian package, made of the program under test."""

import re
import shutil
import subprocess

import pytest

from .paths import REPOSITORY, SHEEPFCGI
from .process import environment

# Any time; the same for each build.
EPOCH = "1764288000"


def is_packageable():
    """Why the program cannot be packaged; empty where it can."""
    for program in ("dh", "dpkg-deb", "git"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if "libswiftCore.so" in needed(SHEEPFCGI):
        return "this build of the program needs the toolchain's libraries, which are no package; make build links them in"
    return ""


def needed(program):
    """The libraries that a program is linked with."""
    said = subprocess.run(["objdump", "-p", program], capture_output=True, text=True, timeout=60)
    return re.findall(r"NEEDED\s+(\S+)", said.stdout)


def build(output, user=None):
    """The package's path, as `make deb` builds it."""
    env = environment({"SHEEPFCGI": str(SHEEPFCGI), "OUTPUT": str(output), "SOURCE_DATE_EPOCH": EPOCH})
    words = [REPOSITORY / "scripts/deb"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=600, env=env, user=user)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return output / ended.stdout.splitlines()[-1].rpartition("/")[2]


@pytest.fixture(scope="session")
def package(session_sites):
    refusal = is_packageable()
    if refusal:
        pytest.skip(refusal)
    return build(session_sites.directory())


@pytest.fixture(scope="session")
def next_package(package, session_sites):
    """The same with a higher version, and a program that is another file."""
    directory = session_sites.directory()
    tree = directory / "tree"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True, timeout=120)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: (.*)$", r"Version: \1+next", control.read_text()))
    made = directory / "next.deb"
    words = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, made]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    shutil.rmtree(tree)
    return made
