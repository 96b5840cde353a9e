"""One verification, from options to a report: the reference's pass first, then each model's.

Everything that can be refused is refused before the first pass, which may take minutes.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from stardraft_quant.code.document import Document
from stardraft_quant.code.files import code_files
from stardraft_quant.code.fim_examples import Layout
from stardraft_quant.verify.lines import N_POSITIONS, Lines
from stardraft_quant.verify.measure import Divergence, Estimate, TokenScores, compare, join, summarise
from stardraft_quant.verify.reference_file import ReferenceFile
from stardraft_quant.verify.rows import Rows, encoder, examples_of, first_scored, n_scored, text_rows
from stardraft_quant.verify.running import LoadedModel
from stardraftd.console.prose import counted
from stardraftd.engine.native import backend, llama
from stardraftd.engine.native.llama import token_texts
from stardraftd.errors import ModelError, RequestError
from stardraftd.gguf.fim_tokens import FimTokens, fim_tokens
from stardraftd.gguf.reading import Header, read_header

OnProgress = Callable[[str, int, int], None]  # what is done, and how many of how many steps are
MIN_COLUMNS = 16


class Options(Struct, frozen=True, kw_only=True):
    """What is compared, and on what: `places` with source code, or one plain `text`.

    A row has `n_ctx` tokens; `n_lines` lines are finished by every model, 0 is none.
    """

    models: tuple[Path, ...]
    reference: Path
    places: tuple[Path, ...] = ()
    text: Path | None = None
    n_ctx: int = 512
    n_rows: int = 32
    n_lines: int = 0
    seed: int = 0
    gpu_layers: int = -1
    threads: int = 0


class File(Struct, frozen=True, kw_only=True):
    """A model file: `type` as its weights are stored ("Q4_K_M"), the bits that a weight takes on average.

    lines: for each layout, the share of lines that the model finished exactly as they are.
    """

    file: str
    type: str
    size_bytes: int
    n_parameters: int
    bits_per_weight: float
    lines: dict[Layout, Estimate] = {}


class Comparison(Struct, frozen=True):
    """A model, and how it differs from the reference."""

    model: File
    divergence: Divergence


class Report(Struct, frozen=True, kw_only=True):
    """One verification. `text` says what was read: "code", or the name of the plain text."""

    reference: File
    models: tuple[Comparison, ...]
    text: str
    n_files: int
    n_rows: int
    n_ctx: int
    n_tokens: int
    n_lines: int
    seed: int


def verify(options: Options, on_progress: OnProgress = lambda _what, _done, _total: None) -> Report:
    """Compares the models with the reference. Raises StardraftError.

    Call it from one thread of a process that has no other use of llama.cpp.
    """
    _check(options)
    backend.open_backend()
    headers = {path: read_header(path) for path in (options.reference, *options.models)}
    _check_context(options, headers)
    _check_vocabularies(options)
    documents = code_files(options.places) if options.text is None else []
    tokens = fim_tokens(headers[options.reference]) if options.text is None else None
    ticker = _Ticker(on_progress)
    ticker.tell(f"loading {options.reference.name}")
    with contextlib.ExitStack() as while_needed:
        with _load(options, options.reference, headers) as loaded:
            rows, lines = _questions(options, loaded.model, documents, tokens)
            ticker.total = (1 + len(options.models)) * (len(rows) + (lines.n_generations if lines else 0))
            stored = while_needed.enter_context(ReferenceFile(n_scored(rows), loaded.model.n_vocab))
            ticker.tell(options.reference.name)
            for row in rows:
                for logits in loaded.next_logits(row[:-1], first_scored(len(row))):
                    stored.append(logits)
                ticker.step()
            reference = _file(loaded, lines, ticker)
        comparisons = []
        for path in options.models:
            ticker.tell(path.name)
            with _load(options, path, headers) as loaded:
                divergence = summarise(_scores(loaded, rows, stored, ticker))
                comparisons.append(Comparison(_file(loaded, lines, ticker), divergence))
    return Report(
        reference=reference,
        models=tuple(comparisons),
        text="code" if options.text is None else options.text.name,
        n_files=len(documents) or 1,
        n_rows=len(rows),
        n_ctx=options.n_ctx,
        n_tokens=n_scored(rows),
        n_lines=len(lines.lines) if lines else 0,
        seed=options.seed,
    )


class _Ticker:
    """Counts steps over all models: a row that is read, and a line that is written."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._what, self._done, self.total = "", 0, 0

    def tell(self, what: str) -> None:
        self._what = what
        self._on_progress(what, self._done, self.total)

    def step(self) -> None:
        self._done += 1
        self._on_progress(self._what, self._done, self.total)


# --- what is refused -------------------------------------------------------------------------------------


def _check(options: Options) -> None:
    if (options.text is None) == (not options.places):
        raise RequestError(
            "What to read is named twice." if options.places else "There is nothing to read.",
            "Name folders with source code, or one plain text with --text.",
        )
    if options.text is not None and options.n_lines:
        raise RequestError(
            "Lines to finish (--lines) are taken from source code.", "Name folders with it instead of --text."
        )
    if options.n_ctx < MIN_COLUMNS or options.n_rows < 1:
        raise RequestError("There would be no tokens to score.", f"--n-ctx is at least {MIN_COLUMNS}.")


def _check_context(options: Options, headers: dict[Path, Header]) -> None:
    least = min(headers, key=lambda path: headers[path].n_context_trained)
    if options.n_ctx > headers[least].n_context_trained:
        raise RequestError(
            f"{least} knows {headers[least].n_context_trained:,} positions, not {options.n_ctx:,}.",
            "Give a smaller --n-ctx.",
        )


def _check_vocabularies(options: Options) -> None:
    """The same id must be the same token in all files, or there is nothing to compare."""
    reference = token_texts(options.reference)
    for path in dict.fromkeys(options.models):
        texts = token_texts(path)
        if texts == reference:
            continue
        if len(texts) != len(reference):
            how = f"{counted(len(texts), 'token')}, {options.reference} {len(reference):,}"
        else:
            token = next(i for i, text in enumerate(texts) if text != reference[i])
            how = f"another token {token} than {options.reference}"
        raise ModelError(
            f"The two vocabularies differ: {path} has {how}.",
            "Compare a file with the one that it was made from.",
        )


# --- the passes ------------------------------------------------------------------------------------------


def _questions(
    options: Options, model: llama.Model, documents: Sequence[Document], tokens: FimTokens | None
) -> tuple[Rows, Lines | None]:
    """What every model is asked, in the reference's tokens, which are those of all."""
    if options.text is not None:
        return text_rows(model, options.text, options.n_rows, options.n_ctx), None
    assert tokens is not None
    examples = examples_of(documents, encoder(model), tokens)
    rows = examples.batch(options.seed, 0, options.n_rows, options.n_ctx)
    if not options.n_lines:
        return rows, None
    return rows, Lines.of(documents, examples, tokens, n=options.n_lines, seed=options.seed)


def _load(options: Options, path: Path, headers: dict[Path, Header]) -> LoadedModel:
    return LoadedModel(
        path,
        headers[path],
        n_positions=max(options.n_ctx, N_POSITIONS) if options.n_lines else options.n_ctx,
        gpu_layers=options.gpu_layers,
        n_threads=options.threads,
    )


def _scores(loaded: LoadedModel, rows: Rows, stored: ReferenceFile, ticker: _Ticker) -> TokenScores:
    """A model's pass over the rows, beside what the reference said."""
    stored.rewind()
    parts = []
    for row in rows:
        first = first_scored(len(row))
        targets = row[first + 1 :]
        for logits in loaded.next_logits(row[:-1], first):
            parts.append(compare(stored.read(len(logits)), logits, targets[: len(logits)]))
            targets = targets[len(logits) :]
        ticker.step()
    return join(parts)


def _file(loaded: LoadedModel, lines: Lines | None, ticker: _Ticker) -> File:
    return File(
        file=loaded.path.name,
        type=loaded.header.file_type,
        size_bytes=loaded.header.file_size_bytes,
        n_parameters=loaded.model.n_parameters,
        bits_per_weight=loaded.bits_per_weight,
        lines=lines.shares(loaded, ticker.step) if lines else {},
    )
