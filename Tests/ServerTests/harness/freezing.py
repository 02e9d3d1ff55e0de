"""Stops a single thread of a process, which no signal can do."""

import contextlib
import ctypes
import os

import pytest

from .process import _read

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


@contextlib.contextmanager
def frozen(process, name):
    """A thread of `process`, by its name, does nothing meanwhile (ptrace(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    tasks = [int(task) for task in os.listdir(f"/proc/{process.pid}/task")]
    (thread,) = [task for task in tasks if _read(f"/proc/{process.pid}/task/{task}/comm").strip() == name]
    if libc.ptrace(SEIZE, thread, None, None) != 0:
        pytest.skip(f"no thread may be stopped here: {os.strerror(ctypes.get_errno())}")
    try:
        assert libc.ptrace(INTERRUPT, thread, None, None) == 0
        os.waitpid(thread, WALL)
        yield
    finally:
        libc.ptrace(DETACH, thread, None, None)
