"""Which files may be read into a prompt, and why not: the one door through which texts of files come.

A text comes out of `text` (of the disk) or `check` (of an open document) or not at all. What is asked:

    outside     not below a folder of this editor, or below it only by a link
    secret_file its name is that of a secret (stardraftd.privacy)
    ignored     .gitignore or .stardraftignore exclude it
    kind        no source that is known here; a folder of caches or of others' code
    generated   written by a program, or minified
    too_large   over the size limit
    binary      has a NUL, or is no UTF-8
    secret_text a key or a certificate stands in it
    unreadable  the disk says no, or nothing; or what its ignore files say is not known

Lines with other secrets are looked for chunk by chunk, where the chunk is chosen (finding.py).
"""

# ruff: noqa: PTH118, PTH119, PTH120, PTH117 - paths are strings here: there are many, and a Path costs microseconds

import errno
import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from stardraft_lsp.context.access.disk import Filesystem, NotAFileError, Stamp
from stardraft_lsp.context.access.git_index import MAX_INDEX_BYTES
from stardraft_lsp.context.access.ignore import MAX_FOLDERS, IgnoreRules
from stardraft_lsp.context.access.kinds import (
    family_of,
    has_generated_name,
    is_generated,
    is_minified,
    is_skipped_folder,
)
from stardraft_lsp.context.settings import ContextSettings
from stardraftd.privacy.content import holds_key, holds_private_key
from stardraftd.privacy.names import is_secret_name, is_suspicious_name

Refusal = Literal[
    "outside",
    "secret_file",
    "ignored",
    "kind",
    "generated",
    "too_large",
    "binary",
    "secret_text",
    "unreadable",
]
Reason = Literal["", Refusal]  # "": it may be read

_MAX_IGNORE_BYTES = 256 * 1024


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """The file's text may not be had; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class FileText(NamedTuple):
    stamp: Stamp
    text: str  # LF line ends


class Allowed:
    """The rules for the folders of one editor. For the background thread: it reads ignore files.

    roots: the workspace's folders, absolute, as the editor names them; links in them are resolved.
    tick: called often in long work (scan.Pace).
    """

    def __init__(
        self,
        roots: Sequence[str],
        disk: Filesystem,
        settings: ContextSettings,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._disk = disk
        self._settings = settings
        self._tick = tick
        self._rules: dict[str, IgnoreRules] = {}
        for root in roots:
            real = _real_or_itself(disk, root)
            self._rules[real] = self._rules_of(real)

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders without links in their paths."""
        return tuple(self._rules)

    def forget(self) -> None:
        """Ignore files changed."""
        for rules in self._rules.values():
            rules.forget()

    def forget_tracked(self) -> None:
        """Files may have been added to a repository, or taken out of it."""
        for rules in self._rules.values():
            rules.forget_tracked()

    def relative(self, path: str) -> str:
        """The path within its folder, with "/", as the model sees it."""
        root = self._root_of(path)
        return os.path.relpath(path, root).replace(os.sep, "/") if root else os.path.basename(path)

    def why_no_folder(self, folder: str) -> Reason:
        """Whether the files of a folder are looked at: "" when they are."""
        root = self._root_of(folder)
        if not root:
            return "outside"
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        if inside != ".":
            if is_secret_name(f"{inside}/x"):
                return "secret_file"
            if any(is_skipped_folder(name) for name in inside.split("/")):
                return "kind"
        return self._why_ignored(root, folder, is_folder=True)

    def why_not(self, path: str) -> Reason:
        """Whether a file may be used by its path: "" when it may. Cheap questions come first."""
        if not family_of(path):
            return "secret_file" if is_secret_name(path.replace(os.sep, "/")) else "kind"
        root = self._root_of(path)
        if not root:
            return "outside"
        inside = os.path.relpath(path, root).replace(os.sep, "/")
        if is_secret_name(inside) or is_suspicious_name(inside):
            return "secret_file"
        if has_generated_name(inside):
            return "generated"
        if any(is_skipped_folder(name) for name in inside.split("/")[:-1]):
            return "kind"
        return self._why_ignored(root, path, is_folder=False)

    def text(self, path: str) -> FileText:
        """The text of a file on disk, all of it. Raises Refused."""
        self._admit(path)
        try:
            stamp = self._disk.stamp(path)
            if stamp.size_bytes > self._settings.max_file_bytes:
                raise Refused("too_large")
            stamp, data = self._disk.read(path, self._settings.max_file_bytes + 1)
        except OSError as error:
            raise Refused("unreadable") from error
        if len(data) > self._settings.max_file_bytes:
            raise Refused("too_large")
        if b"\0" in data:
            raise Refused("binary")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused("binary") from error
        return FileText(stamp, self._sound(text))

    def check(self, path: str, text: str) -> str:
        """The text of an open document, perhaps unsaved, as `text` gives it. Raises Refused."""
        self._admit(path)
        if len(text) > self._settings.max_file_bytes:
            raise Refused("too_large")
        if "\0" in text:
            raise Refused("binary")
        return self._sound(text)

    def _admit(self, path: str) -> None:
        """Raises Refused where a file may not be used by its path, links in it resolved."""
        reason = self.why_not(path)
        if reason:
            raise Refused(reason)
        try:
            is_link = self._disk.real(path) != path
        except OSError as error:
            raise Refused("unreadable") from error
        if is_link:
            raise Refused("outside")

    def why_no_suggestions(self, path: str) -> Reason:
        """Whether a document is not to be completed itself, by its path. A lone file is no outsider here."""
        if is_secret_name(path.replace(os.sep, "/")):
            return "secret_file"
        path = os.path.normpath(path)
        if not os.path.isabs(path):
            return ""  # `untitled:notes.py`: a name, and nowhere on this disk
        try:
            real = self._disk.real(path)
        except OSError:
            return "unreadable"  # nothing is known of it
        if is_secret_name(real.replace(os.sep, "/")):
            return "secret_file"
        root = self._root_of(real)
        return self._why_ignored(root, real, is_folder=False) if root else self._why_lone_ignored(real)

    def _sound(self, text: str) -> str:
        if holds_key(text):
            raise Refused("secret_text")
        if is_generated(text) or is_minified(text):
            raise Refused("generated")
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text

    def _root_of(self, path: str) -> str:
        """The innermost folder that holds the path; "" when there is none."""
        holders = [
            root for root in self._rules if path == root or path.startswith(root.rstrip(os.sep) + os.sep)
        ]
        return max(holders, key=len, default="")

    def _why_ignored(self, root: str, path: str, *, is_folder: bool) -> Reason:
        rules = self._rules[root]
        try:
            is_ignored = rules.is_folder_ignored(path) if is_folder else rules.is_ignored(path)
        except OSError:
            return "unreadable"  # what the rules say is not known
        return "ignored" if is_ignored else ""

    def _why_lone_ignored(self, path: str) -> Reason:
        """For a file in none of the editor's folders: its own folder's ignore files hold, and those above it.

        Nothing watches those folders, so the files are read each time.
        """
        top = folder = os.path.dirname(path)
        try:
            while folder.count(os.sep) <= MAX_FOLDERS:
                if self._read_ignore(os.path.join(folder, ".stardraftignore")) is not None:
                    top = folder
                above = os.path.dirname(folder)
                if above == folder:
                    break
                folder = above
            return "ignored" if self._rules_of(top).is_ignored(path) else ""
        except OSError as error:
            # No file has so long a name; otherwise, what the rules say is not known.
            return "" if error.errno == errno.ENAMETOOLONG else "unreadable"

    def _rules_of(self, root: str) -> IgnoreRules:
        return IgnoreRules(
            root,
            self._read_ignore,
            read_own=self._read_own if self._settings.use_global_excludes else None,
            read_bytes=self._read_index,
            tick=self._tick,
        )

    def _read_ignore(self, path: str) -> str | None:
        try:
            _, data = self._disk.read(path, _MAX_IGNORE_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            # A folder of this name; and Git follows no link to a .gitignore.
            name = os.path.basename(path)
            if name in (".git", "HEAD", "exclude") or (
                name == ".gitignore" and isinstance(error, NotAFileError)
            ):
                return None
            raise
        if len(data) > _MAX_IGNORE_BYTES:
            raise OSError(f"{path} has more than {_MAX_IGNORE_BYTES:,} bytes")
        return data.decode("utf-8", "replace")

    def _read_own(self, path: str) -> str | None:
        """The user's own files may be links: to a folder of settings that is kept elsewhere."""
        return self._read_ignore(self._disk.real(path))

    def _read_index(self, path: str) -> bytes | None:
        try:
            _, data = self._disk.read(path, MAX_INDEX_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= MAX_INDEX_BYTES else None


def why_no_suggestions_in(text: str) -> Reason:
    """Whether a document is not to be completed for what stands in it."""
    return "secret_text" if holds_private_key(text) else ""


def _real_or_itself(disk: Filesystem, root: str) -> str:
    try:  # a name in it, so that the root is blamed if this hangs, and not the folder that holds it
        return os.path.dirname(disk.real(os.path.join(root, "_")))
    except OSError:
        return root
