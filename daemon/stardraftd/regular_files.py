"""Opening files whose place something else may have taken: a pipe there would be waited at without end.

Whoever opens a FIFO to read it waits for a writer, and the other way round. None of stardraft's files is one,
so they are opened without waiting, and looked at before they are used. Devices are let through: a log may be
/dev/null.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

# Not there on Windows, which has no such files.
_NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)


def open_regular(path: Path) -> BinaryIO:
    """The file, to be read. Raises OSError, for a pipe or a socket too."""
    return os.fdopen(open_descriptor(path, os.O_RDONLY), "rb")


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The whole of a small file. Raises OSError, for one that is larger too."""
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes} bytes", str(path))
    return content


def open_descriptor(path: Path, flags: int, mode: int = 0o600) -> int:
    """As `os.open`. Raises OSError, for a pipe or a socket too."""
    binary: int = getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | _NO_WAIT | binary, mode)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, or a socket
            raise _refusal(path) from error
        raise
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refusal(path)
    if _NO_WAIT:
        os.set_blocking(descriptor, True)
    return descriptor


def _refusal(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is a pipe or a socket, not a file", str(path))
