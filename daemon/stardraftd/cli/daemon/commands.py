"""`stardraft daemon ...`: the daemon's life, by hand."""

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from stardraftd.cli import options
from stardraftd.cli.daemon import status
from stardraftd.cli.options import Wanted, examples, wanted
from stardraftd.cli.output.errors import show_warning
from stardraftd.console.printable import tell
from stardraftd.errors import (
    DaemonHungError,
    DaemonUnreachableError,
    ModelError,
    StardraftError,
)
from stardraftd.limits import DRAIN_S
from stardraftd.models import BUILT_IN

if TYPE_CHECKING:
    import psutil

    from stardraftd.cli.output.activity import Activity
    from stardraftd.client import DaemonClient
    from stardraftd.protocol.http import Status

# Over what the daemon allows itself for running completions (DRAIN_S).
STOP_GRACE_S = 20.0
POLL_S = 0.1
# A daemon that was only stopped ends within this, with what its engine saves.
FORCE_GRACE_S = 5.0


def commands() -> typer.Typer:
    """The group."""
    app = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog=examples(
            "stardraft daemon restart --model ~/models/starcoder2-3b-Q4_K_M.gguf", "stardraft daemon logs -f"
        ),
    )
    app.callback(invoke_without_command=True)(_daemon)
    app.command(
        "start",
        epilog=examples("stardraft daemon start", "stardraft daemon start --set daemon.idle_exit_minutes=0"),
    )(start)
    app.command("stop", epilog=examples("stardraft daemon stop", "stardraft daemon stop --now"))(stop)
    app.command(
        "restart",
        epilog=examples(
            "stardraft daemon restart",
            "stardraft daemon restart --model ~/models/starcoder2-3b-Q4_K_M.gguf",
            f"stardraft daemon restart --model {BUILT_IN} --gpu-layers 0",
        ),
    )(restart)
    app.command("status", epilog=examples("stardraft daemon status", "stardraft daemon status --json"))(
        status.status
    )
    app.command(
        "logs",
        epilog=examples(
            "stardraft daemon logs -n 100",
            "stardraft daemon logs -f",
            "stardraft daemon logs --json -n 1000 | jq 'select(.level == \"error\")'",
        ),
    )(logs)
    app.command(
        "run",
        epilog=examples(
            "stardraft daemon run", "stardraft daemon run --gpu-layers 0 --set daemon.log_level=debug"
        ),
    )(run)
    return app


def _daemon(context: typer.Context) -> None:
    """Start, stop and watch the daemon.

    There is one daemon for each user. It starts when an editor or `stardraft complete` needs it, gives the
    model's memory back after some idle minutes, and leaves when it has not been needed for longer; so none
    of these commands is needed every day.
    """
    if context.invoked_subcommand is None:
        tell(context.get_help())


def start(
    model: options.Model = None,
    gpu_layers: options.GpuLayers = None,
    context_tokens: options.ContextTokens = None,
    settings: options.Settings = None,
) -> None:
    """Start the daemon, and wait until it answers.

    If one is running already that is fine: it stays as it is. A model that you name is loaded at once, and if
    it cannot be, the daemon is stopped again; any other is loaded by the first completion. The options hold
    until the daemon ends; the configuration file is the place for settings that last.
    """
    import asyncio

    from stardraftd.cli.running import apply_hint, check_configuration, not_applied, running_status

    asked = wanted(model, gpu_layers, context_tokens, settings)
    before = asyncio.run(running_status())
    check_configuration(before)
    now = asyncio.run(_start(asked, running=before))
    if before is not None and before.pid == now.pid:
        tell(f"The daemon is running already: {_identity(now)}")
        if warning := not_applied(asked, now):
            show_warning(warning, apply_hint(asked))
    else:
        tell(f"The daemon is running: {_identity(now)}")
    _warn_of_model(now)


def stop(
    now: Annotated[
        bool, typer.Option("--now", help="Break running completions off instead of finishing them.")
    ] = False,
) -> None:
    """Stop the daemon, and wait until its process is gone.

    Running completions are finished first, unless --now is given. An editor that is open starts the daemon
    again when it next needs a suggestion. A service (`stardraft setup service`) stays on, and does the same.
    A daemon that hangs, or is stopped itself (Ctrl-Z), is named, and ended by force.
    """
    import asyncio

    from stardraftd.transport.endpoint import find

    pid = asyncio.run(stop_and_wait(drain=not now))
    tell("The daemon was not running." if pid is None else f"The daemon has stopped (pid {pid}).")
    if pid is not None and find() is not None:  # its own socket goes with it: this one is a service manager's
        tell(
            "The service listens on, and the next editor starts it again. "
            "To end that: stardraft setup service --undo"
        )


def restart(
    model: options.Model = None,
    gpu_layers: options.GpuLayers = None,
    context_tokens: options.ContextTokens = None,
    settings: options.Settings = None,
) -> None:
    """Start the daemon afresh, with other settings if you like.

    If it is running it is stopped first, and running completions are finished before that. A model that you
    name is loaded at once, and if it cannot be, the new daemon is stopped again. The options hold until the
    daemon ends; the configuration file is the place for settings that last.
    """
    import asyncio

    from stardraftd.cli.running import check_configuration

    asked = wanted(model, gpu_layers, context_tokens, settings)
    check_configuration()
    before = asyncio.run(stop_and_wait(drain=True))
    now = asyncio.run(_start(asked, running=None))
    instead = "" if before is None else f", in the place of pid {before}"
    tell(f"The daemon is running: {_identity(now)}{instead}")
    _warn_of_model(now)


def logs(
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many lines of the end.")] = 50,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with new lines until Ctrl-C.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="The lines as they are: one JSON object each.")
    ] = False,
) -> None:
    """Show the end of the daemon's log.

    The log is a file, so this works when the daemon is not running too. Source text is in it only with
    daemon.log_level = "debug".
    """
    from stardraftd.logs import reader as log_reader
    from stardraftd.paths import log_path, tilde

    path = log_path()
    if not follow and not path.exists():
        raise StardraftError(
            f"There is no log yet: {tilde(path)}.", "The daemon writes it when it first runs."
        )
    for line in log_reader.follow(path, lines=lines) if follow else log_reader.read_tail(path, lines):
        tell(line if json else log_reader.render(line), fit=False)


def run(
    model: options.Model = None,
    gpu_layers: options.GpuLayers = None,
    context_tokens: options.ContextTokens = None,
    settings: options.Settings = None,
) -> None:
    """Run the daemon here, in the foreground, until Ctrl-C.

    Its log appears on the terminal. For service managers such as systemd and launchd, and to watch what it
    does. It is the same daemon: if one is running already, this says so and leaves.
    """
    from stardraftd.serving.process import run as run_daemon

    given = (model, gpu_layers, context_tokens, settings)
    # Under a service manager there are none, and what is wrong then the daemon tells who waits for it.
    asked = wanted(*given) if any(given) else Wanted()
    raise typer.Exit(run_daemon(overrides=list(asked.overrides()), foreground=True))


async def _start(asked: Wanted, *, running: "Status | None") -> "Status":
    """Has a daemon run, with the model that was named in memory. Raises StardraftError."""
    from stardraftd.cli.output.activity import Activity
    from stardraftd.client import DaemonClient

    with Activity() as activity:
        activity.say("Starting the daemon")
        async with DaemonClient("cli", overrides=asked.overrides()) as client:
            hello = await client.hello()
            if asked.names_a_model and (running is None or running.pid != hello.pid):
                try:
                    await _load(client, activity)
                except StardraftError as error:
                    await client.stop(drain=False)
                    raise type(error)(f"{error.message} The daemon was stopped again.", error.hint) from error
            return await client.status()


async def _load(client: "DaemonClient", activity: "Activity") -> None:
    """Waits until the model is in memory. Raises the error that keeps it out."""
    from stardraftd.protocol.completion import Failed, Loading

    async for event in client.load():
        match event:
            case Loading():
                activity.say("Loading the model", event.fraction)
            case Failed():
                raise event.exception()


def _warn_of_model(status: "Status") -> None:
    """The daemon runs with a model that cannot be used, too: every completion will fail then."""
    from pathlib import Path

    from stardraftd.models.store import check

    try:
        check(Path(status.model_path))
    except ModelError as error:
        show_warning(error.message, error.hint)


async def stop_and_wait(*, drain: bool) -> int | None:
    """Stops the daemon and waits for the end of its process; its pid, or None when none was running."""
    import psutil

    from stardraftd.cli.output.activity import Activity
    from stardraftd.client import DaemonClient

    async with DaemonClient("cli", start=False) as client:
        try:
            # The process is looked up while it answers, so its number cannot be another's meanwhile.
            process = psutil.Process((await client.hello()).pid)
        except (DaemonUnreachableError, psutil.NoSuchProcess):
            return None
        except DaemonHungError as error:
            return _end_by_force(error)
        with Activity() as activity:
            activity.say("Stopping the daemon")
            await client.stop(drain=drain)
            _wait(process, STOP_GRACE_S + (DRAIN_S if drain else 0))
    return process.pid


def _end_by_force(error: DaemonHungError) -> int:
    """Ends a daemon that does not answer, and says so before. Raises `error` where it is not known which it
    is."""
    import psutil

    from stardraftd.transport.presence import recorded

    found = recorded()
    if found is None:
        raise error
    show_warning(error.message, "It is ended by force.")
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(found.pid)
        engines = process.children()
        # If it is only stopped, it may still save and tidy up.
        process.terminate()
        if hasattr(signal, "SIGCONT"):
            process.send_signal(signal.SIGCONT)
        _, left = psutil.wait_procs([process, *engines], FORCE_GRACE_S)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(left, FORCE_GRACE_S)
    return found.pid


def _wait(process: "psutil.Process", timeout_s: float) -> None:
    import psutil

    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            process.wait(POLL_S)
        except psutil.TimeoutExpired:
            # Ended, but the editor that started it has not noticed: its entry stays until it does.
            if process.is_running() and process.status() == psutil.STATUS_ZOMBIE:
                return
        else:
            return
    raise StardraftError(
        f"The daemon (pid {process.pid}) has not left after {timeout_s:.0f} seconds.",
        f"stardraft daemon logs may say why. To end it by force: kill -9 {process.pid}",
    )


def _identity(status: "Status") -> str:
    from stardraftd.paths import with_tildes

    return with_tildes(f"pid {status.pid}, version {status.version}, {status.endpoint}")
