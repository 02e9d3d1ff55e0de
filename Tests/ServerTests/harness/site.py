"""A whole site: nginx, a worker, and a provider behind it."""

import contextlib
import itertools
import json
import shutil
import tempfile
from pathlib import Path

from .http import Answer, query
from .mock import MockProvider
from .nginx import Nginx
from .scripted import ScriptedProvider
from .worker import Worker, settings


class Site:
    def __init__(self, directory, nginx, worker, provider):
        self.directory = directory
        self.nginx = nginx
        self.worker = worker
        self.provider = provider

    @property
    def address(self):
        return self.nginx.address

    @property
    def url(self):
        return f"http://127.0.0.1:{self.nginx.port}"

    def request(self, method, target, headers=None, body=b"", **more):
        return Answer(self.address, method, target, headers, body, **more)

    def get(self, path, headers=None, **values):
        return self.request("GET", query(path, **values) if values else path, headers)

    def post(self, body, path="/stream", headers=None, **more):
        """`body` is JSON to be, or bytes as they stand."""
        bytes_ = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, {"Content-Type": "application/json"} | (headers or {}), bytes_, **more)

    def ask(self, prompt, path="/stream", headers=None, receive_buffer=None, **fields):
        return self.post({"prompt": prompt} | fields, path, headers, receive_buffer=receive_buffer)


class Sites:
    """Makes sites and their parts, and ends them all."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._root = Path(tempfile.mkdtemp(prefix="sheep-", dir="/tmp"))
        # nginx's processes give root up, and must get to the sockets all the same.
        self._root.chmod(0o755)
        self._stack.callback(shutil.rmtree, self._root, ignore_errors=True)
        self._numbers = itertools.count()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def directory(self):
        directory = self._root / str(next(self._numbers))
        directory.mkdir(mode=0o755)
        return directory

    def keep(self, resource):
        """Ends it with all the others."""
        return self._stack.enter_context(resource)

    def mock(self):
        return self.keep(MockProvider(self.directory()))

    def scripted(self, **options):
        return self.keep(ScriptedProvider(**options))

    def worker(self, provider, *, workers=1, env=None, arguments=(), address=None, popen=None, **changes):
        """A worker for a provider of ours, or for one at a base URL."""
        base_url = provider if isinstance(provider, str) else provider.base_url
        config = settings(base_url, **changes)
        return self.keep(
            Worker(
                self.directory(),
                config,
                workers=workers,
                env=env,
                arguments=arguments,
                address=address,
                **(popen or {}),
            )
        )

    def nginx(self, *addresses, **options):
        return self.keep(Nginx(self.directory(), *addresses, **options))

    def site(self, provider, *, nginx=None, **worker):
        """`nginx` are its options, the rest are the worker's."""
        made = self.worker(provider, **worker)
        web = self.nginx(made.address, **(nginx or {}))
        return Site(web.directory, web, made, provider)
