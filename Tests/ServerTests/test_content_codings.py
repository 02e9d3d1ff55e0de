"""Providers, or what stands before them, that compress though nobody asked."""

import gzip
import json
import zlib

import pytest

from harness.scripted import chunk, stream_of

CODINGS = pytest.mark.parametrize("coding, bits", [("gzip", 31), ("x-gzip", 31), ("deflate", 15)])


@pytest.fixture(scope="module")
def scripted(module_sites):
    return module_sites.site(module_sites.scripted(), timeouts={"hold": "1h"})


@CODINGS
def test_a_compressed_stream_is_read_all_the_same(scripted, coding, bits):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        assert call.headers["accept-encoding"] == "identity"
        call.answer(zlib.compress(stream_of("ä", "b").encode(), wbits=bits), Content_Encoding=coding)
        events = answer.all_events()
        assert events.tokens == ["ä", "b"] and events.done
        assert answer.header("Content-Encoding") is None


@CODINGS
def test_each_compressed_token_comes_as_it_is_flushed(scripted, coding, bits):
    compressor = zlib.compressobj(wbits=bits)

    def send(text):
        call.send(compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH))

    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head(Content_Encoding=coding)
        for number in range(10):
            send(f"data: {json.dumps(chunk({'content': f'{number} '}))}\n\n")
            assert answer.next_token() == f"{number} "
        send(stream_of())
        call.send(compressor.flush())
        call.close()
        assert answer.all_events().done


def test_a_compressed_body_in_pieces_of_a_byte_is_the_same(scripted):
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head(Content_Encoding="gzip", Transfer_Encoding="chunked")
        for byte in gzip.compress(stream_of("ä", "b").encode()):
            call.send(b"1\r\n%c\r\n" % byte)
        call.send(b"0\r\n\r\n")
        call.keeps = True
        call.answered.set()
        assert answer.all_events().tokens == ["ä", "b"]


def test_what_a_compressed_refusal_says_is_passed_on(scripted):
    body = gzip.compress(json.dumps({"error": {"message": "too many of you"}}).encode())
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.answer(body, "application/json", "429 Slow", Content_Encoding="gzip", Retry_After=7)
        assert "too many of you" in answer.problem(429, "rate_limited")["detail"]
        assert answer.header("Retry-After") == "7"


@pytest.mark.parametrize("value", ["none", "identity", "utf-8", "None, identity", ""])
def test_a_coding_that_is_none_changes_nothing(scripted, value):
    """Some send `none` to keep compressing proxies away."""
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(stream_of("a"), Content_Encoding=value)
        assert answer.all_events().text == "a"


@pytest.mark.parametrize("value", ["gzip", "deflate", "br", "zstd", "compress", "gzip, gzip"])
def test_what_cannot_be_undone_is_a_failure_and_no_garbage(scripted, value):
    """The value does not tell the truth about the bytes, or names a coding that nobody knows."""
    body = bytes(range(128, 256)) * 100
    with scripted.ask("x") as answer:
        scripted.provider.next_call().answer(body, Content_Encoding=value)
        assert answer.status == 502
        assert answer.json()["type"].endswith(("upstream_truncated", "upstream_malformed"))


def test_a_compressed_body_that_breaks_behind_output_ends_in_an_error(scripted):
    compressor = zlib.compressobj(wbits=31)
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head(Content_Encoding="gzip")
        event = f"data: {json.dumps(chunk({'content': 'a'}))}\n\n".encode()
        call.send(compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH))
        assert answer.next_token() == "a"
        # A block of deflate's reserved type.
        call.send(b"\xff" * 100)
        call.close()
        events = answer.all_events()
        assert events.text == "a" and events.error["type"] == "upstream_truncated"


@pytest.mark.measures
@pytest.mark.parametrize("is_behind_output", [False, True])
def test_a_line_that_unpacks_beyond_the_bound_fills_no_memory(scripted, is_behind_output):
    """512 MiB in half a megabyte."""
    before = scripted.worker.memory()
    compressor = zlib.compressobj(wbits=31)
    with scripted.ask("x") as answer:
        call = scripted.provider.next_call()
        call.head(Content_Encoding="gzip")
        if is_behind_output:
            event = f"data: {json.dumps(chunk({'content': 'a'}))}\n\n".encode()
            call.send(compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH))
            assert answer.next_token() == "a"
        bomb = compressor.compress(b"data: ") + b"".join(compressor.compress(b"x" * (1 << 20)) for _ in range(512))
        try:
            call.send(bomb)
            call.wait_until_left()
        except OSError:
            pass
        call.answered.set()
        if is_behind_output:
            assert answer.all_events().error["type"] == "upstream_malformed"
        else:
            answer.problem(502, "upstream_malformed")
    assert scripted.worker.memory() < before + (24 << 20)


@pytest.mark.measures
def test_a_flood_that_unpacks_before_a_slow_reader_stays_bounded_and_whole(sites):
    """libcurl unpacks what one receive buffer holds before it looks whether the transfer is paused."""
    site = sites.site(sites.scripted())
    text = "x" * 1000
    with site.ask("x", receive_buffer=4096) as answer:
        call = site.provider.next_call()
        call.answer(gzip.compress(stream_of(*[text] * 100_000).encode()), Content_Encoding="gzip")
        before = site.worker.memory()
        assert answer.next_token() == text
        events = answer.all_events()
        assert len(events.tokens) == 100_000 and set(events.tokens) == {text} and events.done
        assert site.worker.memory() < before + (64 << 20)
