"""Every error that stardraft's daemon, client and engine raise on purpose.

    StardraftError
    ├── ConfigError            a key or value in the configuration is wrong
    ├── PathError              a directory or socket cannot be used as it must be
    ├── ModelError             the model file cannot be used
    │   ├── ModelNotFoundError     there is no such file or name
    │   ├── ModelFormatError       not a GGUF, damaged, or outside the limits checked here
    │   ├── ModelUnsupportedError  a sound GGUF, but not for fill-in-the-middle
    │   ├── ModelDownloadError     the Hub or the network did not give what was asked for
    │   └── LicenceError           its licence has not been accepted
    ├── EngineError            the engine process could not do its work
    │   ├── EngineMissingError     llama-cpp-python is not installed
    │   ├── EngineBuildError       llama.cpp could not be built, or no build works here
    │   ├── EngineLoadError        llama.cpp refused the model or ran out of memory
    │   └── EngineCrashedError     the engine process died
    ├── RequestError           the request itself is wrong
    ├── DaemonStartError       the daemon could not be started
    └── DaemonUnreachableError the daemon did not answer, or went away while answering

Each carries a stable `code` (it crosses processes), a sentence that says what happened and where,
and a `hint`: what a person can do about it. This module imports nothing, so every layer may use it.
"""

from typing import ClassVar


class StardraftError(Exception):
    """Base of all deliberate errors. `str(error)` is the sentence, `error.hint` what to do."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class ConfigError(StardraftError):
    code = "config"


class PathError(StardraftError):
    code = "path"


class ModelError(StardraftError):
    code = "model"


class ModelNotFoundError(ModelError):
    code = "model_not_found"


class ModelFormatError(ModelError):
    code = "model_format"


class ModelUnsupportedError(ModelError):
    code = "model_unsupported"


class ModelDownloadError(ModelError):
    code = "model_download"


class LicenceError(ModelError):
    code = "licence"


class EngineError(StardraftError):
    code = "engine"


class EngineMissingError(EngineError):
    code = "engine_missing"


class EngineBuildError(EngineError):
    code = "engine_build"


class EngineLoadError(EngineError):
    code = "engine_load"


class EngineCrashedError(EngineError):
    code = "engine_crashed"


class RequestError(StardraftError):
    code = "request"


class DaemonStartError(StardraftError):
    code = "daemon_start"


class DaemonUnreachableError(StardraftError):
    code = "daemon_unreachable"


def _all_errors(base: type[StardraftError]) -> dict[str, type[StardraftError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        found |= _all_errors(child)
    return found


def error_from_code(code: str, message: str, hint: str = "") -> StardraftError:
    """The error that crossed a process boundary as (code, message, hint), as an exception again."""
    return _all_errors(StardraftError).get(code, StardraftError)(message, hint)
