"""Visual Studio Code: its own command installs the extension. No file of the user's is changed."""

import shlex
import subprocess
import zipfile
from pathlib import Path

import msgspec

from stardraftd.errors import PathError, StardraftError
from stardraftd.paths import tilde
from stardraftd.setup.editors.editor import Editor, Place, Plan

EXTENSION = "stardraft.stardraft"
LIST_TIMEOUT_S = 60.0
# Where a .vsix, which is a zip file, says what it is.
MANIFEST = "extension/package.json"
MAX_MANIFEST_BYTES = 1_000_000
# As docs/editors/vscode.md has them: each can be typed as it stands.
MAKE = "(cd packaging/vscode && npm ci && npm run package)"
SET_UP = "stardraft setup vscode --path packaging/vscode/stardraft.vsix"
BUILD = f"In the folder of stardraft's source, with Node.js 20 or newer:\n{MAKE}\n{SET_UP}"


class _Manifest(msgspec.Struct):
    publisher: str
    name: str
    version: str


def installed_version(program: str) -> str | None:
    """The extension's version in that editor; None without it. Raises StardraftError when it does not say."""
    try:
        done = subprocess.run(
            [program, "--list-extensions", "--show-versions"],
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
    for entry in done.stdout.decode("utf-8", "replace").split():
        name, _, version = entry.partition("@")
        if name.lower() == EXTENSION:
            return version
    return None


def packaged_version(file: Path) -> str:
    """The version of the extension in a .vsix. Raises PathError when it is not this extension."""
    try:
        with zipfile.ZipFile(file) as package, package.open(MANIFEST) as manifest:
            found = msgspec.json.decode(manifest.read(MAX_MANIFEST_BYTES), type=_Manifest)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise PathError(f"{tilde(file)} is not an extension of VS Code: {error}.", BUILD) from error
    if f"{found.publisher}.{found.name}".lower() != EXTENSION:
        raise PathError(f"{tilde(file)} is another extension: {found.publisher}.{found.name}.", BUILD)
    return found.version


def _plan(place: Place) -> Plan:
    if place.program is None:
        raise StardraftError(
            "VS Code's command `code` is not on the PATH, and the extension is installed by it.",
            "In VS Code: Shell Command: Install 'code' command in PATH.\n"
            "Or, without it: Extensions, ..., Install from VSIX.",
        )
    installed = installed_version(place.program)
    if installed is not None and place.path is None:
        return Plan(already=f"{place.program} has the extension {EXTENSION} {installed}", done=EXTENSION)
    if place.path is None:
        raise StardraftError(
            "The extension is not in the marketplace yet, so its file has to be named.",
            BUILD,
        )
    if not place.path.is_file():
        raise PathError(f"There is no file {tilde(place.path)}.", BUILD)
    version = packaged_version(place.path)
    install = (place.program, "--install-extension", str(place.path.absolute()))
    if installed == version:
        return Plan(
            already=f"{place.program} has the extension {EXTENSION} {version}, which is the file's version; "
            f"another build of the same version: {shlex.join((*install, '--force'))}",
            done=EXTENSION,
        )
    return Plan(
        before=() if installed is None else (f"It takes the place of version {installed}.",),
        run=install if installed is None else (*install, "--force"),
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
