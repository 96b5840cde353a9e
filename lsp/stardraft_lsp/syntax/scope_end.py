"""Where a generated block ends: where its scope does, by indentation and by the syntax tree.

The model goes on into the next function gladly. What is kept ends with the scope that the cursor stood in or
had just opened. Indentation is asked first, because it can be while text still comes; the tree of the whole
then has the last word, where it has no error.
"""

from dataclasses import dataclass

from stardraft_lsp.syntax.check import n_errors
from stardraft_lsp.syntax.lexing import lexer_of
from stardraft_lsp.syntax.lines import columns, indent_of
from stardraft_lsp.syntax.place import Place, path_to
from stardraft_lsp.syntax.rules import LanguageRules, rules_of
from stardraft_lsp.syntax.trees import DocumentTree, Snapshot

_CLOSERS = ")]}"


@dataclass(frozen=True)
class ScopeEnd:
    """How many characters of the generated text to keep; is_final: what comes behind cannot change that."""

    n_characters: int
    is_final: bool


def scope_end(
    place: Place,
    generated: str,
    suffix: str,
    tree: DocumentTree | Snapshot | None = None,
    budget_ms: float = 2.0,
) -> int:
    """How much of a finished block to keep, in characters. `generated` with LF line ends.

    suffix: the document's text behind the cursor, or its beginning. tree: the document's, fresh; without one
    indentation alone decides. budget_ms: for the parse of the whole.
    """
    kept = by_indentation(place, generated, suffix, is_whole=True).n_characters
    by_syntax = _by_tree(place, generated[:kept], tree, budget_ms) if tree is not None else None
    return kept if by_syntax is None else min(kept, by_syntax)


def end_so_far(
    place: Place, generated: str, tree: DocumentTree | Snapshot, budget_ms: float = 2.0
) -> int | None:
    """Where whole lines of a block that still comes have left its scope, by syntax; None: nowhere for sure.

    More will come, so the tree is believed only where it has no error from the cursor on.
    """
    return _by_tree(place, generated, tree, budget_ms, is_strict=True)


def by_indentation(place: Place, generated: str, suffix: str = "", *, is_whole: bool = False) -> ScopeEnd:
    """The same by indentation and brackets alone, for text that still comes.

    The text's last line is judged only when the text is whole: there may be more of it.
    """
    rules = rules_of(place.language)
    lines = generated.split("\n")
    floor, is_body = _floor(place)
    kept = len(lines[0])
    at = len(lines[0]) + 1
    state = _Reading(place, rules, floor, is_body, suffix)
    state.begin(lines[0])
    judged = lines[1:] if is_whole else lines[1:-1]
    for line in judged:
        verdict = state.read(line)
        if verdict == "end":
            return ScopeEnd(kept, is_final=True)
        if line.strip():
            kept = at + len(line)
        if verdict == "last":
            return ScopeEnd(kept, is_final=True)
        at += len(line) + 1
    if is_whole:
        return ScopeEnd(kept, is_final=True)
    return ScopeEnd(len(generated), is_final=False)


def _floor(place: Place) -> tuple[int, bool]:
    """The indentation at which a line does not belong to the block, and whether a body was just opened."""
    if place.opener:
        return place.indent, True
    if place.opener_above and place.blank_before and place.indent > place.indent_above:
        return place.indent_above, True
    return place.indent - 1, False


class _Reading:
    """Line by line through a generated block. `floor`: lines indented no more than this are not in it."""

    def __init__(self, place: Place, rules: LanguageRules, floor: int, is_body: bool, suffix: str) -> None:
        self._place = place
        self._rules = rules
        self._floor = floor
        self._is_body = is_body
        self._lexer = lexer_of(place.language)
        self._suffix_closer, self._suffix_indent = _closer_behind(place, suffix)
        self._was_blank = False
        self._n_read = 0
        self._depth = 0
        self._in_string = ""
        self._first_indent = place.indent

    def begin(self, first: str) -> None:
        """The first line: what stands behind the cursor on its line."""
        whole = self._place.line_before + first
        self._track_string(whole)
        if first.strip():
            self._n_read = 1
            code = self._lexer.code_of(first)
            self._depth = code.count("{") - code.count("}")

    def read(self, line: str) -> str:
        """ "in", "end" before this line, or "last" with it."""
        if self._in_string:
            self._track_string(line)
            return "in"
        if not line.strip():
            self._was_blank = True
            return "in"
        verdict = self._judge(line)
        self._track_string(line)
        self._n_read += 1
        self._was_blank = False
        return verdict

    def _judge(self, line: str) -> str:
        indent = indent_of(line)
        code = self._lexer.code_of(line).strip()
        self._depth += code.count("{") - code.count("}")
        if indent > self._floor:
            if self._depth < 0 and code.startswith(tuple(_CLOSERS)):
                return self._at_closer(code, indent)
            return "end" if self._starts_anew(code, indent) else "in"
        if self._is_body and indent == self._floor:
            return "in" if self._continues(code) else self._at_closer(code, indent)
        return "end"

    def _starts_anew(self, code: str, indent: int) -> bool:
        """On an empty line in a scope one paragraph, or one definition with its body, is enough."""
        is_next = not self._is_body and self._was_blank and self._n_read > 0
        return is_next and indent <= self._first_indent and not self._closes(code)

    def _at_closer(self, code: str, indent: int) -> str:
        """The line that closes the scope is kept, unless the document has it behind the cursor already."""
        if not self._closes(code) or self._stands_behind(code, indent):
            return "end"
        self._depth = 0
        return "in" if self._goes_on(code) else "last"

    def _closes(self, code: str) -> bool:
        first = code.split(" ", maxsplit=1)[0].rstrip(";,()")
        return code[:1] in ("}", ")", "]") or first in self._rules.closing_words

    def _continues(self, code: str) -> bool:
        first = code.partition(" ")[0].rstrip(":{(")
        return self._n_read > 0 and first in self._rules.continuing_words

    def _goes_on(self, code: str) -> bool:
        """`} else {`: the statement whose block ended goes on with another."""
        rest = code.lstrip(_CLOSERS + " ")
        return bool(rest) and rest.partition(" ")[0].rstrip("{(") in self._rules.continuing_words

    def _stands_behind(self, code: str, indent: int) -> bool:
        """Whether the document has this closer behind the cursor already."""
        return (
            bool(self._suffix_closer)
            and code.startswith(self._suffix_closer)
            and self._suffix_indent == indent
        )

    def _track_string(self, line: str) -> None:
        """Whether a string over several lines is open behind this line; its lines have no indentation."""
        if self._in_string:
            end = next((q.end for q in self._rules.quotes if q.begin == self._in_string), self._in_string)
            if end in line:
                self._in_string = ""
            return
        token = self._lexer.token_at(line, 0, len(line))
        if token.kind == "string" and any(
            q.is_multiline for q in self._rules.quotes if q.begin == token.begin
        ):
            self._in_string = token.begin


def _closer_behind(place: Place, suffix: str) -> tuple[str, int]:
    """The closer that stands behind the cursor next, and how far its line is indented; "" for none."""
    stripped = suffix[:2000].lstrip()
    behind = suffix[: len(suffix[:2000]) - len(stripped)]
    line_start = behind.rfind("\n") + 1
    indent = columns(behind[line_start:]) if line_start else place.indent
    if stripped and stripped[0] in _CLOSERS:
        return stripped[0], indent
    word = stripped.split(None, 1)[0].rstrip(";,()") if stripped else ""
    return (word if word in rules_of(place.language).closing_words else ""), indent


def _by_tree(
    place: Place,
    generated: str,
    tree: DocumentTree | Snapshot,
    budget_ms: float,
    *,
    is_strict: bool = False,
) -> int | None:
    """Where the scope around the generated text ends in the tree of the whole; None if that says nothing."""
    rules = rules_of(place.language)
    whole = tree.with_text(place.offset, place.offset, generated, budget_ms)
    if whole is None or not generated.strip():
        return None
    start = tree.measure.byte(place.offset)
    new = generated.encode("utf-8", "surrogatepass")
    lead = len(new) - len(new.lstrip())
    if is_strict and n_errors(whole, start, start + len(new) + 1):
        return None
    for node in reversed(path_to(whole, start + lead)):
        if node.type not in rules.scopes:
            continue
        if node.has_error or node.start_byte >= start + lead:
            return None
        return _with_rest_of_line(new, node.end_byte - start, rules)
    return None


def _with_rest_of_line(new: bytes, end: int, rules: LanguageRules) -> int | None:
    """A scope's end in characters, with the closers behind it on its line; None when more stands there."""
    if not 0 < end < len(new):
        return None
    line_end = new.find(b"\n", end)
    line_end = len(new) if line_end < 0 else line_end
    rest = new[end:line_end].decode("utf-8", "ignore").strip()
    if rest.strip(_CLOSERS + ";,"):
        first = rest.lstrip(_CLOSERS + " ").partition(" ")[0].rstrip("{(")
        return None if first in rules.continuing_words else len(new[:end].decode("utf-8", "ignore"))
    return len(new[:line_end].decode("utf-8", "ignore"))
