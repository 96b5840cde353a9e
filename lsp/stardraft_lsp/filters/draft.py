"""A suggestion on its way through the filters, and what comes out of them."""

from dataclasses import dataclass, replace
from typing import Literal

# What a filter did to a suggestion, for `stats`, for the reason of a silence and for golden tests.
Why = Literal[
    "line_ends",  # CR or CRLF became LF
    "control_characters",  # characters that no source text has were taken out
    "sentinel",  # cut at one of the model's own marks
    "not_text",  # cut where the bytes were no text
    "unsure_from_the_start",  # the first tokens were improbable
    "unsure_from_here",  # cut where the text became improbable
    "echo_of_path",  # it began with the file's name
    "echo_of_line",  # it began with the line that stands before the cursor: that was taken off
    "doubled_space",  # it began with a space behind a space
    "indentation",  # made the file's own
    "scope",  # cut where the block is left
    "max_lines",
    "one_line",  # only a line fits before what follows on the cursor's line
    "repeats_below",  # cut where it says what the next lines say
    "repeats_rest",  # its end, or all of it, is what follows on the cursor's line
    "hides_rest",  # cut before a comment that would go on over what follows on the cursor's line
    "covers_rest",  # it goes on behind what follows on the cursor's line, and takes its place
    "unopened_closer",  # cut before a bracket that closes nothing
    "repeats_above",  # it says what the lines above say
    "loop",  # cut where it begins to go round
    "license",  # cut before somebody's license
    "half_word",  # cut back to what is whole: it, or a string of several lines in it, ended in the middle
    "dangling",  # its last line opens what it does not fill
    "trailing_space",
    "blank",
    "too_short",
]

# "": it still grows; "whole": it ended where it should; "cut": it was ended in the middle.
Ended = Literal["", "whole", "cut"]


@dataclass(frozen=True, slots=True)
class Draft:
    """Invariant: whoever cuts makes it `is_final` and "whole" or "cut"; later filters hold nothing back."""

    text: str
    ended: Ended = ""
    replaces: int = 0
    why: tuple[Why, ...] = ()
    is_final: bool = False

    def held(self, n: int) -> "Draft":
        """Only the first `n` characters can be shown as yet. The others may still come."""
        return self if n >= len(self.text) else replace(self, text=self.text[:n])

    def cut(self, n: int, why: Why, ended: Ended = "whole") -> "Draft":
        """It ends after `n` characters, whatever the model will say."""
        return Draft(self.text[:n], ended, self.replaces, (*self.why, why), is_final=True)

    def rejected(self, why: Why) -> "Draft":
        return Draft("", "whole", 0, (*self.why, why), is_final=True)

    def changed(self, text: str, why: Why) -> "Draft":
        """Another text in its place; it may grow on."""
        return Draft(text, self.ended, self.replaces, (*self.why, why), self.is_final)

    def trimmed(self, n: int, why: Why) -> "Draft":
        """Its end is taken off; no decision about what may follow."""
        return self if n >= len(self.text) else self.changed(self.text[:n], why)

    def covering(self, replaces: int, why: Why) -> "Draft":
        return Draft(self.text, self.ended, replaces, (*self.why, why), self.is_final)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be shown, and stands in the document once it is accepted.

    replaces: how many characters after the cursor, on its line, the text takes the place of.
    why:      what was changed, cut or rejected, in order; a rejected suggestion has the text "".
    is_final: nothing that the model could still say would change it, so generation can be ended.
    """

    text: str
    replaces: int = 0
    why: tuple[Why, ...] = ()
    is_final: bool = False

    def accepted(self, prefix: str, suffix: str) -> str:
        """The document after it was accepted."""
        return prefix + self.text + suffix[self.replaces :]
