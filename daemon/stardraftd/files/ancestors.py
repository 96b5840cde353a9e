"""The folders above a private one: whether another user could put a folder of his own in its place.

Every folder on the way from the root is looked at, through symbolic links: it belongs to this user or to
root, and nobody else may write in it; in one that everybody may write in, as /tmp, the sticky bit keeps
others' hands off what is in it. Windows has none of this: there the folders lie in the user's profile.
"""

import os
import shlex
import stat
import sys
from contextlib import suppress
from pathlib import Path

from stardraftd.errors import PathError

# What Linux calls ELOOP after: path_resolution(7).
_MAX_LINKS = 40
_HINT = "Set STARDRAFT_RUNTIME_DIR to a folder of your own, such as one in your home folder."


def verify_ancestors(path: Path) -> None:
    """Raises PathError if another user can rename or replace a folder above `path`, as far as there are any.

    What is missing is no error, nor is what cannot be looked at: using it says so.
    """
    if not hasattr(os, "getuid"):
        return
    here = Path(path.anchor)
    _verify_folder(path, here, here.lstat())
    waiting = [*reversed(path.parent.relative_to(here).parts)]
    n_links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            here = here.parent
            continue
        try:
            info = (here / part).lstat()
        except OSError:
            return
        if not stat.S_ISLNK(info.st_mode):
            here = here / part
            _verify_folder(path, here, info)
            continue
        n_links += 1
        if n_links > _MAX_LINKS:
            return  # making the folder says so
        _verify_owner(path, here / part, info, "symbolic link")
        target = Path(os.readlink(here / part))  # noqa: PTH115 - a name, not yet a place
        if target.is_absolute():
            here = Path(target.anchor)
            target = target.relative_to(here)
        waiting += reversed(target.parts)


def mode_of(info: os.stat_result) -> str:
    """A mode as chmod takes it."""
    return f"{stat.S_IMODE(info.st_mode):04o}"


def user_name(uid: int) -> str:
    """A user's name, or his number where he has none."""
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
    return f"user number {uid}"


def _verify_folder(path: Path, folder: Path, info: os.stat_result) -> None:
    if not stat.S_ISDIR(info.st_mode):
        return  # making a folder in it says so
    _verify_owner(path, folder, info, "folder")
    mode = info.st_mode
    by_everyone = mode & stat.S_IWOTH
    by_group = mode & stat.S_IWGRP and not _is_own_group(info.st_gid)
    if (by_everyone or by_group) and not mode & stat.S_ISVTX:
        who = "Everyone" if by_everyone else "Its group"
        letters = ("g" if by_group else "") + ("o" if by_everyone else "")
        raise PathError(
            f"{who} can replace what is in the folder {folder} (mode {mode_of(info)}), "
            f"and the runtime folder {path} is in it.",
            f"Type: chmod {letters}-w {shlex.quote(str(folder))}\nOr: {_HINT}",
        )


def _verify_owner(path: Path, place: Path, info: os.stat_result, kind: str) -> None:
    if info.st_uid not in (os.getuid(), 0, _unmapped_root()):
        raise PathError(
            f"The {kind} {place} belongs to {user_name(info.st_uid)}, not to {user_name(os.getuid())}, "
            f"and leads to the runtime folder {path}.",
            _HINT,
        )


def _is_own_group(gid: int) -> bool:
    """Whether nobody but this user, or root, is in the group: many systems give each user one of his own."""
    if gid == 0:
        return True
    import grp
    import pwd

    try:
        me, group = pwd.getpwuid(os.getuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == me.pw_gid and group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def _unmapped_root() -> int:
    """What root's files belong to in a user namespace without root, as sandboxes make it; else root."""
    try:
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text("ascii").splitlines()]
        if any(int(first) == 0 for first, _, _ in ranges):
            return 0
        return int(Path("/proc/sys/kernel/overflowuid").read_text("ascii"))
    except (OSError, ValueError):
        return 0
