"""Checks of the places on disk: the configuration, the runtime folder with its socket, room for the state."""

import os
import shutil
from pathlib import Path

from stardraftd.cli.checks import Check
from stardraftd.cli.checks.facts import Facts
from stardraftd.cli.output.wording import size

MINIMUM_FREE_BYTES = 100_000_000


def configuration(facts: Facts) -> Check:
    from stardraftd.config import sources
    from stardraftd.paths import config_path, tilde

    config = facts.config
    path = config_path()
    state = "valid" if path.exists() else "no file there, so the defaults hold"
    given = [
        f"{name} from {origin}"
        for name, origin in config.origins.items()
        if config.sources[name] is not sources.FILE
    ]
    return Check("configuration", "ok", f"{tilde(path)}: {state}", "; ".join(given))


def runtime_folder(_facts: Facts) -> Check:
    from stardraftd.paths import runtime_dir, tilde

    folder = runtime_dir(create=False)
    if not folder.exists():
        return Check("runtime folder", "ok", f"{tilde(folder)} (not there yet; the daemon makes it)")
    return Check("runtime folder", "ok", f"{tilde(folder)} (yours alone)")


def socket(facts: Facts) -> Check:
    from stardraftd.setup.service import state
    from stardraftd.transport.endpoint import find

    endpoint = find()
    if endpoint is None:
        return Check("socket", "ok", "none: no daemon is running")
    if facts.hung is not None:
        return Check("socket", "warning", f"{endpoint}: its daemon does not answer.")
    if facts.status is None and (service := state()) is not None and service.is_on:
        return Check("socket", "ok", f"{endpoint}: {service.title} listens, no daemon is running")
    if facts.status is None:
        return Check(
            "socket",
            "warning",
            f"{endpoint} is stale: nobody answers there.",
            "The next start replaces it: stardraft daemon start",
        )
    return Check("socket", "ok", f"{endpoint} answers")


def state_folder(_facts: Facts) -> Check:
    from stardraftd.paths import state_dir, tilde

    folder = state_dir()
    existing = _existing(folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        why = (
            f"{tilde(existing)} is not a folder"
            if not existing.is_dir()
            else f"you may not write into {tilde(existing)}"
        )
        return Check(
            "state folder",
            "warning",
            f"{tilde(folder)} cannot be written to: {why}. So there is no log, and nothing is remembered.",
            "Set STARDRAFT_STATE_DIR to a folder of your own, or make this one yours.",
        )
    free = shutil.disk_usage(existing).free
    if free < MINIMUM_FREE_BYTES:
        return Check(
            "state folder",
            "warning",
            f"Only {size(free)} are free where {tilde(folder)} is.",
            "Free some space, or set STARDRAFT_STATE_DIR to a folder on another disk.",
        )
    return Check("state folder", "ok", f"{tilde(folder)} ({size(free)} free)")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    return next(place for place in (folder, *folder.parents) if place.exists())
