"""One line of code: without comments and the insides of strings, and what it opens."""

from functools import lru_cache

from stardraftd.lexing.patterns import compiled
from stardraftd.lexing.scanner import Frame, Scanner
from stardraftd.lexing.words import Words

# HTML's elements without an end.
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_SHORT = 200  # characters of a line
_PAIRS = {")": "(", "]": "[", "}": "{"}


def code_of(line: str, language: str, frame: Frame | None = None) -> str:
    """A line without its comments, and with `""` for its strings. frame: what is open where it begins."""
    return read_line(line, language, frame)[0]


def read_line(line: str, language: str, frame: Frame | None = None) -> tuple[str, Frame | None]:
    """A line's code, as `code_of` gives it, and what is open where the next line begins.

    Lines that were read lately are known: a block that grows is judged anew with each piece of it.
    """
    return _read_short(line, language, frame) if len(line) <= _SHORT else _read(line, language, frame)


@lru_cache(maxsize=1024)
def _read_short(line: str, language: str, frame: Frame | None) -> tuple[str, Frame | None]:
    return _read(line, language, frame)


def _read(line: str, language: str, frame: Frame | None) -> tuple[str, Frame | None]:
    if frame is None and compiled(language).sign.search(line) is None:
        return line, None
    parts: list[str] = []
    at = 0
    outermost = _outermost_text(frame)
    scanner = Scanner(language, line + "\n", 0, frame)
    for event in scanner.read():
        if event.frame is None or not event.frame.is_text:
            continue
        if event.kind == "open" and outermost is None:
            parts.append(line[at : event.start])
            parts.append('""' if event.frame.kind == "string" else "")
            outermost = event.frame
        elif event.kind in ("close", "ended") and event.frame is outermost:
            at = event.end
            outermost = None
    code = "".join(parts) if outermost is not None else "".join((*parts, line[at:]))
    return code, scanner.frame


def _outermost_text(frame: Frame | None) -> Frame | None:
    found = None
    while frame is not None:
        found = frame if frame.is_text else found
        frame = frame.outer
    return found


def opener_of(code: str, words: Words, *, is_whole: bool) -> str:
    """What a line ends with that opens a block or a bracket; "" for none.

    code: the line as `code_of` gives it. is_whole: the cursor is on another line, so nothing more will come
    on this one.
    """
    code = code.rstrip()
    if not code:
        return ""
    if code[-1] in "([{":
        return code[-1]
    arrow = next((arrow for arrow in words.arrows if code.endswith(arrow)), "")
    return arrow or _colon(code, words) or _tag(code, words) or _word(code, words, is_whole=is_whole)


def _colon(code: str, words: Words) -> str:
    if not code.endswith(":") or not words.header_words or words.opens_by_header:
        return ""
    is_header = first_word(code) in words.header_words
    # The end of a header over several lines.
    is_end = words.is_indented and (code.lstrip()[0] in ")]}" or depth(code) < 0)
    return ":" if (is_header and depth(code) <= 0) or is_end else ""


def _tag(code: str, words: Words) -> str:
    """The last tag of a line of tags, if it begins an element of which the line has no end."""
    if (
        not words.has_tags
        or not code.endswith(">")
        or code.endswith("/>")
        or not code.lstrip().startswith("<")
    ):
        return ""
    name = first_word(code[code.rfind("<") + 1 :])
    return f"<{name}" if name and name.lower() not in _VOID else ""


def _word(code: str, words: Words, *, is_whole: bool) -> str:
    last = last_word(code)
    if last in words.block_words:
        return last
    if "end" not in words.closing_words:
        return ""
    if _ends_in_parameters(code):
        return "do"
    if "function" in words.header_words and _ends_in_function(code):
        return "function"
    first = first_word(code)
    if words.opens_by_header and is_whole and first in words.header_words:
        return first if last != "end" else ""
    return ""


def _ends_in_parameters(code: str) -> bool:
    """Whether a line ends in the parameters of a Ruby block: `do |x|`, `{ |x, y|`."""
    begin = code.rfind("|", 0, len(code) - 1)
    if not code.endswith("|") or begin < 0:
        return False
    head = code[:begin].rstrip()
    return head.endswith("{") or last_word(head) == "do"


def _ends_in_function(code: str) -> bool:
    """Whether a line ends in the parameter list of a function, `function name(...)`."""
    begin = code.rfind("(")
    if not code.endswith(")") or begin < 0 or ")" in code[begin:-1]:
        return False
    at = code.rfind("function", 0, begin)
    if at < 0 or "(" in code[at:begin] or ")" in code[at:begin]:
        return False
    return not _is_word(code[at - 1 : at]) and not _is_word(code[at + 8])


def first_word(code: str) -> str:
    """The identifier that a line of code begins with; "" if it begins with something else."""
    code = code.lstrip()
    end = 0
    while end < len(code) and _is_word(code[end]):
        end += 1
    return code[:end] if not code[:1].isdigit() else ""


def last_word(code: str) -> str:
    """The identifier that a line of code ends with; "" if it does not, or if it is somebody's attribute."""
    start = len(code)
    while start > 0 and _is_word(code[start - 1]):
        start -= 1
    word = code[start:]
    return word if word and not word[0].isdigit() and code[start - 1 : start] != "." else ""


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def depth(code: str) -> int:
    """How many brackets a line leaves open; below 0 when it closes more than it opens."""
    return sum(code.count(opener) for opener in "([{") - sum(code.count(closer) for closer in ")]}")


def unmatched_closers(code: str) -> str:
    """The closers of a line that have no opener on it, in order."""
    open_ones: list[str] = []
    unmatched = []
    for character in code:
        if character in "([{":
            open_ones.append(character)
        elif character in _PAIRS:
            if open_ones and open_ones[-1] == _PAIRS[character]:
                open_ones.pop()
            else:
                unmatched.append(character)
    return "".join(unmatched)
