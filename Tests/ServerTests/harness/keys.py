"""Files of client keys."""

import json
import signal

from .waiting import wait_until


class KeyFile:
    """JSON is YAML, so that is what it is written in."""

    def __init__(self, directory, **names):
        self.path = directory / "keys.yaml"
        self.write(**names)

    def write(self, **names):
        self.path.write_text(json.dumps(names, indent=1))
        self.path.chmod(0o640)

    def access(self, **more):
        """`client_keys` of a configuration."""
        return {"file": str(self.path)} | more


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def reload(worker):
    """Has it read its configuration again, and waits until it has said what came of it."""

    def told():
        return sum(
            "configuration was read again" in line or "old configuration stays" in line
            for line in worker.log().splitlines()
        )

    before = told()
    worker.signal(signal.SIGHUP)
    wait_until(lambda: told() > before, "the worker has read its configuration again")
