"""URIs taken apart, whatever editors write into them: the one place that splits one. Nothing here raises."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_WINDOWS_DRIVE = re.compile(r"/[A-Za-z]:")


@dataclass(frozen=True)
class Uri:
    """scheme: in lower case. host: the authority. path: decoded; on Windows with the drive in front."""

    scheme: str
    host: str
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it is a file on this computer, by a name that the system takes."""
        return self.scheme == "file" and self.host in ("", "localhost") and _is_a_name(self.path)


def split_uri(uri: str) -> Uri:
    """The parts of a URI; of what is none by the book, such as `diffview://[abc`, what can be told."""
    try:
        parts = urlsplit(uri)
        scheme, host, path = parts.scheme, parts.netloc, parts.path
    except ValueError:  # a bracket where only an IPv6 address may have one
        scheme, _, rest = uri.partition(":")
        host, slash, path = rest.removeprefix("//").partition("/")
        path = slash + path
    path = unquote(path)
    if scheme == "file" and sys.platform == "win32" and _WINDOWS_DRIVE.match(path):
        path = path[1:]
    return Uri(scheme.lower(), host, path)


def local_path(uri: str) -> str:
    """The absolute path of a file on this computer, without "." and ".."; "" for all others."""
    found = split_uri(uri)
    return os.path.normpath(found.path) if found.is_local and Path(found.path).is_absolute() else ""


def _is_a_name(path: str) -> bool:
    """Whether it can name a file: no NUL, and nothing that no file system's encoding has."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return "\0" not in path
