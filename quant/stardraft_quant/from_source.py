"""From original weights to a quantized GGUF: what `stardraft model pull --from-source` has made here.

The daemon's package finds it by an entry point, since it imports nothing of this one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from stardraft_quant.convert import Provenance, convert
from stardraft_quant.quantize import FileType, quantize
from stardraftd.errors import RequestError


def build(
    checkpoint: Path,
    out: Path,
    *,
    quantization: str,
    source: str,
    revision: str,
    license: str,
    on_stage: Callable[[str, int], None],
    on_progress: Callable[[int], None],
) -> None:
    """Writes the checkpoint in the folder `checkpoint` as a GGUF to `out`, all or nothing.

    Between the two stands an F16 file beside `out`, which is deleted when `out` is there; an interrupted
    conversion goes on where it stopped. `on_stage` gets what begins and how many bytes it has, `on_progress`
    how many are done. Raises ModelError, RequestError, EngineError.
    """
    known = get_args(FileType)
    if quantization not in known:
        raise RequestError(
            f"{quantization} is not a type that can be made here.", f"It can be one of: {', '.join(known)}."
        )
    whole = out.with_name(f"{out.stem}-F16.gguf")
    if not whole.exists():
        on_stage("Converting to F16", 0)
        total = 0

        def converted(done_bytes: int, total_bytes: int) -> None:
            nonlocal total
            if total_bytes != total:
                total = total_bytes
                on_stage("Converting to F16", total)
            on_progress(done_bytes)

        convert(
            checkpoint,
            whole,
            "F16",
            provenance=Provenance(repository=source, revision=revision, license=license),
            on_progress=converted,
        )
    size_bytes = whole.stat().st_size
    on_stage(f"Quantizing to {quantization}", size_bytes)
    quantize(
        whole,
        out,
        quantization,  # type: ignore[arg-type]  # one of FileType, as was just seen
        on_progress=lambda done, total, _name: on_progress(size_bytes * done // max(1, total)),
    )
    whole.unlink()
