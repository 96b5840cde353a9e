"""Licenses and copyright notices: a model has seen thousands, and writes other people's names into them.

Only in comments, and not where the user is writing one.
"""

import re

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft

_NOTICE = re.compile(
    r"copyright|\(c\)\s+(?:19|20)\d\d|©|spdx-license|all rights reserved|licensed (?:to|under)"
    r"|permission is hereby granted|redistribution and use in source|apache license"
    r"|(?:gnu|mozilla) .{0,20}public license|free software[;:] you can|without warrant"
    r"|mit license|bsd-style license",
    re.IGNORECASE,
)
# One of these is in every notice; to look for them costs a tenth of the pattern.
_HINTS = (
    "copyright",
    "licen",
    "spdx",
    "all rights",
    "permission is",
    "redistribution",
    "free soft",
    "warrant",
)
_OPENERS = ("#", "//", "/*", "*", "--", ";", "<!--", '"""', "'''", "%")


def license(draft: Draft, around: Around) -> Draft:
    """The text ends before a comment with a license in it."""
    text = draft.text
    lowered = text.lower()
    if "©" not in text and "(c)" not in lowered and not any(hint in lowered for hint in _HINTS):
        return draft
    found = _NOTICE.search(text)
    if found is None:
        return draft
    begun = _NOTICE.search(around.line_before + text.partition("\n")[0])
    if (begun and begun.start() < len(around.line_before)) or any(map(_NOTICE.search, around.above)):
        return draft
    start = text.rfind("\n", 0, found.start()) + 1
    if not _is_comment(text[start : found.end()], start == 0, around) and not _in_block(text, start, around):
        return draft
    while start > 0:  # back to where its comment begins
        above = text.rfind("\n", 0, start - 1) + 1
        line = text[above : start - 1]
        if not line.strip() or not (_is_comment(line, above == 0, around) or _in_block(text, above, around)):
            break
        start = above
    if start == 0:
        return draft.rejected("license")
    return draft.cut(len(text[:start].rstrip()), "license")


def _is_comment(line: str, is_first: bool, around: Around) -> bool:
    code = (around.line_before + line if is_first else line).lstrip()
    return code.startswith(_OPENERS)


def _in_block(text: str, at: int, around: Around) -> bool:
    """Whether a comment of several lines is open at `at`."""
    before = around.line_before + text[:at]
    return (
        before.rfind("/*") > before.rfind("*/")
        or before.count('"""') % 2 == 1
        or before.count("<!--") > before.count("-->")
    )
