"""The web server, with the files that we ship."""

import os
import re
import shutil

from .paths import NGINX_FILES, PAGE
from .process import Process
from .waiting import free_port, is_listening, wait_until

# A conversation of a second each would take the tests hours; `limits=True` leaves them as they are shipped.
LIFTED = [
    ("sheep_http.conf", "rate=1r/s", "rate=100000r/s"),
    ("sheep.conf", "burst=20", "burst=100000"),
    ("sheep.conf", "limit_conn sheep_streams 10;", "limit_conn sheep_streams 60000;"),
]

MAIN = """
{user}
daemon off;
master_process on;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid nginx.pid;
error_log {directory}/nginx-error.log info;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path tmp-body;
    fastcgi_temp_path tmp-fastcgi;
    scgi_temp_path tmp-scgi;
    proxy_temp_path tmp-proxy;
    uwsgi_temp_path tmp-uwsgi;
    types {{ text/html html; text/javascript js; text/css css; image/svg+xml svg; }}
    include sheep_http.conf;
    access_log {directory}/nginx-access.log sheepfcgi;
    {http}
    server {{
        listen 127.0.0.1:{port} {listen};
        root {root};
        {server}
        include sheep.conf;
    }}
}}
"""


class Nginx(Process):
    """nginx in front of the workers at `addresses`. `changes`: file, old and new text, in the files that we ship.
    `chat`: /v1/chat/completions is open, as its comment tells."""

    def __init__(
        self,
        directory,
        *addresses,
        http="",
        server="",
        listen="",
        root=PAGE,
        limits=False,
        scgi=False,
        chat=False,
        changes=(),
    ):
        self.directory = directory
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        write_files(directory, addresses, limits=limits, scgi=scgi)
        if chat:
            (directory / "sheep.conf").write_text(with_chat((directory / "sheep.conf").read_text(), limits))
        for file, old, new in changes:
            change(directory / file, old, new)
        (directory / "nginx.conf").write_text(
            MAIN.format(
                user="user root;" if os.geteuid() == 0 else "",
                directory=directory,
                root=root,
                port=self.port,
                descriptors=16384 if os.geteuid() == 0 else 1024,
                listen=listen,
                http=http,
                server=server,
            )
        )
        super().__init__(command(directory, "nginx.conf"), name="nginx", directory=directory)
        try:
            wait_until(lambda: self.has_ended() or is_listening(self.address), "nginx listens")
            assert not self.has_ended(), f"nginx did not start:\n{self.log()}"
        except BaseException:
            self.may_end = True
            self.stop()
            raise

    def error_log(self):
        return (self.directory / "nginx-error.log").read_text("utf-8", "replace")

    def access_log(self):
        return (self.directory / "nginx-access.log").read_text("utf-8", "replace")

    def wait_for_access(self, text):
        """It writes its line after the answer's end."""
        wait_until(lambda: text in self.access_log(), f"nginx's access log has {text!r}")


def command(directory, file):
    return ["/usr/sbin/nginx", "-p", directory, "-c", directory / file, "-e", directory / "nginx-error.log"]


def write_files(directory, addresses, *, limits=False, scgi=False):
    """Copies of the files that we ship, with these workers in them."""
    for name in ("sheep.conf", "sheep_http.conf", "sheep_params"):
        shutil.copy(NGINX_FILES / name, directory)
    for name in ("scgi_params", "fastcgi_params"):
        shutil.copy(f"/etc/nginx/{name}", directory)
    servers = "\n".join(f"    server {upstream_word(address)};" for address in addresses)
    change(directory / "sheep_http.conf", "    server unix:/run/sheepfcgi/sheepfcgi.sock;", servers)
    for name, shipped, lifted in [] if limits else LIFTED:
        change(directory / name, shipped, lifted)
    if scgi:
        text = (directory / "sheep.conf").read_text()
        (directory / "sheep.conf").write_text(scgi_variant(text))


def change(path, old, new):
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r} any more"
    path.write_text(text.replace(old, new))


def with_chat(text, limits):
    """sheep.conf with its OpenAI-compatible endpoint open."""
    before, name, rest = text.partition("#location = /v1/chat/completions {")
    location, brace, after = rest.partition("\n#}\n")
    assert name and brace, "sheep.conf has no such endpoint any more"
    opened = (name + location + brace).replace("\n#", "\n").removeprefix("#")
    if not limits:
        opened = opened.replace("burst=20", "burst=100000").replace("sheep_streams 10;", "sheep_streams 60000;")
    return before + opened + after


def scgi_variant(text):
    """sheep.conf as its own comments tell to change it: the scgi lines in place of the fastcgi ones."""
    location, brace, rest = text.partition("\n}\n")
    location = re.sub(r"(?m)^    (fastcgi_|include sheep_params).*\n", "", location)
    location, count = re.subn(r"(?m)^    #(scgi_|include scgi_params)", r"    \1", location)
    assert count > 5, "sheep.conf shows no SCGI variant any more"
    return location + brace + rest


def upstream_word(address):
    if isinstance(address, tuple):
        host, port = address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"unix:{address}"
