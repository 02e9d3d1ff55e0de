"""mock-provider, and what it saw."""

import http.client
import json
import re

from .paths import MOCK_PROVIDER
from .process import Process
from .waiting import wait_until


class MockProvider(Process):
    def __init__(self, directory):
        super().__init__([MOCK_PROVIDER, "--port", "0"], name="mock-provider", directory=directory)
        self.wait_for_log("listens on")
        self.port = int(re.search(r"http://[^:]+:(\d+)", self.log())[1])
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def stats(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/stats")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def wait_for(self, **wanted):
        """Waits until its counters are as wanted."""

        def reached():
            stats = self.stats()
            return all(stats[name] == value for name, value in wanted.items())

        try:
            wait_until(reached, f"the provider counts {wanted}", every=0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}; it counts {self.stats()}") from None

    def watch(self):
        """A counting from now on, once nothing is under way."""
        self.wait_for(open=0)
        return Watch(self)

    def last_body(self):
        return self.stats()["last_request"]["body"]


class Watch:
    def __init__(self, mock):
        self.mock = mock
        self.before = mock.stats()

    def __getitem__(self, name):
        return self.mock.stats()[name] - self.before[name]

    def wait_for(self, **wanted):
        self.mock.wait_for(
            **{name: value + (0 if name == "open" else self.before[name]) for name, value in wanted.items()}
        )
