"""The systemd units that we ship, without an init: test_package.py starts them."""

import re
import subprocess

from harness.paths import DEPLOY, SHEEPFCGI
from harness.starting import needs


@needs("systemd-analyze")
def test_the_service_is_exposed_to_less_than_2_of_10():
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", DEPLOY / "sheepfcgi.service")
    exposure = float(re.search(r"Overall exposure level for sheepfcgi.service: ([\d.]+)", said)[1])
    assert exposure < 2.0, said


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_them(directory):
    for unit in ("sheepfcgi.socket", "sheepfcgi.service"):
        text = (DEPLOY / unit).read_text()
        # It looks for the program, which a package has put there or not.
        (directory / unit).write_text(text.replace("/usr/bin/sheepfcgi", str(SHEEPFCGI)))
    said = run("systemd-analyze", "verify", "--man=no", directory / "sheepfcgi.service", directory / "sheepfcgi.socket")
    assert "sheepfcgi" not in said, said


def run(*words):
    ended = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
