"""Reads source text by its language's lexis: what each place stands in, and what is open there.

What is open is a chain of frames, the innermost first: a bracket, a string, a comment, code within a string,
and so on, nested as deep as they are. A chain never changes, so a state can be kept, and reading can go on
from it. Where a text is not well formed, reading goes on as an editor's colours do: a string of one line ends
with it, a closer that closes nothing is passed over.
"""

import re
from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple

from msgspec import Struct

from stardraftd.lexing.patterns import compiled, hole_pattern, text_pattern
from stardraftd.lexing.rules import Heredoc, Text
from stardraftd.lexing.signs import angle_at, regex_end, regex_goes_on, regex_may_begin, word_before

FrameKind = Literal["bracket", "angle", "tag", "hole", "string", "comment"]
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_MAX_DELIMITER = 40
_REGEX = Text("/", "/")  # of which the end is not there yet


class Frame(Struct, frozen=True, eq=False):
    """Something that is open. `outer` is what is open around it; a text as a whole is None.

    begin, end: what began it, and what would end it. start: where it began. `is_multiline`, for a text.
    in_line: it is in a text of one line, so it ends with the line. is_macro: a bracket behind `name!`.
    text, heredoc: by what it is read.
    """

    kind: FrameKind
    outer: "Frame | None"
    begin: str
    end: str
    start: int
    is_multiline: bool = False
    in_line: bool = False
    is_macro: bool = False
    text: Text | None = None
    heredoc: "_Document | None" = None

    @property
    def is_text(self) -> bool:
        """Whether what stands in it is no code."""
        return self.kind in ("string", "comment")


class _Document(Struct, frozen=True):
    """A heredoc that was announced: where, its rule, and how it ends."""

    start: int
    rule: Heredoc
    word: str
    is_raw: bool
    may_be_indented: bool


class Event(NamedTuple):
    """Something at `start` up to `end` of the text. frame: what was opened or closed; None for a lone closer.

    "ended" is a frame that ended without its closer, with its line or with what is around it.
    """

    kind: Literal["open", "close", "lone", "ended"]
    start: int
    end: int
    frame: Frame | None


class State(NamedTuple):
    """How reading stands at a place: what is open, and which heredocs were announced."""

    at: int = 0
    frame: Frame | None = None
    waiting: tuple[_Document, ...] = ()


class Scanner:
    """Reads one text from `at` on, with `frame` open there. `read` goes on; `frame` is what is open then."""

    def __init__(self, language: str, text: str, at: int = 0, frame: Frame | None = None) -> None:
        self._rules = compiled(language)
        self._text = text
        self._waiting: deque[_Document] = deque()
        self.at = at
        self.frame = frame

    def read(self, end: int | None = None) -> Iterator[Event]:
        """What opens and closes from here to `end`."""
        limit = len(self._text) if end is None else end
        while self.at < limit:
            frame = self.frame
            if frame is not None and frame.is_text:
                yield from self._in_text(frame, limit)
            else:
                yield from self._in_code(limit)

    @property
    def state(self) -> State:
        """From here another scanner can go on, in a text that is the same so far."""
        return State(self.at, self.frame, tuple(self._waiting))

    def go_to(self, state: State) -> None:
        """Goes on from there."""
        self.at, self.frame, self._waiting = state.at, state.frame, deque(state.waiting)

    def to(self, end: int) -> Frame | None:
        """Reads to `end`; what is open there."""
        for _ in self.read(end):
            pass
        return self.frame

    # --- code -----------------------------------------------------------------------------------

    def _in_code(self, limit: int) -> Iterator[Event]:
        rules = self._rules
        frame = self.frame
        pattern = rules.in_tag if frame is not None and frame.kind == "tag" else rules.in_code
        # Where a line ends matters to what ends with it, and to what begins with the next.
        ends_with_line = bool(self._waiting) or (frame is not None and frame.in_line)
        sign = (rules.sign_or_end if ends_with_line else rules.sign).search(self._text, self.at, limit)
        if sign is None:
            self.at = limit
            return
        found = pattern.match(self._text, sign.start(), limit)
        if found is None:
            self.at = sign.end()
            return
        kind, token, start = found.lastgroup or "", found.group(), found.start()
        self.at = found.end()
        match kind:
            case "bracket":
                is_macro = self._text[start - 1 : start] == "!"
                yield self._open("bracket", token, _CLOSERS[token], start, is_macro=is_macro)
            case "closer":
                yield from self._close(token, start)
            case "newline":
                yield from self._new_line(start)
            case "line_comment":
                yield from self._line_comment(token, start, limit)
            case "less" | "greater" | "stop":
                yield from self._angle(kind, start)
            case "slash":
                yield from self._slash(start, limit)
            case _ if kind[0] == "h":
                self._waiting.append(_document(rules.lexis.heredocs[int(kind[1:])], found))
            case _ if kind[0] == "t":
                yield self._open_text(self._with_prefix(int(kind[1:]), start), found, kind)

    def _open(self, kind: FrameKind, begin: str, end: str, start: int, *, is_macro: bool = False) -> Event:
        outer = self.frame
        in_line = outer is not None and (outer.in_line or (outer.is_text and not outer.is_multiline))
        self.frame = Frame(kind, outer, begin, end, start, in_line=in_line, is_macro=is_macro)
        return Event("open", start, self.at, self.frame)

    def _with_prefix(self, number: int, start: int) -> Text:
        """Of the texts that begin alike, the first whose prefix stands there."""
        text = self._rules.lexis.texts[number]
        if not text.prefix:
            return text
        word = word_before(self._text, start)
        alike = self._rules.alike[number]
        return next(
            (one for one in alike if not one.prefix or (word and re.fullmatch(one.prefix, word))), alike[-1]
        )

    def _open_text(self, text: Text, found: re.Match[str], kind: str) -> Event:
        outer = self.frame
        macro_text = self._rules.lexis.macro_text
        if macro_text is not None and text.end == macro_text.end and outer is not None and outer.is_macro:
            text = macro_text
        end = text.end.replace("{}", found.group(f"{kind}d") or "") if "{}" in text.end else text.end
        self.frame = Frame(
            "comment" if text.is_comment else "string",
            outer,
            found.group(),
            end,
            found.start(),
            text.is_multiline,
            outer is not None and outer.in_line,
            text=text,
        )
        return Event("open", found.start(), found.end(), self.frame)

    def _slash(self, start: int, limit: int) -> Iterator[Event]:
        if not regex_may_begin(self._text, start):
            return
        end = regex_end(self._text, start, limit)
        if end is not None:
            self.at = end
        elif regex_goes_on(self._text, start, limit):
            in_line = self.frame is not None and self.frame.in_line
            self.frame = Frame("string", self.frame, "/", "/", start, in_line=in_line, text=_REGEX)
            yield Event("open", start, self.at, self.frame)

    def _line_comment(self, token: str, start: int, limit: int) -> Iterator[Event]:
        frame = Frame("comment", self.frame, token, "\n", start, in_line=True)
        yield Event("open", start, self.at, frame)
        end = self._text.find("\n", self.at, limit)
        if end < 0:
            self.at, self.frame = limit, frame
        else:
            self.at = end
            yield Event("ended", end, end, frame)

    def _close(self, closer: str, start: int) -> Iterator[Event]:
        frame = self.frame
        while frame is not None and frame.kind in ("angle", "tag"):  # it was a comparison
            frame = frame.outer
        if frame is not None and frame.end == closer:
            yield from self._end_angles(start)
            self.frame = frame.outer
            yield Event("close", start, self.at, frame)
        elif not (closer == ")" and self._rules.lexis.lone_parens):
            yield Event("lone", start, self.at, None)

    def _new_line(self, start: int) -> Iterator[Event]:
        frame = self.frame
        while frame is not None and (frame.in_line or (frame.is_text and not frame.is_multiline)):
            yield Event("ended", start, start, frame)
            frame = frame.outer
        self.frame = frame
        if self._waiting:
            document = self._waiting.popleft()
            self.frame = Frame(
                "string", frame, "<<", document.word, self.at, is_multiline=True, heredoc=document
            )
            yield Event("open", self.at, self.at, self.frame)

    # --- angle brackets -------------------------------------------------------------------------

    def _angle(self, sign: str, start: int) -> Iterator[Event]:
        if sign == "less":
            yield from self._less(start)
        elif sign == "greater":
            yield from self._greater(start)
        else:
            yield from self._end_angles(start)

    def _less(self, start: int) -> Iterator[Event]:
        kind = angle_at(self._text, start, self._rules.lexis)
        if kind is not None:
            yield self._open(kind, "<", ">", start)

    def _greater(self, start: int) -> Iterator[Event]:
        frame = self.frame
        if frame is None or frame.kind not in ("angle", "tag"):
            return
        if self._text[start - 1 : start] in ("-", "=") and not self._rules.lexis.quotes_in_tags:
            return  # an arrow
        self.frame = frame.outer
        yield Event("close", start, self.at, frame)

    def _end_angles(self, start: int) -> Iterator[Event]:
        """What was taken for a bracket was less than."""
        while self.frame is not None and self.frame.kind in ("angle", "tag"):
            frame, self.frame = self.frame, self.frame.outer
            yield Event("ended", start, start, frame)

    # --- text -----------------------------------------------------------------------------------

    def _in_text(self, frame: Frame, limit: int) -> Iterator[Event]:
        if frame.heredoc is not None:
            yield from self._in_heredoc(frame, frame.heredoc, limit)
            return
        if frame.text is None:  # a comment to the line's end
            end = self._text.find("\n", self.at, limit)
            self.at = limit if end < 0 else end
            if end >= 0:
                self.frame = frame.outer
                yield Event("ended", end, end, frame)
            return
        found = text_pattern(frame.text, frame.end).search(self._text, self.at, limit)
        if found is None:
            self.at = limit
            return
        start, kind = found.start(), found.lastgroup or ""
        self.at = found.end()
        if kind == "end":
            self.frame = frame.outer
            yield Event("close", start, self.at, frame)
        elif kind == "newline":
            self.at = start
            yield from self._end_line_text(start)
        elif kind == "nest":
            yield self._open_nested(frame, found)
        elif kind[:1] == "o":
            yield self._open("hole", found.group(), frame.text.holes[int(kind[1:])].end, start)

    def _open_nested(self, frame: Frame, found: re.Match[str]) -> Event:
        self.frame = Frame(
            frame.kind, frame, found.group(), frame.end, found.start(), frame.is_multiline, text=frame.text
        )
        return Event("open", found.start(), found.end(), self.frame)

    def _end_line_text(self, start: int) -> Iterator[Event]:
        """A text of one line ends with it, with everything that it is in within the line."""
        while self.frame is not None and (
            self.frame.in_line or (self.frame.is_text and not self.frame.is_multiline)
        ):
            frame, self.frame = self.frame, self.frame.outer
            yield Event("ended", start, start, frame)

    def _in_heredoc(self, frame: Frame, document: _Document, limit: int) -> Iterator[Event]:
        """Line by line, for its end is a line of its own."""
        text = self._text
        line_start = text.rfind("\n", 0, self.at) + 1
        line_end = text.find("\n", self.at, limit)
        stop = limit if line_end < 0 else line_end
        if line_start == self.at and _ends_heredoc(text, self.at, stop, document):
            self.at = stop
            self.frame = frame.outer
            yield Event("close", line_start, stop, frame)
            return
        if not document.is_raw and document.rule.holes:
            found = hole_pattern(document.rule).search(text, self.at, stop)
            if found is not None:
                self.at = found.end()
                if found.lastgroup:
                    hole = document.rule.holes[int(found.lastgroup[1:])]
                    yield self._open("hole", found.group(), hole.end, found.start())
                return
        self.at = stop if line_end < 0 else stop + 1


def _document(rule: Heredoc, found: re.Match[str]) -> _Document:
    group = found.lastgroup or ""
    word, raw = found.group(f"{group}d"), found.group(f"{group}raw")
    # PHP's end may be indented although nothing says so where it begins.
    indented = bool(found.group(f"{group}dash")) or rule.begin.startswith("<<<")
    return _Document(found.start(), rule, word[:_MAX_DELIMITER], bool(raw), indented)


def _ends_heredoc(text: str, start: int, stop: int, document: _Document) -> bool:
    at = start
    if document.may_be_indented:
        while at < stop and text[at] in " \t":
            at += 1
    if not text.startswith(document.word, at, stop):
        return False
    behind = text[at + len(document.word) : min(stop, at + len(document.word) + 3)]
    if document.rule.begin.startswith("<<<"):
        return not (behind[:1].isalnum() or behind[:1] == "_")
    return not behind.strip()


# Of the text before a line, to see what is open there: characters, and more of them to find where to begin.
_REACHES = (4000, 16_000, 64_000)
# With such words definitions begin, and sentences in a string or a comment seldom do.
_DEFINES = frozenset(
    (
        *("def", "class", "async", "func", "fn", "function", "pub", "impl", "struct", "enum", "trait"),
        *(
            "interface",
            "export",
            "const",
            "let",
            "var",
            "package",
            "namespace",
            "static",
            "public",
            "private",
        ),
        *("protected", "local", "module", "template", "typedef", "using", "import", "extern", "abstract"),
        *("final", "object"),
    )
)
_CODE_SIGNS = ("(", "{", ":", ";", "=", ")")


def line_frame(text: str, line_start: int, language: str) -> Frame | None:
    """What is open where a line begins, as far as the text just before it shows.

    Reading begins at a line that is likely to be code: the text's first, or the beginning of a definition
    that is not indented. A line within a string of several lines would turn what follows inside out.
    """
    start = _likely_code(text, line_start)
    return Scanner(language, text[start:line_start]).to(line_start - start)


def _likely_code(text: str, end: int) -> int:
    for reach in _REACHES:
        if end <= reach:
            return 0
        at = text.find("\n", end - reach, end)
        while 0 <= at < end - 1:
            # Nearby, one that is indented will do: what is open around it is far away.
            is_far = reach > _REACHES[0]
            if not (is_far and text[at + 1].isspace()) and _begins_definition(text, at + 1, end):
                return at + 1
            at = text.find("\n", at + 1, end)
    return text.find("\n", end - _REACHES[0], end) + 1 or end


def _begins_definition(text: str, at: int, end: int) -> bool:
    if text[at] == "}":
        return True
    stop = text.find("\n", at, end)
    line = text[at : at + 200 if stop < 0 else min(stop, at + 200)].lstrip()
    return line.split(" ", 1)[0] in _DEFINES and any(sign in line for sign in _CODE_SIGNS)


def open_at_end(text: str, language: str, start: int = 0) -> Frame | None:
    """What is open at the end of a text that begins as code at `start`."""
    return Scanner(language, text, start).to(len(text))


def frames(frame: Frame | None) -> Iterator[Frame]:
    """A frame and all around it, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.outer
