"""Fixtures for tests of the page: a browser, and a site under the policy of demo.conf."""

import re
import shutil

import pytest

from .page import Page, browser
from .paths import NGINX_FILES

# What demo.conf adds to every answer, its policy first of all.
POLICY = "\n".join(re.findall(r"(?m)^\s+add_header .*;$", (NGINX_FILES / "demo.conf").read_text()))


@pytest.fixture(scope="session")
def driver():
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    driver = browser()
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def paged_site(session_sites):
    assert "Content-Security-Policy" in POLICY
    return session_sites.site(session_sites.mock(), nginx={"server": POLICY})


@pytest.fixture
def open_page(driver):
    """Opens a site's page; after the test its console must hold no violation and no exception."""
    pages = []

    def open_(site, path="/"):
        pages.append(Page(driver, site.url + path))
        return pages[-1]

    yield open_
    for page in pages[-1:]:
        bad = [
            line["message"] for line in page.console() if re.search("Content.Security.Policy|Uncaught", line["message"])
        ]
        assert not bad, bad


@pytest.fixture
def page(open_page, paged_site):
    return open_page(paged_site)
