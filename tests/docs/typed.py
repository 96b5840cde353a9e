"""What a document tells a user to type, taken apart: lines of a shell, and the simple commands in them.

Only what documents use of a shell is understood: pipes, lists, redirections, variables in front. What is done
with a command (checked, run) is in test_commands.py; the command line's own parser is asked in parsing.py.
"""

import itertools
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tests.docs.documents import Place, blocks, spans

SHELLS = ("sh", "bash", "console")
# These change only the shell that they are typed in.
BUILTINS = frozenset({"cd", "export", "set", "true"})
_COMMENT = re.compile(r"(^|\s+)#(\s.*)?$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PLACEHOLDER = re.compile(r"\.\.\.|…|<\w+>|^[A-Z][A-Z_/]*[A-Z]$|\b(NAME|FILE|PATH|OWNER)\b")


@dataclass(frozen=True)
class Line:
    """What is typed at once. is_block: a line of a shell's block; else it stands in a sentence."""

    place: Place
    text: str
    is_block: bool

    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The simple commands, as words, without variables in front and redirections."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""
        found: list[list[str]] = [[]]
        skipped = False
        for word in lexer:
            if set(word) <= set("();<>|&"):
                skipped = set(word) <= set("<>&") and word not in ("&&", "&")
                if not skipped:
                    found.append([])
            elif skipped:
                skipped = False
            elif found[-1] or not _ASSIGNMENT.match(word):
                found[-1].append(word)
        return tuple(tuple(words) for words in found if words and words[0] not in BUILTINS)

    @property
    def is_whole(self) -> bool:
        """Whether it can be typed as it stands, with nothing to be put in."""
        return not any(_PLACEHOLDER.search(word) for words in self.commands() for word in words)


def lines(shown: Collection[str] = ()) -> Iterator[Line]:
    """All that documents tell to type: in blocks of a shell, and `stardraft ...` within sentences.

    shown: what in a sentence only looks like it.
    """
    for block in blocks():
        if block.language in SHELLS:
            yield from _of_block(block.place, block.text, block.language == "console")
    for span in spans():
        words = span.text.split()
        if words[:1] == ["stardraft"] and len(words) > 1 and span.text not in shown:
            yield from (Line(span.place, text, is_block=False) for text in _alternatives(words))


def _of_block(place: Place, text: str, has_prompts: bool) -> Iterator[Line]:
    typed, begun_at, goes_on = "", 0, False
    for number, raw in enumerate(text.splitlines(), place.line + 1):
        if has_prompts and not goes_on and not raw.startswith("$ "):
            continue  # what the command answers
        if not goes_on:
            begun_at = number
        line = _COMMENT.sub("", raw.removeprefix("$ ") if has_prompts else raw)
        goes_on = line.endswith("\\") or (typed + line).count("'") % 2 == 1
        typed += line.removesuffix("\\") + ("\n" if goes_on and not line.endswith("\\") else "")
        if not goes_on:
            if typed.strip():
                yield Line(Place(place.document, begun_at), typed.strip(), is_block=True)
            typed = ""


def _alternatives(words: list[str]) -> Iterator[str]:
    """`daemon start|stop` is two commands."""
    for chosen in itertools.product(
        *(word.split("|") if re.fullmatch(r"[\w-]+(\|[\w-]+)+", word) else [word] for word in words)
    ):
        yield " ".join(chosen)
