"""Emacs: a file of ours beside the init file, and a marked line in the init file that loads it."""

import os
from pathlib import Path

from stardraftd.setup.editors.editor import (
    Editor,
    Place,
    Plan,
    config_home,
    own_file,
    quoted,
    said_already,
    with_command,
)
from stardraftd.setup.shipped import content

FILE = "stardraft.el"
LOAD = '(load (locate-user-emacs-file "stardraft") t)'


def init_file() -> Path:
    """The init file that Emacs would read, found as startup.el finds it; else the one to make."""
    home = Path.home()
    for name in (".emacs.el", ".emacs"):
        if (home / name).is_file():
            return home / name
    if (home / ".emacs.d").is_dir():
        return home / ".emacs.d" / "init.el"
    if (config_home() / "emacs").is_dir():
        return config_home() / "emacs" / "init.el"
    return home / ".emacs.d" / "init.el"


def _plan(place: Place) -> Plan:
    init = place.path or init_file()
    folder = Path.home() / ".emacs.d" if init.parent == Path.home() and place.path is None else init.parent
    load = LOAD if place.path is None else f"(load {quoted([str(folder.absolute() / 'stardraft')])} t)"
    lisp = with_command(
        content("emacs/stardraft.el"), '\'("stardraft" "lsp")', f"'({quoted(place.command, ' ')})"
    )
    own, already = own_file(place, folder / FILE, lisp, ";;")
    loading, already_loaded = own_file(place, init, f";; {FILE}: suggestions of stardraft\n{load}\n", ";;")
    reason = said_already([already_loaded, already])
    return Plan(
        changes=() if reason else (own, loading),
        already=reason,
        after=(
            "With lsp-mode: M-x lsp. stardraft joins the other servers; lsp-mode 10 shows ghost text.",
            "C-<return> takes it.",
            "With eglot, which has one server in a buffer: M-x stardraft-eglot makes it stardraft.",
            "The suggestion is an entry of completion-at-point (M-TAB).",
        ),
    )


EDITOR = Editor("emacs", "Emacs", ("emacs",), _plan, "~/.emacs.d/init.el", is_desktop=os.name != "nt")
