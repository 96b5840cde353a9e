"""LSP's own types as JSON: a whole example of each, and each with one value of it wrong.

Made from lsprotocol's classes, which are made from the specification; so every field of it is there.
"""

import copy
import enum
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from lsprotocol import types

# What stands where something else was expected. The first is for a value that is left out altogether.
MISSING = object()
WRONG: tuple[Any, ...] = (
    MISSING,
    None,
    True,
    -1,
    27,
    1.5,
    "compact",
    "",
    [],
    [{}],
    {},
    {"a": 1},
)
_MAX_DEPTH = 8
# What an editor may say once it has introduced itself, each with its parameters' type; what is not the
# specification's own has the type that is most like it.
MESSAGES: tuple[tuple[str, Any], ...] = (
    ("textDocument/didOpen", types.DidOpenTextDocumentParams),
    ("textDocument/didChange", types.DidChangeTextDocumentParams),
    ("textDocument/didClose", types.DidCloseTextDocumentParams),
    ("textDocument/didSave", types.DidSaveTextDocumentParams),
    ("textDocument/inlineCompletion", types.InlineCompletionParams),
    ("textDocument/completion", types.CompletionParams),
    ("workspace/executeCommand", types.ExecuteCommandParams),
    ("workspace/didChangeWorkspaceFolders", types.DidChangeWorkspaceFoldersParams),
    ("workspace/didChangeWatchedFiles", types.DidChangeWatchedFilesParams),
    ("workspace/didChangeConfiguration", types.DidChangeConfigurationParams),
    ("window/workDoneProgress/cancel", types.WorkDoneProgressCancelParams),
    ("$/cancelRequest", types.CancelParams),
    ("$/setTrace", types.SetTraceParams),
    ("textDocument/didFocus", types.DidSaveTextDocumentParams),
    ("textDocument/didShowCompletion", types.InlineCompletionItem),
    ("textDocument/didPartiallyAcceptCompletion", types.InlineCompletionItem),
    ("llm-ls/getCompletions", types.InlineCompletionParams),
    ("llm-ls/acceptCompletion", types.InlineCompletionItem),
    ("stardraft/status", types.Position),
    ("stardraft/snooze", types.Position),
    ("stardraft/switch", types.Position),
)

Path = tuple[str | int, ...]


def example(of: Any, depth: int = 0) -> Any:
    """A JSON value of a type, with every optional field of it there."""
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is not None and arguments:
        if origin in (typing.Union, getattr(typing, "UnionType", None)) or "Union" in str(origin):
            chosen = [one for one in arguments if one is not type(None)]
            return example(next((one for one in chosen if attrs.has(one)), chosen[0]), depth)
        if origin is typing.Literal:
            return arguments[0]
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {"key": example(arguments[1], depth + 1)}
        if isinstance(origin, type) and issubclass(origin, Sequence):
            return [example(arguments[0], depth + 1)]
    if isinstance(of, type) and attrs.has(of):
        if depth > _MAX_DEPTH:
            return {}
        hints = typing.get_type_hints(of)
        return {camel(field.name): example(hints[field.name], depth + 1) for field in attrs.fields(of)}
    if isinstance(of, type) and issubclass(of, enum.Enum):
        return next(iter(of)).value
    return {str: "text", int: 1, float: 1.0, bool: True}.get(of, {"any": 1})


def camel(name: str) -> str:
    """lsprotocol's `text_document` is the protocol's `textDocument`."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every value within a JSON value, itself included."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def changed(value: Any, path: Path, new: Any) -> Any:
    """A copy of a JSON value with another value at a path; without any there for MISSING."""
    if not path:
        return None if new is MISSING else copy.deepcopy(new)
    outer = copy.deepcopy(value)
    inner = outer
    for step in path[:-1]:
        inner = inner[step]
    if new is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = copy.deepcopy(new)
    return outer
