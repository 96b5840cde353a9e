"""Check of the service: whether there is one, whether it is on, and whether it starts this installation."""

import shlex

from stardraftd.cli.checks import Check
from stardraftd.cli.checks.facts import Facts


def service(_facts: Facts) -> Check:
    from stardraftd.setup.service import state

    found = state()
    if found is None:
        return Check("service", "ok", "none; the daemon starts by itself when it is needed")
    if not found.is_ours:
        return Check(
            "service",
            "warning",
            f"{found.title} starts {shlex.join(found.command) or 'nothing'}, not this installation.",
            "Have it start this one: stardraft setup service",
        )
    if found.problem:
        return Check(
            "service",
            "warning",
            f"The service's files are there, but {found.problem}.",
            "Take them back: stardraft setup service --undo",
        )
    if not found.is_on:
        return Check(
            "service",
            "warning",
            f"The service's files are there, but {found.title} does not listen.",
            "Turn it on: stardraft setup service",
        )
    return Check("service", "ok", f"{found.title} listens, and starts the daemon when it is needed")
