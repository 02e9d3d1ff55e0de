"""Counts what a program does: what it asks of the C library, and its system calls."""

import collections
import contextlib
import mmap
import re
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from .waiting import wait_until

Counts = collections.namedtuple("Counts", "allocations clock_reads locks turns watch_changes")
_LAYOUT = struct.Struct(f"{len(Counts._fields)}L")


class Counter:
    """A library to preload, which counts in a file that is read here."""

    def __init__(self, directory):
        library = directory / "counting.so"
        subprocess.run(
            ["gcc", "-O2", "-shared", "-fPIC", "-o", library, Path(__file__).with_suffix(".c"), "-ldl"],
            check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        self.path = directory / "counts"
        self.path.write_bytes(bytes(_LAYOUT.size))
        self.env = {"LD_PRELOAD": str(library), "COUNTS": str(self.path)}

    def counts(self):
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            return Counts(*_LAYOUT.unpack(memory[:]))

    def since(self, before):
        return Counts(*(now - then for now, then in zip(self.counts(), before)))


@contextlib.contextmanager
def system_calls(process, threads, directory):
    """Follows the threads of those names; yields a counter of their system calls, full once the block has ended."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    calls = collections.Counter()
    tasks = {task.name for task in _tasks(process) if re.fullmatch(threads, (task / "comm").read_text().strip())}
    record = directory / "calls"
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", record, "-p", str(process.pid)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        first = tracer.stderr.readline().decode()
        if "attached" not in first:
            pytest.skip(f"strace may not follow another process here: {first.strip()}")
        # It names each thread that it follows, and then nothing more.
        wait_until(lambda: _followed(process), "strace follows every thread")
        yield calls
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=30)
    for line in record.read_text("utf-8", "replace").splitlines():
        # `<... name resumed>` is the end of a call that was counted at its beginning.
        call = re.match(r"(\d+) +(\w+)\(", line)
        if call and call[1] in tasks:
            calls[call[2]] += 1


def _followed(process):
    return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in _tasks(process))


def _tasks(process):
    return list(Path(f"/proc/{process.pid}/task").iterdir())
