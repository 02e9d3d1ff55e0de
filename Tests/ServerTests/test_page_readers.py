"""The page for every reader: its menus, by keyboard, by screen reader, on a phone, in light and dark."""

import re

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from harness.page import Keys

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
        """
    )
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
        """
    )
    assert nameless == []


@pytest.mark.parametrize("width, height", [(360, 640), (1400, 900)])
def test_it_fits_a_phone_and_a_wide_window(page, width, height):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
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
        page.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
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
