"""What a front end may send, and that whatever it may send arrives at the engine."""

import itertools

import msgspec
import pytest

from stardraftd.config import Config
from stardraftd.errors import RequestError
from stardraftd.limits import (
    MAX_CHUNKS,
    MAX_CLIENT_CHARACTERS,
    MAX_DOCUMENT_CHARACTERS,
    MAX_DRAFT_CHARACTERS,
    MAX_DRAFTS,
    MAX_NEW_TOKENS,
    MAX_PAUSE_MS,
    MAX_REPOSITORY_CHARACTERS,
    MAX_SEED,
    MAX_TARGET_MS,
    MAX_TOP_K,
)
from stardraftd.protocol.completion import Completion, Draft
from stardraftd.protocol.engine import Complete, command_decoder, frame
from stardraftd.protocol.http import CompletionRequest, request_decoder
from stardraftd.serving.service import completion_of

NUMBERS = ("max_tokens", "temperature", "top_k", "top_p", "seed", "n_candidates", "target_ms", "pause_ms")
WRONG = (
    "18446744073709551616",
    "18446744073709551615",
    "9223372036854775808",
    "-1",
    "1e400",
    "-1e-9",
    "null0",
)
LARGEST = {
    "client": "c" * MAX_CLIENT_CHARACTERS,
    "document": "\N{GRINNING FACE}" * MAX_DOCUMENT_CHARACTERS,
    "path": "p" * MAX_DOCUMENT_CHARACTERS,
    "repository": "r" * MAX_REPOSITORY_CHARACTERS,
    "prefix": "x\r\n",
    "chunks": [{"path": "p" * MAX_DOCUMENT_CHARACTERS, "text": ""}] * MAX_CHUNKS,
    "drafts": [{"text": "\N{GRINNING FACE}" * MAX_DRAFT_CHARACTERS, "before": "b" * MAX_DRAFT_CHARACTERS}]
    * MAX_DRAFTS,
    "max_tokens": MAX_NEW_TOKENS,
    "top_k": MAX_TOP_K,
    "seed": MAX_SEED,
    "target_ms": MAX_TARGET_MS,
    "pause_ms": MAX_PAUSE_MS,
    "temperature": 10.0,
}


@pytest.mark.parametrize(("field", "value"), [*itertools.product(NUMBERS, WRONG)])
def test_a_number_out_of_its_bounds_is_refused_where_it_enters(field: str, value: str) -> None:
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        request_decoder.decode(f'{{"document": "a", "prefix": "", "{field}": {value}}}'.encode())


@pytest.mark.parametrize(
    "fields",
    [
        {"client": "c" * (MAX_CLIENT_CHARACTERS + 1)},
        {"document": "d" * (MAX_DOCUMENT_CHARACTERS + 1)},
        {"document": ""},
        {"path": "p" * (MAX_DOCUMENT_CHARACTERS + 1)},
        {"repository": "r" * (MAX_REPOSITORY_CHARACTERS + 1)},
        {"chunks": [{"path": "", "text": ""}] * (MAX_CHUNKS + 1)},
        {"chunks": [{"path": "p" * (MAX_DOCUMENT_CHARACTERS + 1), "text": ""}]},
        {"drafts": [{"text": ""}] * (MAX_DRAFTS + 1)},
        {"drafts": [{"text": "t" * (MAX_DRAFT_CHARACTERS + 1)}]},
        {"drafts": [{"text": "", "before": "b" * (MAX_DRAFT_CHARACTERS + 1)}]},
    ],
)
def test_a_text_that_is_too_long_is_refused_where_it_enters(fields: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        request_decoder.decode(msgspec.json.encode({"document": "a", "prefix": ""} | fields))


@pytest.mark.parametrize("field", [None, *LARGEST])
def test_the_most_that_may_be_sent_arrives_at_the_engine(field: str | None) -> None:
    """One field at its bound, or all of them: the daemon's own additions fit as well."""
    chosen = LARGEST if field is None else {field: LARGEST[field]}
    request = request_decoder.decode(msgspec.json.encode({"document": "a", "prefix": ""} | chosen))
    sent = Complete(1, completion_of(request, Config().completion))
    assert command_decoder.decode(frame(sent)[4:]) == sent


def test_guesses_arrive_as_the_other_texts_do_and_without_those_that_hold_a_secret() -> None:
    drafts = (
        Draft(text="x = 1\r\ny = 2\r\n", before="\r\na = 1\r\n"),
        Draft(text='"pa$$w0rd"\n', before="password = "),
        Draft(text='password = "pa$$w0rd"\n'),
    )
    request = CompletionRequest(document="a", prefix="", drafts=drafts)
    sent = completion_of(request, Config().completion)
    assert sent.drafts == (Draft(text="x = 1\ny = 2\n", before="\na = 1\n"),)


def test_what_the_configuration_allows_arrives_at_the_engine() -> None:
    completion = msgspec.structs.replace(Config().completion, max_tokens=4096)
    sent = Complete(1, completion_of(CompletionRequest(document="a", prefix=""), completion))
    assert command_decoder.decode(frame(sent)[4:]) == sent


@pytest.mark.parametrize(
    "completion",
    [
        Completion(document="a", prefix="", top_k=2**64),
        Completion(document="a", prefix="half a pair: \ud800"),
        Completion(document="a", prefix="x" * 70_000_000),
    ],
    ids=["too large a number", "half a surrogate pair", "too long a frame"],
)
def test_what_cannot_be_written_to_the_pipe_is_its_senders_error(completion: Completion) -> None:
    with pytest.raises(RequestError):
        frame(Complete(1, completion))
