"""A Prometheus of the test's own, which scrapes as a site's would."""

import json
import shutil
import urllib.parse
import urllib.request

from .process import Process
from .waiting import free_port, wait_until

LONG = 60.0


class Prometheus(Process):
    """Runs with `config`, the text of its prometheus.yml."""

    def __init__(self, directory, config):
        self.port = free_port()
        path = directory / "prometheus.yml"
        path.write_text(config)
        words = [
            shutil.which("prometheus"),
            f"--config.file={path}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        super().__init__(words, name="prometheus", directory=directory)
        try:
            wait_until(lambda: self.has_ended() or self._is_ready(), "Prometheus is ready", LONG)
            assert not self.has_ended(), f"Prometheus did not start:\n{self.log()}"
        except BaseException:
            self.may_end = True
            self.stop()
            raise

    def get(self, path, **values):
        """The data of an answer of its API."""
        query = "?" + urllib.parse.urlencode(values) if values else ""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}{query}"
        # Without the environment's proxies.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=LONG) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """Its samples: labels, and the value as a number."""
        found = self.get("query", query=expression)
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def _is_ready(self):
        try:
            return self.get("status/runtimeinfo")
        except OSError:
            return False
