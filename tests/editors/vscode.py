"""A real VS Code, used as a user uses it: keys go into a browser, and what is painted is looked at.

code-server is VS Code behind a local HTTP server; the browser is Chromium, driven by vscode_driver/driver.mjs
over its standard input and output. `.ci/vscode` makes both. What VS Code's page looks like is known here and
in vscode_driver/painted.js; no test reads its DOM.
"""

import itertools
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.support.processes import exit_status, run_to_end
from tests.support.waiting import bytes_in, seconds, wait_until

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).parent / "vscode_driver" / "driver.mjs"
EXTENSION = ROOT / "packaging" / "vscode"
STATUS_ITEM = '.statusbar-item[id^="stardraft.stardraft"]'
LIST = ".quick-input-widget:not([style*='display: none'])"
FOCUSED = ".part.editor .monaco-editor.focused"
READY = "zap"
# A cold start of a browser, VS Code and its extensions on a busy machine.
STARTING_S = 90.0
ENDING_S = 15.0
SAVING_S = 10.0
# A page that has not reacted to a key for so long has missed it.
MISSED_S = 5.0

# What a user would set, or would be asked once: nothing here concerns suggestions.
QUIET_SETTINGS: Mapping[str, object] = {
    "editor.fontFamily": "'DejaVu Sans Mono', monospace",
    "editor.minimap.enabled": False,
    "editor.stickyScroll.enabled": False,
    "editor.wordBasedSuggestions": "off",  # else its list comes and goes beside the ghost text
    "extensions.autoCheckUpdates": False,
    "extensions.ignoreRecommendations": True,
    "git.enabled": False,
    "telemetry.telemetryLevel": "off",
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.enableExperiments": False,
    "workbench.startupEditor": "none",
}


class Frame(msgspec.Struct, frozen=True):
    """The cursor's line as it was painted. `line` is the document's; `shown` also has the ghost text in it,
    and the lines that the ghost text adds below. at_ms by the page's own clock."""

    line: str
    shown: list[str]
    ghost: str
    at_ms: float = 0.0


def find_vscode() -> Path:
    """The folder that STARDRAFT_CODE_SERVER names, as `.ci/vscode` makes it; without it tests are skipped."""
    named = os.environ.get("STARDRAFT_CODE_SERVER")
    if not named:
        pytest.skip("no VS Code: STARDRAFT_CODE_SERVER does not name the folder that .ci/vscode makes")
    folder = Path(named)
    for part in ("code-server", "chromium", "node_modules/playwright-core/package.json"):
        if not (folder / part).exists():
            pytest.fail(f"STARDRAFT_CODE_SERVER={named} has no {part}; make it anew with .ci/vscode")
    return folder


def find_extension() -> Path:
    """The packaged extension: the file that STARDRAFT_VSIX names, else what `npm run package` makes."""
    file = Path(os.environ.get("STARDRAFT_VSIX") or EXTENSION / "stardraft.vsix")
    if not file.is_file():
        pytest.fail(f"{file} is missing; make it with `npm ci && npm run package` in packaging/vscode")
    if not os.environ.get("STARDRAFT_VSIX"):
        newest = max(
            [*EXTENSION.glob("src/**/*.ts"), EXTENSION / "package.json"], key=lambda it: it.stat().st_mtime
        )
        if newest.stat().st_mtime > file.stat().st_mtime:
            pytest.fail(
                f"{file} is older than {newest}; make it anew with `npm run package` in packaging/vscode"
            )
    return file


class CodeServer:
    """VS Code's server with one extension, in a home of its own. Close it: it is a context manager."""

    def __init__(
        self,
        folder: Path,
        vsix: Path,
        environment: Mapping[str, str],
        home: Path,
        settings: Mapping[str, object],
    ) -> None:
        self._log = home / "code-server.log"
        data, extensions = home / "data", home / "extensions"
        self.settings_file = data / "User" / "settings.json"
        self.settings_file.parent.mkdir(parents=True)
        self.settings_file.write_text(json.dumps({**QUIET_SETTINGS, **settings}), encoding="utf-8")
        xdg = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
        self._environment = {**environment, "HOME": str(home), **xdg}
        # VS Code takes the environment of a login shell, whose PATH is the system's and what this file says.
        (home / ".profile").write_text(f"PATH={shlex.quote(environment['PATH'])}\n", encoding="utf-8")
        self._environment["SHELL"] = "/bin/sh"
        command = [
            str(folder / "code-server"),
            "--user-data-dir",
            str(data),
            "--extensions-dir",
            str(extensions),
        ]
        installed = run_to_end(
            [*command, "--install-extension", str(vsix)], env=self._environment, text=True, idle_s=STARTING_S
        )
        assert installed.returncode == 0, f"{vsix} was not installed: {installed.stdout}{installed.stderr}"
        switches = ["telemetry", "update-check", "workspace-trust", "getting-started-override"]
        self._start([*command, *(f"--disable-{it}" for it in switches)], home)

    def _start(self, command: Sequence[str], folder: Path) -> None:
        """Starts it on a free port; returns when it listens."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--auth", "none", "--bind-addr", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=folder,
            )
        self.url = wait_until(self._listening, STARTING_S, what="code-server did not start")

    def _listening(self) -> str | None:
        said = self._log.read_text(errors="replace")
        assert self.process.poll() is None, f"code-server ended: {said}"
        found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", said)
        return found[1] if found else None

    def folder_url(self, folder: Path) -> str:
        return f"{self.url}/?folder={quote(str(folder))}"

    def __enter__(self) -> "CodeServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            exit_status(self.process, ENDING_S)
        finally:
            self.process.kill()
            self.process.wait()
            print(self._log.read_text(errors="replace")[-4000:])


class Browser:
    """Chromium with any number of windows. Close it: it is a context manager."""

    def __init__(self, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        node = shutil.which("node")
        assert node, "there is no node on the PATH, which code-server runs on"
        self._log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [node, str(DRIVER), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
            )
        self._turn = threading.Lock()

    def do(self, what: str, page: int, *arguments: object) -> Any:
        """One action of the driver. AssertionError with the driver's words when it fails."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"do": what, "page": page, "with": arguments}
        with self._turn:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        assert line, f"the browser's driver ended: {self._log.read_text(errors='replace')}"
        reply = json.loads(line)
        assert "error" not in reply, reply["error"]
        return reply["answer"]

    def open(self, url: str, icon: str = READY) -> "Window":
        """A window on `url`, once stardraft's status item has `icon`: by default, once it is ready."""
        window = Window(self, self.do("open", 0, url))
        try:
            wait_until(
                lambda: window.status_icon() == icon,
                STARTING_S,
                what=f"the item is not {icon}",
            )
        except AssertionError:
            print(*self.do("said", window.number), sep="\n")
            raise
        window.press("Control+b")  # the list of files aside
        return window

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            exit_status(self.process, ENDING_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            print(self._log.read_text(errors="replace")[-4000:])


class Window:
    """One VS Code window."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser = browser
        self.number = number
        self._pictures = itertools.count(1)

    def _do(self, what: str, *arguments: object) -> Any:
        return self._browser.do(what, self.number, *arguments)

    def close(self) -> None:
        self._do("close")

    def press(self, key: str) -> None:
        """A key by its name: `Tab`, `Control+z`."""
        self._do("press", key)

    def type(self, text: str) -> None:
        """Types character by character, as fast as VS Code takes it."""
        self._do("type", text)

    def picture(self, file: Path) -> None:
        self._do("picture", str(file))

    def _exists(self, selector: str) -> bool:
        return bool(self._do("evaluate", "(it) => document.querySelector(it) !== null", selector))

    def open_list(self, key: str | None = None) -> None:
        """Waits until the list that `key` or an extension opens at the top of the window takes text. A page
        that is busy drawing may miss a key, and then is given it again."""
        pressed_at = -math.inf

        def is_open() -> bool:
            nonlocal pressed_at
            if self._exists(f"{LIST} input:focus"):
                return True
            if key is not None and time.monotonic() - pressed_at > seconds(MISSED_S):
                self.press(key)
                pressed_at = time.monotonic()
            return False

        wait_until(is_open, what="no list opened at the top of the window")

    def pick(self, text: str, label: str) -> None:
        """Types into the list that is open at the top of the window, and takes the entry `label`."""
        self._do("insert", text)
        labels = "(it) => [...document.querySelectorAll(it)].map((label) => label.textContent)"
        listed = f"{LIST} .monaco-list-row .label-name"
        focused = f"{LIST} .monaco-list-row.focused .label-name"
        # What was there before is listed until the search is done.
        wait_until(
            lambda: label in self._do("evaluate", labels, listed),
            what=f"no {label!r} is listed for {text!r}",
        )

        def is_chosen() -> bool:
            # Of several that match, those used last come first.
            before = self._do("evaluate", labels, focused)
            if before == [label]:
                return True
            self.press("ArrowDown")
            with suppress(AssertionError):  # there is one entry alone, or the page missed the key
                wait_until(lambda: self._do("evaluate", labels, focused) != before, MISSED_S)
            return False

        wait_until(is_chosen, what=f"{label!r} cannot be reached in the list for {text!r}")
        self.press("Enter")
        # Another list may be open already: what the command asks for.
        wait_until(
            lambda: label not in self._do("evaluate", labels, listed),
            what=f"the list stayed open after {text!r}",
        )

    def command(self, title: str) -> None:
        """Runs a command by its title, from the palette."""
        self.open_list("F1")
        self.pick(title, title)

    def choose(self, label: str) -> None:
        """Takes the entry `label` of a list that an extension has opened."""
        self.open_list()
        self.pick(label, label)

    def open_file(self, file: Path, line: int) -> None:
        """Opens `file` with the cursor at the end of a line, counted from 1."""
        self.open_list("Control+p")
        self.pick(f"{file}:{line}", file.name)
        wait_until(lambda: self.shows_tab(file.name), what=f"{file.name} was not opened")
        expected = file.read_text(encoding="utf-8").splitlines()[line - 1]
        wait_until(
            lambda: self._line() == expected, what=f"the cursor did not come to line {line} of {file.name}"
        )
        # Keys go where the focus is, and the list that was open hands it over last.
        wait_until(lambda: self._exists(FOCUSED), what=f"{file.name} does not get the keys")
        self.press("End")

    def shows_tab(self, name: str) -> bool:
        """Whether a group of editors has this file in front."""
        return self._exists(f'.part.editor .tab.active[aria-label^="{name}"]')

    def _line(self) -> str | None:
        frame = self.now()
        return None if frame is None else frame.line

    def save(self, file: Path, expected: str) -> None:
        """Saves the document: the text in the editor must be `expected`, to the byte."""
        self.press("Control+s")

        def is_there() -> bool:
            return bytes_in(file) == expected.encode()

        try:
            wait_until(is_there, SAVING_S)
        except AssertionError:
            assert file.read_bytes().decode() == expected  # which shows where they differ
            raise

    def now(self) -> Frame | None:
        """What is painted now; None while there is no text editor."""
        found = self._do("evaluate", "window.painted?.look() ?? null")
        return None if found is None else msgspec.convert(found, Frame)

    def forget_frames(self) -> None:
        """`frames` begins anew, with what is painted now."""
        self._do("evaluate", "painted.forget()")

    def frames(self) -> list[Frame]:
        """All that has been painted since, each look once until it changed."""
        return msgspec.convert(self._do("evaluate", "painted.frames"), list[Frame])

    def unchanged_ms(self) -> float:
        """How long ago the last of the frames was painted first, by the page's clock; 0 before the first."""
        painted_ms = "painted.frames.at(-1)?.at_ms ?? performance.now()"
        return float(self._do("evaluate", f"performance.now() - ({painted_ms})"))

    def ghost(self) -> Frame | None:
        """What is painted now, if there is ghost text in it."""
        frame = self.now()
        return frame if frame is not None and frame.ghost else None

    def status(self) -> str:
        """What stardraft's item in the status bar says, as to a screen reader; empty before it is there."""
        return str(self._do("evaluate", "(it) => document.querySelector(it)?.ariaLabel ?? ''", STATUS_ITEM))

    def says(self, text: str) -> bool:
        """Whether this stands in the status bar, as what answers a key does for a while."""
        shown = self._do("evaluate", "document.querySelector('.part.statusbar').textContent")
        return text in str(shown).replace("\xa0", " ")

    def why_nothing(self) -> str:
        """For a failed test, where ghost text was waited for: what was painted last, what the status says,
        and what the status bar says to the key that asks for a suggestion."""
        painted = self.frames()[-3:]
        before = self.status()
        self.press("Alt+\\")
        time.sleep(seconds(2))
        bar = self._do("evaluate", "document.querySelector('.part.statusbar').textContent")
        return f"painted {painted}; status {before!r}; asked with Alt+\\ {bar!r}, {self.ghost()}"

    def has_toast(self) -> bool:
        """Whether a notification stands in the window's corner."""
        return self._exists(".notifications-toasts .notification-toast")

    def answer(self, button: str, *, modal: bool = False) -> str:
        """Takes a button of the notification, or of the dialog, that is open; what that said."""
        box = ".monaco-dialog-box" if modal else ".notifications-toasts .notification-toast"
        texts = "(it) => [...document.querySelectorAll(it)].map((one) => one.innerText)"

        def asking() -> str | None:
            return next((it for it in self._do("evaluate", texts, box) if button in it.splitlines()), None)

        said = wait_until(asking, what=f"nothing has a button {button!r}")
        self._do("click", f'{box} .monaco-button:text-is("{button}")')
        return said.replace("\xa0", " ")

    def choose_file(self, name: str) -> None:
        """Takes a file of the open folder in the dialog that asks for one."""
        labels = "(it) => [...document.querySelectorAll(it)].map((label) => label.textContent)"
        row = f"{LIST} .monaco-list-row"
        wait_until(
            lambda: name in self._do("evaluate", labels, f"{row} .label-name"),
            what=f"no dialog offers {name}",
        )
        self._do("click", f'{row}:has-text("{name}")')

    def step_is_done(self, step: str) -> bool:
        """Whether a step of the extension's walkthrough, which is open, has its tick."""
        return self._exists(f'.getting-started-step[data-step-id$="#{step}"][aria-checked="true"]')

    def point_at_status(self) -> None:
        """Moves the mouse over the status item, which brings up what it has to say."""
        self._do("hover", STATUS_ITEM)
        wait_until(lambda: self._exists(".workbench-hover"), what="nothing came up over the status item")

    def is_ready(self) -> bool:
        """Whether stardraft says that it would suggest something."""
        return self.status_icon() == READY

    def status_icon(self) -> str:
        """The name of the icon in the status item."""
        code = "(it) => document.querySelector(it + ' .codicon')?.className ?? ''"
        found = re.search(r"codicon-([a-z-]+)", str(self._do("evaluate", code, STATUS_ITEM)))
        return found[1] if found else ""
