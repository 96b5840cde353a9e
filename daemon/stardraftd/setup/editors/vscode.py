"""Visual Studio Code: its own command installs the extension. No file of the person's is changed."""

import subprocess

from stardraftd.errors import PathError, StardraftError
from stardraftd.paths import tilde
from stardraftd.setup.editors.editor import Editor, Place, Plan

EXTENSION = "stardraft.stardraft"
LIST_TIMEOUT_S = 60.0
BUILD = "In a checkout of stardraft, in packaging/vscode: npm ci && npx vsce package"


def is_installed(program: str) -> bool:
    """Whether that editor has the extension. Raises StardraftError when it does not say."""
    try:
        done = subprocess.run(
            [program, "--list-extensions"],
            capture_output=True,
            timeout=LIST_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StardraftError(
            f"{program} does not say which extensions it has: {error}.",
            "Install the extension in the editor: Extensions, ..., Install from VSIX.",
        ) from error
    return EXTENSION in done.stdout.decode("utf-8", "replace").lower().split()


def _plan(place: Place) -> Plan:
    if place.program is None:
        raise StardraftError(
            "VS Code's command `code` is not on the PATH, and the extension is installed by it.",
            "In VS Code: Shell Command: Install 'code' command in PATH.\n"
            "Or, without it: Extensions, ..., Install from VSIX.",
        )
    if is_installed(place.program):
        return Plan(already=f"{place.program} has the extension {EXTENSION}", done=EXTENSION)
    if place.path is None:
        raise StardraftError(
            "The extension is not in the marketplace yet, so its file has to be named.",
            f"{BUILD}\nThen: stardraft setup vscode --path stardraft.vsix",
        )
    if not place.path.is_file():
        raise PathError(f"There is no file {tilde(place.path)}.", BUILD)
    return Plan(
        run=(place.program, "--install-extension", str(place.path.absolute())),
        done=EXTENSION,
        after=("Open a file and type: the suggestion appears in gray, and Tab takes it.",),
    )


def _undo_run(place: Place, done: str) -> tuple[str, ...]:
    if place.program is None:
        raise StardraftError(
            "VS Code's command `code` is not on the PATH.", f"Remove {done} under Extensions."
        )
    return (place.program, "--uninstall-extension", done)


EDITOR = Editor(
    "vscode",
    "VS Code",
    ("code", "codium", "code-insiders", "code-oss"),
    _plan,
    "the extension's file, stardraft.vsix",
    is_desktop=True,
    undo_run=_undo_run,
)
