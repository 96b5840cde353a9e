"""Zed, which runs a language server only for an extension: its sources are written, and Zed builds them."""

from pathlib import Path

import platformdirs

from stardraftd.paths import tilde
from stardraftd.setup.changes import change
from stardraftd.setup.editors.editor import Editor, Place, Plan, quoted, with_command
from stardraftd.setup.shipped import content

FILES = ("extension.toml", "Cargo.toml", "src/lib.rs")


def folder() -> Path:
    """Where the extension's sources go; Zed has no place for those."""
    return Path(platformdirs.user_data_path("stardraft", appauthor=False)) / "zed"


def _plan(place: Place) -> Plan:
    target = place.path or folder()
    texts = {name: content(f"zed/{name}") for name in FILES}
    texts["src/lib.rs"] = with_command(
        texts["src/lib.rs"], '&["stardraft", "lsp"]', f"&[{quoted(place.command)}]"
    )
    return Plan(
        changes=tuple(change(target / name, text.encode()) for name, text in texts.items()),
        before=(
            "Zed takes a language server from extensions only. This writes one's sources; Zed builds it.",
            "For that it wants Rust, installed by rustup.",
        ),
        after=(
            'In Zed, in the command palette: "zed: install dev extension".',
            f"Choose the folder {tilde(target)}",
            "Suggestions are entries of the completion menu.",
        ),
    )


EDITOR = Editor(
    "zed", "Zed", ("zed", "zeditor", "zedit"), _plan, "the folder of the extension", is_desktop=True
)
