"""llama.cpp's own tools, built from the commit that the engine is built from: what ours is compared with.

`.ci/llama_cpp` makes the folder that STARDRAFT_LLAMA_CPP names: `build/bin/` with the programs, `source/`
with the converter.
"""

import os
from pathlib import Path

import pytest

_VARIABLE = "STARDRAFT_LLAMA_CPP"


def tool(name: str) -> Path:
    """A program such as "llama-quantize"; skips the test where there is none."""
    return _existing(Path("build", "bin", name))


def converter() -> Path:
    """llama.cpp's converter from Hugging Face checkpoints; skips the test where there is none."""
    return _existing(Path("source", "convert_hf_to_gguf.py"))


def _existing(relative: Path) -> Path:
    folder = os.environ.get(_VARIABLE)
    if not folder:
        pytest.skip(f"{_VARIABLE} names no folder with llama.cpp's own tools (`.ci/llama_cpp` makes one)")
    path = Path(folder, relative)
    assert path.exists(), f"{_VARIABLE} is set, but there is no {path}"
    return path
