"""What can stand where a file should be: links, pipes, devices, folders, sockets."""

import os
import socket
from pathlib import Path


def put_in_place(path: Path, kind: str, victim: Path) -> str:
    """Makes `path` something that is no file; a link leads to `victim`. Returns what it is called."""
    if kind == "a symbolic link":
        path.symlink_to(victim)
    elif kind == "a pipe":
        os.mkfifo(path, 0o600)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a socket":
        here = Path.cwd()
        os.chdir(path.parent)  # its path may be longer than a socket's may
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)
    elif kind == "a device":
        if os.geteuid() != 0:
            os.mkfifo(path, 0o600)  # only root can make one; to whoever reads, a pipe is as bad
            return "a pipe"
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which has no end
    return kind
