"""Where a generated block ends: where its scope does, by indentation and by the syntax tree.

The model goes on into the next function gladly. What is kept ends with the scope that the cursor stood in or
had just opened. The ruler over text is asked first (`stardraftd.lexing.blocks`), because it can be while text
still comes; the tree of the whole then has the last word, where it has no error: it can end a block earlier.
"""

from stardraft_lsp.syntax.check import n_errors
from stardraft_lsp.syntax.languages import rules_of
from stardraft_lsp.syntax.place import Place, path_to
from stardraft_lsp.syntax.trees import DocumentTree, Snapshot
from stardraftd.lexing.block_place import BlockPlace, block_place
from stardraftd.lexing.blocks import BlockExtent, block_end
from stardraftd.lexing.lines import first_word
from stardraftd.lexing.words import Words, words_of

_CLOSERS = ")]}"
_OPENERS = ("(", "[", "{")
# Words that go on with a statement behind what closed a block of it.
_GO_ON = frozenset(["if", "unless", "until", "as", "satisfies", "or", "and", "rescue"])
# So much of the text before the cursor is handed to the ruler, in characters; it looks at less.
_LOOK_BACK = 20_000


def scope_end(
    place: Place,
    generated: str,
    suffix: str,
    tree: DocumentTree | Snapshot | None = None,
    budget_ms: float = 2.0,
) -> int:
    """How much of a finished block to keep, in characters. `generated` with LF line ends.

    suffix: the document's text after the cursor, or its beginning. tree: the document's, fresh; without one
    indentation alone decides. budget_ms: for the parse of the whole.
    """
    kept = by_indentation(place, generated, suffix, is_whole=True).n_characters
    by_syntax = _by_tree(place, generated[:kept], tree, budget_ms) if tree is not None else None
    return kept if by_syntax is None else min(kept, by_syntax)


def end_so_far(
    place: Place, generated: str, tree: DocumentTree | Snapshot, budget_ms: float = 2.0
) -> int | None:
    """Where whole lines of a block that still comes have left its scope, by syntax; None: nowhere for sure.

    More will come, so the tree is believed only where it has no error from the cursor on.
    """
    return _by_tree(place, generated, tree, budget_ms, is_strict=True)


def by_indentation(place: Place, generated: str, suffix: str = "", *, is_whole: bool = False) -> BlockExtent:
    """The same by its text alone, for text that still comes: `stardraftd.lexing.blocks` rules.

    The text's last line is judged as far as it is known, unless the text is whole.
    """
    return block_end(block_at(place, suffix), generated, is_whole=is_whole)


def block_at(place: Place, suffix: str) -> BlockPlace:
    """The place as the ruler over text takes it."""
    start = max(place.offset - _LOOK_BACK, 0)
    prefix = place.text[start : place.offset].replace("\r\n", "\n").replace("\r", "\n")
    return block_place(prefix, suffix, place.language)


def _by_tree(
    place: Place,
    generated: str,
    tree: DocumentTree | Snapshot,
    budget_ms: float,
    *,
    is_strict: bool = False,
) -> int | None:
    """Where the scope around the generated text ends in the tree of the whole; None if that says nothing."""
    rules = rules_of(place.language)
    whole = tree.with_text(place.offset, place.offset, generated, budget_ms)
    if whole is None or not generated.strip():
        return None
    start = tree.measure.byte(place.offset)
    new = generated.encode("utf-8", "surrogatepass")
    lead = len(new) - len(new.lstrip())
    if is_strict and n_errors(whole, start, start + len(new) + 1):
        return None
    for node in reversed(path_to(whole, start + lead)):
        if node.type not in rules.scopes:
            continue
        if node.has_error or node.start_byte >= start + lead:
            return None
        return _with_rest_of_line(new, node.end_byte - start, words_of(place.language))
    return None


def _with_rest_of_line(new: bytes, end: int, words: Words) -> int | None:
    """A scope's end in characters, with the closers behind it on its line; None when more stands there."""
    if not 0 < end < len(new):
        return None
    line_end = new.find(b"\n", end)
    line_end = len(new) if line_end < 0 else line_end
    rest = new[end:line_end].decode("utf-8", "ignore").strip()
    if rest.strip(_CLOSERS + ";,"):
        if rest[0] in _CLOSERS and rest.endswith(_OPENERS):
            return None  # `}).catch(() => {`: the statement goes on with another block
        word = first_word(rest)
        kept = end if word and word not in _GO_ON else line_end
        return None if word in words.continuing_words else len(new[:kept].decode("utf-8", "ignore"))
    below = new[line_end:].decode("utf-8", "ignore").lstrip()
    if first_word(below) in words.continuing_words:
        return None  # `else` on a line of its own
    return len(new[:line_end].decode("utf-8", "ignore"))
