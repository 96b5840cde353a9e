"""What is no text of a file: sentinels, invisible characters, odd spaces, other line ends, broken UTF-8.

Your own file may have any of the first two in it (the source of a tokenizer has); then they are text.
"""

import re
import unicodedata

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft

# Of the models that people use with a daemon like this; another one's are cut by its engine.
_NAMES = (
    "fim_prefix fim_middle fim_suffix fim_pad file_sep repo_name filename reponame gh_stars issue_start "
    "issue_comment issue_closed jupyter_start jupyter_text jupyter_code jupyter_output commit_before "
    "commit_msg commit_after empty_output"
)
_BARRED = (
    "endoftext end_of_text fim_prefix fim_middle fim_suffix fim_pad fim_begin fim_hole fim_end repo_name "
    "file_sep file_separator im_start im_end eot_id begin_of_text start_header_id end_header_id"
)
SENTINELS = (
    *(f"<{name}>" for name in _NAMES.split()),
    *(f"<|{name}|>" for name in _BARRED.split()),
    "<EOT>",
    "<PRE>",
    "<SUF>",
    "<MID>",
    *(f"<\uff5c{name}\uff5c>" for name in ("fim\u2581begin", "fim\u2581hole", "fim\u2581end")),
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
_SENTINEL = re.compile("|".join(re.escape(text) for text in SENTINELS))
_LONGEST = max(map(len, SENTINELS))
# What nobody sees: halves of pairs, C0 but tab and LF, DEL, C1, soft hyphens and joiners, spaces without
# width, line and paragraph separators, marks that turn the direction of writing (CVE-2021-42574), fillers,
# what selects a variant, tags, BOM, no characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# They look like a space, and no language takes them for one.
_ODD_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_JOINERS = "\u200c\u200d"
_BLACK_FLAG = "\U0001f3f4"
_LINE_END = re.compile(r"\r\n?")
_BROKEN = "\ufffd"


def only_text(draft: Draft, around: Around) -> Draft:
    """Line ends are LF; what no source text has is taken out; the text ends where the bytes were no UTF-8."""
    text = draft.text
    if not draft.ended and text.endswith("\r"):
        text = text[:-1]  # an LF may follow
    if "\r" in text:
        draft = draft.changed(_LINE_END.sub("\n", text), "line_ends")
        text = draft.text
    broken = text.find(_BROKEN)
    if broken >= 0:
        # At the end of a text that grows it may be half a character.
        growing = not draft.ended and not text[broken:].strip(_BROKEN)
        draft = draft.held(broken) if growing else draft.cut(broken, "not_text", "cut")
        text = draft.text
    if not draft.ended and text[-1:] and _INVISIBLE.match(text[-1]):
        text = text[:-1]  # what follows may say that it belongs there
        draft = draft.held(len(text))
    is_plain = text.isascii() and text.isprintable()
    if not is_plain and (_INVISIBLE.search(text) or _ODD_SPACE.search(text)):
        spaced = _ODD_SPACE.sub(lambda found: found[0] if around.has(found[0]) else " ", text)
        seen = _without_invisible(spaced, around)
        return draft.changed(seen, "control_characters") if seen != text else draft.held(len(text))
    return draft.held(len(text))


def _without_invisible(text: str, around: Around) -> str:
    """Without what nobody sees, but for what the file has too, and what makes up another character."""
    kept: list[str] = []
    known: dict[str, bool] = {}
    for i, char in enumerate(text):
        if _INVISIBLE.match(char) is None or _is_part(text, i, kept):
            kept.append(char)
        elif known.setdefault(char, False) or around.has(char):
            known[char] = True
            kept.append(char)
    return "".join(kept)


def _is_part(text: str, at: int, before: list[str]) -> bool:
    """Whether an invisible character makes its neighbours what they are: emoji, scripts that join letters."""
    char, previous = text[at], before[-1] if before else ""
    if char in _JOINERS:
        following = text[at + 1 : at + 2]
        return _joins(previous) and (_joins(following) or char == _JOINERS[0])
    if "\ufe00" <= char <= "\ufe0f":
        return _is_symbol(previous) or previous in "#*0123456789" if previous else False
    if "\U000e0100" <= char <= "\U000e01ef":
        return bool(previous) and unicodedata.category(previous) == "Lo"
    if "\U000e0020" <= char <= "\U000e007f":  # the flags of Scotland and its like
        return previous == _BLACK_FLAG or "\U000e0020" <= previous <= "\U000e007f"
    return False


def _joins(char: str) -> bool:
    """Whether joiners mean something beside a character: emoji, and the scripts from Arabic to Khmer."""
    return _is_symbol(char) or "\u0600" <= char <= "\u17ff" or char == "\ufe0f"


def _is_symbol(char: str) -> bool:
    return bool(char) and (unicodedata.category(char) in ("So", "Sk", "Sm") or char in "\u203c\u2049")


def without_sentinels(draft: Draft, around: Around) -> Draft:
    """The text ends at the first sentinel that is not one of the user's own words."""
    text = draft.text
    if "<" not in text:
        return draft
    for found in _SENTINEL.finditer(text):
        if not around.has(found.group()):
            return draft.cut(found.start(), "sentinel")
    begun = text.rfind("<", max(len(text) - _LONGEST, 0))
    if not draft.ended and begun >= 0 and any(text_.startswith(text[begun:]) for text_ in SENTINELS):
        return draft.held(begun)
    return draft
