"""A new person with an empty home directory, who types into a terminal what a document tells them to.

Nothing of the tester's own set-up is there: only what the document says a user needs (Python, uv, an
editor) and the system's programs are on their PATH. What is not theirs is a matter of time alone: uv's
cache, and the build of llama.cpp that `make` has kept, so that it is not built for minutes.
"""

import fcntl
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from stardraftd.setup.engine import building
from stardraftd.setup.engine.ladder import ladder
from stardraftd.setup.engine.places import cache_folder, cache_root
from tests.docs.documents import ROOT, blocks
from tests.docs.typed import lines
from tests.support.home import end_of_log, kill_left, stop_daemon

CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# How this machine reaches the network, which is no part of a user's set-up.
NETWORK = re.compile(r"(?i)UV_.*|SSL_CERT_.*|(all|http|https|no)_proxy")
QUESTION = re.compile(rb"\[y/N\]: ?$")


def commands_of(document: str, heading: str) -> list[str]:
    """What the first block of a shell below a heading tells to type, line by line, without comments."""
    text = (ROOT / document).read_text(encoding="utf-8").splitlines()
    begin = text.index(heading) + 1
    (block, *_) = [one for one in blocks() if one.place.document == document and one.place.line > begin]
    assert block.language == "sh", f"{block.place}: the first block below {heading!r} is none of a shell"
    end = block.place.line + len(block.text.splitlines())
    return [
        line.text
        for line in lines()
        if line.is_block and line.place.document == document and block.place.line < line.place.line <= end
    ]


def find_uv() -> str:
    """uv beside the tests' own Python, or of the PATH. Skips the test where there is none."""
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip("no uv: install it into the tests' environment, or put it on the PATH")
    return found


def find_built_engine() -> Path:
    """The cache with a build of llama.cpp as `stardraft setup engine` makes it here. Skips the test if it
    has none.
    """
    found = ladder()
    if building.find_wheel(found.steps[0], found, cache_folder(), os.environ) is None:
        pytest.skip(
            "llama.cpp is not built yet, and building it takes minutes: make demo, or stardraft setup engine"
        )
    return cache_root()


class NewPerson:
    """A user at a terminal, in the folder of the source. `home` is all they have; at first it is empty."""

    def __init__(self, folder: Path, lent: Mapping[str, str]) -> None:
        """`lent`: variables that only save time, such as those of caches."""
        self.home = folder / "home"
        self._bin = folder / "bin"
        runtime = folder / "run"
        for made in (self.home, self._bin, runtime):
            made.mkdir(mode=0o700)
        self._environment = {
            **{name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)},
            **lent,
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{self._bin}:{SYSTEM_PATH}",
            "SHELL": "/bin/bash",
            "TERM": "dumb",
            "XDG_RUNTIME_DIR": str(runtime),
        }

    def gets(self, **programs: str) -> None:
        """Programs on the PATH, by the names that a user types."""
        for name, program in programs.items():
            # A script and no link: some look for their own files beside the name they were called by.
            script = self._bin / name
            script.write_text(f'#!/bin/sh\nexec "{program}" "$@"\n', encoding="utf-8")
            script.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """That of what a user starts in a new terminal, as their shell has it now."""
        return self._environment | {"PATH": self.types('printf "%s" "$PATH"')}

    def types(self, command: str, answer: str = "") -> str:
        """What a new terminal shows when `command` is typed; a question in it is answered with `answer`.

        AssertionError with what was shown when the command fails, or asks what is not answered.
        """
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            ["bash", "-i", "-c", command],
            cwd=ROOT,
            env=self._environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - one system call, and no lock
        ) as process:
            os.close(theirs)
            shown = b""
            try:
                while piece := _read(ours):
                    shown += piece
                    if QUESTION.search(shown):
                        assert answer, f"`{command}` asks what no document speaks of: {shown.decode()}"
                        os.write(ours, f"{answer}\n".encode())
            finally:
                os.close(ours)
        said = shown.decode("utf-8", "replace").replace("\r\n", "\n")
        assert process.returncode == 0, f"`{command}` ended with {process.returncode}: {said}"
        return said

    def finds(self, program: str) -> bool:
        """Whether a new terminal finds a program."""
        return shutil.which(program, path=self.environment()["PATH"]) is not None

    def processes(self) -> list[psutil.Process]:
        """What runs with this person's home directory."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if (
                    process.environ().get("HOME") == str(self.home)
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
        return found

    def leaves(self) -> list[str]:
        """Ends what the user has started; what does not end when asked is killed, and named here."""
        if self.finds("stardraft"):
            return stop_daemon(["stardraft"], self.environment(), self.processes)
        return kill_left(self.processes)


def _take_terminal() -> None:
    """Makes the terminal on stdin the one that this session is controlled by, as a shell expects."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int) -> bytes:
    """What comes next; nothing at the end, which Linux reports as an error of the terminal."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


@contextmanager
def new_person() -> Iterator[NewPerson]:
    """A user who has what the quick start asks for: Python and uv. All is gone at the end."""
    uv, engine = find_uv(), find_built_engine()
    # A socket's path is short by law (104 bytes on macOS), which pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="sd-"))
    lent = {
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(_uv_cache()),
        "UV_CONSTRAINT": str(CONSTRAINTS),
        "STARDRAFT_CACHE_DIR": str(engine),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    person = NewPerson(folder, lent)
    person.gets(uv=uv, python3=os.path.realpath(sys.executable))
    try:
        yield person
    finally:
        left = person.leaves()
        print(end_of_log(person.home / ".local" / "state" / "stardraft" / "logs" / "daemon.log"))
        # Each installation leaves a wheel with the built-in model in uv's cache: 17 MB.
        cleaning = [uv, "cache", "clean", "--quiet", "stardraft"]
        subprocess.run(cleaning, env={**os.environ, **lent}, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"these outlived the daemon's stop: {left}"


def _uv_cache() -> Path:
    """Of CI if there is one; else the tester's own, where uv itself looks for it."""
    shared = os.environ.get("STARDRAFT_CI_CACHE")
    return Path(shared) / "uv" if shared else Path.home() / ".cache" / "uv"
