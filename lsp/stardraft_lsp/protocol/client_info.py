"""What an editor says of itself in `initialize`: read from plain JSON, one thing at a time.

What is not understood is ignored, what is missing has its default: no single odd value costs the user the
whole server.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stardraft_lsp.protocol.dialects.plain import count_of, list_of, object_of, text_of, within
from stardraft_lsp.text.positions import DEFAULT_ENCODING, Encoding, choose_encoding

# Of a client's name; the daemon takes 256 characters with what is added to it.
_MAX_NAME = 64
_MAX_PROCESS_ID = 2**32


@dataclass(frozen=True)
class Folder:
    uri: str
    name: str = ""


@dataclass(frozen=True)
class ClientInfo:
    """An editor.

    process_id: the process that is served and not to be outlived; None where the editor names none.
    has_inline_completion: it draws grey text. has_settings: it answers `workspace/configuration`.
    declares: it answers `stardraft/declarations`. shows_warnings: it shows the status's warning.
    options: `initializationOptions`, as they came.
    """

    name: str = "editor"
    process_id: int | None = None
    encoding: Encoding = DEFAULT_ENCODING
    folders: tuple[Folder, ...] = ()
    has_inline_completion: bool = False
    has_settings: bool = False
    shows_progress: bool = False
    declares: bool = False
    shows_warnings: bool = False
    options: Any = None


def read_initialize(raw: Any) -> ClientInfo:
    """The parameters of `initialize`."""
    params = object_of(raw)
    can = params.get("capabilities")
    inline = within(can, "textDocument", "inlineCompletion")
    return ClientInfo(
        name=_name(within(params, "clientInfo", "name")),
        process_id=_process_id(params.get("processId")),
        encoding=choose_encoding(within(can, "general", "positionEncodings")),
        folders=read_folders(params.get("workspaceFolders")) or _root(params),
        has_inline_completion=inline is True or isinstance(inline, dict),
        has_settings=within(can, "workspace", "configuration") is True,
        shows_progress=within(can, "window", "workDoneProgress") is True,
        declares=within(can, "experimental", "stardraft", "declarations") is True,
        shows_warnings=within(can, "experimental", "stardraft", "warnings") is True,
        options=params.get("initializationOptions"),
    )


def read_folders(raw: Any) -> tuple[Folder, ...]:
    """Workspace folders; those without a URI are left out."""
    found = (
        Folder(text_of(within(folder, "uri")), text_of(within(folder, "name"))) for folder in list_of(raw)
    )
    return tuple(folder for folder in found if folder.uri)


def _root(params: dict[str, Any]) -> tuple[Folder, ...]:
    uri = text_of(params.get("rootUri"))
    if not uri:
        try:
            uri = Path(text_of(params.get("rootPath"))).as_uri()
        except ValueError:  # not absolute, or in no encoding of a path
            return ()
    return (Folder(uri),)


def _process_id(raw: Any) -> int | None:
    number = count_of(raw)
    return number if number and number <= _MAX_PROCESS_ID else None


def _name(raw: Any) -> str:
    return "".join(char for char in text_of(raw) if char.isprintable())[:_MAX_NAME] or "editor"
