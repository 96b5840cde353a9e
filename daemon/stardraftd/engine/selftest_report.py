"""What the engine's self-test tells, as JSON over a pipe. Nothing of llama.cpp is here."""

from msgspec import Struct

# Before each check its process writes a line that begins so to stderr: if it dies, that is what it died of.
AT_WORK = "selftest: "


class Check(Struct, frozen=True):
    """One thing that was tried. `detail` is what was seen; `device` "CPU", or a GPU's name in ggml."""

    name: str
    ok: bool
    detail: str
    ms: float
    device: str = "CPU"


class Report(Struct, frozen=True, kw_only=True):
    """All that was tried; or `error`, `message` and `hint`: why the library could not be opened."""

    ok: bool
    checks: tuple[Check, ...] = ()
    llama_cpp_version: str = ""
    system_info: str = ""
    ms: float = 0.0
    error: str = ""
    message: str = ""
    hint: str = ""
