"""A Debian of our own with systemd in it, to install packages in."""

import fcntl
import itertools
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from .paths import REPOSITORY
from .process import Process
from .waiting import wait_until

# What the package needs is there already, so that it can be installed without a network.
INCLUDED = "systemd,dbus,nginx-light,curl,ca-certificates,libcurl4,libstdc++6"
SUITE = "bookworm"
# Kept from run to run: no test writes to it.
ROOT = REPOSITORY / ".build" / f"debian-{SUITE}"

# What machine-boot does, and is not permitted everywhere.
MOUNTS = """
mount -t tmpfs tmpfs /mnt
cd /mnt
mkdir lower upper work root cgroup
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay root
mount -t cgroup2 cgroup2 cgroup
"""

_numbers = itertools.count()


@pytest.fixture(scope="session")
def debian():
    """The folder of a small Debian. Made once, in less than a minute."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a Debian and boot it")
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed")
    refusal = cannot_unshare()
    if refusal:
        pytest.skip(f"this machine lets nobody boot another: {refusal}")
    ROOT.parent.mkdir(exist_ok=True)
    with open(ROOT.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = ROOT / "included"
        if not stamp.exists() or stamp.read_text() != INCLUDED:
            make_root(stamp)
    return ROOT


def cannot_unshare():
    """Why not; empty where it can be done."""
    place = cgroups()
    if not place:
        return "no cgroup2 is mounted"
    try:
        tried = place / f"sheepfcgi-test-{os.getpid()}"
        tried.mkdir()
        tried.rmdir()
    except OSError as error:
        return f"no cgroup can be made: {error}"
    words = ["unshare", "--fork", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--propagation", "private"]
    tried = subprocess.run([*words, "sh", "-ec", MOUNTS], capture_output=True, text=True, timeout=60)
    return tried.stderr.strip() if tried.returncode else ""


def cgroups():
    """Where cgroup2 is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


def make_root(stamp):
    shutil.rmtree(ROOT, ignore_errors=True)
    words = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(ROOT)]
    made = subprocess.run(words, capture_output=True, text=True, timeout=900)
    if made.returncode:
        shutil.rmtree(ROOT, ignore_errors=True)
        pytest.skip("debootstrap made no Debian here: " + "; ".join(made.stdout.splitlines()[-3:]))
    shutil.rmtree(ROOT / "var/cache/apt/archives", ignore_errors=True)
    # The network is the host's: nothing may listen on its port 80.
    (ROOT / "etc/nginx/sites-enabled/default").unlink()
    stamp.write_text(INCLUDED)


class Machine(Process):
    """It has booted when this returns. What is changed in it is gone with it."""

    def __init__(self, root, directory):
        self.cgroup = cgroups() / f"sheepfcgi-test-{os.getpid()}-{next(_numbers)}"
        boot = Path(__file__).with_name("machine-boot")
        super().__init__([boot, root, self.cgroup], name="machine", directory=directory)
        try:
            wait_until(lambda: self.has_ended() or self._has_booted(), "systemd has booted", 120)
            assert not self.has_ended(), f"systemd did not start:\n{self.log()}"
        except BaseException:
            self.stop()
            raise

    def _has_booted(self):
        # Its root is the host's until it has begun.
        if not self._init() or not (self.root / "run/systemd/system").exists():
            return False
        ended = self.try_("systemctl is-system-running")
        return ended.stdout.strip() in ("running", "degraded")

    def _init(self):
        """The process id of its systemd, as the host counts. 0: not yet."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except FileNotFoundError:
            return 0
        return int(children[0]) if children else 0

    @property
    def root(self):
        """Its files, from here."""
        return Path(f"/proc/{self._init()}/root")

    def try_(self, command, limit=120, **run):
        """Runs a shell's command in it, in a session of its own: what is sent to its process group must not reach us."""
        words = ["nsenter", "-t", str(self._init()), "-m", "-u", "-i", "-C", "-p", "sh", "-c", command]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        return subprocess.run(
            words, capture_output=True, text=True, timeout=limit, env=env, start_new_session=True, **run
        )

    def run(self, command, limit=120):
        """What it says, on either output; it must succeed."""
        ended = self.try_(command, limit)
        assert ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        return ended.stdout + ended.stderr

    def show(self, unit, name):
        """A property of a unit."""
        return self.run(f"systemctl show --property={name} --value {shlex.quote(unit)}").strip()

    def log(self):
        """Its journal, for the report of a failure."""
        said = super().log()
        if self.has_ended() or not self._init():
            return said
        return said + self.try_("journalctl --no-pager -o short-monotonic").stdout

    def stop(self):
        if self in Process.running:
            Process.running.remove(self)
            # With the first process of its namespace all end, and its mounts with them.
            self.popen.kill()
            self.popen.wait(30)
            wait_until(self._remove_cgroup, "the machine's processes have ended")

    def _remove_cgroup(self):
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                return False
        return True
