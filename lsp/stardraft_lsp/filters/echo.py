"""What a model says of its prompt before it goes on: the file's name, the line that stands there already."""

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.columns import leading
from stardraftd.lexing.scanner import frames
from stardraftd.lexing.words import KEYWORDS, words_of

# Characters. A shorter beginning of a word may begin the next one as well, so more has to speak for it.
MIN_ECHO = 6
MIN_WORD_ECHO = 2
_DECORATION = " \t#/*;<!->"


def path_echo(draft: Draft, around: Around) -> Draft:
    """Nothing that begins with the file's own name on a line: the model begins the prompt anew."""
    if not around.path or not around.is_on_blank_line:
        return draft
    first, line_end, _ = draft.text.lstrip().partition("\n")
    said = first.strip(_DECORATION).removeprefix("file:").removeprefix("File:").strip()
    path = around.path.replace("\\", "/")
    names = (path, path.rpartition("/")[2], f"./{path}", f"/{path}")
    if line_end or draft.ended:
        return draft.rejected("echo_of_path") if said in names and len(said) > 3 else draft
    return draft.held(0) if any(name.startswith(said) for name in names) else draft


def line_echo(draft: Draft, around: Around) -> Draft:
    """Without what stands before the cursor, where the suggestion begins by saying it again.

    That is the whole of the line, or what the cursor stands right after: a word, or names joined by dots.
    """
    text = draft.text.lstrip(" \t")
    growing = not draft.ended
    is_apart = len(text) < len(draft.text) and not around.line_before[-1:].isspace()
    for said in _sayable(around):
        if is_apart and len(said) < MIN_ECHO and leading(around.line_before) != leading(draft.text):
            continue  # another word: behind `for i`, ` in`
        if text.startswith(said) and (len(text) > len(said) or not growing):
            if not _is_echo(text, said, around):
                continue
            rest = text[len(said) :]
            rest = rest.lstrip(" \t") if around.line_before.endswith((" ", "\t")) else rest
            return draft.changed(rest, "echo_of_line")
        if growing and said.startswith(text):
            return draft.held(0)
    return draft


def _sayable(around: Around) -> tuple[str, ...]:
    """What a suggestion may begin by saying again, the longest first."""
    line = around.near_line
    whole = line.strip() if len(line) == len(around.line_before) else ""
    if line[-1:].isspace():
        return (whole,) if _has_letters(whole) or _is_opened_text(whole, around) else ()
    names = _names_before(line)
    said = (whole, _text_before(around), names, _word_before(names))
    return tuple(
        one
        for one in dict.fromkeys(sorted(said, key=len, reverse=True))
        if _has_letters(one)
        or (one and one == whole and _is_opened_text(one, around))
        or one == said[1] != ""
    )


def _has_letters(said: str) -> bool:
    return any(map(str.isalpha, said))


def _is_opened_text(said: str, around: Around) -> bool:
    """Whether that is what begins a comment, a directive or a string, and nothing else yet."""
    if said == "#" and words_of(around.lexis).has_directives:
        return True
    frame = around.frame
    return frame is not None and frame.is_text and said == frame.begin


def _text_before(around: Around) -> str:
    """The string that was begun on the cursor's line, its quote and all; "" in code."""
    frame = around.frame
    is_of_line = frame is not None and all(frame is not one for one in frames(around.line_frame))
    if frame is None or frame.kind != "string" or not is_of_line:
        return ""
    return around.near_line[frame.start :]


def _names_before(line: str) -> str:
    """The names at a line's end, with what joins them: `self.shop.na`, `std::`, `this->`."""
    start = len(line)
    while start > 0:
        sign = line[start - 1]
        joins = (
            sign in ".:"
            or (sign == ">" and line[start - 2 : start - 1] == "-")
            or (sign == "-" and line[start : start + 1] == ">")
        )
        if not joins and not _is_word(sign):
            break
        start -= 1
    return line[start:].lstrip(".:->")


def _word_before(names: str) -> str:
    start = len(names)
    while start > 0 and _is_word(names[start - 1]):
        start -= 1
    return names[start:]


def _is_echo(text: str, said: str, around: Around) -> bool:
    """Whether a beginning of the text is what stands there said again, and not the next word by chance."""
    if said[0].isdigit():
        return False
    following = text[len(said) : len(said) + 1]
    if not _has_letters(said):  # `//` before `// x` or `"` before `"x"`; before `///` and `" +` it is another
        return following.isalnum() or (following == " " and around.in_comment)
    if around.line_before[-1:].isspace():
        return not (_is_word(said[-1]) and _is_word(following))
    if len(said) >= MIN_ECHO or not _is_word(said[-1]):
        return True
    return _is_word_again(text, said, around)


def _is_word_again(text: str, said: str, around: Around) -> bool:
    """Whether the word that a text begins with is the one whose beginning, or all of it, stands there."""
    end = len(said)
    while end < len(text) and _is_word(text[end]):
        end += 1
    word = _word_before(text[:end])
    if around.has(said + word):
        return False
    if end == len(said):  # the word as it stands: `x` before `x = 1`
        return len(said) > MIN_WORD_ECHO or said == around.line_before.strip()
    # `s` before `self`: that is `self` if the file or many languages have that word.
    return len(said) >= MIN_WORD_ECHO or word in KEYWORDS or around.has(word)


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def doubled_space(draft: Draft, around: Around) -> Draft:
    """No space behind a space: behind `x = ` the model may begin with one of its own."""
    if around.line_before[-1:] not in (" ", "\t") or around.is_on_blank_line:
        return draft
    text = draft.text.lstrip(" ")
    return draft.changed(text, "doubled_space") if len(text) < len(draft.text) else draft
