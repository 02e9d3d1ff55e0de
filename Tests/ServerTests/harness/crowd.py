"""Many clients at once, who want whole streams."""

import threading

from .events import numbers


class Crowd:
    """Clients that ask one after the other, each for a whole stream."""

    def __init__(self, site, size, prompt, count):
        self.site, self.prompt, self.count = site, prompt, count
        self.ended, self.faults = 0, []
        self._lock = threading.Lock()
        self._must_end = False
        self._threads = [threading.Thread(target=self._run) for _ in range(size)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._must_end = True
        for thread in self._threads:
            thread.join()

    def _run(self):
        while not self._must_end:
            try:
                with self.site.ask(self.prompt) as answer:
                    events = answer.all_events()
                assert events.done and numbers(events.tokens) == list(range(self.count)), events
                fault = None
            except (AssertionError, OSError) as error:
                fault = repr(error)
            with self._lock:
                self.ended += 1
                if fault:
                    self.faults.append(fault)
