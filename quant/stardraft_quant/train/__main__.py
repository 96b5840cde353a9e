"""`python -m stardraft_quant.train`: the four steps as commands. What is heavy is imported when one runs."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stardraftd.console.printable import tell
from stardraftd.console.prose import counted
from stardraftd.errors import ModelError, RequestError, StardraftError
from stardraftd.installed import how_to_add

if TYPE_CHECKING:
    from stardraft_quant.train.training import Progress

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make a small fill-in-the-middle model from nothing: corpus, train, evaluate, export. "
    "Needs the extra `quant`.",
)

CorpusFolder = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder that `corpus` has made.")]
TokenizerFile = Annotated[
    Path | None,
    typer.Option("--tokenizer", help="A StarCoder2 GGUF to take the tokenizer from. [the built-in model]"),
]
Threads = Annotated[
    int, typer.Option("--threads", min=1, help="CPU threads; the weights depend on their number.")
]


def _need(*modules: str) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ModelError(
                f"This needs {module}, which cannot be imported: {error}.",
                how_to_add("quant"),
            ) from error


@app.command(epilog="Example: python -m stardraft_quant.train corpus my-corpus")
def corpus(
    out: Annotated[Path, typer.Argument(metavar="CORPUS", help="The folder to write it into.")],
    packages: Annotated[
        bool, typer.Option("--packages/--no-packages", help="Installed packages, if permissively licensed.")
    ] = True,
    standard_library: Annotated[
        bool, typer.Option("--standard-library/--no-standard-library", help="Python's own library.")
    ] = True,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="FOLDER=LICENSE", help="A folder of your own, too.")
    ] = None,
    cap_mb: Annotated[
        float, typer.Option("--cap-mb", min=0.01, help="The most text that one package gives, in MB.")
    ] = 8.0,
) -> None:
    """Collect Python files to learn from, with a manifest of sources, licenses and checksums.

    Packages whose metadata does not name a permissive license are refused, and listed as such. One file in 50
    is held out for evaluation, by the hash of its path.
    """
    from stardraft_quant.train import corpus as collecting

    sources = [collecting.standard_library()] if standard_library else []
    refused: list[collecting.Refused] = []
    if packages:
        permissive, refused = collecting.installed_packages()
        sources += permissive
    for pair in add or []:
        root, equals, license = pair.rpartition("=")
        if not equals:
            raise RequestError(
                f"--add {pair} names no license.", "Write it as FOLDER=LICENSE, such as src=Apache-2.0."
            )
        sources.append(collecting.folder(Path(root), license))
    collecting.write_corpus(out, sources, refused, cap_bytes=int(cap_mb * 1e6))
    documents = collecting.read_corpus(out)
    n_held_out = sum(document.held_out for document in documents)
    size = sum(len(document.text) for document in documents)
    tell(f"{out}: {counted(len(documents), 'file')}, {size / 1e6:.1f} M characters, {n_held_out} held out.")
    for package in refused:
        tell(f"refused: {package.package} {package.version}: {package.reason}")


@app.command(epilog="Example: python -m stardraft_quant.train train my-corpus my-run")
def train(
    corpus_folder: CorpusFolder,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder for its checkpoint and log.")],
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from RUN/checkpoint.pt.")] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of 16 x 512 tokens, by default.")] = 3700,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows of a batch.")] = 16,
    columns: Annotated[int, typer.Option("--columns", min=16, max=2048, help="Tokens of a row.")] = 512,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="The greatest.")] = 2e-3,
    negatives: Annotated[
        int,
        typer.Option("--negatives", min=0, help="Tokens sampled for the softmax; 0: all (for a GPU)."),
    ] = 6144,
    seed: Annotated[int, typer.Option("--seed", help="Of weights, examples and samples.")] = 1,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        typer.Option("--device", help="auto: CUDA, else MPS, else CPU."),
    ] = "auto",
    precision: Annotated[
        Literal["auto", "bf16", "f32"], typer.Option("--precision", help="auto: bf16 on CUDA, else f32.")
    ] = "auto",
    save_every: Annotated[
        int, typer.Option("--save-every", min=1, help="Steps between checkpoints and held-out losses.")
    ] = 500,
    threads: Threads = 2,
    tokenizer: TokenizerFile = None,
) -> None:
    """Train the built-in model's shape from random weights.

    A run that was interrupted goes on with --resume, and ends with the weights that it would have had.
    """
    _need("torch", "tokenizers", "gguf")
    import torch

    from stardraft_quant.train.corpus import read_corpus
    from stardraft_quant.train.evaluate import encoder
    from stardraft_quant.train.tokenizer import load_tokenizer, special_tokens
    from stardraft_quant.train.training import CHECKPOINT, Settings, Training

    checkpoint = run / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise RequestError(
            f"{checkpoint} is there already.", "Name another folder, or give --resume to go on with it."
        )
    torch.set_num_threads(threads)
    settings = Settings(
        steps=steps,
        rows=rows,
        columns=columns,
        learning_rate=learning_rate,
        negatives=negatives,
        seed=seed,
        device=device,
        precision=precision,
    )
    text_tokenizer = load_tokenizer(tokenizer)
    training = Training(
        settings,
        read_corpus(corpus_folder),
        encoder(text_tokenizer),
        special_tokens(tokenizer),
        n_vocab=text_tokenizer.get_vocab_size(),
    )
    if resume:
        training.resume(checkpoint)
    n_parameters = sum(parameter.numel() for parameter in training.model.parameters())
    tell(f"{n_parameters / 1e6:.2f} M parameters on {training.device}, from step {training.step}.")
    training.run(steps, folder=run, save_every=save_every, on_progress=_show)
    tell(f"{checkpoint}: done. To use it: python -m stardraft_quant.train export {checkpoint} FILE.gguf")


def _show(progress: "Progress") -> None:
    held_out = "" if progress.held_out_loss is None else f"  held out {progress.held_out_loss:.3f}"
    tell(
        f"step {progress.step:>6}  loss {progress.loss:.3f}  rate {progress.learning_rate:.1e}  "
        f"{progress.tokens_per_second:,.0f} tokens/s{held_out}"
    )


@app.command(epilog="Example: python -m stardraft_quant.train evaluate my-run/checkpoint.pt my-corpus")
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A checkpoint.pt, or a GGUF.")],
    corpus_folder: CorpusFolder,
    *,
    items: Annotated[int, typer.Option("--items", min=1, help="Lines to be finished.")] = 100,
    part: Annotated[
        Literal["held-out", "all"],
        typer.Option("--part", help="all: every file, for a corpus that the model has not seen at all."),
    ] = "held-out",
    seed: Annotated[int, typer.Option("--seed", help="Of the choice of items.")] = 0,
    threads: Threads = 2,
    tokenizer: TokenizerFile = None,
) -> None:
    """Measure the loss, and how often the rest of a line is written exactly.

    Greedy, with 1,200 characters before the cursor and 600 behind its line. A checkpoint is run in torch, a
    GGUF in llama.cpp (which `stardraft setup engine` builds).
    """
    _need("tokenizers", "gguf", *([] if model.suffix == ".gguf" else ["torch"]))
    from stardraft_quant.train.corpus import read_corpus
    from stardraft_quant.train.evaluate import EngineRunner, TorchRunner
    from stardraft_quant.train.evaluate import evaluate as measure
    from stardraft_quant.train.tokenizer import load_tokenizer, special_tokens

    documents = [document for document in read_corpus(corpus_folder) if part == "all" or document.held_out]
    if not documents:
        raise RequestError(
            f"{corpus_folder} holds no file out.", "Make a larger corpus, or give --part all for unseen code."
        )
    if not model.is_file():
        raise RequestError(f"{model} is not a file.", "Name a checkpoint.pt, or a GGUF.")
    if model.suffix == ".gguf":
        with EngineRunner(model, n_threads=threads) as engine:
            result = measure(
                engine,
                documents,
                load_tokenizer(tokenizer or model),
                special_tokens(tokenizer or model),
                n_items=items,
                seed=seed,
            )
    else:
        import torch

        torch.set_num_threads(threads)
        result = measure(
            TorchRunner(model),
            documents,
            load_tokenizer(tokenizer),
            special_tokens(tokenizer),
            n_items=items,
            seed=seed,
        )
    tell(f"files          {len(documents)} ({part})")
    tell(f"loss           {result.loss:.3f} nats per token over {counted(result.n_tokens, 'token')}")
    tell(f"next token     {result.next_token_accuracy:.1%} right")
    tell(f"rest of line   {result.exact_psm:.1%} exact in PSM, {result.exact_spm:.1%} in SPM v2")
    tell(f"lines          {result.n_tasks}")


@app.command(epilog="Example: python -m stardraft_quant.train export my-run/checkpoint.pt my-model.gguf")
def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The checkpoint.pt of a run.")],
    out: Annotated[Path, typer.Argument(metavar="FILE.gguf", help="Where to write the model.")],
    file_type: Annotated[
        Literal["Q8_0", "F16"], typer.Option("--type", help="How the weights are stored.")
    ] = "Q8_0",
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.gguf if it is there.")] = False,
    tokenizer: TokenizerFile = None,
) -> None:
    """Write a checkpoint as a GGUF that stardraft and llama.cpp load."""
    _need("torch", "gguf")
    from stardraft_quant.train.export import export_checkpoint

    if out.exists() and not force:
        raise RequestError(f"{out} is there already.", "Name another file, or give --force to overwrite it.")
    size_bytes = export_checkpoint(checkpoint, out, file_type, tokenizer_from=tokenizer)
    tell(f"{out}: {counted(size_bytes, 'byte')}, {file_type}.")
    tell(f"To use it: stardraft daemon restart --model {out}")


def main() -> None:
    """The edge: an error is shown here, once, with what can be done about it."""
    try:
        app()
    except StardraftError as error:
        tell(f"Error: {error}", to_stderr=True)
        if error.hint:
            tell(error.hint, to_stderr=True)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
