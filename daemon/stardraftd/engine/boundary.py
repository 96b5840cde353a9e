"""Where a generation ends by its text: at the line's end, at the block's end, where it repeats the suffix.

The model was trained on middles that run on for a third of a file, so stopping well is most of the
quality. A `Boundary` is fed generated text piece by piece. It answers with the text that is final and
holds back what a stop might still take away; once it has found the end, `reason` says which it was.
"""

from stardraftd.engine.messages import FinishReason, Mode

_BRACKETS = {")": "(", "]": "[", "}": "{"}
_QUOTES = ("'", '"', "`")
# Shorter lines (a lone bracket, `else:`) recur in honest code; a repeat of one ends nothing.
MIN_REPEATED_LINE = 6


class Boundary:
    """Cuts a stream of generated text where `mode` says that it ends."""

    def __init__(self, mode: Mode, prefix: str, suffix: str) -> None:
        self._mode = mode
        self._line_before = prefix.rpartition("\n")[2]
        rest, _, below = suffix.partition("\n")
        self._rest_of_line = rest.rstrip()
        self._line_below = next((line.strip() for line in below.split("\n") if line.strip()), "")
        self._indent = _indent_width(self._line_before)
        # With code before the cursor, the block is what is indented deeper than that line.
        self._opens_block = bool(self._line_before.strip())
        self._n_lines = 0  # line ends that were passed
        self._line = ""  # the generated part of the current line that is not yet emitted or is held
        self._blank = ""  # white space and line ends whose fate depends on what follows
        self._emitted_on_line = ""
        self.reason: FinishReason | None = None

    def feed(self, text: str) -> str:
        """Takes generated text; returns what of it (and of what was held back) is final."""
        final: list[str] = []
        for char in text:
            if self.reason:
                break
            if char == "\n":
                final.append(self._end_of_line())
            elif self._at_line_start and char in " \t":
                self._blank += char
            else:
                final.append(self._visible(char))
        return "".join(final)

    def finish(self) -> str:
        """Generation ended by itself: returns what was held back and is wanted after all."""
        if self.reason:
            return ""
        held, self._line = self._line, ""
        if self._n_lines == 0:
            return self._without_rest(held)
        return self._blank + held if held.strip() and held.rstrip() != self._line_below else ""

    @property
    def _at_line_start(self) -> bool:
        return (
            not self._line
            and not self._emitted_on_line
            and (self._n_lines > 0 or not self._line_before.strip())
        )

    def _visible(self, char: str) -> str:
        if self._at_line_start and self._n_lines > 0 and self._ends_block(char):
            self.reason = "boundary"
            return ""
        blank, self._blank = self._blank, ""
        self._line += char
        if self._repeats_line_below():
            self._blank = blank  # the beginning of the line below: wait, it may become all of it
            return ""
        return blank + self._release()

    def _release(self) -> str:
        """What of the line may go out: all but an ending that is the beginning of the rest of the line."""
        held = 0
        if self._rest_of_line and self._n_lines == 0:
            for n in range(min(len(self._line), len(self._rest_of_line)), 0, -1):
                if self._rest_of_line.startswith(self._line[-n:]):
                    held = n
                    break
        split = len(self._line) - held
        out, self._line = self._line[:split], self._line[split:]
        self._emitted_on_line += out
        return out

    def _repeats_line_below(self) -> bool:
        below = self._line_below
        return (
            self._n_lines > 0
            and len(below) >= MIN_REPEATED_LINE
            and not self._emitted_on_line
            and below.startswith(self._line)
        )

    def _end_of_line(self) -> str:
        line = self._emitted_on_line + self._line
        if (
            self._n_lines > 0
            and self._line
            and self._line.rstrip() == self._line_below
            and not self._emitted_on_line
        ):
            self.reason = "repeats_suffix"
            return ""
        blank, self._blank = (self._blank, "") if self._line else ("", self._blank)
        out = blank + (self._without_rest(self._line) if self._n_lines == 0 else self._line)
        self._line = ""
        seen_text = bool(line.strip()) or self._n_lines > 0
        if self._mode == "line" and line.strip():
            self.reason = "boundary"
            return out
        if self._mode == "block" and self._rest_of_line and self._n_lines == 0:
            self.reason = "boundary"
            return out
        if self._mode == "block" and seen_text and self._top_level and not line.strip():
            self.reason = "boundary"
            return out
        self._blank = (
            self._blank.rstrip(" \t") + "\n" if self._blank.endswith((" ", "\t")) else self._blank + "\n"
        )
        self._emitted_on_line = ""
        self._n_lines += 1
        return out

    @property
    def _top_level(self) -> bool:
        return self._indent == 0 and not self._opens_block

    def _ends_block(self, char: str) -> bool:
        """Whether a line that begins with `char` after `self._blank` stands outside the block."""
        if self._mode != "block":
            return False
        width = _indent_width(self._blank.rpartition("\n")[2])
        if self._opens_block:
            closes = width == self._indent and (char in ")]}")
            return width <= self._indent and not closes
        return width < self._indent

    def _without_rest(self, held: str) -> str:
        """Drops a held ending that doubles what stands behind the cursor, such as an auto-closed bracket."""
        rest = self._rest_of_line
        if not rest or held.rstrip() != rest:
            return held
        line = self._line_before + self._emitted_on_line
        doubled = _over_closed(line + held.rstrip() + rest)
        return "" if doubled and not _over_closed(line + rest) else held


def _indent_width(line: str) -> int:
    """Columns of leading white space; a tab goes to the next multiple of eight, as Python counts it."""
    width = 0
    for char in line:
        if char == "\t":
            width = width // 8 * 8 + 8
        elif char == " ":
            width += 1
        else:
            break
    return width


def _over_closed(line: str) -> bool:
    """Whether a line closes a bracket that it did not open, or has an odd number of some quote."""
    depth = dict.fromkeys("([{", 0)
    over = False
    for char in line:
        if char in depth:
            depth[char] += 1
        elif char in _BRACKETS:
            depth[_BRACKETS[char]] -= 1
            over = over or depth[_BRACKETS[char]] < 0
    return over or any(line.count(quote) % 2 for quote in _QUOTES)
