"""The editors that `stardraft setup` knows, by the name that a user types."""

from stardraftd.errors import RequestError
from stardraftd.setup.editors import emacs, helix, jetbrains, kate, neovim, sublime, vscode, zed
from stardraftd.setup.editors.editor import Editor, Place, Plan, find_command, find_program

__all__ = ["EDITORS", "Editor", "Place", "Plan", "editor", "find_command", "find_program"]

EDITORS: dict[str, Editor] = {
    one.name: one
    for one in (
        neovim.EDITOR,
        vscode.EDITOR,
        helix.EDITOR,
        emacs.EDITOR,
        zed.EDITOR,
        kate.EDITOR,
        sublime.EDITOR,
        jetbrains.EDITOR,
    )
}
# What people may type for them, too.
_ALSO = {
    "neovim": "nvim",
    "code": "vscode",
    "vscodium": "vscode",
    "hx": "helix",
    "sublime-text": "sublime",
    "intellij": "jetbrains",
    "idea": "jetbrains",
    "pycharm": "jetbrains",
}
# Often mistaken for Neovim, whose files would do nothing there.
_VIMS = ("vim", "gvim", "vi")


def editor(name: str) -> Editor:
    """The editor of that name. Raises RequestError, which names those that there are."""
    if name.lower() in _VIMS:
        raise RequestError(
            "Vim is not supported: there is no set-up for it, and it was not tested.",
            "For Neovim, which is another program: stardraft setup nvim\n"
            "If your Vim has a client for language servers: the command is `stardraft lsp`.",
        )
    found = EDITORS.get(_ALSO.get(name.lower(), name.lower()))
    if found is None:
        raise RequestError(
            f'"{name}" is not an editor that stardraft can set up.',
            f"There are: {', '.join(EDITORS)}; and beside editors: service, engine.\n"
            "For another editor with a client for language servers: the command is `stardraft lsp`.",
        )
    return found
