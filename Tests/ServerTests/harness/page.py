"""The page in a real browser."""

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from .waiting import wait_until

LONG = 60.0


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1000,800",
    ):
        options.add_argument(argument)
    # The log holds what breaks the Content-Security-Policy.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Named, as selenium would look for one on the network.
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_script_timeout(LONG)
    return driver


class Page:
    """The page as a reader uses it."""

    def __init__(self, driver, url):
        self.driver = driver
        driver.get_log("browser")
        driver.get(url)
        wait_until(lambda: self.menu(), "the menu of models is filled", LONG)

    def __getitem__(self, id_):
        return self.driver.find_element(By.ID, id_)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    # What it shows

    @property
    def state(self):
        return self.run("return document.getElementById('answer').dataset.state")

    def text(self, id_="output"):
        """All of it, also where it is folded away."""
        return self.run("return document.getElementById(arguments[0]).textContent", id_)

    def is_shown(self, id_):
        return self[id_].is_displayed()

    def menu(self):
        return [
            value
            for value in self.run("return [...document.querySelectorAll('#model option')].map(o => o.value)")
            if value
        ]

    def wait_for(self, *states):
        def reached():
            return self.state in states

        try:
            wait_until(reached, f"the page is {' or '.join(states)}", LONG)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.state} and says: {self['answer'].text[:1000]}") from None
        return self.state

    def wait_for_output(self, count=1):
        wait_until(lambda: self.state == "streaming" and len(self.text()) >= count, "there is some output", LONG)

    def console(self):
        return self.driver.get_log("browser")

    # What a reader does

    def write(self, prompt):
        self["prompt"].clear()
        self["prompt"].send_keys(prompt)

    def ask(self, prompt, *, model=None, endpoint=None):
        if model:
            Select(self["model"]).select_by_value(model)
        if endpoint:
            Select(self["endpoint"]).select_by_visible_text(endpoint)
        self.write(prompt)
        self["send"].click()

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        return self.run("return document.activeElement.id")


__all__ = ["Keys", "Page", "browser"]
