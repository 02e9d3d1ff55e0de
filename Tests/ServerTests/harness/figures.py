"""What /metrics and /status say."""

import re

from .fastcgi import FastCGI
from .waiting import wait_until

LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


class Figures:
    """The samples of one scrape, read strictly."""

    def __init__(self, text):
        self.samples = {}
        # Of each family its type.
        self.types = {}
        for line in text.splitlines():
            if line.startswith("#"):
                word, _, rest = line.removeprefix("# ").partition(" ")
                name, _, rest = rest.partition(" ")
                if word == "TYPE":
                    assert name not in self.types, f"{name} is there twice"
                    self.types[name] = rest
                continue
            match = LINE.fullmatch(line)
            assert match, f"no sample: {line!r}"
            name, labels, value = match.groups()
            pairs = LABEL.findall(labels or "")
            assert "".join(f'{n}="{v}",' for n, v in pairs).rstrip(",") == (labels or ""), line
            key = name, frozenset(pairs)
            assert key not in self.samples, f"the sample is there twice: {line!r}"
            self.samples[key] = float(value)

    def __call__(self, name, **labels):
        """One sample; a name without its prefix is ours."""
        return self.samples[_full(name), frozenset(labels.items())]

    def sum(self, name, **labels):
        """All samples of a name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (each, pairs), value in self.samples.items() if each == _full(name) and wanted <= pairs)

    def counters(self):
        """What must never decrease."""
        return {
            key: value
            for key, value in self.samples.items()
            if key[0].endswith(("_total", "_bucket", "_count", "_sum"))
        }


def _full(name):
    return name if name.startswith("process_") else f"sheepfcgi_{name}"


def figures(site):
    with site.get("/metrics") as answer:
        body = answer.body()
        assert answer.status == 200, body
        return Figures(body.decode())


def status(site, words="json"):
    with site.get(f"/status?{words}") as answer:
        body = answer.json()
        assert answer.status == 200, body
        return body


def wait_for_figure(site, wanted, name, **labels):
    """Until the samples of a name add up to what is wanted."""
    seen = []

    def reached():
        seen.append(figures(site).sum(name, **labels))
        return seen[-1] == wanted

    try:
        wait_until(reached, f"{name} is {wanted}", every=0.02)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {seen[-1]}") from None


def ask(address, path, **more):
    """A GET without a web server, as `REMOTE_ADDR`'s."""
    with FastCGI(address) as connection:
        return connection.ask("GET", path, **more)
