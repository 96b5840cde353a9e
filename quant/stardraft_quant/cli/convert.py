"""`stardraft quant convert`: a Hugging Face checkpoint becomes a GGUF."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stardraftd.console import printable
from stardraftd.console.printable import tell
from stardraftd.console.prose import counted
from stardraftd.installed import how_to_add

EXAMPLE = "Example: stardraft quant convert starcoder2-3b/ starcoder2-3b-F16.gguf"


def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="The folder with config.json, the tokenizer and the weights."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.gguf", help="Where to write it.")],
    *,
    file_type: Annotated[
        Literal["F16", "BF16", "F32"],
        typer.Option(
            "--type", help="How weights are stored: F16 to quantize or to run, BF16 to keep every bit."
        ),
    ] = "F16",
    source: Annotated[
        str, typer.Option("--source", metavar="OWNER/NAME", help="The repository that it comes from.")
    ] = "",
    revision: Annotated[
        str, typer.Option("--revision", metavar="COMMIT", help="The 40 digits of its commit there.")
    ] = "",
    license: Annotated[
        str,
        typer.Option(
            "--license", "--licence", metavar="ID", help="Its license, where the model card does not say."
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.gguf if it is there.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Do not go on with a conversion that was interrupted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Convert a StarCoder2 checkpoint from Hugging Face to a GGUF, the file that llama.cpp loads.

    Reads .safetensors in one file or several, and writes tensor by tensor, so it needs little memory. When
    it is interrupted, the same command goes on where it stopped. Where a checkpoint lies in the Hub's cache,
    its repository and revision are found by themselves.
    """
    from stardraftd.errors import ModelError

    try:
        from stardraft_quant.convert import Provenance, provenance_of
        from stardraft_quant.convert import convert as run
    except ImportError as error:
        raise ModelError(
            f"Making model files needs more than the base installation: {error}.",
            how_to_add("quant"),
        ) from error
    import msgspec
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from stardraft_quant.convert.partial import leftovers

    known = provenance_of(checkpoint)
    provenance = Provenance(
        repository=source or known.repository,
        revision=revision or ("" if source not in ("", known.repository) else known.revision),
        license=license,
    )
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=printable.console(stderr=True)) as progress:
            task = progress.add_task("converting")
            report = run(
                checkpoint,
                out,
                file_type,
                provenance=provenance,
                force=force,
                restart=restart,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    except (KeyboardInterrupt, ModelError):
        if leftovers(out) is not None:
            tell(
                "What is written is kept: the same command goes on from there; --restart begins anew.",
                to_stderr=True,
            )
        raise
    if as_json:
        tell(msgspec.json.encode(report, enc_hook=str).decode())
        return
    tell(
        f"{out}: {counted(report.size_bytes, 'byte')}, {counted(report.n_tensors, 'tensor')} in {file_type}."
    )
    for note in report.notes:
        tell(f"Note: {note}")
    for n, what in ((report.n_nan, "not a number"), (report.n_infinite, f"infinite in {file_type}")):
        if n:
            tell(
                f"Warning: {counted(n, 'weight')} {'is' if n == 1 else 'are'} {what}; "
                "this model will not answer well.",
                to_stderr=True,
            )
    if file_type != "F32":
        tell(f"To make it small: stardraft quant quantize {out} {_quantized(out)}")


def _quantized(out: Path) -> Path:
    stem = out.stem
    for suffix in ("F16", "BF16", "f16", "bf16"):
        stem = stem.removesuffix(f"-{suffix}")
    return out.with_name(f"{stem}-Q4_K_M.gguf")
