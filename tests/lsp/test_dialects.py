"""What other tools' clients say is understood in every shape; what makes no sense harms nothing."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.protocol import dialects
from stardraft_lsp.protocol.requests import BadParams
from stardraft_lsp.status import StatusReport
from stardraft_lsp.text.documents import Position

MESSAGES = json.loads(Path("tests/data/lsp/dialects/messages.json").read_text(encoding="utf-8"))
READERS: dict[str, Callable[[Any], Any]] = {
    "llm-ls/getCompletions": dialects.read_completions_request,
    "llm-ls/acceptCompletion": dialects.read_accepted,
    "llm-ls/rejectCompletion": dialects.read_rejected,
    "textDocument/didShowCompletion": dialects.read_shown,
    "textDocument/didPartiallyAcceptCompletion": dialects.read_partially_accepted,
    "textDocument/didFocus": dialects.read_focus,
    "workspace/executeCommand": dialects.read_accept_command,
}


@pytest.mark.parametrize("message", MESSAGES, ids=[message["name"] for message in MESSAGES])
def test_messages_of_real_clients_are_read(message: dict[str, Any]) -> None:
    read, params = READERS[message["method"]], message["params"]
    if "refused" in message:
        with pytest.raises(BadParams, match=message["refused"]):
            read(params)
    else:
        assert msgspec.to_builtins(read(params)) == message["read"] or (
            json.loads(msgspec.json.encode(read(params))) == message["read"]
        )


def test_a_clients_token_is_not_kept() -> None:
    read = dialects.read_completions_request(MESSAGES[0]["params"])
    assert "hf_do_not_keep_me" in json.dumps(MESSAGES[0]["params"])
    assert "hf_do_not_keep_me" not in repr(read)


def test_an_items_command_brings_its_identity_back() -> None:
    assert dialects.read_accept_command(dialects.write_accept_command("id-1")) == "id-1"


@pytest.mark.parametrize("texts", [(), ("return 1",), ("a\r\nb\rc", "d")])
def test_completions_are_written_as_llm_ls_does(texts: tuple[str, ...]) -> None:
    expected = [{"generated_text": text.replace("\r\n", "\n").replace("\r", "\n")} for text in texts]
    assert dialects.write_completions("id", texts) == {"request_id": "id", "completions": expected}
    assert dialects.write_completions("id", texts, wants_list=True) == expected


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (StatusReport("ready"), {"busy": False, "message": "", "kind": "Normal"}),
        (StatusReport("idle", "asleep"), {"busy": False, "message": "asleep", "kind": "Normal"}),
        (StatusReport("busy"), {"busy": True, "message": "", "kind": "Normal"}),
        (StatusReport("loading", "40 %"), {"busy": True, "message": "40 %", "kind": "Normal"}),
        (StatusReport("off", "off", "disabled"), {"busy": False, "message": "off", "kind": "Inactive"}),
        (StatusReport("error", "no", "model_failed"), {"busy": False, "message": "no", "kind": "Error"}),
        (StatusReport("error", "no", "failed"), {"busy": False, "message": "no", "kind": "Warning"}),
    ],
)
def test_the_status_is_written_as_copilots(report: StatusReport, expected: dict[str, Any]) -> None:
    assert dialects.write_status(report) == expected


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([2, 1, 2], [False, True, False]),  # LSP 3.18
        ([1, 0, 1], [True, True, False]),  # from 0: known by the first 0
        ([0, 1], [True, False]),
        ([None, "Invoked", 7], [False, True, False]),
    ],
)
def test_trigger_kinds_old_and_new_are_told_apart(kinds: list[Any], expected: list[bool]) -> None:
    counts_from_zero = False
    found = []
    for kind in kinds:
        context = {"triggerKind": kind} if kind is not None else None
        invoked, counts_from_zero = dialects.read_invoked(context, counts_from_zero=counts_from_zero)
        found.append(invoked)
    assert found == expected


START, END = {"line": 1, "character": 2}, {"line": 1, "character": 4}


@pytest.mark.parametrize("raw", [{"start": START, "end": END}, [START, END], [END, START]])
def test_ranges_come_as_objects_and_as_arrays(raw: Any) -> None:
    assert dialects.read_range(raw) == (Position(1, 2), Position(1, 4))


@pytest.mark.parametrize("raw", [None, [], [START], [START, END, END], {"start": START}, "1:2", 5, [1, 2]])
def test_what_is_no_range_is_none(raw: Any) -> None:
    assert dialects.read_range(raw) is None


KEYS = st.sampled_from(
    [
        *("item", "command", "arguments", "insertText", "range", "start", "end", "acceptedLength"),
        *("textDocument", "uri", "position", "line", "character", "triggerKind", "1"),
        *("requestId", "acceptedCompletion", "shownCompletions", "requestBody", "parameters"),
    ]
)
ODD: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(ODD)
def test_no_message_breaks_a_reader(raw: Any) -> None:
    for read in READERS.values():
        with contextlib.suppress(BadParams):
            read(raw)
    dialects.read_range(raw)
    dialects.read_position(raw)
    dialects.read_invoked(raw, counts_from_zero=False)
