"""Providers that fail, and sites that have another one to ask."""

import json
import signal

import pytest

from .waiting import wait_until
from .worker import merge

# As the defaults, but for the waits.
RETRY = {"attempts": 3, "backoff": "20ms", "max_wait": "10s"}


def refuse(call, status, body="{}", **headers):
    call.answer(body, "application/json", f"{status} No", **headers)


@pytest.fixture
def two(sites):
    """two(**changes): a site whose fallback is another provider; and both providers."""

    def start(**changes):
        first, second = sites.scripted(), sites.scripted()
        other = {"base_url": second.base_url, "api_key": "$OTHER_KEY", "models": {"spare": {"price_per_mtok": 5.0}}}
        site = sites.site(
            first,
            **merge(
                {
                    "providers": {"other": other},
                    "fallback": ["other/spare"],
                    "retry": RETRY | {"attempts": 1},
                    "timeouts": {"hold": "1h"},
                    "env": {"OTHER_KEY": "key-of-the-other"},
                },
                changes,
            ),
        )
        return site, first, second

    return start


def reload(site, config):
    """The worker has it when it lists a model of its own, `read`."""
    site.worker.write(merge(config, {"providers": {"mock": {"models": {"read": {}}}}}))
    site.worker.signal(signal.SIGHUP)

    def is_in_force():
        with site.get("/v1/models") as answer:
            return "mock/read" in [each["id"] for each in answer.json()["data"]]

    wait_until(is_in_force, "the configuration is read again")


def config_of(site):
    return json.loads(site.worker.config_path.read_text())
