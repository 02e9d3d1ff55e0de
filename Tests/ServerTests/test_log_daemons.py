"""The log to journald and to syslog: what they get, and what becomes of it while they are slow or away."""

import datetime
import json
import signal
import subprocess

import pytest

from harness.fastcgi import FastCGI, request
from harness.log import Daemon, Log, journal_fields, syslog_parts
from harness.paths import SHEEPFCGI
from harness.process import environment
from harness.starting import fails
from harness.waiting import wait_until
from harness.worker import logfmt

KINDS = ["journald", "syslog"]


@pytest.fixture
def daemon(sites):
    with Daemon(sites.directory() / "socket") as daemon:
        yield daemon


def site_with(sites, mock, kind, daemon, **log):
    return sites.site(mock, log={"to": f"{kind}:{daemon.path}"} | log)


def stream(site):
    with site.ask("n=2") as answer:
        assert answer.all_events().done
    return answer.request_id


def ping(site, **params):
    with FastCGI(site.worker.address) as connection:
        return connection.ask(**params).head["X-Request-Id"]


# What they get


def test_the_journal_gets_each_value_as_a_field_of_its_own(sites, mock, daemon):
    site = site_with(sites, mock, "journald", daemon)
    with site.ask("n=3") as answer:
        done = answer.all_events().done
    fields = journal_fields(daemon.wait_for(answer.request_id))
    assert (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]) == ("6", "sheepfcgi")
    line = logfmt(fields["MESSAGE"])
    assert line["msg"] == "request" and line["id"] == answer.request_id and not {"time", "level"} & set(line)
    assert {f"SHEEPFCGI_{name.upper()}": value for name, value in line.items()} == {
        name: value for name, value in fields.items() if name.startswith("SHEEPFCGI_") and name != "SHEEPFCGI_TIME"
    }
    assert fields["SHEEPFCGI_TOKENS"] == "3" and fields["SHEEPFCGI_TTFT_MS"] == str(done["ttft_ms"])
    assert fields["SHEEPFCGI_TIME"].endswith("Z")
    start = journal_fields(daemon.wait_for("listens on"))
    assert start["PRIORITY"] == "5" and "listens on" in start["SHEEPFCGI_MSG"]
    assert site.worker.log() == ""


def test_syslog_gets_a_line_of_rfc_3164(sites, mock, daemon):
    before = datetime.datetime.now().replace(microsecond=0)
    site = site_with(sites, mock, "syslog", daemon)
    request_id = stream(site)
    priority, at, pid, text = syslog_parts(daemon.wait_for(request_id))
    assert (priority, pid) == (3 * 8 + 6, site.worker.pid)
    line = logfmt(text)
    assert (line["msg"], line["id"], line["ended"]) == ("request", request_id, "done")
    assert not {"time", "level"} & set(line)
    told = datetime.datetime.strptime(f"{before.year} {at}", "%Y %b %d %H:%M:%S")
    assert before <= told <= datetime.datetime.now() or told.month == 1
    assert syslog_parts(daemon.wait_for("listens on"))[0] == 3 * 8 + 5
    assert site.worker.log() == ""


@pytest.mark.parametrize("kind", KINDS)
def test_both_take_json(sites, mock, daemon, kind):
    site = site_with(sites, mock, kind, daemon, format="json")
    datagram = daemon.wait_for(stream(site))
    text = journal_fields(datagram)["MESSAGE"] if kind == "journald" else syslog_parts(datagram)[3]
    line = json.loads(text)
    assert (line["msg"], line["tokens"], line["status"]) == ("request", 2, 200)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_can_forge_a_field_or_a_line(sites, mock, daemon, kind):
    site = site_with(sites, mock, kind, daemon)
    client = "x\nPRIORITY=0\nSHEEPFCGI_STATUS=1\n\x00\x1b<0>"
    datagram = daemon.wait_for(ping(site, REMOTE_ADDR=client))
    if kind == "journald":
        # Of two fields of one name the reader above fails.
        fields = journal_fields(datagram)
        assert fields["SHEEPFCGI_CLIENT"] == client and fields["PRIORITY"] == "6"
        assert fields["SHEEPFCGI_STATUS"] == "200"
    else:
        assert syslog_parts(datagram)[0] == 30 and not set(datagram) & {0, 10, 27}


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_is_no_longer_than_a_datagram_takes(sites, mock, daemon, kind):
    site = site_with(sites, mock, kind, daemon)
    request_id = ping(site, REMOTE_ADDR="\u00e9" * 30_000)
    datagram = daemon.wait_for(request_id)
    if kind == "journald":
        fields = journal_fields(datagram)
        assert fields["SHEEPFCGI_CLIENT"] == "\u00e9" * 1024 and fields["SHEEPFCGI_STATUS"] == "200"
        assert len(datagram) <= 65536
    else:
        assert len(datagram) <= 8192 and syslog_parts(datagram)[3].startswith("msg=request")
    assert daemon.wait_for(stream(site)) and daemon.lost() == 0


# Where


def test_the_option_goes_over_the_file_and_stays_so_after_hup(sites, mock, daemon):
    to = Log(sites.directory() / "unused.log")
    arguments = ("--log", f"syslog:{daemon.path}", "--log-format", "json")
    site = sites.site(mock, log={"to": str(to.path), "format": "logfmt"}, arguments=arguments)
    assert json.loads(syslog_parts(daemon.wait_for(stream(site)))[3])
    site.worker.signal(signal.SIGHUP)
    daemon.wait_for("the configuration was read again")
    assert json.loads(syslog_parts(daemon.wait_for(stream(site)))[3])
    assert not to.path.exists()


def test_the_option_takes_a_file_too(sites, mock):
    log = Log(sites.directory() / "a.log")
    site = sites.site(mock, arguments=("--log", str(log.path)))
    assert log.request(stream(site))["ended"] == "done"


@pytest.mark.parametrize("kind", KINDS)
def test_hup_moves_the_log_to_a_daemon_and_back(sites, mock, daemon, kind):
    site = sites.site(mock)
    config = json.loads(site.worker.config_path.read_text())
    site.worker.write(config | {"log": {"to": f"{kind}:{daemon.path}"}})
    site.worker.signal(signal.SIGHUP)
    daemon.wait_for("read again")
    daemon.wait_for(stream(site))
    site.worker.write(config)
    site.worker.signal(signal.SIGHUP)
    site.worker.wait_for_log("read again")
    assert site.worker.request(stream(site))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["nothing", "file"])
def test_a_path_without_a_daemons_socket_stops_the_start(sites, kind, what):
    directory = sites.directory()
    if what == "file":
        (directory / "log").write_text("")
    said = fails("serve", "--listen", f"unix:{directory}/s", "--log", f"{kind}:{directory}/log", status=78)
    assert said.startswith(f"sheepfcgi: --log: cannot log to {kind} at {directory}/log: ")
    assert ("start the daemon" if what == "nothing" else "datagram socket") in said


@pytest.mark.parametrize("word", ["journal", "syslog:log", "journald:", "stderr:/x", "", "/a\nb"])
def test_another_word_is_refused(word):
    words = [SHEEPFCGI, "serve", "--log", word]
    ended = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 64
    assert "write one of the words, or /path/to/file" in ended.stderr


# Slow, and away


@pytest.mark.parametrize("kind", KINDS)
def test_a_daemon_that_takes_nothing_holds_up_no_running_stream_and_loses_nothing(sites, kind):
    with Daemon(sites.directory() / "socket", reads=False) as daemon:
        provider = sites.scripted()
        site = site_with(sites, provider, kind, daemon)
        with site.ask("a long one") as running:
            call = provider.next_call()
            call.head()
            ids = []
            # More than its queue takes (net.unix.max_dgram_qlen).
            for number in range(600):
                ids.append(ping(site))
                if number % 100 == 0:
                    call.token(f"{number} ")
                    assert running.next_token() == f"{number} "
            call.finish()
            assert running.all_events().done
        daemon.read()
        for request_id in (ids[0], ids[-1], running.request_id):
            daemon.wait_for(request_id)
        assert len(daemon.datagrams) == len(ids) + 2 and daemon.lost() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leaves_file", [False, True], ids=["socket gone", "socket left"])
def test_a_daemon_that_is_started_anew_gets_what_came_meanwhile(sites, mock, daemon, kind, leaves_file):
    site = site_with(sites, mock, kind, daemon)
    daemon.wait_for(stream(site))
    daemon.stop(leaves_file)
    between = [stream(site) for _ in range(20)]
    if leaves_file:
        daemon.path.unlink()
    daemon.start()
    for request_id in [*between, stream(site)]:
        daemon.wait_for(request_id)
    assert daemon.lost() == 0


def test_what_finds_no_room_any_more_is_lost_counted_and_told(sites, mock, daemon):
    site = site_with(sites, mock, "syslog", daemon)
    daemon.wait_for("listens on")
    daemon.stop()
    asked, room = 9000, 8192
    with FastCGI(site.worker.address) as connection:
        for start in range(0, asked, 50):
            connection.send(request(keep=True, REQUEST_ID=f"r{start}") * 50)
            for _ in range(50):
                assert connection.response().is_complete
    daemon.start()

    def kept():
        return sum(b"msg=request" in each for each in list(daemon.datagrams))

    wait_until(lambda: kept() + daemon.lost() >= asked, "each line is there, or told as lost")
    assert kept() + daemon.lost() == asked and kept() >= room
    daemon.wait_for(stream(site))
    assert not site.worker.has_ended()


@pytest.mark.parametrize("kind", KINDS)
def test_an_end_waits_for_no_daemon(sites, mock, daemon, kind):
    site = site_with(sites, mock, kind, daemon)
    daemon.wait_for(stream(site))
    daemon.stop()
    stream(site)
    site.worker.popen.terminate()
    assert site.worker.wait() == 0
