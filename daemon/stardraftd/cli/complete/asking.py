"""One completion asked of the daemon: from the connection to the last remark under it."""

import asyncio
from contextlib import aclosing

from stardraftd.cli.complete.suggestion import JsonView, TextView, View
from stardraftd.cli.once_a_day import is_due
from stardraftd.cli.options import Wanted
from stardraftd.cli.output.activity import Activity
from stardraftd.cli.output.errors import show_warning
from stardraftd.cli.output.terminal import err, paragraph
from stardraftd.cli.output.wording import toy_sentence
from stardraftd.cli.running import apply_hint, check_configuration, not_applied, running_status
from stardraftd.client import DaemonClient
from stardraftd.errors import StardraftError
from stardraftd.protocol.completion import Done, Failed
from stardraftd.protocol.http import CompletionRequest, Status

# An answer that is sooner than this is not announced: the line would only flicker.
SLOW_S = 0.3


async def ask(request: CompletionRequest, wanted: Wanted, *, as_json: bool) -> None:
    """Streams the completion to the terminal, and says what a user should know about it.

    Raises a StardraftError when it fails; with `as_json` it is an event on stdout before that.
    """
    with Activity() as activity:
        view: View = JsonView() if as_json else TextView(activity, request.prefix, request.suffix)
        try:
            before = await _running(wanted)
            async with DaemonClient("cli", overrides=wanted.overrides()) as client:
                done = await _stream(client, request, view, activity)
                after = await client.status()
        except StardraftError as error:
            view.show(Failed.of(error))
            raise
    if before is not None and not not_applied(wanted, before):
        # How a model is loaded is not known before it is.
        _warn(wanted, after)
    if not as_json and done and after.model is not None and after.model.toy and is_due("toy"):
        paragraph(err(), toy_sentence(), "dim")


async def _running(wanted: Wanted) -> Status | None:
    """The status of a daemon that runs already; warns if its settings differ. Raises ConfigError."""
    status = await running_status()
    check_configuration(status)
    if wanted and status is not None:
        _warn(wanted, status)
    return status


async def _stream(client: DaemonClient, request: CompletionRequest, view: View, activity: Activity) -> bool:
    """Whether the completion came to an end that the model or the mode gave it. Raises StardraftError."""
    slow = asyncio.get_running_loop().call_later(SLOW_S, activity.say, "Waiting for the daemon")
    done = False
    async with aclosing(client.complete(request)) as events:
        async for event in events:
            slow.cancel()
            if isinstance(event, Failed):
                raise event.exception()
            view.show(event)
            done = isinstance(event, Done)
    return done


def _warn(wanted: Wanted, status: Status) -> None:
    if warning := not_applied(wanted, status):
        show_warning(warning, apply_hint(wanted))
