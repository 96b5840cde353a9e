"""What is no text of a file: a model's sentinels, control characters, line ends other than LF, broken UTF-8.

A person's own file may have any of the sentinels in it (the source of a tokenizer has); then they are text.
"""

import re

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
# C0 but tab and LF, DEL, C1, marks that turn the direction of writing (CVE-2021-42574), BOM, no characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_LINE_END = re.compile(r"\r\n?")
_BROKEN = "\ufffd"


def only_text(draft: Draft, _around: Around) -> Draft:
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
    if not text.isprintable() and _CONTROL.search(text):
        return draft.changed(_CONTROL.sub("", text), "control_characters")
    return draft.held(len(text))


def without_sentinels(draft: Draft, around: Around) -> Draft:
    """The text ends at the first sentinel that is not one of the person's own words."""
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
