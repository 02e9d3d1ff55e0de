"""Workers that take each other's place."""

import os
import re
import signal

from . import process
from .waiting import wait_until


class Line:
    """A worker and the processes that take its place, one after the other."""

    def __init__(self, worker):
        self.worker = worker
        self.pids = [worker.pid]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The newest first: it has the listener.
        for pid in reversed(self.pids[1:]):
            process.end(pid)

    @property
    def newest(self):
        return self.pids[-1]

    def ask(self):
        os.kill(self.newest, signal.SIGUSR2)

    def replace(self):
        """Waits until the new process serves and the old one makes way."""
        self.worker.may_end = True
        self.ask()
        pattern = re.compile(r'msg="process (\d+) serves;')
        found = wait_until(
            lambda: pids if len(pids := pattern.findall(self.worker.log())) == len(self.pids) else None,
            "the new process serves",
        )
        self.pids.append(int(found[-1]))

    def wait_for_end(self, pid):
        wait_until(lambda: not process.is_alive(pid) or self._reaps(pid), f"process {pid} has ended")

    def _reaps(self, pid):
        return pid == self.worker.pid and self.worker.has_ended()
