"""One completion of the daemon's on its way through the filters, until more would change nothing.

Whose it is, and what is asked for after it, is `session`'s.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from stardraft_lsp.filters import Piece, Pipeline, Shown, piece_of
from stardraftd.client import DaemonClient
from stardraftd.protocol.completion import Done, Failed, Text
from stardraftd.protocol.http import CompletionRequest


@dataclass(frozen=True)
class Streamed:
    """shown: what is to be shown of each middle, the first as it was streamed.

    done: the daemon's last word; None when the end was not waited for, or did not come.
    """

    shown: tuple[Shown, ...]
    done: Done | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the text ended where its line or block does, and might go on behind that."""
        return self.done is not None and self.done.finish_reason == "boundary"


async def stream(
    client: DaemonClient,
    request: CompletionRequest,
    pipeline: Pipeline,
    on_shown: Callable[[Shown], None],
    on_first: Callable[[float], None] = lambda _ms: None,
) -> Streamed:
    """Has a request completed. It is ended as soon as nothing that may still come would change what is shown.

    on_shown: gets what can be shown so far, at each piece of text. on_first: how long the first one took, in
    milliseconds. Raises StardraftError, and CancelledError when the daemon says that it was superseded.
    """
    text, pieces = "", list[Piece]()
    asked = time.monotonic()
    async with contextlib.aclosing(client.complete(request)) as events:
        async for event in events:
            match event:
                case Text(candidate=0):
                    if not text:
                        on_first((time.monotonic() - asked) * 1000)
                    text += event.text
                    pieces.append(piece_of(event.text, (token.logprob for token in event.tokens)))
                    shown = pipeline.feed(text, pieces)
                    on_shown(shown)
                    if shown.is_final and request.n_candidates is None:
                        return Streamed((shown,))
                case Done(finish_reason="superseded"):
                    raise asyncio.CancelledError
                case Done():
                    others = (
                        pipeline.finish(other.text, (), other.finish_reason) for other in event.candidates
                    )
                    return Streamed((pipeline.finish(text, pieces, event.finish_reason), *others), event)
                case Failed():
                    raise event.exception()
    return Streamed((pipeline.finish(text, pieces, "cancelled"),))


def followed(line: Shown, rest: Shown) -> Shown:
    """A line and what is shown of the text behind it, as one."""
    return Shown(line.text + rest.text, line.replaces + rest.replaces, (*line.why, *rest.why), rest.is_final)
