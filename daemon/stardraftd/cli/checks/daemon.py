"""Check of the daemon: whether it runs, whether it is this version's, and what it complains of."""

from stardraftd import __version__
from stardraftd.cli.checks import Check
from stardraftd.cli.checks.editors import version_numbers
from stardraftd.cli.checks.facts import Facts
from stardraftd.cli.output.wording import duration
from stardraftd.cli.running import other_installation
from stardraftd.console.prose import counted


def daemon(facts: Facts) -> list[Check]:
    if facts.hung is not None:
        return [Check("daemon", "problem", facts.hung.message, facts.hung.hint)]
    status = facts.status
    if status is None:
        return [Check("daemon", "ok", "not running; it starts when it is needed")]
    running = f"version {status.version}, pid {status.pid}, for {duration(status.uptime_s)}"
    if status.version != __version__:
        is_newer = version_numbers(status.version) > version_numbers(__version__)
        found = Check(
            "daemon",
            "warning",
            f"{running}; this is version {__version__}.",
            "It serves this older version, too. Two stardrafts are installed: update or remove the older one."
            if is_newer
            else "Start the new one: stardraft daemon restart",
        )
    else:
        found = Check("daemon", "ok", running)
    logs = "stardraft daemon logs may say more."
    others = other_installation(status)
    return [
        found,
        *(
            [Check("daemon", "warning", others, "To have this one serve: stardraft daemon restart")]
            if others
            else []
        ),
        *([_hung_engines(status.engine_hangs)] if status.engine_hangs else []),
        *(Check("daemon", "problem", problem, logs) for problem in status.problems),
    ]


def _hung_engines(n: int) -> Check:
    times = "once" if n == 1 else counted(n, "time")
    return Check(
        "daemon",
        "warning",
        f"Its engine hung {times} and was started again.",
        "A computer that is short of memory does this: stardraft status says how much it takes.",
    )
