"""Where a generation ends by its text: at the line's end, at the block's end, where it repeats the suffix.

The model was trained on middles that run on for a third of a file, so stopping well is most of the
quality. A `Boundary` is fed generated text piece by piece. It answers with the text that is final and
holds back what a stop might still take away; once it has found the end, `reason` says which it was.
Where a block ends is `lexing.blocks`' to say.
"""

from stardraftd.lexing.block_place import block_place
from stardraftd.lexing.blocks import BlockRuler, Verdict
from stardraftd.lexing.scanner import Scanner
from stardraftd.protocol.completion import FinishReason, Mode

# A rest of the cursor's line that is longer than this is not what an editor closed by itself.
_MAX_REST = 400
# Shorter lines (a lone bracket, `else:`) recur in honest code; a repeat of one ends nothing.
MIN_REPEATED_LINE = 6


class Boundary:
    """Cuts a stream of generated text where `mode` says that it ends.

    language: as `lexing.names.language_of` names it; "" for what most languages have.
    """

    def __init__(self, mode: Mode, prefix: str, suffix: str, language: str = "") -> None:
        self._mode = mode
        self._language = language
        self._ruler = BlockRuler(block_place(prefix, suffix, language)) if mode == "block" else None
        self._line_before = prefix.rpartition("\n")[2]
        rest, _, below = suffix.partition("\n")
        self._has_rest = bool(rest.strip())
        self._rest_of_line = rest.rstrip() if len(rest) <= _MAX_REST else ""
        self._line_below = next((line.strip() for line in below.split("\n") if line.strip()), "")
        self._n_lines = 0  # line ends that were passed
        self._whole_line = ""  # all that was generated of the current line
        self._is_in_block = True  # the current line is known to be in the block
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
                continue
            self._whole_line += char
            if self._at_line_start and char in " \t":
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
        if not self._is_in_block and self._ruler is not None and self._ruler.line(self._whole_line) == "end":
            held = ""
        return self._blank + held if held.strip() and held.rstrip() != self._line_below else ""

    @property
    def _at_line_start(self) -> bool:
        return (
            not self._line
            and not self._emitted_on_line
            and (self._n_lines > 0 or not self._line_before.strip())
        )

    def _visible(self, char: str) -> str:
        self._line += char
        if not self._is_in_block and self._ruler is not None:
            verdict = self._ruler.peek(self._whole_line)
            if verdict == "end":
                return self._end()
            if verdict != "in":
                return ""
            self._is_in_block = True
        blank, self._blank = self._blank, ""
        if self._repeats_line_below():
            self._blank = blank  # the beginning of the line below: wait, it may become all of it
            return ""
        return blank + self._release()

    def _end(self) -> str:
        """The block ended before the current line."""
        self.reason = "boundary"
        self._line = ""
        return ""

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
        verdict = self._ruled()
        if verdict == "end":
            return self._end()
        if verdict == "edge":  # it belongs to the block if more of it follows
            self._blank += self._line
            self._line = ""
        blank, self._blank = (self._blank, "") if self._line else ("", self._blank)
        out = blank + (self._without_rest(self._line) if self._n_lines == 0 else self._line)
        self._line = ""
        is_line = self._mode == "line" and bool(line.strip())
        if is_line or verdict == "last" or (self._mode == "block" and self._has_rest and self._n_lines == 0):
            self.reason = "boundary"
            return out
        self._blank = (
            self._blank.rstrip(" \t") + "\n" if self._blank.endswith((" ", "\t")) else self._blank + "\n"
        )
        self._emitted_on_line = ""
        self._whole_line = ""
        self._is_in_block = self._ruler is None
        self._n_lines += 1
        return out

    def _ruled(self) -> Verdict:
        """What the current line, which is whole, is to the block."""
        if self._ruler is None:
            return "in"
        if self._n_lines == 0:
            self._ruler.begin(self._whole_line)
            return "in"
        return self._ruler.line(self._whole_line)

    def _without_rest(self, held: str) -> str:
        """Drops a held ending that doubles what stands after the cursor, such as an auto-closed bracket."""
        rest = self._rest_of_line
        if not rest or held.rstrip() != rest:
            return held
        line = self._line_before[-_MAX_REST:] + self._emitted_on_line
        doubled = self._is_over_closed(line + held.rstrip() + rest)
        return "" if doubled and not self._is_over_closed(line + rest) else held

    def _is_over_closed(self, line: str) -> bool:
        """Whether a line closes a bracket that it did not open, or leaves a string open."""
        return any(
            event.kind == "lone"
            or (event.kind == "ended" and event.frame is not None and event.frame.kind == "string")
            for event in Scanner(self._language, line + "\n").read()
        )
