"""The program under test."""

import json
import re
import shlex

from .paths import SHEEPFCGI
from .process import Process
from .waiting import is_listening, wait_until

# What must never be seen in a log or an answer.
KEY = "sk-mock-1234567890abcdef"


def settings(base_url, **changes):
    """A configuration: one provider, `mock`, with the models `mock` (priced) and `plain`; `changes` go over it."""
    return merge(
        {
            "default_model": "mock/mock",
            "providers": {
                "mock": {
                    "base_url": base_url,
                    "api_key": "$MOCK_KEY",
                    "models": {"mock": {"price_per_mtok": {"prompt": 1.0, "completion": 2.0}}, "plain": {}},
                }
            },
            # One alone, as tests count the provider's calls and await its first failure; those of retries ask for more.
            "retry": {"attempts": 1},
        },
        changes,
    )


def merge(base, changes):
    result = dict(base)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            value = merge(result[name], value)
        result[name] = value
    return result


class Worker(Process):
    """`sheepfcgi serve` on a socket of its own. JSON is YAML, so that is what its configuration is written in."""

    def __init__(
        self,
        directory,
        config=None,
        *,
        address=None,
        workers=1,
        arguments=(),
        env=None,
        program=SHEEPFCGI,
        launcher=(),
        **popen,
    ):
        self.address = address or directory / "worker.sock"
        self.config = config
        self.config_path = directory / "sheepfcgi.yaml"
        words = [*launcher, program, "serve", "--listen", listen_word(self.address), *arguments]
        if workers is not None:
            words += ["--workers", workers]
        if config is not None:
            self.write(config)
            words += ["--config", self.config_path]
        super().__init__(words, name="sheepfcgi", directory=directory, env={"MOCK_KEY": KEY} | (env or {}), **popen)
        try:
            wait_until(lambda: self.has_ended() or is_listening(self.address), "the worker listens")
            assert not self.has_ended(), f"sheepfcgi did not start ({self.popen.returncode}):\n{self.log()}"
        except BaseException:
            self.may_end = True
            self.stop()
            raise

    def write(self, config):
        self.config_path.write_text(json.dumps(config, indent=1))

    def lines(self):
        """Its log, each line as a dictionary."""
        return [logfmt(line) for line in self.log().splitlines() if line.startswith("time=")]

    def requests(self):
        """The access log."""
        return [line for line in self.lines() if line.get("msg") == "request"]

    def request(self, request_id):
        """The access log's line for one request, as soon as it is written."""

        def find():
            return [line for line in self.requests() if line["id"] == request_id]

        return wait_until(find, f"the log has a line for the request {request_id}")[0]

    def web_connections(self):
        """For each of its loops the connections from web servers over its Unix socket."""
        with open("/proc/net/unix", encoding="ascii", errors="replace") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        # 03 is a connected one (SS_CONNECTED).
        targets, connected = self.descriptors(), {f"socket:[{row[6]}]" for row in rows if row[5] == "03"}
        return [sum(targets.get(number) in connected for number in polled) for polled in self.polled()]

    def worker_threads(self):
        return [name for name in self.threads() if re.fullmatch(r"worker-\d+", name)]


def listen_word(address):
    if isinstance(address, tuple):
        host, port = address
        return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"
    return f"unix:{address}"


def logfmt(line):
    """`name=value` pairs, values in double quotes where they hold more than a word."""
    return dict(word.partition("=")[::2] for word in shlex.split(line))
