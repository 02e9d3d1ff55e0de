"""The page in headless Chromium, served by nginx under the policy of demo.conf."""

import json
import re
import time

import pytest

from harness.events import numbers
from harness.page import Keys
from harness.paths import PAGE
from harness.reading import POLICY
from harness.waiting import wait_until


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
    """Where sheep.conf serves it itself, under the same policy."""
    root = sites.directory()
    (root / "ai").symlink_to(PAGE)
    site = sites.site(mock, nginx={"root": root})
    page = open_page(site, "/ai/")
    page.ask("n=5")
    page.wait_for("done")
    assert len(page.text().split()) == 5
    with site.get("/ai/") as answer:
        assert answer.header("Content-Security-Policy") in POLICY


def test_the_system_prompt_goes_before_the_question(page, paged_site):
    page.run("document.getElementById('instructions').open = true")
    page["system"].send_keys("Answer like a sheep.")
    page.ask("n=1")
    page.wait_for("done")
    assert paged_site.provider.last_body()["messages"] == [
        {"role": "system", "content": "Answer like a sheep."},
        {"role": "user", "content": "n=1"},
    ]


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
        """
    )
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
