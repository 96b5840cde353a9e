"""The importance matrix of a model on a user's own code: which of its inputs matter, for the quantizer.

Here: what it is computed from, and that its file appears whole or not at all. The rows of tokens are
`imatrix.rows`', evaluating them and adding up is `imatrix.process`' work, the format `imatrix.file`'s.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from msgspec import Struct

from stardraft_quant.code.document import Document
from stardraft_quant.imatrix.file import check_fits, read_imatrix
from stardraft_quant.shared.native_process import Finished, Job, NativeProcess, Progress
from stardraft_quant.shared.unfinished import finish, unfinished
from stardraftd.console.prose import counted
from stardraftd.errors import RequestError
from stardraftd.gguf.fim_tokens import FimTokens, fim_tokens
from stardraftd.gguf.reading import read_header

MIN_CONTEXT, MAX_CONTEXT = 32, 4096  # llama.cpp passes over batches of fewer than 16 tokens, as we do
MAX_TEXT_BYTES = 256 * 1024 * 1024

OnProgress = Callable[[int, int], None]


class Settings(Struct, frozen=True, kw_only=True):
    """How much is evaluated, and where.

    n_chunks:       pieces of `context_tokens` tokens; 0 is all of a text.
    seed:           of the places where the code is cut.
    n_threads:      0 is one for each physical core.
    gpu_layers:     -1 is all of them; without a device it is 0.
    """

    n_chunks: int = 128
    context_tokens: int = 512
    seed: int = 0
    n_threads: int = 0
    gpu_layers: int = -1


class ImatrixJob(Job, frozen=True, kw_only=True):
    """What `imatrix.process` is asked for: `documents` in FIM form with `tokens`, or a plain `text`."""

    model: str
    documents: list[Document]
    tokens: FimTokens | None
    text: str
    dataset: str
    n_chunks: int
    context_tokens: int
    seed: int
    n_threads: int
    gpu_layers: int


class ImatrixReport(Struct, frozen=True, kw_only=True):
    """What came of it. `n_entries` weights were seen; `n_files` is 0 for a plain text."""

    path: str
    dataset: str
    n_files: int
    n_chunks: int
    n_tokens: int
    n_entries: int
    size_bytes: int
    seconds: float


def imatrix_of_code(
    model: Path,
    out: Path,
    documents: Sequence[Document],
    settings: Settings,
    *,
    on_progress: OnProgress = lambda _done, _total: None,
) -> ImatrixReport:
    """Computes the importance matrix of `model` on `documents` in fill-in-the-middle form, into `out`.

    Raises ModelError for a model that cannot be used, EngineCrashedError when llama.cpp dies of it.
    `on_progress` gets chunks done, and in all.
    """
    header = read_header(model)
    names = sorted({document.package for document in documents})
    job = _job(model, settings, documents=list(documents), tokens=fim_tokens(header), dataset=_dataset(names))
    return _compute(job, out, on_progress)


def imatrix_of_text(
    model: Path,
    out: Path,
    text_file: Path,
    settings: Settings,
    *,
    on_progress: OnProgress = lambda _done, _total: None,
) -> ImatrixReport:
    """As `imatrix_of_code`, on a plain text, cut in chunks just as llama-imatrix cuts it.

    Raises RequestError for a text that cannot be read, or that has less than two chunks.
    """
    read_header(model)
    return _compute(_job(model, settings, text=_read(text_file), dataset=str(text_file)), out, on_progress)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise RequestError(f"{path} is too large.", f"{MAX_TEXT_BYTES:,} bytes are the most.")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise RequestError(f"{path} could not be read: {error.strerror}.", "Name a text file.") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8 text.", "Name a text file.") from error
    return text.removesuffix("\n")  # as llama.cpp's tools read a file


def _dataset(names: Sequence[str]) -> str:
    """What a file says of where it is from: folders' names, not their paths, which are nobody's business."""
    return f"code in FIM form: {', '.join(names)}"


def _job(
    model: Path,
    settings: Settings,
    *,
    dataset: str,
    documents: list[Document] | None = None,
    tokens: FimTokens | None = None,
    text: str = "",
) -> ImatrixJob:
    if not MIN_CONTEXT <= settings.context_tokens <= MAX_CONTEXT:
        raise RequestError(
            f"A chunk of {counted(settings.context_tokens, 'token')} cannot be evaluated.",
            f"It may have {MIN_CONTEXT} to {MAX_CONTEXT:,}.",
        )
    return ImatrixJob(
        temporary="",
        model=str(model),
        documents=documents or [],
        tokens=tokens,
        text=text,
        dataset=dataset,
        n_chunks=settings.n_chunks,
        context_tokens=settings.context_tokens,
        seed=settings.seed,
        n_threads=settings.n_threads or psutil.cpu_count(logical=False) or 1,
        gpu_layers=settings.gpu_layers,
    )


def _compute(job: ImatrixJob, out: Path, on_progress: OnProgress) -> ImatrixReport:
    import msgspec

    started = time.perf_counter()
    if out.exists() and out.samefile(job.model):
        raise RequestError(f"{out} is the model itself.", "Name another file to write.")
    with unfinished(out) as temporary:
        job = msgspec.structs.replace(job, temporary=str(temporary))
        with NativeProcess(
            "stardraft_quant.imatrix.process",
            job,
            doing=f"that evaluated {job.model}",
            hint="Nothing was written. A smaller --context needs less memory.",
        ) as process:
            for event in process.events():
                match event:
                    case Progress(done, total):
                        on_progress(done, total)
                    case Finished(counts):
                        break
        matrix = read_imatrix(temporary)
        check_fits(matrix, temporary, read_header(Path(job.model)))
        size_bytes = temporary.stat().st_size
        finish(temporary, out)
    return ImatrixReport(
        path=str(out),
        dataset=job.dataset,
        n_files=len(job.documents),
        n_chunks=matrix.n_chunks,
        n_tokens=counts["tokens"],
        n_entries=len(matrix.entries),
        size_bytes=size_bytes,
        seconds=round(time.perf_counter() - started, 3),
    )
