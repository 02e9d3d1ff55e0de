"""Programs as children: logged, watched for crashes, and ended by their process id."""

import contextlib
import os
import signal
import subprocess
import time

from .waiting import wait_until

PASSED_ON = ("PATH", "HOME", "TMPDIR", "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE")


def environment(changes=None):
    """A small one, so that neither a proxy nor a key of whoever runs the tests gets into them."""
    result = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    result["LANG"] = "C.UTF-8"
    result.update(changes or {})
    return result


class Process:
    """A child whose output goes to a file. One that ends although nobody wanted it to fails the test that stops it."""

    # All that were started and not stopped yet, for the report of a failed test.
    running = []

    def __init__(self, arguments, *, name, directory, env=None, **popen):
        self.name = name
        self.log_path = directory / f"{name}.log"
        self.may_end = False
        popen.setdefault("stdin", subprocess.DEVNULL)
        with open(self.log_path, "ab") as log:
            popen.setdefault("stdout", log)
            popen.setdefault("stderr", log)
            self.popen = subprocess.Popen([str(each) for each in arguments], env=environment(env), **popen)
        Process.running.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def has_ended(self):
        return self.popen.poll() is not None

    def wait_for_log(self, text, limit=30):
        wait_until(lambda: text in self.log() or self.has_ended(), f"{self.name} logs {text!r}", limit)
        assert text in self.log(), f"{self.name} ended with {self.popen.returncode}:\n{self.log()}"

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, limit=30):
        """Its exit status, after an end that was expected."""
        self.may_end = True
        return self.popen.wait(limit)

    def kill(self):
        self.may_end = True
        self.popen.kill()
        self.popen.wait(30)

    def stop(self):
        if self not in Process.running:
            return
        Process.running.remove(self)
        ended = self.popen.poll()
        if ended is not None:
            assert self.may_end, f"{self.name} ended by itself with {ended}:\n{self.log()[-4000:]}"
            return
        # Twice: the first TERM lets a worker drain, the second ends it at once.
        for number, patience in ((signal.SIGTERM, 1), (signal.SIGTERM, 10), (signal.SIGKILL, 30)):
            self.popen.send_signal(number)
            try:
                self.popen.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # What the kernel knows of it

    def memory(self):
        """Resident bytes."""
        return memory_of(self.pid)

    def threads(self):
        names = []
        for task in os.listdir(f"/proc/{self.pid}/task"):
            # One may end meanwhile.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                names.append(_read(f"/proc/{self.pid}/task/{task}/comm").strip())
        return sorted(names)

    def cpu_seconds(self):
        fields = _read(f"/proc/{self.pid}/stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        """The targets of its descriptors, by number."""
        result = {}
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                result[int(number)] = os.readlink(f"/proc/{self.pid}/fd/{number}")
            except FileNotFoundError:
                continue
        return result

    def polled(self):
        """For each of its epoll instances the descriptors that it watches."""
        result = []
        for number, target in self.descriptors().items():
            if target == "anon_inode:[eventpoll]":
                lines = _read(f"/proc/{self.pid}/fdinfo/{number}").splitlines()
                result.append([int(line.split()[1]) for line in lines if line.startswith("tfd:")])
        return result


def memory_of(pid):
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def end(pid, limit=30):
    """Ends a process that is no child of ours, such as spawn-fcgi leaves behind."""
    for number, patience in ((signal.SIGTERM, limit / 2), (signal.SIGKILL, limit)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_alive(pid):
                return
            time.sleep(0.01)


def children(pid):
    return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]


def is_alive(pid):
    try:
        return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
