"""Where a block ends: the only ruler of that, for the engine and for the language server.

A block is what the cursor's line opens, or the line above it, or, anywhere else, what goes on at the depth of
the cursor. It ends before the first line that stands further out, and with the line that closes it. What
counts is how far lines are indented; four things are stronger than that:

    text      lines within a string, a heredoc or a comment have no indentation
    brackets  nor have lines within `(` or `[`
    its brace where a block's brace has a line of its own (Allman, GNU), the brace's line is the block's edge
    edges     directives of a preprocessor, labels and cases stand further out than what they are in

The language server's `syntax.scope_end` goes on from here with a syntax tree, and only ever ends a block
earlier. Text is LF; white space is compared in columns (`columns`).
"""

from dataclasses import dataclass
from typing import Literal

from stardraftd.lexing.block_place import BlockPlace
from stardraftd.lexing.columns import columns, fitting_tab, leading
from stardraftd.lexing.lines import code_of, depth, first_word, opener_of, read_line
from stardraftd.lexing.scanner import frames
from stardraftd.lexing.words import UNKNOWN, WORDS

_CLOSERS = ")]}"
_COMMENT_SIGNS = ("/", "-", "<", "<!", "<!-", "{", "=", "%")
_SWITCHES = frozenset(["switch", "select", "match", "when", "class", "struct", "union", "enum"])
_MAY_GO_ON = frozenset(
    ["if", "else", "elif", "elsif", "elseif", "try", "do", "catch", "when", "unless", "begin"]
)

# "in": it belongs to the block. "edge": it does if more of the block follows. "end": the block ended before
# it. "last": the block ends with it. "unknown": too little of the line is there.
Verdict = Literal["in", "edge", "end", "last", "unknown"]


@dataclass(frozen=True)
class BlockExtent:
    """How many characters of a generated text to keep; is_final: what comes after cannot change that."""

    n_characters: int
    is_final: bool


class BlockRuler:
    """Goes through the lines of a block that is generated.

    Give it what comes on the cursor's own line with `begin`, then each whole line with `line`. `peek` says
    what of a line that still grows is known. Invariant: `_edge` is the white space of the line that the
    block's lines have to be further in than, None where they have to be as far in as the cursor.
    """

    def __init__(self, place: BlockPlace) -> None:
        self._place = place
        self._words = WORDS.get(place.language, UNKNOWN)
        self._tab = place.tab
        self._frame = place.frame
        self._edge: str | None = None
        self._header = ""  # the line that opened the block
        self._previous = place.white
        self._opens = False
        self._is_closed = False
        self._is_at_edge = False
        self._has_own_brace = False
        self._was_blank = False
        self._n_lines = 0
        self._n_braces = 0
        self._n_directives = 0

    # --- from outside -----------------------------------------------------------------------------

    def begin(self, rest: str) -> None:
        """What stands on the cursor's line from the cursor on."""
        place = self._place
        whole = place.line_before + rest
        code = self._read(whole)
        is_blank = not place.line_before.strip()
        self._n_lines = 1 if rest.strip() else 0
        opens = opener_of(code, self._words, is_whole=True)
        if not is_blank:
            self._edge = place.statement_white if opens or code.endswith(":") else place.white
            self._header = place.header + code
            self._opens = bool(opens) or not rest.strip()
        elif (
            place.above
            and opener_of(place.above, self._words, is_whole=True)
            and self._is_deeper(place.white + leading(rest), place.statement_white)
        ):
            self._edge = place.statement_white
            self._header = place.header if place.header is place.above else place.header + place.above
            self._opens = not rest.strip() or bool(opens)
        elif code.strip() == "{":
            self._edge, self._header = place.white, place.above
            self._opens = True
        else:
            self._opens = bool(opens)
        if is_blank:
            self._previous = place.white + leading(rest)
        self._n_braces = code_of(rest, place.language).count("{") if is_blank else 0

    def line(self, line: str) -> Verdict:
        """A whole line below the cursor's."""
        if not line.strip():
            verdict: Verdict = "in"
            self._was_blank = self._was_blank or not self._is_in_text
            self._read(line)
            return "end" if self._is_closed and self._was_blank else verdict
        verdict = self._judge(line, is_whole=True)
        if verdict in ("in", "edge", "last"):
            self._is_at_edge = verdict == "edge"
            self._note(line)
        return verdict

    def peek(self, line: str) -> Verdict:
        """A line of which more may come. Nothing is remembered of it."""
        kept = self.__dict__.copy()
        verdict = self._judge(line, is_whole=False) if line.strip() else "unknown"
        self.__dict__.update(kept)
        return verdict

    # --- lines ------------------------------------------------------------------------------------

    @property
    def _is_in_text(self) -> bool:
        return any(frame.is_text and frame.is_multiline for frame in frames(self._frame))

    def _read(self, line: str) -> str:
        """Takes a line's end as read; returns its code."""
        code, self._frame = read_line(line, self._place.language, self._frame)
        return code

    def _note(self, line: str) -> None:
        was_in_text = self._is_in_text
        code = self._read(line)
        self._n_braces += code.count("{") - code.count("}")
        self._was_blank = False
        self._n_lines += 1
        if not was_in_text:
            self._previous = leading(line)
            self._opens = bool(opener_of(code, self._words, is_whole=True)) or not self._ends_statement(code)

    def _ends_statement(self, code: str) -> bool:
        """Whether nothing suggests that the line below belongs to this one: `if (a)` has its body below."""
        return first_word(code) not in ("if", "for", "while", "else", "do", "switch")

    def _judge(self, line: str, *, is_whole: bool) -> Verdict:
        if self._is_in_text:
            return "edge" if self._is_at_edge else "in"
        if self._is_in_bracket():
            return "in"
        code = code_of(line, self._place.language, self._frame).strip()
        white = leading(line)
        if self._words.has_directives and line[len(white)] == "#":
            return self._directive(line[len(white) :], is_whole=is_whole)
        if self._is_closed:
            return self._after_closer(code, white, is_whole=is_whole)
        self._settle_tab(white)
        if self._edge is not None and self._n_braces == 0 and self._opens_brace(code, white):
            self._edge = white
            self._has_own_brace = True
            return "in"
        return self._place_of(code, white, is_whole=is_whole)

    def _is_in_bracket(self) -> bool:
        """Whether the innermost bracket is of a list or a call, opened on the cursor's line or below it."""
        frame = self._frame
        if frame is None or frame.kind not in ("bracket", "hole") or frame.end == "}":
            return False
        known = self._place.frame
        return all(frame is not one for one in frames(known))

    def _opens_brace(self, code: str, white: str) -> bool:
        """Whether this is the block's own brace on a line of its own, as far in as its statement at least."""
        return (
            code.startswith("{")
            and depth(code) > 0
            and self._words.has_braces
            and self._n_lines <= 1
            and not self._header.rstrip().endswith("{")
            and not self._is_deeper(self._edge or "", white)
        )

    def _place_of(self, code: str, white: str, *, is_whole: bool) -> Verdict:
        edge = self._edge
        if edge is None:
            outside = self._is_deeper(self._place.white, white)
            if outside:
                return self._further_out(code, is_whole=is_whole)
            if self._n_braces <= 0 and self._words.has_braces and code.startswith("}"):
                return self._at_closer(code, white, is_whole=is_whole)
            return "end" if self._starts_anew(code, white) else "in"
        if self._is_deeper(white, edge):
            closes = self._n_braces < 0 or (self._n_braces == 0 and self._braced and code.startswith("}"))
            return self._at_closer(code, white, is_whole=is_whole) if closes and code[:1] == "}" else "in"
        if self._is_deeper(edge, white):
            return self._further_out(code, is_whole=is_whole)
        return self._at_edge(code, white, is_whole=is_whole)

    @property
    def _braced(self) -> bool:
        return self._header.rstrip().endswith("{")

    def _at_edge(self, code: str, white: str, *, is_whole: bool) -> Verdict:
        word = first_word(code)
        if not is_whole and ((word == code and self._may_become(word)) or code in _COMMENT_SIGNS):
            return "unknown"
        if not code:  # a comment belongs to what follows it
            return "edge"
        if self._is_case(word) or (self._n_lines > 0 and self._goes_on_with(word)):
            return "end" if self._stands_behind(code, white) else "in"
        if self._closes(code):
            return self._at_closer(code, white, is_whole=is_whole)
        if self._has_own_brace and self._n_braces > 0:
            return "in"  # Whitesmiths: what is in braces stands as far in as they do
        return "in" if self._is_item(code) or self._is_label(code, is_whole=is_whole) else "end"

    def _is_item(self, code: str) -> bool:
        """Whether a line is an item of the list whose key opened the block: YAML has both at one depth."""
        return self._words.has_items and code.startswith("-") and not self._header.lstrip().startswith("-")

    def _further_out(self, code: str, *, is_whole: bool) -> Verdict:
        word = first_word(code)
        if not is_whole and ((self._words.has_labels and word == code) or code in _COMMENT_SIGNS):
            return "unknown"
        if not code:
            return "edge"
        return "in" if self._words.has_labels and self._is_label(code, is_whole=is_whole) else "end"

    def _may_become(self, word: str) -> bool:
        """Whether a word that still grows may be one that belongs here."""
        words = self._words
        known = (*words.closing_words, *words.continuing_words, "case", "default")
        return words.has_labels or any(one.startswith(word) for one in known)

    def _goes_on_with(self, word: str) -> bool:
        return word in self._words.continuing_words and not (self._words.has_braces and word == "while")

    def _is_case(self, word: str) -> bool:
        """The cases of a switch stand at its depth as often as further in."""
        is_case = word in ("case", "default") and word in self._words.header_words
        return is_case and any(one in _SWITCHES for one in self._header.replace("(", " ").split())

    def _is_label(self, code: str, *, is_whole: bool) -> bool:
        """Whether a line is a label to jump to, or `public:`: a name, and one colon."""
        word = first_word(code)
        rest = code[len(word) :].lstrip()
        if not word or not self._words.has_labels or not rest.startswith(":"):
            return False
        if rest.startswith("::") or (rest == ":" and not is_whole):
            return rest == ":"
        return True

    def _starts_anew(self, code: str, white: str) -> bool:
        """On an empty line in a scope one paragraph, or one definition with its body, is enough."""
        is_next = self._was_blank and self._n_lines > 0
        return is_next and not self._is_deeper(white, self._place.white) and not self._closes(code)

    def _closes(self, code: str) -> bool:
        return code[:1] in _CLOSERS or code.startswith("</") or first_word(code) in self._words.closing_words

    def _at_closer(self, code: str, white: str, *, is_whole: bool) -> Verdict:
        """The line that closes the block is its last, unless the document has it after the cursor already."""
        if self._stands_behind(code, white):
            return "end"
        if not is_whole:
            return "in"
        rest = code.lstrip(_CLOSERS + " ")
        if first_word(rest) in self._words.continuing_words or opener_of(code, self._words, is_whole=True):
            return "in"  # `} else {`
        if any(word in _MAY_GO_ON for word in self._header.replace("(", " ").split()[:3]) and code[:1] == "}":
            self._is_closed = True
            return "in"
        return "last"

    def _after_closer(self, code: str, white: str, *, is_whole: bool) -> Verdict:
        """After `}` on a line of its own only what goes on with the statement belongs to it."""
        word = first_word(code)
        if (
            not is_whole
            and word == code
            and any(one.startswith(word) for one in self._words.continuing_words)
        ):
            return "unknown"
        known = self._words.continuing_words
        if word not in known or self._is_deeper(white, self._edge or "") or self._stands_behind(code, white):
            return "end"
        self._is_closed = False
        self._header = code
        self._n_lines = 0
        self._n_braces = 0
        self._edge = white
        return "in"

    def _directive(self, code: str, *, is_whole: bool) -> Verdict:
        """A line of the preprocessor: within a block or not, as its `#if` is."""
        word = first_word(code[1:])
        if not is_whole and code[1:].strip() == word:
            return "unknown"
        if self._is_closed:
            return "end"
        if word in ("endif", "else", "elif") and self._n_directives == 0:
            return "edge"
        self._n_directives += {"endif": -1, "endregion": -1}.get(
            word, 1 if word.startswith(("if", "region")) else 0
        )
        return "in"

    def _stands_behind(self, code: str, white: str) -> bool:
        """Whether the document has this closer after the cursor already."""
        place = self._place
        if not place.closer or not code.startswith(place.closer):
            return False
        return self._columns(white) == self._columns(place.closer_white)

    # --- columns ----------------------------------------------------------------------------------

    def _columns(self, white: str) -> int:
        return columns(white, self._tab) if self._tab else columns(white)

    def _is_deeper(self, white: str, than: str) -> bool:
        if white.startswith(than):
            return len(white) > len(than)
        if than.startswith(white):
            return False
        return self._columns(white) > self._columns(than)

    def _settle_tab(self, white: str) -> None:
        """The first line with tabs beside spaces says how wide a tab is, where the document does not."""
        if self._tab is not None or not white or not self._previous:
            return
        has_tab = "\t" in white
        if has_tab == ("\t" in self._previous):
            return
        if has_tab:
            step = self._place.step
            self._tab = fitting_tab(white, len(self._previous), is_deeper=self._opens, step=step)
        else:
            n_tabs = self._previous.count("\t") + bool(self._opens)
            self._tab = next((tab for tab in (4, 8, 2, 3) if n_tabs * tab == len(white)), 4)


def block_end(place: BlockPlace, text: str, *, is_whole: bool) -> BlockExtent:
    """Where a block ends in a generated text. is_whole: no more of it will come."""
    ruler = BlockRuler(place)
    first, line_end, _ = text.partition("\n")
    ruler.begin(first)
    if not line_end:
        return BlockExtent(len(text), is_final=is_whole)
    kept = len(first)
    at = kept + 1
    while at <= len(text):
        end = text.find("\n", at)
        is_last = end < 0
        line = text[at:] if is_last else text[at:end]
        verdict = ruler.line(line) if is_whole or not is_last else ruler.peek(line)
        if verdict == "end":
            return BlockExtent(kept, is_final=True)
        if is_last and not is_whole:
            return BlockExtent(
                len(text) if verdict in ("in", "edge") and line.strip() else kept, is_final=False
            )
        if line.strip() and verdict != "edge":
            kept = at + len(line)
        if verdict == "last":
            return BlockExtent(kept, is_final=True)
        if is_last:
            break
        at = end + 1
    return BlockExtent(kept, is_final=True)
