import os
import resource
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.paths import MOCK_PROVIDER, SANITIZER, SHEEPFCGI
from harness.process import Process
from harness.site import Sites

# Fixtures that only some of the tests need.
pytest_plugins = (
    "harness.beside",
    "harness.failing",
    "harness.machine",
    "harness.package",
    "harness.reading",
    "harness.starting",
    "harness.tls",
    "harness.redis",
)


def pytest_sessionstart(session):
    for program, variable in ((SHEEPFCGI, "SHEEPFCGI"), (MOCK_PROVIDER, "MOCK_PROVIDER")):
        if not os.access(program, os.X_OK):
            pytest.exit(f"there is no program {program}: run `make build`, or set {variable}", returncode=4)
    # Some tests hold a thousand connections open.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else soft, hard))


def pytest_configure(config):
    config.addinivalue_line("markers", "measures: looks at memory, threads or CPU time; says nothing under a sanitizer")


def pytest_collection_modifyitems(items):
    if SANITIZER:
        skip = pytest.mark.skip(reason=f"it measures, and the {SANITIZER} sanitizer weighs too")
        for item in items:
            if item.get_closest_marker("measures"):
                item.add_marker(skip)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows with a failure what all running programs have said."""
    report = (yield).get_result()
    if report.failed:
        for process in list(Process.running):
            lines = process.log().splitlines()
            report.sections.append((f"{process.log_path}, its last lines", "\n".join(lines[-25:])))


@pytest.fixture(scope="session")
def session_sites():
    with Sites() as sites:
        yield sites


@pytest.fixture(scope="module")
def module_sites():
    with Sites() as sites:
        yield sites


@pytest.fixture
def sites():
    with Sites() as sites:
        yield sites


@pytest.fixture(scope="session")
def mock(session_sites):
    return session_sites.mock()


@pytest.fixture(scope="session")
def shared_site(session_sites, mock):
    return session_sites.site(mock, workers=2)


@pytest.fixture
def site(shared_site):
    """nginx, a worker of two threads with the defaults, and the mock. Whoever uses it must leave it as it was."""
    assert not shared_site.worker.has_ended(), "an earlier test ended the shared worker"
    return shared_site
