"""What the page says when there is no whole answer."""

import json

import pytest

from harness.events import numbers
from harness.reading import POLICY
from harness.waiting import wait_until


@pytest.mark.parametrize(
    "prompt, kind, words",
    [
        ("fail=429 retry_after=2", "rate_limited", "wait"),
        ("fail=500", "upstream_failed", "again"),
        ("fail=401", "upstream_rejected", "another"),
        ("html=1", "upstream_malformed", "again"),
        ("fail=400", "bad_request", "ask"),
        ("empty=1", "upstream_truncated", "again"),
    ],
)
def test_a_failure_before_any_output_is_told_in_words_with_what_to_do(page, prompt, kind, words):
    page.ask(prompt)
    page.wait_for("failed")
    assert page.is_shown("failure")
    assert page["failure"].get_attribute("data-type") == kind
    assert words in page["failure"].text.lower()
    assert page["status"].text and page.text() == ""


def test_a_quota_that_is_used_up_is_no_matter_of_waiting(open_page, sites):
    site = sites.site(sites.scripted(), nginx={"server": POLICY})
    page = open_page(site)
    page.ask("x")
    said = json.dumps({"error": {"message": "no money", "code": "insufficient_quota"}})
    site.provider.next_call().answer(said, "application/json", "429 No")
    page.wait_for("failed")
    assert "another provider" in page["failure"].text and "Wait" not in page["failure"].text
    assert not page.is_shown("again")


@pytest.mark.parametrize(
    "prompt, kind",
    [("n=9 drop=5", "upstream_truncated"), ("n=9 error=5", "rate_limited"), ("n=9 truncate=5", "upstream_truncated")],
)
def test_a_failure_after_some_output_keeps_it(page, prompt, kind):
    page.ask(prompt)
    page.wait_for("failed")
    assert page["failure"].get_attribute("data-type") == kind
    assert numbers(page.text().split()) == list(range(5))


def test_trying_again_is_offered_and_works(page, paged_site):
    page.ask("fail=500")
    page.wait_for("failed")
    watch = paged_site.provider.watch()
    page["again"].click()
    watch.wait_for(requests=1)
    page.wait_for("failed")


def test_a_failure_is_gone_with_the_next_question(page):
    page.ask("fail=500")
    page.wait_for("failed")
    page.ask("n=2")
    page.wait_for("done")
    assert not page.is_shown("failure") and page["failure"].text == ""


def test_a_cut_stream_is_told_from_a_finished_one(open_page, sites, mock):
    site = sites.site(mock, nginx={"server": POLICY})
    page = open_page(site)
    page.ask("n=1000000 rate=30")
    page.wait_for_output()
    site.worker.kill()
    assert page.wait_for("cut", "done", "failed", "stopped") == "cut"
    assert page.is_shown("failure") and page["failure"].get_attribute("data-type") == "cut"
    assert page.text(), "what had come is kept"
    # And then nobody is there at all.
    page.ask("n=1")
    page.wait_for("failed")
    assert page["failure"].text


def test_a_web_server_that_is_gone_is_told(open_page, sites, mock):
    site = sites.site(mock, nginx={"server": POLICY})
    page = open_page(site)
    site.nginx.stop()
    page.ask("n=1")
    page.wait_for("failed")
    assert page["failure"].get_attribute("data-type") == "network"


def test_an_empty_question_asks_nobody(page, paged_site):
    watch = paged_site.provider.watch()
    page["send"].click()
    wait_until(lambda: page["status"].text, "the page says what is missing")
    assert page.state == "idle" and watch["requests"] == 0
