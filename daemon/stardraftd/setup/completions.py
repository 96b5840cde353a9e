"""The shell completions that `stardraft --install-completion` wrote: where they are, how they are taken back.

The command line's library (typer) writes them: a file of ours for each shell, and for bash a line in .bashrc
that reads it. What it adds to .zshrc is for the completions of all programs, and stays. In PowerShell they
are a part of the user's profile, which is left to the user.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from stardraftd.files import atomic

# In each such file, and in no other: the variable that has the program complete.
_OURS = b"_STARDRAFT_COMPLETE"
_FILES = (".bash_completions/stardraft.sh", ".zfunc/_stardraft", ".config/fish/completions/stardraft.fish")


def files() -> tuple[Path, ...]:
    """Those that are there."""
    return tuple(path for path in (Path.home() / name for name in _FILES) if _is_ours(path))


def lines() -> Iterator[tuple[Path, str]]:
    """The lines in the user's own files that read one of those, each with its file."""
    script = Path.home() / _FILES[0]
    file, line = Path.home() / ".bashrc", f"source '{script}'"
    with suppress(OSError, ValueError):
        if line in atomic.read(file).decode().splitlines():
            yield file, line


def without_line(file: Path, line: str) -> None:
    """Takes the line out of a file, with the empty one that was written before it.

    A link to the file stays one; a file that has nothing else in it goes. Raises OSError.
    """
    kept: list[str] = []
    for one in atomic.read(file).decode("utf-8", "surrogateescape").splitlines(keepends=True):
        if one.rstrip("\r\n") != line:
            kept.append(one)
        elif kept and not kept[-1].strip():
            kept.pop()
    if kept or file.is_symlink():
        atomic.write_whole(file.resolve(), "".join(kept).encode("utf-8", "surrogateescape"))
    else:
        file.unlink()


def _is_ours(path: Path) -> bool:
    try:
        return not path.is_symlink() and _OURS in atomic.read(path)
    except OSError:
        return False
