"""What a question's place in its document says: whether to ask at all, for how much, and what may be shown.

The trees of the open documents live here; `syntax` reads them, `filters` judges what came. When to ask is
`session`'s, what is sent `question`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stardraft_lsp.filters import Around, FilterSettings, Pipeline, thresholds_for
from stardraft_lsp.filters.confidence import OFF
from stardraft_lsp.question import Question
from stardraft_lsp.syntax.amount import Wanted, amount_at
from stardraft_lsp.syntax.check import breaks_without, rank
from stardraft_lsp.syntax.gates import Gate, GateSettings, gate_at
from stardraft_lsp.syntax.languages import language_of
from stardraft_lsp.syntax.place import place_at
from stardraft_lsp.syntax.trees import DocumentTree, Trees
from stardraftd.config import EditorConfig
from stardraftd.protocol import CompletionRequest, Mode

# On the way of a key; what does not end in it goes on with the next one.
PARSE_MS = 1.0
# Ranking happens only when several suggestions were asked for by hand.
RANK_MS = 20.0


@dataclass(frozen=True)
class Judged:
    """gate: why nothing is asked for; None when it is. max_lines: of what is shown, 0 is no limit."""

    gate: Gate | None
    mode: Mode
    max_lines: int


class Judge:
    """Judges questions about the documents that one editor has open."""

    def __init__(self) -> None:
        self._trees = Trees()

    def judge(self, question: Question, settings: EditorConfig) -> Judged:
        """Whether and how much to ask for at a place. About a millisecond at most."""
        language = _language(question)
        tree = self._trees.of(question.uri, language, question.text)
        if tree is not None:
            tree.parse(PARSE_MS)
        place = place_at(question.text, question.offset, language, tree)
        gates = GateSettings(
            in_comments=settings.in_comments,
            in_docstrings=settings.in_comments,
            in_strings=settings.in_strings,
            before_text=settings.before_text,
        )
        gate = gate_at(place, question.text, settings=gates, invoked=question.invoked)
        wanted = amount_at(place, gate, configured=settings.mode, max_block_lines=settings.max_block_lines)
        return Judged(gate, _mode(wanted), wanted.max_lines)

    def pipeline(
        self,
        question: Question,
        request: CompletionRequest,
        settings: EditorConfig,
        judged: Judged,
        model: str,
    ) -> Pipeline:
        """The filters for what comes. `model`: whose confidence it is."""
        around = replace(
            Around.at(
                request.prefix,
                request.suffix,
                language=question.language,
                path=request.path,
                mode=judged.mode,
            ),
            max_lines=judged.max_lines if judged.mode == "block" else 0,
        )
        thresholds = thresholds_for(model) if settings.confidence and not question.invoked else OFF
        return Pipeline(around, FilterSettings(can_replace=question.can_replace, thresholds=thresholds))

    def ranked(self, question: Question, texts: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Texts with how many characters behind the cursor each replaces; what breaks the file comes last."""
        tree = self._trees.of(question.uri, _language(question), question.text)
        if tree is None or len(texts) < 2 or not tree.parse(RANK_MS):
            return list(texts)
        found: DocumentTree = tree
        line_start = question.text.rfind("\n", 0, question.offset) + 1

        def is_broken(one: tuple[str, int]) -> bool | None:
            text, replaces = one
            end = question.offset + replaces
            return breaks_without(found, question.offset, end, text, line_start=line_start)

        return rank(list(texts), is_broken)

    def close(self, uri: str) -> None:
        """The document was closed, or has another language now."""
        self._trees.close(uri)


def _language(question: Question) -> str:
    return language_of(question.language, question.place.path)


def _mode(wanted: Wanted) -> Mode:
    return "block" if wanted.amount == "block" else "line"
