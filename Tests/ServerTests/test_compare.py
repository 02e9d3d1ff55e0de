"""`sheepfcgi compare`: the configured models beside each other."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from harness.paths import SHEEPFCGI
from harness.scripted import stream_of
from harness.waiting import LIMIT, free_port
from harness.worker import KEY, settings


def compare(*arguments, config=None, directory=None, **env):
    """Its exit status, its lines on standard output, and what it said besides."""
    if config:
        (directory / "sheepfcgi.yaml").write_text(json.dumps(config))
        arguments = ("--config", directory / "sheepfcgi.yaml", *arguments)
    clean = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_proxy"))}
    done = subprocess.run(
        [SHEEPFCGI, "compare", *arguments],
        env=clean | {"MOCK_KEY": KEY} | env,
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@contextlib.contextmanager
def comparing(provider, *arguments):
    """The running comparison of one model, whose calls the test answers."""
    process = subprocess.Popen(
        [SHEEPFCGI, "compare", *arguments],
        env={"SHEEP_BASE_URL": provider.base_url, "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_model_has_a_row_with_what_it_took(mock, tmp_path):
    config = settings(mock.base_url)
    status, lines, said = compare("--runs", "3", "--prompt", "n=50 rate=500 first=100", config=config, directory=tmp_path)
    assert status == 0, said
    titles, rule, priced, plain = map(cells, lines)
    assert titles == [
        "Provider", "Model", "Cost/MTok", "Time to first token", "Total time", "Tokens/s", "Cost of the run",
    ]  # fmt: skip
    assert all(set(cell) == {"-"} for cell in rule)
    assert priced[:3] == ["mock", "mock", "$1.00 in, $2.00 out"] and plain[:3] == ["mock", "plain", "–"]
    assert float(priced[3].removesuffix(" ms")) >= 100 and float(priced[4].removesuffix(" s")) >= 0.19
    assert 0 < float(priced[5]) <= 1000 and float(priced[6].removeprefix("$")) >= 50 * 2e-6
    assert plain[6] == "–"
    assert "mock/plain: run 3 of 3" in said


def test_json_has_numbers_for_numbers(mock, tmp_path):
    status, lines, _ = compare("--json", "--prompt", "n=5", config=settings(mock.base_url), directory=tmp_path)
    priced, plain = json.loads("\n".join(lines))
    assert status == 0 and priced["completion_tokens"] == 5 and priced["problem"] is None and priced["runs"] == 1
    assert priced["ttft_ms"] <= priced["total_ms"] and priced["price_per_mtok"]["completion"] == 2
    assert plain["cost_usd"] is None and plain["price_per_mtok"] is None


def test_the_model_may_use_so_many_tokens_and_no_more(sites, tmp_path):
    provider = sites.scripted()
    with comparing(provider, "--tokens", "77", "--prompt", "Baa?") as process:
        call = provider.next_call()
        assert call.json["max_tokens"] == 77 and call.prompt == "Baa?"
        call.answer("data: [DONE]\n\n")
        output, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and cells(output.splitlines()[2])[2:4] == ["–", "–"]


def test_the_median_of_the_runs_counts_and_not_an_odd_one(sites):
    provider = sites.scripted()
    with comparing(provider, "--runs", "3", "--json") as process:
        for is_slow, tokens in ((True, 30), (False, 11), (False, 10)):
            call = provider.next_call()
            if is_slow:
                time.sleep(5)
            call.answer(stream_of("a", usage={"prompt_tokens": 9, "completion_tokens": tokens}))
        output, _ = process.communicate(timeout=LIMIT)
    (row,) = json.loads(output)
    assert row["runs"] == 3 and row["completion_tokens"] == 11
    assert row["ttft_ms"] <= row["total_ms"] < 5000


def test_the_runs_share_a_connection(sites):
    provider = sites.scripted()
    with comparing(provider, "--runs", "3") as process:
        for _ in range(3):
            provider.next_call().answer(stream_of("a"))
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and provider.accepted == 1


def test_they_share_it_though_the_body_ends_behind_its_end_marker(sites):
    provider = sites.scripted()
    body = stream_of("a").encode()
    with comparing(provider, "--runs", "3") as process:
        for _ in range(3):
            call = provider.next_call()
            call.head(Transfer_Encoding="chunked")
            call.send(b"%x\r\n%s\r\n" % (len(body), body))
            time.sleep(0.05)
            call.send(b"0\r\n\r\n")
            call.keeps = True
            call.answered.set()
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and provider.accepted == 1


@pytest.mark.parametrize("prompt, reason", [("fail=401", "refused the site's key"), ("n=9 cut=3", "broke off")])
def test_a_provider_that_fails_has_a_row_with_the_reason(mock, tmp_path, prompt, reason):
    status, lines, said = compare("--prompt", prompt, config=settings(mock.base_url), directory=tmp_path)
    assert status == 1
    assert all(reason in line for line in lines[2:]) and len(lines) == 4
    assert KEY not in said + "".join(lines)


def test_the_others_are_measured_all_the_same(mock, tmp_path):
    away = {"base_url": f"http://127.0.0.1:{free_port()}/v1", "models": {"gone": {}}}
    config = settings(mock.base_url, providers={"away": away})
    status, lines, _ = compare("--prompt", "n=3", config=config, directory=tmp_path)
    assert status == 0
    assert ["cannot be reached" in line for line in lines[2:]] == [False, False, True]


def test_a_well_known_provider_without_its_key_is_not_called():
    status, lines, _ = compare()
    assert status == 1
    assert [cells(line)[:3] + cells(line)[-1:] for line in lines[2:]] == [
        ["holysheep", "deepseek-v3.2", "$0.42", "no key: set HOLYSHEEP_API_KEY"],
        ["openai", "gpt-4.1", "$8.00", "no key: set OPENAI_API_KEY"],
        ["anthropic", "claude-sonnet-4-5", "$15.00", "no key: set ANTHROPIC_API_KEY"],
        ["gemini", "gemini-2.5-flash", "$2.50", "no key: set GEMINI_API_KEY"],
    ]


def test_one_model_can_be_named(mock, tmp_path):
    status, lines, _ = compare(
        "--model", "mock/plain", "--prompt", "n=3", config=settings(mock.base_url), directory=tmp_path
    )
    assert status == 0 and [cells(line)[1] for line in lines[2:]] == ["plain"]


@pytest.mark.parametrize(
    "arguments, named",
    [(["--tokens", "0"], "--tokens"), (["--runs", "x"], "--runs"), (["--prompt", " "], "--prompt"), (["--model", "a/b"], "a/b")],
)
def test_a_wrong_command_line_is_refused_with_what_to_write(mock, arguments, named):
    status, lines, said = compare(*arguments, SHEEP_BASE_URL=mock.base_url)
    assert status == 64 and not lines and named in said


def test_a_key_that_is_not_set_costs_the_other_models_nothing(mock, tmp_path):
    away = {"base_url": mock.base_url, "api_key": "$NOT_SET", "models": {"locked": {}}}
    config = settings(mock.base_url, providers={"away": away})
    status, lines, said = compare("--prompt", "n=3", config=config, directory=tmp_path)
    assert status == 0, said
    assert cells(lines[-1])[:2] == ["away", "locked"] and cells(lines[-1])[-1] == "no key: set NOT_SET"


def test_what_was_measured_before_an_interrupt_is_told(sites):
    provider = sites.scripted()
    with comparing(provider, "--runs", "2") as process:
        provider.next_call().answer(stream_of("a"))
        provider.next_call().head()
        process.send_signal(signal.SIGINT)
        lines = process.communicate(timeout=LIMIT)[0].splitlines()
    assert process.returncode == 130
    assert cells(lines[2])[4].endswith(" s") and cells(lines[2])[-1] == "interrupted"


def test_a_result_that_cannot_be_written_is_told(mock, tmp_path):
    (tmp_path / "sheepfcgi.yaml").write_text(json.dumps(settings(mock.base_url)))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [SHEEPFCGI, "compare", "--config", tmp_path / "sheepfcgi.yaml", "--prompt", "n=1"],
            env={"MOCK_KEY": KEY, "PATH": os.environ["PATH"]},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT,
        )
    assert done.returncode == 71 and "standard output" in done.stderr


def test_what_a_provider_says_breaks_no_row(sites):
    provider = sites.scripted()
    with comparing(provider) as process:
        said = json.dumps({"error": {"message": "one\ntwo | three \x1b[2J"}})
        provider.next_call().answer(said, "application/json", "400 No")
        text = process.communicate(timeout=LIMIT)[0]
    assert len(text.splitlines()) == 3 and "one two \\| three  [2J" in text and "\x1b" not in text
