"""What editors say beside the LSP: Copilot's notifications, llm-ls's requests, older kinds and ranges.

Pure translation. `read_*` take a message's parameters as they came (plain JSON, or the objects that pygls
makes of messages it does not know) and return small immutable values; `write_*` return plain JSON. A
notification that says nothing usable is read as None; a request that cannot be answered raises `BadParams`.

    plain    objects of any make as dictionaries
    shapes   positions, ranges and trigger kinds, old and new
    copilot  didShowCompletion, didPartiallyAcceptCompletion, didFocus; didChangeStatus
    llm_ls   getCompletions, acceptCompletion, rejectCompletion

The server registers the methods and hands what was read to the session and to `stats.Recorder`. Not here:
documents, the session, and anything that is sent.
"""

from stardraft_lsp.dialects.copilot import (
    ACCEPT_COMMAND,
    read_accept_command,
    read_focus,
    read_partially_accepted,
    read_shown,
    write_accept_command,
    write_status,
)
from stardraft_lsp.dialects.llm_ls import (
    read_accepted,
    read_completions_request,
    read_rejected,
    write_completions,
)
from stardraft_lsp.dialects.shapes import has_extension, read_invoked, read_position, read_range

__all__ = [
    "ACCEPT_COMMAND",
    "has_extension",
    "read_accept_command",
    "read_accepted",
    "read_completions_request",
    "read_focus",
    "read_invoked",
    "read_partially_accepted",
    "read_position",
    "read_range",
    "read_rejected",
    "read_shown",
    "write_accept_command",
    "write_completions",
    "write_status",
]
