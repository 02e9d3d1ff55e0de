"""The Debian package in a Debian with systemd: installed, started, reloaded, hung, upgraded and purged."""

import re
import shutil

import pytest

from harness.fastcgi import FastCGI, begin_stream
from harness.machine import Machine
from harness.paths import PAGE
from harness.waiting import free_port, is_listening, wait_until

KEY = "sk-installed-0123456789"
SOCKET = "run/sheepfcgi/sheepfcgi.sock"


@pytest.fixture
def fresh(sites, debian, package):
    """A machine with the package just installed."""
    machine = sites.keep(Machine(debian, sites.directory()))
    install(machine, package)
    return machine


@pytest.fixture(scope="module")
def served(module_sites, debian, package, mock):
    """A machine whose service serves, from the package's own files, with the mock as provider and a short watchdog."""
    machine = module_sites.keep(Machine(debian, module_sites.directory()))
    install(machine, package)
    configure(machine, mock)
    drop_in = machine.root / "etc/systemd/system/sheepfcgi.service.d"
    drop_in.mkdir()
    # The tests end it more often than systemd would start it again.
    (drop_in / "test.conf").write_text("[Unit]\nStartLimitIntervalSec=0\n[Service]\nWatchdogSec=2s\n")
    machine.run("systemctl daemon-reload && systemctl start sheepfcgi.socket sheepfcgi.service")
    return machine


def install(machine, package):
    """What dpkg says."""
    shutil.copy(package, machine.root / "package.deb")
    return machine.run("dpkg --install /package.deb && rm /package.deb")


def configure(machine, mock):
    """As sheepfcgi.yaml's own comments tell."""
    put_key(machine, "holysheep", KEY)
    change(machine, "https://api.holysheep.ai/v1", mock.base_url)


def put_key(machine, name, key):
    words = f"install -m 0600 /dev/stdin /etc/sheepfcgi/keys/{name}"
    ended = machine.try_(words, input=f"{key}\n")
    assert ended.returncode == 0, ended.stderr


def change(machine, old, new):
    path = machine.root / "etc/sheepfcgi/sheepfcgi.yaml"
    text = path.read_text()
    assert old in text, f"sheepfcgi.yaml has no {old!r} any more"
    path.write_text(text.replace(old, new))


def socket(machine):
    return machine.root / SOCKET


def pid(machine):
    """The service's main process, as the machine counts."""
    number = int(machine.show("sheepfcgi.service", "MainPID"))
    assert number > 0, "the service has no process"
    return number


def tokens(machine, prompt="n=3"):
    with begin_stream(socket(machine), prompt) as stream:
        events = stream.events().to_end()
    assert events.done
    return len(events.tokens)


# Installed, and no key yet


def test_until_there_is_a_key_nothing_is_started_and_nothing_fails(fresh):
    for unit in ("sheepfcgi.socket", "sheepfcgi.service"):
        assert fresh.run(f"systemctl is-enabled {unit}").strip() == "enabled"
        assert fresh.show(unit, "ActiveState") == "inactive"
        assert fresh.show(unit, "ConditionResult") == "no"
    assert "sheepfcgi" not in fresh.run("systemctl --failed --plain")
    assert re.search(r"(?m)^sheepfcgi:x:\d+:\d+:.*:/usr/sbin/nologin$", fresh.run("getent passwd sheepfcgi"))


def test_with_the_first_key_it_starts_from_the_configuration_as_it_is(fresh):
    put_key(fresh, "holysheep", KEY)
    fresh.run("systemctl start sheepfcgi.socket sheepfcgi.service")
    assert fresh.show("sheepfcgi.service", "ActiveState") == "active"
    assert fresh.show("sheepfcgi.service", "StatusText").startswith("Serving")
    assert "is in order" in fresh.run("sheepfcgi check --config /etc/sheepfcgi/sheepfcgi.yaml")
    with FastCGI(socket(fresh)) as connection:
        assert connection.ask().body == b"pong\n"
    assert fresh.run("stat -c '%U %G %a' /run/sheepfcgi/sheepfcgi.sock").split() == ["www-data", "www-data", "660"]


def test_a_key_of_another_name_is_told_and_not_tried_again(fresh):
    put_key(fresh, "holyship", KEY)
    assert fresh.try_("systemctl start sheepfcgi.service").returncode != 0
    assert fresh.show("sheepfcgi.service", "ExecMainStatus") == "78"
    assert fresh.show("sheepfcgi.service", "NRestarts") == "0"
    said = fresh.run("journalctl --no-pager -u sheepfcgi")
    assert "api_key" in said and "/run/credentials/sheepfcgi.service/keys_holysheep" in said
    assert KEY not in said


def test_installed_again_and_removed_and_purged_it_leaves_nothing_behind(fresh, package, mock):
    paths = fresh.run("dpkg --listfiles sheepfcgi").split()
    configure(fresh, mock)
    change(fresh, "#log: { to:", "log: { to:")
    fresh.run("systemctl start sheepfcgi.socket sheepfcgi.service")
    assert tokens(fresh) == 3
    log = fresh.root / "var/log/sheepfcgi/sheepfcgi.log"
    wait_until(lambda: "msg=request" in log.read_text(), "the request is in the log")
    # Once more, the same version: its scripts find everything done. What the site has changed is kept, and the process
    # that takes over is stopped like any.
    install(fresh, package)
    assert tokens(fresh) == 3

    fresh.run("dpkg --remove sheepfcgi")
    assert fresh.show("sheepfcgi.service", "ActiveState") == "inactive"
    assert not is_listening(socket(fresh))
    assert KEY in fresh.run("cat /etc/sheepfcgi/keys/holysheep")

    fresh.run("dpkg --purge sheepfcgi")
    own = [path for path in paths if "sheep" in path]
    assert len(own) > 30
    left = [path for path in own + ["/var/log/sheepfcgi", "/run/sheepfcgi"] if (fresh.root / path[1:]).exists()]
    assert left == []
    assert "sheepfcgi" not in fresh.run("systemctl list-unit-files --plain")
    assert "sheepfcgi" not in fresh.run("find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled")


# It serves


def test_nginx_serves_the_page_and_streams_with_one_line_in_its_server_block(served, mock):
    port = free_port()
    site = f"server {{ listen 127.0.0.1:{port}; root /var/www/html; include snippets/sheepfcgi.conf; }}\n"
    (served.root / "etc/nginx/sites-enabled/test").write_text(site)
    served.run("nginx -t && systemctl restart nginx")
    url = f"http://127.0.0.1:{port}"
    assert served.run(f"curl -sS {url}/ai/") == (PAGE / "index.html").read_text()
    assert re.search(r"(?mi)^content-type: \w+/javascript", served.run(f"curl -sSI {url}/ai/page.js"))
    said = served.run(f"curl -sSN {url}/ai/stream -H 'Content-Type: application/json' -d '{{\"prompt\":\"n=3\"}}'")
    assert said.count('data: {"token":') == 3 and "event: done" in said
    # What looks for faults finds none in the package's own files.
    place = "--config /etc/sheepfcgi/sheepfcgi.yaml --listen unix:/run/sheepfcgi/sheepfcgi.sock"
    served.run(f"sheepfcgi doctor {place} --offline")


def test_the_key_reaches_the_service_as_a_credential_alone(served, mock):
    assert tokens(served) == 3
    assert mock.stats()["last_request"]["headers"]["authorization"] == f"Bearer {KEY}"
    main = pid(served)
    assert KEY not in served.run(f"tr '\\0' '\\n' < /proc/{main}/environ; cat /proc/{main}/cmdline")
    # Another user of the machine gets at neither copy.
    for path in ("/run/credentials/sheepfcgi.service/keys_holysheep", "/etc/sheepfcgi/keys/holysheep"):
        assert served.try_(f"setpriv --reuid=www-data --regid=www-data --clear-groups cat {path}").returncode != 0
    assert served.run(f"grep -c ^CapEff:.0000000000000000$ /proc/{main}/status").strip() == "1"


def test_reload_puts_a_change_in_force_while_a_stream_runs(served):
    main = pid(served)
    with begin_stream(socket(served), "n=40 rate=20") as stream:
        events = stream.events()
        assert events.next_token()
        change(served, "deepseek-v3.2: {", "added: {}\n      deepseek-v3.2: {")
        served.run("systemctl reload sheepfcgi")
        wait_until(lambda: b"holysheep/added" in models(served), "the new settings are in force")
        assert len(events.to_end().tokens) == 40
    assert pid(served) == main


def models(machine):
    with FastCGI(socket(machine)) as connection:
        return connection.ask(path="/v1/models").body


def test_a_bad_configuration_leaves_the_old_one_in_force(served):
    change(served, "\nproviders:", "\nprowiders:")
    try:
        served.try_("systemctl reload sheepfcgi")
        wait_until(lambda: "prowiders" in served.run("journalctl --no-pager -u sheepfcgi"), "the journal tells of it")
        assert tokens(served) == 3
    finally:
        change(served, "\nprowiders:", "\nproviders:")
        served.run("systemctl reload sheepfcgi")


def test_a_service_that_was_killed_is_started_again_and_the_socket_stays(served):
    main = pid(served)
    served.run(f"kill -KILL {main}")
    # The kernel keeps the connection until the new process accepts it.
    assert tokens(served) == 3
    assert pid(served) != main


def test_a_service_that_hangs_is_ended_by_the_watchdog_and_started_again(served):
    main = pid(served)
    served.run(f"kill -STOP {main}")
    assert tokens(served) == 3
    assert pid(served) != main
    assert "Watchdog timeout" in served.run("journalctl --no-pager -u sheepfcgi")


def test_a_restart_refuses_no_connection_and_cuts_no_stream(served):
    with begin_stream(socket(served), "n=40 rate=20") as stream:
        events = stream.events()
        assert events.next_token()
        main = pid(served)
        served.run("systemctl restart --no-block sheepfcgi")
        waiting = [begin_stream(socket(served), "n=3") for _ in range(20)]
        assert len(events.to_end().tokens) == 40
    for each in waiting:
        with each:
            assert len(each.events().to_end().tokens) == 3
    assert pid(served) != main


# Replacement


def test_systemd_keeps_a_process_that_took_over_as_it_keeps_the_first(served):
    replace(served)
    killed = pid(served)
    served.run(f"kill -KILL {killed}")
    assert tokens(served) == 3
    assert pid(served) != killed

    replace(served)
    with begin_stream(socket(served), "n=40 rate=20") as stream:
        events = stream.events()
        assert events.next_token()
        served.run("systemctl stop sheepfcgi.service")
        assert len(events.to_end().tokens) == 40
    assert served.show("sheepfcgi.service", "Result") == "success"
    served.run("systemctl start sheepfcgi.service")


def replace(machine):
    """Returns while the old process may still be there."""
    main = pid(machine)
    machine.run("systemctl kill --kill-whom=main --signal=USR2 sheepfcgi.service")
    wait_until(lambda: pid(machine) != main, "another process has taken over")


def test_where_the_new_program_does_not_start_an_upgrade_leaves_the_old_one_and_says_so(served, package):
    main = pid(served)
    change(served, "\nproviders:", "\nprowiders:")
    try:
        assert "still serves" in install(served, package)
    finally:
        change(served, "\nprowiders:", "\nproviders:")
    assert pid(served) == main
    assert tokens(served) == 3


# The last, as it changes what is installed


def test_an_upgrade_replaces_the_program_and_cuts_no_stream(served, next_package):
    main, before = pid(served), version(served)
    with begin_stream(socket(served), "n=200 rate=20") as stream:
        events = stream.events()
        assert events.next_token()
        install(served, next_package)
        assert version(served) != before
        assert pid(served) != main, "the program from before the upgrade still serves"
        # The new one is from the new file; the old one lives until its stream has ended.
        assert served.run(f"readlink /proc/{pid(served)}/exe").strip() == "/usr/bin/sheepfcgi"
        assert served.try_(f"kill -0 {main}").returncode == 0
        assert tokens(served) == 3
        assert len(events.to_end().tokens) == 200


def version(machine):
    return machine.run("dpkg-query --show --showformat='${Version}' sheepfcgi")
