"""Checks of the model: that its file can be used, and that there is memory for it."""

from stardraftd.cli.checks import Check
from stardraftd.cli.checks.facts import Facts
from stardraftd.cli.output.wording import size, toy_sentence
from stardraftd.console.prose import counted

# What the engine needs beside the weights: its buffers, and Python itself.
ENGINE_OVERHEAD_BYTES = 250_000_000


def model(facts: Facts) -> Check:
    from stardraftd.gguf.fim_tokens import fim_tokens
    from stardraftd.gguf.reading import read_header
    from stardraftd.models.configured import naming_its_setting
    from stardraftd.paths import tilde

    path = facts.model_path
    with naming_its_setting(path):
        header = read_header(path)
        fim_tokens(header)
    built_in = not facts.config.model.path
    name = header.name or path.stem
    about = (
        f"{header.architecture}, {header.file_type}, {counted(header.n_layers, 'layer')}, "
        f"{size(header.file_size_bytes)}"
    )
    where = "built in" if built_in else tilde(path)
    return Check("model", "ok", f"{name} ({about}; {where})", toy_sentence() if built_in else "")


def memory(facts: Facts) -> Check:
    """Whether the weights fit into memory; what a GPU has room for, llama.cpp alone knows."""
    import psutil

    status = facts.status
    if status is not None and status.model is not None:
        return Check("memory", "ok", f"{status.model.name} is loaded")
    needed = facts.model_path.stat().st_size + ENGINE_OVERHEAD_BYTES
    available = psutil.virtual_memory().available
    if needed > available:
        return Check(
            "memory",
            "warning",
            f"The model needs about {size(needed)}, but only {size(available)} of memory are available.",
            "Close some programs, or use a smaller model or quantization.",
        )
    return Check("memory", "ok", f"{size(available)} available; the model needs about {size(needed)}")
