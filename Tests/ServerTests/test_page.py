"""The page in headless Chromium, served by nginx under the policy of demo.conf."""

import json
import re
import shutil
import time

import pytest

pytest.importorskip("selenium", reason="selenium is not installed: Tests/ServerTests/requirements.txt")

from selenium.webdriver.common.action_chains import ActionChains

from harness.events import numbers
from harness.page import Keys, Page, browser
from harness.paths import NGINX_FILES, PAGE
from harness.waiting import wait_until

# What demo.conf adds to every answer, its policy first of all.
POLICY = "\n".join(re.findall(r"(?m)^\s+add_header .*;$", (NGINX_FILES / "demo.conf").read_text()))


@pytest.fixture(scope="module")
def driver():
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    driver = browser()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def paged_site(module_sites):
    assert "Content-Security-Policy" in POLICY
    return module_sites.site(module_sites.mock(), nginx={"server": POLICY})


@pytest.fixture
def open_page(driver):
    """Opens a site's page; after the test its console must hold no violation and no exception."""
    pages = []

    def open_(site, path="/"):
        pages.append(Page(driver, site.url + path))
        return pages[-1]

    yield open_
    for page in pages[-1:]:
        bad = [line["message"] for line in page.console() if re.search("Content.Security.Policy|Uncaught", line["message"])]
        assert not bad, bad


@pytest.fixture
def page(open_page, paged_site):
    return open_page(paged_site)


def whole_text(site, prompt):
    """What the same prompt gives in one piece."""
    with site.ask(f"{prompt} json=1") as answer:
        return answer.all_events().text


# Streaming


def test_an_answer_appears_and_ends_with_its_figures(page):
    assert page.state == "idle"
    page.ask("n=30 rate=200")
    page.wait_for("done")
    assert numbers(page.text().split()) == list(range(30))
    assert page.is_shown("figures") and not page.is_shown("failure")
    for id_ in ("ttft", "rate", "usage", "cost", "duration"):
        assert re.search(r"\d", page[id_].text), id_
    assert "30" in page["usage"].text
    assert page["spoke"].text == "mock/mock"
    assert re.fullmatch("[0-9a-f]{32}", page["request-id"].text)


def test_it_works_below_a_prefix_too(open_page, sites, mock):
    server = f"location /ai/ {{ alias {PAGE}/; }}"
    page = open_page(sites.site(mock, nginx={"server": POLICY + server}), "/ai/")
    page.ask("n=5")
    page.wait_for("done")
    assert len(page.text().split()) == 5


def test_tokens_appear_as_they_come(open_page, sites):
    provider = sites.scripted()
    page = open_page(sites.site(provider, nginx={"server": POLICY}))
    page.ask("step")
    call = provider.next_call()
    assert page.state == "waiting"
    call.head()
    seen = ""
    for word in ("one ", "two ", "three ", "four "):
        call.token(word)
        seen += word
        wait_until(lambda: page.text() == seen, f"the page shows {seen!r}")
        assert page.state == "streaming"
    call.finish()
    page.wait_for("done")


@pytest.mark.parametrize("name", ["emoji", "rtl", "mixed", "markdown"])
def test_text_survives_tokens_split_at_every_byte(page, paged_site, name):
    whole = whole_text(paged_site, f"text={name}")
    page.ask(f"text={name} split=1")
    page.wait_for("done")
    assert page.text() == whole


# In place of fetch: an answer in pieces of a size, or one that the test pushes piece by piece.
PIECES = """
    const bytes = new TextEncoder().encode(arguments[0]), size = arguments[1];
    let position = 0;
    window.fetch = async () => new Response(
        new ReadableStream({pull(controller) {
            if (position >= bytes.length) return controller.close();
            controller.enqueue(bytes.slice(position, position += size));
        }}, {highWaterMark: 0}), {headers: {"Content-Type": "text/event-stream"}});
"""
PUSHED = """
    window.fetch = async () => new Response(
        new ReadableStream({start(controller) { window.controller = controller; }}),
        {headers: {"Content-Type": "text/event-stream"}});
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_no_event_is_lost_and_no_character_broken_at_any_chunk_border(page, size, line_end):
    words = ["👩‍👩‍👧‍👦 ", "שלום ", "zażółć ", "🏴󠁧󠁢󠁳󠁣󠁴󠁿 ", "\u2028 ", '"\\ ', "<b>&amp; "]
    events = [f"data: {json.dumps({'token': word}, ensure_ascii=False)}\n\n" for word in words]
    events += ['data: {"token":"\\ud83d"}\n\n', 'data: {"token":"\\ude00"}\n\n']
    ending = 'event: done\nid: 1.end\ndata:{"id":"1","finish_reason":"stop",\ndata: "usage":null}\n\n'
    text = "\ufeff: ping\n\n" + "".join(events) + "event: unheard\ndata: {}\n\n" + ending
    page.run(PIECES, text.replace("\n", line_end), size)
    page.ask("x")
    page.wait_for("done")
    assert page.text() == "".join(words) + "😀"


def test_half_a_character_waits_for_its_other_half(page):
    page.run(PUSHED)
    page.ask("x")

    def push(text):
        wait_until(lambda: page.run("return !!window.controller"), "the page has asked")
        page.run("window.controller.enqueue(new TextEncoder().encode(arguments[0]))", text)

    push('data: {"token":"a\\ud83d"}\n\n')
    wait_until(lambda: page.text().startswith("a"), "the first half is there")
    # Frames go by, and nothing broken is shown.
    assert page.text() == "a"
    push('data: {"token":"\\ude00b"}\n\n')
    wait_until(lambda: page.text() == "a😀b", "the character is whole")
    push('data: {"token":"\\ud83d"}\n\nevent: done\ndata: {"finish_reason":"stop","usage":null}\n\n')
    page.wait_for("done")
    # What never came whole shows as such.
    assert page.text() == "a😀b\ufffd"


def test_when_the_page_says_done_all_of_the_text_is_there(page):
    page.run(
        """
        const answer = document.getElementById('answer');
        new MutationObserver(() => {
            if (answer.dataset.state === 'done') window.textWhenDone ??= document.getElementById('output').textContent;
        }).observe(answer, {attributes: true});
        """)
    page.ask("n=3000")
    page.wait_for("done")
    assert page.run("return window.textWhenDone").count(" ") == 3000


def test_ten_thousand_tokens_do_not_freeze_the_page(page):
    page.ask("n=10000 rate=3000")
    slowest = 0.0
    answered = 0
    while page.state not in ("done", "failed", "cut"):
        start = time.monotonic()
        page.run("return document.getElementById('output').offsetHeight")
        slowest = max(slowest, time.monotonic() - start)
        answered += 1
        assert answered < 100_000
    page.wait_for("done")
    assert numbers(page.text().split()) == list(range(10_000))
    assert answered > 1 and slowest < 10, f"{answered} script calls, the slowest took {slowest:.1f} s"


def test_a_flood_does_not_freeze_it_either(page):
    page.ask("n=50000")
    page.wait_for("done")
    assert page.text().count(" ") == 50_000


def test_markup_in_an_answer_stays_text(page, paged_site):
    page.ask("text=mixed")
    page.wait_for("done")
    assert "<script>" in page.text()
    assert page.run("return document.querySelectorAll('#output *').length") == 0


def test_thinking_is_folded_away(page):
    page.ask("n=3 reasoning=5")
    page.wait_for("done")
    assert page.is_shown("reasoning") and not page.is_shown("reasoning-text")
    assert page.text("reasoning-text").count("thought-") == 5
    page["thinking"].click()
    wait_until(lambda: page.is_shown("reasoning-text"), "the thoughts unfold")
    assert "thought" not in page.text()


def test_tool_calls_are_shown(page):
    page.ask("tools=2")
    page.wait_for("done")
    assert page.is_shown("tools")
    assert page.run("return document.querySelectorAll('#tools li').length") == 2


def test_a_second_question_takes_the_place_of_the_first(page):
    for count in (5, 3):
        page.ask(f"n={count} reasoning={count - 3}")
        page.wait_for("done")
        wait_until(lambda: page.text().count(" ") == count, f"{count} tokens are shown")
    assert not page.is_shown("reasoning")


def test_a_prompt_is_sent_by_post_and_stands_in_no_log(page, paged_site):
    page.ask("n=1 private-question")
    page.wait_for("done")
    paged_site.nginx.wait_for_access(page["request-id"].text)
    assert "POST /stream " in paged_site.nginx.access_log() and "private-question" not in paged_site.nginx.access_log()


# Stopping


@pytest.mark.parametrize("how", ["click", "escape"])
def test_stopping_stops_the_provider_and_keeps_the_text(page, paged_site, how):
    watch = paged_site.provider.watch()
    page.ask("n=1000000 rate=30")
    page.wait_for_output(50)
    page["stop"].click() if how == "click" else page.press(Keys.ESCAPE)
    assert page.wait_for("stopped", "failed", "cut", "done") == "stopped"
    watch.wait_for(aborted=1, open=0)
    text = page.text()
    assert text and not page.is_shown("failure")
    page.ask("n=2")
    page.wait_for("done")


def test_stopping_before_the_first_token_stops_the_provider_too(page, paged_site):
    watch = paged_site.provider.watch()
    page.ask("silent=1")
    watch.wait_for(requests=1)
    assert page.state == "waiting"
    page["stop"].click()
    page.wait_for("stopped")
    watch.wait_for(aborted=1, open=0)


def test_leaving_the_page_stops_the_provider(page, paged_site):
    watch = paged_site.provider.watch()
    page.ask("n=1000000 rate=30")
    page.wait_for_output()
    page.driver.get("about:blank")
    watch.wait_for(aborted=1, open=0)


# Failures


@pytest.mark.parametrize(
    "prompt, kind, words",
    [
        ("fail=429 retry_after=2", "rate_limited", "wait"), ("fail=500", "upstream_failed", "again"),
        ("fail=401", "upstream_rejected", "another"), ("html=1", "upstream_malformed", "again"),
        ("fail=400", "bad_request", "ask"), ("empty=1", "upstream_truncated", "again"),
    ])
def test_a_failure_before_any_output_is_told_in_words_with_what_to_do(page, prompt, kind, words):
    page.ask(prompt)
    page.wait_for("failed")
    assert page.is_shown("failure")
    assert page["failure"].get_attribute("data-type") == kind
    assert words in page["failure"].text.lower()
    assert page["status"].text and page.text() == ""


@pytest.mark.parametrize("prompt, kind", [("n=9 drop=5", "upstream_truncated"), ("n=9 error=5", "rate_limited"), ("n=9 truncate=5", "upstream_truncated")])
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


# Menus


def test_the_menu_lists_the_models_with_their_prices(page):
    assert page.menu() == ["mock/mock", "mock/plain"]
    labels = page.run("return [...document.querySelectorAll('#model option')].map(o => o.textContent)")
    assert "$1" in labels[0] and "$2" in labels[0] and "$" not in labels[1]
    assert page.run("return document.getElementById('model').value") == "mock/mock"


def test_the_chosen_model_answers(page, paged_site):
    page.ask("n=1", model="mock/plain")
    page.wait_for("done")
    assert page["spoke"].text == "mock/plain"
    assert paged_site.provider.last_body()["model"] == "plain"


def test_the_other_endpoint_can_be_chosen(page, paged_site):
    page.ask("n=20", endpoint="stream-backpressure")
    page.wait_for("done")
    paged_site.nginx.wait_for_access(page["request-id"].text)
    assert paged_site.worker.request(page["request-id"].text)["route"] == "/stream-backpressure"


# Everyone


def test_it_works_by_keyboard_alone(page):
    assert page.focused() == "prompt"
    page.press("n=1000000 rate=30")
    ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    assert page.state == "idle" and page["prompt"].get_attribute("value").endswith("\n")
    page.press(Keys.ENTER)
    page.wait_for_output()
    page.press(Keys.ESCAPE)
    page.wait_for("stopped")
    # Every control can be reached, and the way goes round.
    page["prompt"].click()
    reached = []
    for _ in range(12):
        page.press(Keys.TAB)
        reached.append(page.focused())
    assert {"model", "endpoint", "send"} <= set(reached), reached


def test_stop_can_be_reached_and_pressed_by_keyboard(page, paged_site):
    watch = paged_site.provider.watch()
    page.write("n=1000000 rate=30")
    for _ in range(10):
        page.press(Keys.TAB)
        if page.focused() == "send":
            break
    page.press(Keys.ENTER)
    page.wait_for_output()
    # The button that was pressed is off now; the focus must not be lost.
    assert page.focused() == "stop"
    page.press(Keys.ENTER)
    page.wait_for("stopped")
    watch.wait_for(aborted=1)


def test_screen_readers_are_told_the_state_and_not_every_token(page):
    page.run(
        """
        window.told = [];
        new MutationObserver(() => window.told.push(document.getElementById('status').textContent))
            .observe(document.getElementById('status'), {childList: true, characterData: true, subtree: true});
        """)
    page.ask("n=200 rate=200")
    page.wait_for("done")
    told = page.run("return window.told")
    assert 2 <= len(set(told)) <= 6 and len(told) <= 12, told
    assert page["status"].get_attribute("role") == "status"
    assert page["output"].get_attribute("aria-live") in ("off", None)
    assert page["failure"].get_attribute("role") == "alert"


def test_every_control_has_a_name(page):
    nameless = page.run(
        """
        return [...document.querySelectorAll('button, select, textarea, input')]
            .filter(e => !(e.textContent.trim() && e.tagName === 'BUTTON') && !e.labels?.length && !e.ariaLabel)
            .map(e => e.id)
        """)
    assert nameless == []


@pytest.mark.parametrize("width, height", [(360, 640), (1400, 900)])
def test_it_fits_a_phone_and_a_wide_window(page, width, height):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
    try:
        page.ask("n=40 size=40")
        page.wait_for("done")
        assert page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        for id_ in ("prompt", "send", "stop", "model", "endpoint"):
            assert page.is_shown(id_)
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_is_light_or_dark_as_the_reader_likes(page):
    brightness = {}
    for scheme in ("light", "dark"):
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        colour = page.run("return getComputedStyle(document.body).backgroundColor")
        root = page.run("return getComputedStyle(document.documentElement).backgroundColor")
        parts = [float(part) for part in re.findall(r"[\d.]+", colour if "0, 0, 0, 0" not in colour else root)]
        brightness[scheme] = sum(parts[:3])
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert brightness["dark"] < brightness["light"] / 2, brightness


def test_a_script_from_elsewhere_is_stopped_by_the_policy(page):
    """The policy is there, and its violation would be seen by all the tests above."""
    page.run("const s = document.createElement('script'); s.textContent = 'window.broken = 1'; document.body.append(s)")
    assert page.run("return window.broken") is None
    assert any("Content Security Policy" in line["message"] for line in page.console())
