"""What a question's place in its document says: whether to ask at all, for how much, and what may be shown.

The trees of the open documents live here; `syntax` reads them, `filters` judges what came. When to ask is
`session`'s, what is sent `question`'s, what comes `streaming`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stardraft_lsp.filters import Around, FilterSettings, Pipeline, Shown, thresholds_for
from stardraft_lsp.filters.confidence import OFF
from stardraft_lsp.filters.ends import MIN_VISIBLE, TREE_MS, BlockEnd
from stardraft_lsp.session.question import Question, wants_only_sure
from stardraft_lsp.syntax.amount import Wanted, amount_at, reconsidered
from stardraft_lsp.syntax.check import breaks_without, rank
from stardraft_lsp.syntax.gates import Gate, GateSettings, gate_at
from stardraft_lsp.syntax.languages import language_of
from stardraft_lsp.syntax.place import Place, place_at
from stardraft_lsp.syntax.trees import DocumentTree, Snapshot, Trees
from stardraftd.config import EditorConfig
from stardraftd.lexing.columns import indent_of
from stardraftd.protocol.completion import Mode
from stardraftd.protocol.http import CompletionRequest

# On the way of a question. What does not end in it goes on when it has been answered; until then the tree
# from before the key, with its positions moved, is good enough.
PARSE_MS = 0.3
# At once, while nobody waits.
SLICE_MS = 2.0
# Ranking happens only when several suggestions were asked for by hand.
RANK_MS = 20.0


@dataclass(frozen=True)
class Decision:
    """gate: why nothing is asked for; None when it is. wanted: how much, of what stands at `place`, also of
    own code where the gate is for the model alone.

    snapshot: gives the document's tree of the question; None while it is not ready.
    """

    gate: Gate | None
    wanted: Wanted
    place: Place
    snapshot: Callable[[], Snapshot | None] = lambda: None

    @property
    def mode(self) -> Mode:
        return "block" if self.wanted.amount == "block" else "line"


class AskPolicy:
    """Judges questions about the documents that one editor has open."""

    def __init__(self) -> None:
        self._trees = Trees()

    def decide(self, question: Question, settings: EditorConfig) -> Decision:
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
            mid_line=settings.mid_line,
        )
        gate = gate_at(place, question.text, settings=gates, invoked=question.invoked)
        closed = None if gate is None or gate.lets_own_code_through else gate
        wanted = amount_at(place, closed, configured=settings.mode, max_block_lines=settings.max_block_lines)

        def snapshot() -> Snapshot | None:
            is_same = tree is not None and tree.measure.text == question.text
            return tree.snapshot() if is_same and tree is not None else None

        return Decision(gate, wanted, place, snapshot)

    def catch_up(self, uri: str, language: str, text: str) -> bool:
        """Goes on with a document's tree while nobody waits; whether it is done."""
        tree = self._trees.of(uri, language, text)
        return tree is None or tree.parse(SLICE_MS)

    def goes_on(
        self, question: Question, decision: Decision, line: Shown, settings: EditorConfig
    ) -> tuple[Question, Decision] | None:
        """What to ask when a line that was asked for opens a block: the block, as if the line stood there.

        None for a line that opens nothing, or whose block is there already.
        """
        if decision.wanted.amount != "line" or not line.text.strip() or "\n" in line.text:
            return None
        wanted = reconsidered(decision.place, decision.wanted, line.text, settings.max_block_lines)
        if wanted.amount != "block" or wanted.max_lines < 2:
            return None
        behind = question.text[question.offset + line.replaces :]
        if _has_body(decision.place, behind):
            return None
        offset = question.offset + len(line.text)
        text = question.text[: question.offset] + line.text + behind
        place = place_at(text, offset, _language(question))
        found = decision.snapshot()
        if found is not None:
            end = question.offset + line.replaces
            found = found.edited(question.offset, end, line.text, TREE_MS)
        rest = replace(wanted, max_lines=wanted.max_lines - 1)
        return replace(question, text=text, offset=offset), Decision(None, rest, place, lambda: found)

    def pipeline(
        self,
        question: Question,
        request: CompletionRequest,
        decision: Decision,
        model: str,
        *,
        min_visible: int = MIN_VISIBLE,
    ) -> Pipeline:
        """The filters for what comes. `model`: whose confidence it is. min_visible: as in FilterSettings."""
        around = replace(
            Around.at(
                request.prefix,
                request.suffix,
                language=question.language,
                path=request.path,
                mode=decision.mode,
            ),
            max_lines=decision.wanted.max_lines if decision.mode == "block" else 0,
        )
        thresholds = thresholds_for(model) if wants_only_sure(question) else OFF
        filters = FilterSettings(
            can_replace=question.can_replace, thresholds=thresholds, min_visible=min_visible
        )
        return Pipeline(around, filters, BlockEnd(decision.place, decision.wanted, decision.snapshot))

    def ranked(self, question: Question, texts: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Texts with how many characters after the cursor each replaces; what breaks the file comes last."""
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


def _has_body(place: Place, behind: str) -> bool:
    """Whether the next line with something on it is indented deeper than the cursor's, in columns."""
    below = behind[:4000].partition("\n")[2]
    first = next((line for line in below.split("\n") if line.strip()), "")
    return bool(first) and indent_of(first, place.tab) > place.indent
