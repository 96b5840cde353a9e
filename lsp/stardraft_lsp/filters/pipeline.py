"""The filters in their order, for a suggestion that grows.

    text      marks, echo, confidence     what is no text of this file, and what the model was not sure of
    shape     indentation, scope, lines   how far it goes, and how it is indented
    fit       below, rest, closers        what stands after the cursor already
              strings                     a string of several lines is whole, or not shown
    sense     above, loops, license       what nobody wants, known only when it is complete
    end       half words, dangling, short how it ends

The first three groups only ever look forwards: what they let through of a text, they let through of every
longer one. So what is shown grows. It shrinks when one of the fourth or fifth group takes something back:

    repeats_above   four lines were the same as four lines above (three, when no more came); a line that
                    repeats the one right above it is never shown
    loop            lines came a third time; of a loop of one line nothing more than once is shown
    license         a comment turned out to be one
    half_word, dangling   at the end, when generation was cut off (`max_tokens`), or ended in an opener

Every filter is a function of a `Draft` and an `Around`, and does nothing else: no state, no files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from stardraft_lsp.filters import confidence
from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.confidence import OFF, Piece, Thresholds
from stardraft_lsp.filters.draft import Draft, Ended, Shown
from stardraft_lsp.filters.echo import doubled_space, line_echo, path_echo
from stardraft_lsp.filters.ends import (
    MIN_VISIBLE,
    dangling,
    half_word,
    max_lines,
    one_line,
    scope,
    trailing_space,
    whole_strings,
    worth_a_key,
)
from stardraft_lsp.filters.indentation import own_indentation
from stardraft_lsp.filters.license import license
from stardraft_lsp.filters.marks import only_text, without_sentinels
from stardraft_lsp.filters.repeats import line_loop, repeats_above, word_loop
from stardraft_lsp.filters.rest import repeats_below, rest_of_line, unopened_closer
from stardraftd.protocol.completion import FinishReason

Filter = Callable[[Draft, Around], Draft]


@dataclass(frozen=True)
class FilterSettings:
    """can_replace: the client puts a suggestion in place of what follows the cursor; else it only inserts.

    thresholds: of confidence; OFF shows whatever was generated. licenses: whether notices are let through.
    min_visible: what has fewer characters besides white space is not shown.
    """

    can_replace: bool = True
    thresholds: Thresholds = OFF
    licenses: bool = False
    min_visible: int = MIN_VISIBLE


_TEXT: tuple[Filter, ...] = (only_text, without_sentinels, path_echo, line_echo, doubled_space)
_SHAPE: tuple[Filter, ...] = (own_indentation, one_line)
_SENSE: tuple[Filter, ...] = (repeats_above, line_loop, word_loop)
_END: tuple[Filter, ...] = (half_word, trailing_space, dangling)


class Pipeline:
    """The filters for one question. It keeps nothing between calls.

    block_end: in place of `scope`, for a caller who knows the document's syntax.
    """

    def __init__(
        self, around: Around, settings: FilterSettings | None = None, block_end: Filter | None = None
    ) -> None:
        self._around = around
        self._settings = settings or FilterSettings()
        # A function in here would hold this object, and with it the document's tree, in a cycle.
        rest = partial(rest_of_line, can_replace=self._settings.can_replace)
        self._filters: tuple[Filter, ...] = (
            *_TEXT,
            *_SHAPE,
            block_end or scope,
            max_lines,
            repeats_below,
            unopened_closer,
            rest,
            whole_strings,
            *_SENSE,
            *(() if self._settings.licenses else (license,)),
            *_END,
            partial(worth_a_key, min_visible=self._settings.min_visible),
        )

    def feed(self, text_so_far: str, pieces: Sequence[Piece] = ()) -> Shown:
        """What can be shown of a text that still grows. `pieces` make up the text, when they are known."""
        return self._through(text_so_far, pieces, "")

    def finish(self, text: str, pieces: Sequence[Piece] = (), finish_reason: FinishReason = "end") -> Shown:
        """What is shown of a text that will not grow any more."""
        cut = finish_reason in ("max_tokens", "context_full", "cancelled", "superseded")
        return self._through(text, pieces, "cut" if cut else "whole")

    def _through(self, text: str, pieces: Sequence[Piece], ended: Ended) -> Shown:
        # Confidence comes first: its pieces are those of the text as it was generated.
        draft = confidence.sure_enough(Draft(text, ended), pieces, self._settings.thresholds)
        for each in self._filters:
            draft = each(draft, self._around)
            if draft.is_final and not draft.text:
                break
        why = tuple(dict.fromkeys(draft.why))
        return Shown(draft.text, draft.replaces if draft.text else 0, why, draft.is_final or bool(ended))
