"""The variants of a portable build come from the package's own folder, whatever lies in the working
directory.
"""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.builds.library import library_folder
from stardraftd.engine.native import backend
from stardraftd.errors import EngineLoadError

# In place of libggml: it has no backend until it is told where to load one from, and remembers what it was
# told.
LIBGGML = r"""
#include <stddef.h>
#include <string.h>
static char told[4096];
static size_t count;
size_t ggml_backend_reg_count(void) { return count; }
void ggml_backend_load_all_from_path(const char *path) {
    strncpy(told, path ? path : "NULL", 4095);
    count = FOUND;
}
const char *what_was_told(void) { return told; }
"""


def little_libggml(folder: Path, found: int) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform == "win32":
        pytest.skip("no C compiler")
    source, library = folder / "ggml.c", folder / "libggml.so"
    source.write_text(LIBGGML)
    subprocess.run([compiler, "-shared", "-fPIC", f"-DFOUND={found}", source, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.ggml_backend_reg_count.restype = ctypes.c_size_t
    loaded.what_was_told.restype = ctypes.c_char_p
    return loaded


def test_variants_are_loaded_from_the_packages_own_folder_and_from_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = little_libggml(tmp_path, found=1)
    monkeypatch.setattr(backend, "ggml", library)
    monkeypatch.chdir(tmp_path)
    backend.start_backend()
    told = Path(library.what_was_told().decode())
    assert told == library_folder()
    assert told.is_absolute()
    assert (told / "libllama.so").exists() or sys.platform != "linux"


def test_without_a_variant_that_runs_here_llama_cpp_does_not_search_for_one_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "ggml", little_libggml(tmp_path, found=0))
    monkeypatch.setattr(backend.llama_cpp, "llama_backend_init", lambda: pytest.fail("it would search"))
    with pytest.raises(EngineLoadError, match="no variant in") as raised:
        backend.start_backend()
    assert "stardraft setup engine" in raised.value.hint


def test_a_build_for_one_processor_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = little_libggml(tmp_path, found=1)
    library.ggml_backend_load_all_from_path(b"")  # it has one now
    monkeypatch.setattr(backend, "ggml", library)
    backend.start_backend()
    assert library.what_was_told() == b""
