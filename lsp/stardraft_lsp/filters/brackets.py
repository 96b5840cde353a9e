"""Brackets and quotes, read without a grammar: what is open at the end of a text, what a text closes of it.

It is quick and roughly right: strings end with their line unless they are triple or backtick ones, and what
stands in comments does not count. Filters that lean on it change something only where it is sure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

CLOSES = {")": "(", "]": "[", "}": "{"}
_HASH = frozenset(
    (
        *("python", "ruby", "shellscript", "bash", "sh", "perl", "r", "yaml", "toml", "makefile"),
        *("dockerfile", "elixir", "coffeescript", "julia"),
    )
)
_DASHES = frozenset(["lua", "sql", "haskell", "ada", "elm"])
_TEXT = frozenset(["markdown", "plaintext", "restructuredtext", "latex", "git-commit"])
_NO_SINGLE = _TEXT | {"rust", "lisp", "clojure", "scheme"}  # where an apostrophe stands alone


@dataclass(frozen=True)
class Open:
    """What is open: brackets, the innermost last, and the quote of a string that has not ended."""

    brackets: str = ""
    quote: str = ""

    def __len__(self) -> int:
        return len(self.brackets) + bool(self.quote)


def comment_marks(language: str) -> tuple[str, ...]:
    """What a comment can begin with in a language."""
    if language in _HASH:
        return ("#",)
    if language in _DASHES:
        return ("--",)
    if language in ("html", "xml", "vue", "svelte"):
        return ("<!--", "//", "/*")
    return () if language in _TEXT else ("//", "/*", "*") if language else ("#", "//", "/*", "*")


@lru_cache(maxsize=64)
def _tokens(language: str) -> re.Pattern[str]:
    """Matches comments, whole strings, an opened string up to its line's end, and brackets."""
    comment = {"#": r"#[^\n]*", "--": r"--[^\n]*"}.get(
        (comment_marks(language) or ("",))[0], r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)"
    )
    if language in _TEXT:
        comment = r"(?!)"
    single = r"(?!)" if language in _NO_SINGLE else r"'(?:\\.|[^'\\\n])*'?"
    triple = r'"""[\s\S]*?(?:"""|\Z)|\'\'\'[\s\S]*?(?:\'\'\'|\Z)' if language == "python" else r"(?!)"
    return re.compile(
        rf'(?P<comment>{comment})|(?P<triple>{triple})|(?P<string>"(?:\\.|[^"\\\n])*"?|{single}'
        r"|`(?:\\.|[^`\\])*`?)|(?P<bracket>[()\[\]{}])"
    )


def open_at_end(text: str, language: str) -> Open:
    """What a text opened and did not close. A closer without its opener is passed over."""
    stack: list[str] = []
    quote = ""
    for found in _tokens(language).finditer(text):
        token = found.group()
        if found.lastgroup == "bracket":
            if token not in CLOSES:
                stack.append(token)
            elif stack and stack[-1] == CLOSES[token]:
                stack.pop()
        elif found.end() == len(text):
            quote = _open_quote(found.lastgroup or "", token)
    return Open("".join(stack), quote)


def _open_quote(kind: str, token: str) -> str:
    if kind == "triple":
        return "" if len(token) >= 6 and token.endswith(token[:3]) else token[:3]
    if kind == "string":
        return (
            ""
            if len(token) >= 2 and token.endswith(token[0]) and not token.endswith("\\" + token[0])
            else token[0]
        )
    return ""


def outer_closers(text: str, quote: str, language: str) -> Iterator[tuple[int, str]]:
    """Where a text closes what was open before it: the index and the closer, a quote's included.

    quote: of the string in which the text begins, "" outside one.
    """
    start = 0
    if quote:
        start = _string_end(text, quote)
        if start < 0:
            return
        yield start, quote
        start += len(quote)
    stack: list[str] = []
    for found in _tokens(language).finditer(text, start):
        if found.lastgroup != "bracket":
            continue
        token = found.group()
        if token not in CLOSES:
            stack.append(token)
        elif not stack:
            yield found.start(), token
        elif stack[-1] == CLOSES[token]:
            stack.pop()
        else:
            return  # crossed brackets: nothing behind this is sure


def _string_end(text: str, quote: str) -> int:
    """Where the string that a text begins in ends; -1 where it does not, or not on the first line."""
    end = len(text)
    if len(quote) == 1 and quote != "`":
        line_end = text.find("\n")
        end = line_end if line_end >= 0 else end
    at = text.find(quote, 0, end)
    while at > 0 and (at - len(text[:at].rstrip("\\"))) % 2:
        at = text.find(quote, at + 1, end)
    return at


def in_comment(line_before: str, language: str) -> bool:
    """Whether the end of a line's beginning stands in a comment."""
    stripped = line_before.lstrip()
    if stripped.startswith(comment_marks(language) or ("\0",)):
        return True
    found = list(_tokens(language).finditer(line_before))
    return bool(found) and found[-1].lastgroup == "comment" and found[-1].end() == len(line_before)
