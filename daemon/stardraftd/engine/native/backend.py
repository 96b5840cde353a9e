"""llama.cpp in this process, as a whole: its start, its log, and what this build of it is.

Everything here is once a process; what belongs to one model is in `llama.py`.
"""

import ctypes
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp import _ggml

from stardraftd.builds.library import libraries_of
from stardraftd.errors import EngineLoadError

# libggml's functions, by the library that is linked to it: the file beside it that has its plain name can
# be a copy, which is another library with another list of backends. Windows finds a library by its name
# alone.
ggml: Any = _ggml.libggml if sys.platform == "win32" else llama_cpp.llama_cpp._lib
ggml.ggml_backend_reg_count.restype = ctypes.c_size_t

_LEVEL_ERROR = 4
_LEVEL_CONTINUED = 5
_log_lines: deque[str] = deque(maxlen=200)
_errors_to_stderr = False


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator,unused-ignore]
def _on_log(level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
    line = text.decode("utf-8", "replace")
    if level == _LEVEL_CONTINUED and _log_lines:
        _log_lines[-1] += line
    else:
        _log_lines.append(line)
    if level == _LEVEL_ERROR and _errors_to_stderr:
        sys.stderr.write(line)
        sys.stderr.flush()


def open_backend(*, errors_to_stderr: bool = False) -> None:
    """Initialises llama.cpp in this process and takes over its log. Call once, before anything else.

    With `errors_to_stderr` its errors are written there at once: the last one may be why the process dies.
    """
    global _errors_to_stderr  # noqa: PLW0603 - llama.cpp has one log in a process
    _errors_to_stderr = errors_to_stderr
    llama_cpp.llama_log_set(_on_log, ctypes.c_void_p(0))
    start_backend()


def start_backend() -> None:
    """Initialises llama.cpp, with the processor's variant of a portable build. Raises EngineLoadError.

    Such a build has none of its kernels in it until one of its variants is loaded. llama.cpp by itself
    would look for them in the interpreter's folder and in the *working directory*: a repository that brings
    a `libggml-cpu-x.so` along would have it run. They are loaded from the package's own folder, and from
    nowhere else.
    """
    if not ggml.ggml_backend_reg_count():
        folder = libraries_of(Path(llama_cpp.__file__).parent)
        load = ggml.ggml_backend_load_all_from_path
        load.restype, load.argtypes = None, [ctypes.c_char_p]
        load(os.fsencode(folder))
        if not ggml.ggml_backend_reg_count():
            raise EngineLoadError(
                f"This build of llama.cpp has no variant in {folder} that runs on this processor.",
                "Have it built for this computer: stardraft setup engine",
            )
    llama_cpp.llama_backend_init()


def recent_log(lines: int = 40) -> str:
    """The last lines that llama.cpp logged."""
    return "".join(list(_log_lines)[-lines:])


def system_info() -> str:
    """The instruction sets and backends that this build of llama.cpp uses."""
    return str(llama_cpp.llama_print_system_info().decode("utf-8", "replace")).strip()
