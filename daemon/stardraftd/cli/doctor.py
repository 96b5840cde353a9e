"""`stardraft doctor`: is everything set up, and if not, what to do."""

from typing import TYPE_CHECKING, Annotated

import typer

from stardraftd.cli.options import examples
from stardraftd.cli.output.errors import FAILED
from stardraftd.console.printable import tell
from stardraftd.console.prose import counted

if TYPE_CHECKING:
    from stardraftd.cli.checks import Check

EXAMPLES = examples(
    "stardraft doctor",
    "stardraft doctor --json | jq '.checks[] | select(.state != \"ok\")'",
)

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "skipped": "dim"}
_NAME_WIDTH = 15
_STATE_WIDTH = 8


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a list.")] = False,
) -> None:
    """Check the installation, and say what to do.

    Tests for a few seconds whether llama.cpp computes what it should here. Looks at Python, the instruction
    sets and devices that llama.cpp was built for, the configuration, the daemon and its socket, the model and
    the memory for it, free disk space, and the editors on this computer. No daemon is started.

    The exit code is 1 when there is a problem. Warnings are no problem: stardraft works, but could do better.
    """
    from stardraftd.cli import checks

    found: list[Check] = []
    for check in checks.run(checks.Facts(), checks.every_check()):
        found.append(check)
        if not json:
            _show(check)
    problems = sum(check.state == "problem" for check in found)
    warnings = sum(check.state == "warning" for check in found)
    if json:
        _print_json(found)
    else:
        _conclude(problems, warnings)
    if problems:
        raise typer.Exit(FAILED)


def _show(check: "Check") -> None:
    from stardraftd.cli.output.terminal import entry, out
    from stardraftd.paths import with_tildes

    width = _STATE_WIDTH + _NAME_WIDTH
    label = f"{check.state:<{_STATE_WIDTH}}{check.name}"
    entry(out(), label, with_tildes(check.message), label_width=width, style=_STYLES[check.state])
    if check.hint:
        entry(out(), "", with_tildes(check.hint), label_width=width, text_style="dim")


def _conclude(problems: int, warnings: int) -> None:
    if problems or warnings:
        tell(f"\n{counted(problems, 'problem')}, {counted(warnings, 'warning')}.")
    else:
        tell("\nEverything is in order.")


def _print_json(found: "list[Check]") -> None:
    import msgspec

    from stardraftd import __version__
    from stardraftd.cli.output.terminal import raw_out

    ok = all(check.state != "problem" for check in found)
    raw_out().write(msgspec.json.encode({"version": __version__, "ok": ok, "checks": found}) + b"\n")
