"""Where StarCoder2's tokenizer is taken from: the built-in model, which has it whole."""

from importlib import resources
from pathlib import Path


def built_in_model() -> Path:
    """The GGUF inside the package."""
    return Path(str(resources.files("stardraftd").joinpath("models", "stardraft-tiny-Q8_0.gguf")))
