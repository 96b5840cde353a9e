"""Whether a command of a document could be typed: asked of the command line's own parser, which runs nothing.

What is not stardraft's own command is looked up where it is written down: targets in the Makefile, extras in
pyproject.toml, scripts and modules in the checkout.
"""

import importlib.util
import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from stardraftd.cli.app import command
from tests.docs.documents import ROOT

# A document may name a command without all that it needs: "`stardraft model use` chooses one".
INCOMPLETE = ("MissingParameter", "NoArgsIsHelpError", "MissingArgument")
_EXTRAS = re.compile(r"^(?:stardraft|\.)\[([\w,]+)\]")


def mistake(words: Sequence[str]) -> str:
    """What is wrong with a command; "" when nothing is, as far as can be told without running it."""
    program = Path(words[0]).name
    check = {
        "stardraft": _stardraft,
        "make": _make,
        "bash": _script,
        "python": _python,
        "python3": _python,
    }.get(program)
    return check(words[1:]) if check else _extras(words)


def is_complete(words: Sequence[str]) -> bool:
    """Whether `stardraft` could run this: nothing that it needs is left out."""
    return not _parsed(words[1:])


def _stardraft(words: Sequence[str]) -> str:
    if "..." in words:  # "`stardraft quant ...`" is whatever it has, "--source ..." some value
        named = [word for word in words if word != "..."]
        return (
            "" if _parsed(["X" if word == "..." else word for word in words]) is None else _stardraft(named)
        )
    error = _parsed(words)
    if error is None or type(error).__name__ in INCOMPLETE:
        return ""
    return str(getattr(error, "format_message", lambda: error)())


def _parsed(words: Sequence[str]) -> Exception | None:
    """The parser's objection; None when it has none.

    An option with a callback, such as --version, acts as soon as it is parsed, and --install-completion would
    change the user's own files: a command with one is not given to the parser. It is enough that it exists.
    """
    found: Any = command()
    rest = list(words)
    try:
        while not _acting(found) & set(rest):
            context = found.make_context(found.name, rest)
            if not hasattr(found, "get_command"):
                return None
            rest = [*getattr(context, "_protected_args", []), *context.args]
            if not rest:
                return None
            _name, found, rest = found.resolve_command(context, rest)
    except Exception as error:  # noqa: BLE001 - typer keeps its parser's exceptions where no one can import them
        return error
    return None


def _acting(found: Any) -> set[str]:
    """The options of a command that act while they are parsed."""
    return {"-h", "--help"} | {
        option
        for parameter in found.params
        if parameter.callback or parameter.is_eager
        for option in parameter.opts
    }


@cache
def options() -> frozenset[str]:
    """All long options of all commands."""
    found = {"--help"}
    waiting: list[Any] = [command()]
    while waiting:
        one = waiting.pop()
        found |= {
            option for parameter in one.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        if hasattr(one, "list_commands"):
            context = one.context_class(one)
            waiting += [one.get_command(context, name) for name in one.list_commands(context)]
    return frozenset(found)


def _make(words: Sequence[str]) -> str:
    targets = set(
        re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    wanted = {word for word in words if "=" not in word and not word.startswith("-")}
    return f"the Makefile has no {', '.join(sorted(wanted - targets))}" if wanted - targets else ""


def _script(words: Sequence[str]) -> str:
    return "" if (ROOT / words[0]).is_file() else f"there is no {words[0]}"


def _python(words: Sequence[str]) -> str:
    if words[:2] == ("-m", "pip"):
        return _extras(words)
    if words[0] != "-m":
        return _script(words)
    module = importlib.util.find_spec(words[1])
    if module is None or module.origin is None:
        return f"there is no module {words[1]}"
    sources = [Path(module.origin)]
    if module.submodule_search_locations:
        sources = list(sources[0].parent.glob("*.py"))
    said = "".join(source.read_text(encoding="utf-8") for source in sources)
    unknown = [word for word in words[2:] if word.startswith("--") and f'"{word}"' not in said]
    return f"{words[1]} has no {', '.join(unknown)}" if unknown else ""


def _extras(words: Sequence[str]) -> str:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = {extra for word in words if (found := _EXTRAS.match(word)) for extra in found[1].split(",")}
    return f"stardraft has no extra {', '.join(sorted(named - set(known)))}" if named - set(known) else ""
