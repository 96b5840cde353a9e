"""What to show: a pipeline of small pure filters between what the model says and what the editor draws.

    around = Around.at(prefix, suffix, language=..., path=..., mode=...)     once for a question
    pipeline = Pipeline(around, FilterSettings(can_replace=..., thresholds=thresholds_for(model)))
    ...
    for each Text event:   text += event.text
                           pieces.append(piece_of(event.text, (t.logprob for t in event.tokens)))
                           shown = pipeline.feed(text, pieces)
                           draw shown.text; end the generation when shown.is_final
    at the end:            shown = pipeline.finish(text, pieces, done.finish_reason)

`Shown.text` goes in place of the `Shown.replaces` characters after the cursor, on its line, and is exactly
what stands there once it is accepted. `why` has the codes of all filters that had something to say; with
an empty text they are the reason for the silence. Text is LF both ways.

A filter is one function; a file has those about one idea: `marks`, `echo`, `confidence`, `indentation`,
`rest`, `repeats`, `license`, `ends`; `pipeline` has their order.
`around` is what they know about the place, `brackets` what a text closes of it, `draft` what they hand on.
Each has golden cases in tests/data/lsp/filters. Not here: when to ask (`session`), ranking by syntax, and
the protocol.
"""

from stardraft_lsp.filters.around import Around, Indentation, indentation_of
from stardraft_lsp.filters.confidence import OFF, Piece, Thresholds, piece_of, thresholds_for
from stardraft_lsp.filters.draft import Draft, Ended, Shown, Why
from stardraft_lsp.filters.pipeline import FilterSettings, Pipeline

__all__ = [
    "OFF",
    "Around",
    "Draft",
    "Ended",
    "FilterSettings",
    "Indentation",
    "Piece",
    "Pipeline",
    "Shown",
    "Thresholds",
    "Why",
    "indentation_of",
    "piece_of",
    "thresholds_for",
]
