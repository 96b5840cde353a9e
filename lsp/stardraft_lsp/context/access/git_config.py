"""What a repository's configuration says of ignoring: `core.excludesFile` and `core.ignoreCase`.

Git itself is not asked: it may not be installed, and a repository's own configuration can make it run
programs. Read are the system's, the user's and the repository's files, with what they include:
https://git-scm.com/docs/git-config. `includeIf` is understood for `gitdir` and `onbranch`; other conditions
count as not met.
"""

# ruff: noqa: PTH111, PTH118, PTH120, PTH117 - paths are strings here, as in all of context/

import os
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from stardraft_lsp.context.access.ignore_lines import read_lines

# A file's text; None when there is none. Raises OSError when it cannot be told.
ReadText = Callable[[str], str | None]
_MAX_INCLUDES = 10
_MAX_FROM_ENVIRONMENT = 1000


class Repository(Struct, frozen=True):
    """top: the folder with the files. store: where its index and HEAD are. common: where its configuration
    is, which a linked work tree shares with the first."""

    top: str
    store: str
    common: str


def repository_of(folder: str, read: ReadText) -> Repository | None:
    """The repository that a folder is in, the folder itself or above; None when there is none."""
    while True:
        store = _store_of(folder, read)
        if store:
            common = _quiet(read, os.path.join(store, "commondir"))
            shared = os.path.normpath(os.path.join(store, common.strip())) if common else store
            return Repository(folder, store, shared)
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _store_of(folder: str, read: ReadText) -> str:
    dot_git = os.path.join(folder, ".git")
    if _quiet(read, os.path.join(dot_git, "HEAD")) is not None:
        return dot_git
    pointer = _quiet(read, dot_git)  # a file in linked work trees and submodules
    if pointer is None:
        return ""
    key, _, value = pointer.partition(":")
    return os.path.normpath(os.path.join(folder, value.strip())) if key == "gitdir" else dot_git


class IgnoreConfig(Struct, frozen=True):
    """excludes_file: None when Git's default place counts, "" for none. hash_bytes: of an object's name."""

    excludes_file: str | None = None
    ignore_case: bool = False
    hash_bytes: int = 20


def ignore_config(repository: Repository | None, read: ReadText, environ: Mapping[str, str]) -> IgnoreConfig:
    """What the configuration of a repository, or of the user outside of one, says of ignoring."""
    values: dict[str, str] = {}
    for file in _files(repository, environ):
        _read_file(file, repository, read, values, 0)
    values.update(_of_environment(environ))
    excludes = values.get("core.excludesfile")
    if excludes:
        base = repository.top if repository else os.path.expanduser("~")
        excludes = os.path.normpath(os.path.join(base, os.path.expanduser(excludes)))
    return IgnoreConfig(
        excludes,
        values.get("core.ignorecase", "").lower() in ("true", "yes", "on", "1"),
        32 if values.get("extensions.objectformat", "").lower() == "sha256" else 20,
    )


def _of_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What GIT_CONFIG_COUNT and its keys and values say; they are stronger than any file."""
    count = environ.get("GIT_CONFIG_COUNT", "")
    for number in range(min(int(count), _MAX_FROM_ENVIRONMENT) if count.isdecimal() else 0):
        name = environ.get(f"GIT_CONFIG_KEY_{number}")
        value = environ.get(f"GIT_CONFIG_VALUE_{number}")
        if name is not None and value is not None:
            yield name.lower(), value


def default_excludes_file(environ: Mapping[str, str]) -> str:
    """Where Git looks for the user's own excludes if not configured otherwise."""
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(home, "git", "ignore")


def _files(repository: Repository | None, environ: Mapping[str, str]) -> Iterator[str]:
    if not environ.get("GIT_CONFIG_NOSYSTEM"):
        yield environ.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig"
    if "GIT_CONFIG_GLOBAL" in environ:
        yield environ["GIT_CONFIG_GLOBAL"]
    else:
        yield os.path.join(os.path.dirname(default_excludes_file(environ)), "config")
        yield os.path.join(os.path.expanduser("~"), ".gitconfig")
    if repository is not None:
        yield os.path.join(repository.common, "config")
        yield os.path.join(repository.store, "config.worktree")


def _read_file(
    file: str, repository: Repository | None, read: ReadText, values: dict[str, str], depth: int
) -> None:
    text = _quiet(read, file) if file and depth < _MAX_INCLUDES else None
    for section, name, value in _entries(text or ""):
        is_include = section == "include" or (
            section.startswith("includeif ") and _is_met(section[10:], file, repository, read)
        )
        if is_include and name == "path":
            path = os.path.join(os.path.dirname(file), os.path.expanduser(value))
            _read_file(os.path.normpath(path), repository, read, values, depth + 1)
        elif section in ("core", "extensions"):
            values[f"{section}.{name}"] = value


def _is_met(condition: str, file: str, repository: Repository | None, read: ReadText) -> bool:
    kind, _, pattern = condition.partition(":")
    if repository is None or not pattern:
        return False
    if kind == "onbranch":
        head = _quiet(read, os.path.join(repository.store, "HEAD")) or ""
        place = head.strip().removeprefix("ref: refs/heads/")
        pattern += "**" if pattern.endswith("/") else ""
        return _fits(f"/{pattern}", place)
    if kind not in ("gitdir", "gitdir/i"):
        return False
    if pattern.startswith("./"):
        pattern = os.path.join(os.path.dirname(file), pattern[2:])
    pattern = os.path.expanduser(pattern).replace(os.sep, "/")
    if not os.path.isabs(pattern):
        pattern = f"**/{pattern}"
    pattern += "**" if pattern.endswith("/") else ""
    place = repository.store.replace(os.sep, "/").lstrip("/")
    return _fits(pattern, place, ignore_case=kind == "gitdir/i")


def _fits(pattern: str, path: str, *, ignore_case: bool = False) -> bool:
    lines = read_lines(pattern, ignore_case=ignore_case)
    return lines.verdict(path.split("/"), is_folder=False) is not None


def _quiet(read: ReadText, path: str) -> str | None:
    """A file's text; None also when it is a folder, or cannot be read: Git goes on without it."""
    try:
        return read(path)
    except OSError:
        return None


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Section, name and value of each line that gives one; sections and names in lower case."""
    section = ""
    lines = iter(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").split("\n"))
    for line in lines:
        rest = line.strip()
        if rest.startswith("["):
            head, _, rest = rest[1:].partition("]")
            name, _, sub = head.partition('"')
            section = name.strip().lower() + (f" {sub.rpartition(chr(34))[0]}" if sub else "")
            rest = rest.strip()
        if not rest or rest[0] in "#;":
            continue
        name, equals, value = rest.partition("=")
        while _goes_on(value):
            value = value[:-1] + next(lines, "")
        yield section, name.strip().lower(), _value(value) if equals else "true"


def _goes_on(value: str) -> bool:
    return (len(value) - len(value.rstrip("\\"))) % 2 == 1


def _value(text: str) -> str:
    """A value without quotes, escapes and the comment behind it."""
    found: list[str] = []
    is_quoted = False
    characters = iter(text.strip())
    for character in characters:
        if character == '"':
            is_quoted = not is_quoted
        elif character == "\\":
            escaped = next(characters, "")
            found.append({"n": "\n", "t": "\t", "b": "\b"}.get(escaped, escaped))
        elif character in "#;" and not is_quoted:
            break
        else:
            found.append(character)
    return "".join(found).strip()
