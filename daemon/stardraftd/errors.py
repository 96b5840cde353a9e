"""Every error that stardraft's daemon, client and engine raise on purpose.

    StardraftError
    ├── ConfigError            a key or value in the configuration is wrong
    ├── PathError              a directory or socket cannot be used as it must be
    ├── ModelError             the model file cannot be used
    │   ├── ModelNotFoundError     there is no such file or name
    │   ├── ModelFormatError       not a GGUF, damaged, or outside the limits checked here
    │   ├── ModelUnsupportedError  a sound GGUF, but not for fill-in-the-middle
    │   ├── ModelDownloadError     the Hub or the network did not give what was asked for
    │   └── LicenseError           its license has not been accepted
    ├── EngineError            the engine process could not do its work
    │   ├── EngineMissingError     llama-cpp-python is not all there, or does not load
    │   │   └── EngineNotInstalledError  it was never installed: the user's own code is suggested without it
    │   ├── EngineBrokenError      this build of llama.cpp does not run here, or computes wrong results
    │   ├── EngineStartError       the engine process could not be started at all
    │   ├── EngineBuildError       llama.cpp could not be built, or no build works here
    │   ├── EngineLoadError        llama.cpp refused the model or ran out of memory
    │   └── EngineCrashedError     the engine process died
    │       └── EngineHungError        it hung, and was ended
    ├── RequestError           the request itself is wrong
    │   └── SecretError            what it would show to the model is secret
    ├── DaemonStartError       the daemon could not be started
    ├── DaemonFailedError      the daemon ended because a part of it did
    ├── DaemonUnreachableError there is no daemon, or it went away while answering
    └── DaemonHungError        there is one, and it does not answer

Each carries a stable `code` (it crosses processes), a sentence that says what happened and where,
and a `hint`: what a user can do about it. This module imports nothing, so every layer may use it.
"""

from typing import ClassVar


class StardraftError(Exception):
    """Base of all deliberate errors. `str(error)` is the sentence, `error.hint` what to do.

    is_remote: another process, such as the daemon, told it.
    """

    code: ClassVar[str] = "error"
    is_remote: bool = False

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


class LicenseError(ModelError):
    code = "license"


class EngineError(StardraftError):
    code = "engine"


class EngineMissingError(EngineError):
    code = "engine_missing"


class EngineNotInstalledError(EngineMissingError):
    code = "engine_not_installed"


class EngineBrokenError(EngineError):
    code = "engine_broken"


class EngineStartError(EngineError):
    code = "engine_start"


class EngineBuildError(EngineError):
    code = "engine_build"


class EngineLoadError(EngineError):
    code = "engine_load"


class EngineCrashedError(EngineError):
    code = "engine_crashed"


class EngineHungError(EngineCrashedError):
    code = "engine_hung"


class RequestError(StardraftError):
    code = "request"


class SecretError(RequestError):
    code = "secret"


class DaemonStartError(StardraftError):
    code = "daemon_start"


class DaemonFailedError(StardraftError):
    code = "daemon_failed"


class DaemonUnreachableError(StardraftError):
    code = "daemon_unreachable"


class DaemonHungError(StardraftError):
    code = "daemon_hung"


def _all_errors(base: type[StardraftError]) -> dict[str, type[StardraftError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        found |= _all_errors(child)
    return found


def error_from_code(code: str, message: str, hint: str = "") -> StardraftError:
    """The error that crossed a process boundary as (code, message, hint), as an exception again."""
    error = _all_errors(StardraftError).get(code, StardraftError)(message, hint)
    error.is_remote = True
    return error
