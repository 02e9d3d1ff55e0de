"""A client that streams on and on, and notices when somebody else disturbs it."""

import threading

from .events import numbers
from .waiting import LIMIT, wait_until

RATE = 100
# Far more than a loaded machine makes of 10 ms, far less than a worker that waits for a hostile peer would.
LONGEST_GAP = 5.0


class HonestStream:
    def __init__(self, site, prompt=f"n=1000000 rate={RATE}"):
        self._answer = site.ask(prompt)
        self.tokens = []
        self.times = []
        self.error = None
        self.done = None
        self._is_leaving = False
        threading.Thread(target=self._read, daemon=True).start()
        self.must_go_on("at its beginning")

    def _read(self):
        try:
            while (event := self._answer.next_event()) is not None:
                if event.type == "message":
                    self.tokens.append(event.token)
                    self.times.append(event.at)
                elif event.is_terminal:
                    assert event.type == "done", event.data
                    self.done = event.json
            assert self.done, "the stream ended without a terminal event"
        except (AssertionError, OSError, ValueError) as error:
            if not self._is_leaving:
                self.error = error

    def must_go_on(self, when):
        """Some more tokens come, and until now none was missing or late."""
        wanted = len(self.tokens) + 5
        wait_until(lambda: self.error or len(self.tokens) >= wanted, f"the honest stream goes on {when}", LIMIT)
        self.check(when)

    def check(self, when):
        assert self.error is None, f"the honest stream broke {when}: {self.error}"
        tokens, times = list(self.tokens), list(self.times)
        assert numbers(tokens) == list(range(len(tokens))), f"the honest stream lost tokens {when}"
        gap = max((after - before for before, after in zip(times, times[1:])), default=0)
        assert gap < LONGEST_GAP, f"the honest stream stood still for {gap:.1f} s {when}"

    def to_end(self):
        wait_until(lambda: self.error or self.done, "the honest stream ends")
        self.check("at its end")
        return self.tokens

    def leave(self):
        self._is_leaving = True
        self._answer.close()
