"""A real Prometheus scrapes /metrics through nginx, and evaluates the alert rules and the dashboard that we ship."""

import contextlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest

from harness.figures import figures
from harness.http import Answer
from harness.paths import REPOSITORY
from harness.prometheus import LONG, Prometheus
from harness.site import Site
from harness.waiting import wait_until

DEPLOY = REPOSITORY / "deploy"
RULES = DEPLOY / "prometheus-alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="prometheus is not installed"
)


def quick(config):
    """Scraped and evaluated often."""
    return "global: { evaluation_interval: 1s }\n" + config.replace("scrape_interval: 15s", "scrape_interval: 1s")


def promtool(*words):
    ended = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def alerts():
    """Each rule's own part of the file."""
    found = re.split(r"- alert: ", RULES.read_text())[1:]
    assert found
    return found


# The files


def test_promtool_accepts_the_rules_and_the_scrape(tmp_path):
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)
    promtool("check", "config", DEPLOY / "prometheus-scrape.yml")


def test_every_rule_says_what_to_do_and_stands_in_the_documentation():
    documentation = (REPOSITORY / "docs/operations.md").read_text()
    for rule in alerts():
        name = rule.split()[0]
        assert "summary:" in rule and "description:" in rule and "severity:" in rule, name
        assert f"| `{name}` |" in documentation, name
    assert len(re.findall(r"(?m)^\| `SheepFCGI\w+` \|", documentation)) == len(alerts())


def test_the_dashboard_is_whole():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    used = {name for each in expressions() for name in re.findall(r"\$(\w+)", each)} - {"__rate_interval"}
    assert used <= set(variables)


# The scrape


@dataclass
class Scraped:
    site: Site
    prometheus: Prometheus


@pytest.fixture(scope="module")
def scraped(module_sites):
    """A site that has seen some of everything, and a Prometheus that has looked several times."""
    sites = module_sites
    mock = sites.mock()
    site = sites.site(
        mock,
        workers=2,
        nginx={"listen": "sndbuf=16k"},
        timeouts={"client_stall": "1s", "hold": "1h"},
        limits={"streams": 50},
    )
    directory = sites.directory()
    config = (DEPLOY / "prometheus-scrape.yml").read_text().replace("127.0.0.1:80", f"127.0.0.1:{site.nginx.port}")
    prometheus = sites.keep(Prometheus(directory, quick(f'rule_files: ["{RULES}"]\n{config}')))
    wait_until(lambda: prometheus.query("sheepfcgi_build_info"), "the first scrape is there", LONG)

    def traffic():
        for prompt in ("n=20", "n=20 rate=500", "fail=500", "fail=503", "fail=401", "n=3 drop=2"):
            with site.ask(prompt) as answer:
                answer.body()
        with site.ask("n=3 stall=3") as answer:
            answer.next_token()

    traffic()
    with site.ask("n=1000000 size=500", receive_buffer=4096) as answer:
        answer.next_token()
        wait_until(lambda: figures(site).sum("stalls_total") == 1, "a client was cut off")
    # Counts that grow between scrapes, so that rates are not 0.
    for number in range(3):
        traffic()
        seen = figures(site)("requests_total", route="/stream", status="502")
        wait_until(
            lambda: prometheus.query(f'sheepfcgi_requests_total{{route="/stream", status="502"}} >= {seen}'),
            f"scrape {number} is there",
            LONG,
        )
    return Scraped(site, prometheus)


def test_it_is_scraped_as_openmetrics(scraped):
    (target,) = scraped.prometheus.get("targets")["activeTargets"]
    assert target["health"] == "up" and target["lastError"] == ""
    metadata = scraped.prometheus.get("metadata")
    # Types that only OpenMetrics has, under names that only it gives.
    assert metadata["sheepfcgi_build"][0]["type"] == "info"
    assert metadata["sheepfcgi_tokens"][0]["type"] == "counter"
    assert metadata["sheepfcgi_sent_bytes"][0]["unit"] == "bytes"
    assert metadata["sheepfcgi_first_token_seconds"][0] | {"help": ""} == {
        "type": "histogram",
        "unit": "seconds",
        "help": "",
    }
    # Nothing is lost on the way.
    names = {name for name, _ in figures(scraped.site).samples}
    stored = {metric["__name__"] for metric, _ in scraped.prometheus.query('{job="sheepfcgi"}')}
    assert names <= stored


def test_what_it_has_stored_is_what_the_worker_says(scraped):
    prometheus, seen = scraped.prometheus, figures(scraped.site)
    for name, labels in (
        ("sheepfcgi_tokens_total", {"model": "mock/mock"}),
        ("sheepfcgi_stalls_total", {"model": "mock/mock"}),
        ("sheepfcgi_streams_ended_total", {"model": "mock/mock", "type": "upstream_truncated"}),
        ("sheepfcgi_token_gap_seconds_count", {"model": "mock/mock"}),
    ):
        selector = ",".join(f'{label}="{value}"' for label, value in labels.items())
        wanted = seen.samples[name, frozenset(labels.items())]
        wait_until(
            lambda: [value for _, value in prometheus.query(f"{name}{{{selector}}}")] == [wanted],
            f"{name} is {wanted}",
        )


def test_every_alert_rule_is_evaluated(scraped):
    def rules():
        groups = scraped.prometheus.get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), "all rules have been evaluated", LONG)
    assert len(rules()) == len(alerts())
    for rule in rules():
        assert rule["health"] == "ok", rule
    # A refused key is told at once.
    def firing():
        return [rule for rule in rules() if rule["name"] == "SheepFCGIKeyRefused" and rule["state"] == "firing"]

    (alert,) = wait_until(firing, "the rule fires", LONG)[0]["alerts"]
    assert alert["labels"]["provider"] == "mock" and "mock refuses our key" in alert["annotations"]["summary"]


def test_what_each_alert_rule_watches_has_data(scraped):
    for rule in re.split(r"- alert: ", RULES.read_text())[1:]:
        name = rule.split()[0]
        text = " ".join(re.search(r"expr: (?:>-)?(.*?)\n        \w+:", rule, re.DOTALL)[1].split())
        scraped.prometheus.query(text)
        watched, comparison = re.fullmatch(r"(.*) (?:>|==) ([\d.]+)", text).groups()
        assert scraped.prometheus.query(watched), (name, watched, comparison)


def expressions():
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_of_the_dashboard_returns_data(scraped, expression):
    # As Grafana would put them in for all instances and models.
    text = expression.replace("$__rate_interval", "30s").replace('"$instance"', '".*"').replace('"$model"', '".*"')
    assert "$" not in text
    found = scraped.prometheus.query(text)
    assert found and any(value == value for _, value in found), text


@pytest.mark.parametrize(
    "variable",
    [each for each in DASHBOARD["templating"]["list"] if each["type"] == "query"],
    ids=lambda each: each["name"],
)
def test_the_dashboard_s_menus_have_entries(scraped, variable):
    series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
    found = scraped.prometheus.query(series.replace("$instance", ".*"))
    assert found and all(label in metric for metric, _ in found)


# Several processes


def test_all_processes_of_a_site_are_scraped_as_the_documentation_tells(sites, mock):
    documentation = (REPOSITORY / "docs/operations.md").read_text()
    directory = sites.directory()
    workers = {name: sites.worker(mock, address=directory / f"{name}.sock") for name in "ab"}
    location = re.search(r"(?m)^    location ~ [^\n]*sheep_name.*?^    \}", documentation, re.DOTALL)[0]
    web = sites.nginx(
        *(worker.address for worker in workers.values()), server=location.replace("/run/sheepfcgi", str(directory))
    )
    for name, worker in workers.items():
        with Answer(web.address, "GET", f"/status/{name}?json") as answer:
            assert answer.json()["pid"] == worker.pid
    with Answer(web.address, "GET", "/metrics/c") as answer:
        assert answer.status == 502
    with contextlib.ExitStack() as stack:
        # Shared out by nginx.
        for _ in range(6):
            assert stack.enter_context(Site(directory, web, None, mock).ask("n=5")).all_events().done
    config = re.search(r"(?m)^    static_configs:\n(?:      .*\n)+", documentation)[0]
    config = config.replace("127.0.0.1:80", f"127.0.0.1:{web.port}")
    prometheus = sites.keep(
        Prometheus(
            sites.directory(), quick(f"scrape_configs:\n  - job_name: sheepfcgi\n    scrape_interval: 15s\n{config}")
        )
    )
    wait_until(lambda: len(prometheus.query("sheepfcgi_build_info")) == 2, "both are scraped", LONG)
    each = {metric["process"]: value for metric, value in prometheus.query("sheepfcgi_tokens_total{model='mock/mock'}")}
    assert set(each) == {"a", "b"} and sum(each.values()) == 30 and min(each.values()) > 0
    ((_, total),) = prometheus.query("sum(sheepfcgi_tokens_total)")
    assert total == 30
