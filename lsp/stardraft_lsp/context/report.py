"""What the index of the workspace says of itself: figures for a program, a sentence for a user."""

from typing import Any

from stardraft_lsp.context.shared import ContextStatus
from stardraftd.console.prose import counted

# Why folders are not in the index although a user would expect them there. What is left out because it is
# secret, ignored, generated or no source is as it should be, and only counted.
_BOUNDS = {
    "index_full": "the index is full",
    "too_many_files": "the workspace has too many files",
    "too_slow": "reading the workspace took too long",
    "hanging": "the folder does not answer",
    "unreadable": "the folder may not be read",
    "not_watched": "too many folders to watch, so changes from outside the editor are seen late",
}


def figures(status: ContextStatus) -> dict[str, Any]:
    """For JSON: files, chunks, bytes; what was left out, by reason; some of the folders, with theirs."""
    return {
        "scanning": status.is_scanning,
        "n_files": status.n_files,
        "n_chunks": status.n_chunks,
        "size_bytes": status.size_bytes,
        "watched": status.is_watched,
        "left_out": dict(status.left_out),
        "left_out_folders": dict(status.left_out_folders),
    }


def sentence(status: ContextStatus) -> str:
    """What was read of the workspace, and what a user may miss in it."""
    left_out = ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in sorted(status.left_out.items()))
    missed = "; ".join(
        f"{folder}: {_BOUNDS.get(reason, reason.replace('_', ' '))}"
        for folder, reason in sorted(status.left_out_folders.items())
    )
    text = f"stardraft has indexed {counted(status.n_files, 'file')} of the workspace on this computer"
    text += f"; left out: {left_out}" if left_out else ""
    return f"{text}. {missed}." if missed else f"{text}."
