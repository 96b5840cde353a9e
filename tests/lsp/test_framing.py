"""The editor's stream is read whatever its headers look like, and found again after what is no message."""

import json
import random
from typing import Any

import pytest

from stardraft_lsp.protocol.framing import MAX_BODY_BYTES, Framing, Lost, Value

ONE, OTHER = {"id": 1, "text": 'é😀 "\\r\\n"'}, {"id": 2}


def body(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def message(value: Any) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body(value)), body(value))


def read(*chunks: bytes) -> list[Value | Lost]:
    framing = Framing()
    return [found for chunk in chunks for found in framing.feed(chunk)]


def values(*chunks: bytes) -> list[Any]:
    return [found.json for found in read(*chunks) if isinstance(found, Value)]


def headed(head: str) -> bytes:
    size = len(body(ONE))
    return head.replace("#", str(size), 1).encode() + body(ONE)


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: #\r\n\r\n",
        "content-length: #\r\n\r\n",
        "CONTENT-LENGTH: #\r\n\r\n",
        "Content-length: #\r\n\r\n",
        "Content-Length:#\r\n\r\n",
        "content-length:#\r\n\r\n",
        "Content-Length : #\r\n\r\n",
        "Content-Length:\t  #  \r\n\r\n",
        "  Content-Length: #\r\n\r\n",
        "Content-Length: #\n\n",
        "Content-Length: #\n\r\n",
        "Content-Length: 000#\r\n\r\n",
        "\r\n\r\nContent-Length: #\r\n\r\n",
        "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: #\r\n\r\n",
        "Content-Length: #\r\ncontent-type: application/vscode-jsonrpc; charset=utf8\r\nX: y\r\n\r\n",
        "Content-Length: 3\r\nContent-Length: #\r\n\r\n",
        "Content-Length: #\r\nnot a header\r\n\r\n",
    ],
)
def test_headers_are_read_in_any_form(head: str) -> None:
    assert values(headed(head) + message(OTHER)) == [ONE, OTHER]
    one_by_one = [bytes([byte]) for byte in headed(head) + message(OTHER)]
    assert values(*one_by_one) == [ONE, OTHER]


@pytest.mark.parametrize(
    "rubbish",
    [
        b"rubbish",
        b"rubbish\r\n",
        b"\r\n\r\n\r\n",
        b"\x00\xff\xfe" * 50_000,
        b"a line\n" * 10_000,
        b"{}\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: many\r\n\r\n{}",
        b"Content-Length: 5.0\r\n\r\n{}",
        b"Content-Length:\r\n\r\n",
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n{}",
        b"Content-Length: %d\r\n\r\n{}" % (MAX_BODY_BYTES + 1),
        b"Content-Type: x\r\n\r\n{}",
        b'Content-Length: 9\r\n\r\n{"a": "a long text"}',  # shorter than it is
        b"Content-Length: 3\r\n\r\n{]}",
        b"Content-Length: 7\r\n\r\n",
        b"Content-Length: 30\r\n\r\n",
        b"Content-Length: 7",
        b"Content-Length: 4\r\n\r\n\xff\xfe\xfd\xfc",
        b"Content-Length: 3\r\n\r\nNaN",
        b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000,
        b"Content-Length: 10000\r\n\r\n" + b"9" * 10_000,
    ],
)
def test_after_rubbish_the_next_message_is_found(rubbish: bytes) -> None:
    stream = rubbish + message(ONE) + message(OTHER)
    assert values(stream) == [ONE, OTHER]
    assert values(*[stream[i : i + 1000] for i in range(0, len(stream), 1000)]) == [ONE, OTHER]


@pytest.mark.parametrize("surplus", [1, 2, 5, 20, 21, 30, 60, 200, 1_000_000])
def test_a_length_that_is_too_great_costs_nothing_that_follows(surplus: int) -> None:
    wrong = b"Content-Length: %d\r\n\r\n%s" % (len(body(ONE)) + surplus, body(ONE))
    for stream in ([wrong + message(OTHER) + message(OTHER)], [wrong, message(OTHER), message(OTHER)]):
        assert values(*stream) == [ONE, OTHER, OTHER]


def test_a_message_whose_length_is_a_few_bytes_too_great_is_not_waited_with() -> None:
    assert values(b"Content-Length: %d\r\n\r\n%s" % (len(body(ONE)) + 2, body(ONE))) == [ONE]


@pytest.mark.parametrize("missing", [1, 2, 5, 10])
def test_a_length_that_is_too_small_costs_its_message_only(missing: int) -> None:
    wrong = b"Content-Length: %d\r\n\r\n%s" % (len(body(ONE)) - missing, body(ONE))
    found = read(message(OTHER) + wrong + message(OTHER))
    assert [one.json for one in found if isinstance(one, Value)] == [OTHER, OTHER]
    assert [one.is_message for one in found if isinstance(one, Lost)] == [True, False]


@pytest.mark.parametrize("text", ["Content-Length: 5\r\n\r\n{}", "\nContent-Length: 5\n", "é\u2028\x00"])
def test_what_looks_like_a_header_within_a_text_is_text(text: str) -> None:
    for ascii_only in (True, False):
        whole = json.dumps({"text": text, "more": [1]}, ensure_ascii=ascii_only, indent=1).encode()
        stream = b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole)
        assert values(stream) == values(*[bytes([byte]) for byte in stream]) == [{"text": text, "more": [1]}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_body_may_be_in_any_encoding_of_json(encoding: str) -> None:
    whole = json.dumps(ONE, ensure_ascii=False).encode(encoding)
    assert values(b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole), message(OTHER)) == [ONE, OTHER]


def test_half_a_surrogate_pair_is_read_as_it_came() -> None:
    whole = b'{"text": "\\ud83d"}'
    assert values(b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole)) == [{"text": "\ud83d"}]


def test_nothing_of_what_was_lost_is_quoted() -> None:
    found = read(b"password = 1\r\n" * 9 + b"Content-Length: 14\r\n\r\n{password = 1}" + message(ONE))
    assert [type(one) for one in found] == [Lost, Lost, Lost, Value]
    assert "password" not in repr(found[:3])


def test_rubbish_without_end_takes_no_memory() -> None:
    framing = Framing()
    for _ in range(200):
        assert not list(framing.feed(b"x" * 100_000))
        assert len(framing._buffer) < 10_000
    assert [found.json for found in framing.feed(message(ONE)) if isinstance(found, Value)] == [ONE]


@pytest.mark.parametrize("seed", range(20))
def test_damage_anywhere_costs_at_most_what_it_touches(seed: int) -> None:
    """Messages with bytes lost, doubled or changed between and within them; the last is whole, and found."""
    rng = random.Random(seed)
    stream = bytearray(b"".join(message({"id": i, "text": "é\n" * i}) for i in range(20)))
    for _ in range(10):
        at = rng.randrange(len(stream))
        stream[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    # Two: the first may be taken for the end of a damaged one.
    found = values(bytes(stream) + b"\n" + message(ONE) + message(OTHER))
    assert found[-1] == OTHER
    assert len(found) >= 8
