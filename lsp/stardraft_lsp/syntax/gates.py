"""Where no suggestion is asked for, each gate with a code and a sentence for the user.

A gate saves work as much as it saves nerves: what would only be in the way is not generated. Asking by hand
passes all of them but the file's size.
"""

import re
from dataclasses import dataclass
from typing import Literal

from stardraft_lsp.syntax.place import Place

GateCode = Literal[
    "file_too_large",
    "read_only",
    "long_line",
    "merge_conflict",
    "in_comment",
    "in_docstring",
    "in_string",
    "middle_of_word",
    "text_behind",
    "in_number",
    "line_complete",
    "blank_document",
]

GATE_TEXTS: dict[GateCode, str] = {
    "file_too_large": "The file is too large for suggestions.",
    "read_only": "The file cannot be written.",
    "long_line": "The line is too long to have been typed.",
    "merge_conflict": "The cursor is in an unresolved merge conflict.",
    "in_comment": "The cursor is in a comment, where the model is not asked.",
    "in_docstring": "The cursor is in a documentation string, where the model is not asked.",
    "in_string": "The cursor is in a string, where the model is not asked.",
    "middle_of_word": "The cursor is in the middle of a word.",
    "text_behind": "There is more after the cursor on its line than closing brackets.",
    "in_number": "A number is being typed.",
    "line_complete": "The statement before the cursor is complete.",
    "blank_document": "The document is empty.",
}

# Here only the model is not asked. What the user's own code says is as often right in comments and strings as
# elsewhere (docs/quality.md), and it takes no time.
_OF_THE_MODEL: frozenset[GateCode] = frozenset({"in_comment", "in_docstring", "in_string"})

_CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} |\|{7} )", re.MULTILINE)
# So far around a cursor a conflict's marks are looked for, in characters.
_CONFLICT_REACH = 4000


@dataclass(frozen=True)
class Gate:
    """Why nothing is asked for."""

    code: GateCode

    @property
    def sentence(self) -> str:
        return GATE_TEXTS[self.code]

    @property
    def lets_own_code_through(self) -> bool:
        """Whether it holds for what the model says, and not for what the user's own code says."""
        return self.code in _OF_THE_MODEL


@dataclass(frozen=True)
class GateSettings:
    """Which gates are open, and the limits of the others."""

    in_comments: bool = False
    in_docstrings: bool = False
    in_strings: bool = False
    mid_line: bool = False
    max_file_bytes: int = 2_000_000
    max_line_characters: int = 2000


DEFAULTS = GateSettings()


def gate_at(
    place: Place,
    text: str,
    *,
    settings: GateSettings = DEFAULTS,
    invoked: bool = False,
    is_read_only: bool = False,
) -> Gate | None:
    """The first gate that is closed at a place; None when suggestions may be asked for.

    text: the document's. invoked: a user asked by hand.
    """
    if len(text) > settings.max_file_bytes:
        return Gate("file_too_large")
    if invoked:
        return None
    if is_read_only:
        return Gate("read_only")
    code = _document_gate(place, text, settings) or _kind_gate(place, settings) or _line_gate(place, settings)
    return Gate(code) if code else None


def _document_gate(place: Place, text: str, settings: GateSettings) -> GateCode | None:
    if not text or text.isspace():
        return "blank_document"
    if len(place.line_before) + len(place.line_behind) > settings.max_line_characters:
        return "long_line"
    if _in_conflict(text, place.offset):
        return "merge_conflict"
    return None


def _kind_gate(place: Place, settings: GateSettings) -> GateCode | None:
    if place.kind == "comment" and not settings.in_comments:
        return "in_comment"
    if place.kind == "docstring" and not settings.in_docstrings:
        return "in_docstring"
    if place.kind == "string" and not settings.in_strings:
        return "in_string"
    return None


def _line_gate(place: Place, settings: GateSettings) -> GateCode | None:
    if place.in_word:
        return "middle_of_word"
    if not place.closers_behind and not settings.mid_line:
        return "text_behind"
    if place.in_number:
        return "in_number"
    if place.is_complete and place.blank_behind:
        return "line_complete"
    return None


def _in_conflict(text: str, offset: int) -> bool:
    """Whether the last conflict mark above is not the one that ends a conflict."""
    start = max(offset - _CONFLICT_REACH, 0)
    start = text.find("<<<<<<< ", start, offset)
    if start < 0:
        return False
    marks = _CONFLICT.findall(text[start:offset].replace("\r\n", "\n"))
    return bool(marks) and not marks[-1].startswith(">")
