"""The settings: their sections, types, limits, defaults and descriptions, and the same as plain rows.

This is the one place where a setting is defined. Reading the sources is `stardraftd.config`; the page for
people is made from the rows by `stardraftd.config.reference`.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from stardraftd.limits import MAX_NEW_TOKENS

LogLevel = Literal["debug", "info", "warning", "error"]
Transport = Literal["auto", "unix", "tcp"]
EditorMode = Literal["auto", "line", "block"]
EchoMode = Literal["auto", "only", "off"]

ENVIRONMENT_PREFIX = "STARDRAFT_"


def _names(**special: str) -> dict[str, dict[str, str]]:
    """Names of special numbers, for the sentence that says what is allowed: `_names(**{"0": "never"})`."""
    return {"names": special}


_NEVER = _names(**{"0": "never"})


class ModelConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model runs, and how llama.cpp loads it. A change restarts the engine, not the daemon."""

    path: Annotated[
        str,
        Meta(
            description="The GGUF file of the model; empty for the built-in one. `~` is your home folder. "
            "A relative path starts at the folder of the configuration file; in the environment and on the "
            "command line, at the current folder.",
        ),
    ] = ""
    gpu_layers: Annotated[
        Annotated[int, Meta(ge=-1, le=10_000)] | Literal["auto"],
        Meta(
            description="How many of the model's layers run on the GPU. `auto` takes all of them if there is "
            "a GPU that can, and none otherwise.",
            extra=_names(**{"-1": "all"}),
        ),
    ] = "auto"
    context_tokens: Annotated[
        int,
        Meta(
            ge=256,
            le=1_048_576,
            description="Size of the KV cache in tokens, shared by all open documents. StarCoder2-3B needs "
            "30,720 bytes of memory for each.",
        ),
    ] = 8192
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"],
        Meta(description="Processor threads. `auto` takes the number of physical cores."),
    ] = "auto"
    kv_type: Annotated[
        Literal["f16", "q8_0"],
        Meta(description="Number format of the KV cache. `q8_0` takes about half of the memory."),
    ] = "f16"
    speculation: Annotated[
        Literal["auto", "off"],
        Meta(
            description="Guessing several tokens ahead and verifying them at once. `auto` does it where that "
            "was measured to be faster; the text is the same."
        ),
    ] = "auto"
    kv_snapshot_mb: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Megabytes on disk for KV-cache snapshots of open files, so that they are warm "
            "when the model comes back. They hold your source, and are readable by you alone.",
            extra=_names(**{"0": "nothing is saved"}),
        ),
    ] = 512
    idle_unload_minutes: Annotated[
        float,
        Meta(
            ge=0,
            le=525_600,
            description="Minutes without a completion after which the model leaves memory; the next "
            "completion loads it again.",
            extra=_NEVER,
        ),
    ] = 15.0


class CompletionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is generated, unless a front end asks for something else, and when."""

    max_tokens: Annotated[
        int, Meta(ge=1, le=MAX_NEW_TOKENS, description="The most tokens of one suggestion.")
    ] = 64
    background: Annotated[
        Literal["always", "on_ac_power", "never"],
        Meta(
            description="When the model works ahead of you: it reads the open file and prepares what "
            "comes after a suggestion. `on_ac_power` does not while the computer runs on its battery.",
        ),
    ] = "always"


class DaemonConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The background process that keeps the model warm for all editors."""

    idle_exit_minutes: Annotated[
        float,
        Meta(
            ge=0,
            le=525_600,
            description="Minutes after the last editor left until the daemon ends; the next editor starts it "
            "again.",
            extra=_NEVER,
        ),
    ] = 60.0
    log_level: Annotated[
        LogLevel, Meta(description="What is logged. Source text is logged at no level but `debug`.")
    ] = "info"
    transport: Annotated[
        Transport,
        Meta(
            description="How front ends reach the daemon: a Unix socket (`unix`), or a TCP port of this "
            "computer, guarded by a token (`tcp`). `auto` is `unix`, and `tcp` on Windows.",
        ),
    ] = "auto"


class EditorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the language server asks for, and when."""

    enabled: Annotated[bool, Meta(description="Whether there are suggestions at all.")] = True
    disabled_languages: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
        Meta(
            description="Languages without suggestions, by their LSP language id, such as "
            '`["markdown", "plaintext"]`. In the environment and on the command line commas between them do.',
        ),
    ] = ()
    mode: Annotated[
        EditorMode,
        Meta(
            description="How much is suggested: up to the end of the line or of the block. `auto` decides by "
            "where the cursor stands.",
        ),
    ] = "auto"
    max_block_lines: Annotated[
        int, Meta(ge=1, le=500, description="The most lines of a suggestion that is a block.")
    ] = 24
    in_comments: Annotated[
        bool,
        Meta(
            description="Whether the model suggests in comments and documentation strings while you type. "
            "Lines of your own code are suggested there all the same: see `echo`."
        ),
    ] = False
    in_strings: Annotated[
        bool,
        Meta(
            description="Whether the model suggests inside strings while you type; lines of your own code "
            "are suggested there all the same."
        ),
    ] = False
    mid_line: Annotated[
        bool,
        Meta(
            description="Whether there are suggestions while you type in the middle of a line, before more "
            "than closing brackets.",
        ),
    ] = False
    confidence: Annotated[
        bool,
        Meta(
            description="Whether a suggestion is cut where the model becomes unsure of it. The limits were "
            "calibrated by measurement; what you ask for explicitly is shown whole.",
        ),
    ] = True
    echo: Annotated[
        EchoMode,
        Meta(
            description="Whether lines of your own code are suggested where they fit. `auto`: instead of the "
            "built-in model, and until a real one has something to say. `only`: no model is asked, or "
            "started. `off`: the model alone.",
        ),
    ] = "auto"
    cross_file: Annotated[
        bool,
        Meta(
            description="Whether the model is shown pieces of other files of the workspace. They are read "
            "and searched on this computer alone; secrets, and what .gitignore or .stardraftignore names, "
            "never.",
        ),
    ] = True
    stats: Annotated[
        bool,
        Meta(
            description="Whether the fate of suggestions is counted in a file on this computer, for "
            "`stardraft stats`. It holds no source text and no paths, and is sent nowhere.",
        ),
    ] = True
    debounce_ms: Annotated[
        Annotated[int, Meta(ge=0, le=10_000)] | Literal["auto"],
        Meta(
            description="Milliseconds of waiting for the next key. `auto` has the model read each key at "
            "once, and begin to write when a suggestion is likely to be there before the next one, by the "
            "rhythm of your last keys and the speed of this computer. With a number, nothing is asked for so "
            "long.",
        ),
    ] = "auto"
    candidates: Annotated[
        int,
        Meta(
            ge=1,
            le=8,
            description="How many different suggestions an explicit request makes; "
            "while typing it is always one.",
        ),
    ] = 1
    streaming: Annotated[
        bool,
        Meta(description="Whether a suggestion grows on the screen while it is made, in editors that can."),
    ] = True


SECTIONS: Mapping[str, type[Struct]] = {
    "model": ModelConfig,
    "completion": CompletionConfig,
    "daemon": DaemonConfig,
    "editor": EditorConfig,
}


class Setting(Struct, frozen=True):
    """One setting as a plain row.

    type:    the Python type with its limits, as `msgspec.convert` takes it.
    allowed: what a value may be, as the end of "it must be ...".
    """

    section: str
    key: str
    type: Any
    default: Any
    description: str
    allowed: str

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def default_shown(self) -> str:
        """The default as a user writes it in the file."""
        return _number(self.default) if isinstance(self.default, float) else toml(self.default)

    @property
    def is_text(self) -> bool:
        """Whether any text is a value."""
        return _unwrap(self.type)[0] is str

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{ENVIRONMENT_PREFIX}{self.section}_{self.key}".upper()


@cache
def settings() -> Mapping[str, Setting]:
    """All settings by their name, "section.key", in the order of their definition."""
    rows = (
        _setting(section, field)
        for section, struct in SECTIONS.items()
        for field in msgspec.structs.fields(struct)
    )
    return {row.name: row for row in rows}


def toml(value: object) -> str:
    """A value as you write it in the file; what TOML does not have (null) or has alone (dates) as text."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    return str(value)


def _setting(section: str, field: msgspec.structs.FieldInfo) -> Setting:
    _, meta = _unwrap(field.type)
    names = (meta.extra or {}).get("names", {})
    return Setting(
        section=section,
        key=field.name,
        type=field.type,
        default=field.default,
        description=meta.description or "",
        allowed=_allowed(field.type, names),
    )


def _unwrap(annotated: Any) -> tuple[Any, Meta]:
    """A type without its `Annotated`, and the limits that stood there."""
    if get_origin(annotated) is not Annotated:
        return annotated, Meta()
    plain, meta = get_args(annotated)
    return plain, meta


def _allowed(annotated: Any, names: Mapping[str, str]) -> str:
    """What a type takes, in words, such as `"auto" or a whole number from -1 (all) to 10000`."""
    plain, meta = _unwrap(annotated)
    parts = get_args(plain)
    if plain is int or plain is float:
        return _range("a whole number" if plain is int else "a number", meta, names)
    if get_origin(plain) is Literal:
        words = [f'"{word}"' for word in parts]
        return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    if get_origin(plain) in (Union, UnionType):
        # the words first: they are the rule, the numbers the exception
        return " or ".join(sorted((_allowed(part, names) for part in parts), key=lambda text: text[0] != '"'))
    if get_origin(plain) is tuple:
        return "a list of words in quotes"
    return {bool: "true or false", str: "text in quotes"}[plain]


def _range(kind: str, meta: Meta, names: Mapping[str, str]) -> str:
    if meta.gt is not None:
        return f"{kind} above {_number(meta.gt)}, at most {_bound(meta.le, names)}"
    return f"{kind} from {_bound(meta.ge, names)} to {_bound(meta.le, names)}"


def _bound(bound: float | None, names: Mapping[str, str]) -> str:
    text = _number(bound)
    return f"{text} ({names[text]})" if text in names else text


def _number(number: float | None) -> str:
    """A number without an idle ".0"."""
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)
