"""A language's lexis as regular expressions: what may begin in code, what matters within a string."""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from stardraftd.lexing.lexis import lexis_of
from stardraftd.lexing.rules import Heredoc, Lexis, Text


class Compiled(NamedTuple):
    """sign: one character with which anything begins; sign_or_end: or a line's end.

    alike: by a text's number in the lexis, it and those that begin alike.
    """

    lexis: Lexis
    sign: re.Pattern[str]
    sign_or_end: re.Pattern[str]
    in_code: re.Pattern[str]
    in_tag: re.Pattern[str]
    alike: tuple[tuple[Text, ...], ...]


_SIGNS = "\"'`#/-<>()[]{}$@\\?%&|;~!"


@cache
def compiled(language: str) -> Compiled:
    """The patterns of a language as `names.language_of` names it."""
    lexis = lexis_of(language)
    texts = [(text, f"(?P<t{i}>{_named(text.begin, f't{i}d')})") for i, text in enumerate(lexis.texts)]
    parts = [
        *([f"(?P<skip>{'|'.join(lexis.skips)})"] if lexis.skips else []),
        *(f"(?P<h{i}>{_heredoc_begin(one, i)})" for i, one in enumerate(lexis.heredocs)),
        # Text outside of tags has no strings.
        *(pattern for text, pattern in texts if text.is_comment or not lexis.quotes_in_tags),
        *([f"(?P<line_comment>{'|'.join(lexis.line_comments)})"] if lexis.line_comments else []),
        r"(?P<newline>\n)",
        r"(?P<bracket>[(\[{])",
        r"(?P<closer>[)\]}])",
    ]
    if lexis.type_angles or lexis.tag_angles:
        parts.extend((r"(?P<less><)", r"(?P<greater>>)", r"(?P<stop>;|&&|\|\|)"))
    if lexis.has_regex:
        parts.append(r"(?P<slash>/)")
    tag = [*(pattern for _, pattern in texts), r"(?P<bracket>[{])", r"(?P<closer>[})])", r"(?P<greater>>)"]
    if not lexis.quotes_in_tags:
        tag.append(r"(?P<stop>;)")
    begins = "".join((*parts, *tag))
    signs = "".join(sign for sign in _SIGNS if sign in begins) + ("=" if "^=" in begins else "")
    return Compiled(
        lexis,
        re.compile(f"[{re.escape(signs)}]"),
        re.compile(rf"[\n{re.escape(signs)}]"),
        re.compile("|".join(parts), re.MULTILINE),
        re.compile("|".join(tag), re.MULTILINE),
        tuple(
            tuple(one for one in lexis.texts[i:] if one.begin == text.begin)
            for i, text in enumerate(lexis.texts)
        ),
    )


def _named(pattern: str, name: str) -> str:
    """The pattern with its group `d` named, since the same name cannot stand twice in one pattern."""
    return pattern.replace("(?P<d>", f"(?P<{name}>")


def _heredoc_begin(rule: Heredoc, number: int) -> str:
    pattern = rule.begin
    for group in ("dash", "raw", "d"):
        pattern = pattern.replace(f"(?P<{group}>", f"(?P<h{number}{group}>")
    return pattern.replace("(?(raw)", f"(?(h{number}raw)")


@lru_cache(maxsize=256)
def text_pattern(text: Text, end: str) -> re.Pattern[str]:
    """What matters in a text: escapes, what is plain, its end, its holes, its line's end."""
    parts = []
    holes = [f"(?P<o{i}>{hole.begin})" for i, hole in enumerate(text.holes)]
    if any(hole.begin.startswith(r"\\") for hole in text.holes):
        parts.extend(holes)  # Swift's begin with what escapes
        holes = []
    if text.escape:
        parts.append(re.escape(text.escape) + r"[\s\S]")
    parts.extend(text.plain)
    if text.nests:
        parts.append(f"(?P<nest>{text.nests})")
    parts.append(f"(?P<end>{re.escape(end)})")
    parts.extend(holes)
    if not text.is_multiline:
        parts.append(r"(?P<newline>\n)")
    return re.compile("|".join(parts))


@cache
def hole_pattern(rule: Heredoc) -> re.Pattern[str]:
    """What matters in a heredoc's line: escapes and holes."""
    holes = "|".join(f"(?P<o{i}>{hole.begin})" for i, hole in enumerate(rule.holes))
    return re.compile(rf"{re.escape(rule.escape)}[\s\S]|{holes}")
