"""Makes docs/images/neovim.svg: a real session in a real Neovim, with the plugin and the built-in model.

    python packaging/neovim/record.py docs/images/neovim.svg        needs nvim (or STARDRAFT_NVIM) and tmux

Keys are typed at a user's pace into a Neovim that runs under tmux, and the screen is looked at 25 times a
second. What the picture shows, at the times at which it shows it, is what stood there then: nothing is
cut out, made quicker or written by hand. Only confidence is off, since the built-in model is sure of little.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).resolve().parent
SHELF = ROOT / "tests" / "data" / "demo" / "shelf.py"

COLUMNS, ROWS = 84, 19
INTERVAL_S = 0.04
KEY_S = 0.11
STILL_S = 2.0
FONT_PX, CELL_PX, LINE_PX, MARGIN_PX = 14, 8.4, 19, 12
FOREGROUND, BACKGROUND = "#e0e2ea", "#14161b"
MONOSPACE = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
TMUX = """
set -g status off
set -g default-terminal tmux-256color
set -s escape-time 0
"""
INIT = """
vim.opt.runtimepath:prepend([[{plugin}]])
vim.o.termguicolors, vim.o.laststatus, vim.o.cmdheight, vim.o.ruler = true, 2, 1, false
vim.o.hlsearch, vim.o.swapfile, vim.o.shortmess = false, false, vim.o.shortmess .. 'IF'
vim.o.statusline = [[ %t %m%=%{{v:lua.require'stardraft'.status()}} ]]
"""


@dataclass(frozen=True)
class Style:
    foreground: str = FOREGROUND
    background: str = BACKGROUND
    bold: bool = False
    italic: bool = False
    struck: bool = False


@dataclass(frozen=True)
class Run:
    """Characters of one style that stand together. `column` from 0."""

    column: int
    text: str
    style: Style


Row = tuple[Run, ...]
State = TypeVar("State")


@dataclass(frozen=True)
class Frame:
    """The screen as it was `at_s` seconds after the beginning."""

    at_s: float
    rows: tuple[Row, ...]
    cursor: tuple[int, int]


class Screen:
    """One Neovim under a tmux of its own."""

    def __init__(self, folder: Path, command: Sequence[str], environment: dict[str, str]) -> None:
        self._socket = str(folder / "tmux")
        self._environment = environment
        self._settings = folder / "tmux.conf"
        self._settings.write_text(TMUX, encoding="utf-8")
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("new-session", "-d", *size, "-c", str(folder), *command)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", str(self._settings), *arguments]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=True
        ).stdout

    def key(self, key: str) -> None:
        """A character, or a key by tmux's name of it, such as Tab or M-Right."""
        self._tmux("send-keys", *(["-l", key] if len(key) == 1 else [key]))

    def look(self, at_s: float) -> Frame:
        shown = self._tmux(
            "capture-pane", "-e", "-p", "-N", ";", "display-message", "-p", "#{cursor_x} #{cursor_y}"
        )
        *lines, cursor = shown.rstrip("\n").split("\n")
        column, row = map(int, cursor.split())
        return Frame(at_s, tuple(read_row(line) for line in lines[:ROWS]), (row, column))

    def close(self) -> None:
        self._tmux("kill-server")


def read_row(line: str) -> Row:
    """A line with SGR sequences as runs (ECMA-48 8.3.117; colours as 38;2;r;g;b)."""
    runs: list[Run] = []
    style, column = Style(), 0
    for part in re.split(r"(\x1b\[[0-9;:]*m)", line):
        if part.startswith("\x1b["):
            style = styled(style, [int(code or 0) for code in re.split("[;:]", part[2:-1])])
        elif part:
            runs.append(Run(column, part, style))
            column += len(part)
    return tuple(run for run in runs if run.text.strip() or run.style.background != BACKGROUND)


def styled(style: Style, codes: Sequence[int]) -> Style:
    values = dict(vars(style))
    rest = iter(codes)
    for code in rest:
        match code:
            case 0:
                values = dict(vars(Style()))
            case 1:
                values["bold"] = True
            case 3:
                values["italic"] = True
            case 7:
                values["foreground"], values["background"] = values["background"], values["foreground"]
            case 9:
                values["struck"] = True
            case 22 | 23 | 29:
                values[{22: "bold", 23: "italic", 29: "struck"}[code]] = False
            case 38 | 48:
                if next(rest, 0) == 2:
                    red, green, blue = itertools.islice(rest, 3)
                    which = "foreground" if code == 38 else "background"
                    values[which] = f"#{red:02x}{green:02x}{blue:02x}"
            case 39:
                values["foreground"] = FOREGROUND
            case 49:
                values["background"] = BACKGROUND
    return Style(**values)


class Session:
    """What a user does, with the screen looked at all the while."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._began = time.monotonic()
        self.frames: list[Frame] = []

    def begin(self) -> None:
        self.frames.clear()
        self._began = time.monotonic()

    def watch(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look()

    def watch_until(self, is_so: Callable[[str], bool], at_most_s: float = 20.0) -> None:
        """Until the text on the screen is so."""
        deadline = time.monotonic() + at_most_s
        while not is_so("\n".join(row_text(row) for row in self._look().rows)):
            if time.monotonic() > deadline:
                raise SystemExit("the session did not go as it should: what it waited for never appeared")

    def watch_until_still(self, still_s: float) -> None:
        """Until nothing has changed for so long."""
        while self._look().at_s - self.frames[-1].at_s < still_s:
            pass

    def type(self, keys: str | Sequence[str]) -> None:
        for key in keys:
            self._screen.key(key)
            self.watch(KEY_S)

    def _look(self) -> Frame:
        began = time.monotonic()
        frame = self._screen.look(began - self._began)
        last = self.frames[-1] if self.frames else None
        if last is None or (frame.rows, frame.cursor) != (last.rows, last.cursor):
            self.frames.append(frame)
        time.sleep(max(0.0, INTERVAL_S - (time.monotonic() - began)))
        return frame


def row_text(row: Row) -> str:
    text = ""
    for run in row:
        text = text.ljust(run.column) + run.text
    return text


def play(session: Session) -> None:
    """The session of the picture: a line by Tab, and the beginning of what comes next by words."""
    session.watch_until(lambda text: "class Item" in text)
    session.type("/def overdue")
    session.type(["Enter", *"zzjA"])
    session.type(["BSpace"] * len("return"))
    session.watch_until(lambda text: any(line.rstrip().endswith(" stardraft") for line in text.splitlines()))
    session.watch(3)  # the file is read, as while a user looks around
    session.begin()
    session.watch(1)
    session.type("return")
    session.watch_until_still(STILL_S)
    session.type(["Tab"])
    session.watch_until_still(STILL_S)
    for _ in range(3):
        session.type(["M-Right"])
        session.watch(0.5)
    session.type(["Escape"])
    session.watch(0.5)


def to_svg(frames: Sequence[Frame], lasts_s: float) -> str:
    """An SVG that plays again and again; where nothing moves it shows the last frame."""
    width, height = COLUMNS * CELL_PX + 2 * MARGIN_PX, ROWS * LINE_PX + 2 * MARGIN_PX
    shape = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {shape} font-family="{MONOSPACE}" font-size="{FONT_PX}">',
        "<title>A session in Neovim: the suggestion of stardraft grows in gray, Tab takes it</title>",
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
    ]
    for number in range(ROWS):
        for row, times in spells([frame.rows[number] for frame in frames], frames, lasts_s):
            pieces.append(group(draw_row(row, number), times, lasts_s))
    for cursor, times in spells([frame.cursor for frame in frames], frames, lasts_s):
        pieces.append(group(draw_cursor(*cursor), times, lasts_s))
    return "\n".join(piece for piece in pieces if piece) + "\n</svg>\n"


def spells(
    states: Sequence[State], frames: Sequence[Frame], lasts_s: float
) -> list[tuple[State, list[tuple[float, float]]]]:
    """Each different state, with the times in seconds from which until which it is seen."""
    found: dict[State, list[tuple[float, float]]] = {}
    starts = [0.0, *(frame.at_s for frame in frames[1:])]
    for state, start, end in zip(states, starts, [*starts[1:], lasts_s], strict=True):
        times = found.setdefault(state, [])
        if times and times[-1][1] == start:
            times[-1] = (times[-1][0], end)
        else:
            times.append((start, end))
    return list(found.items())


def group(content: str, times: Sequence[tuple[float, float]], lasts_s: float) -> str:
    if not content:
        return ""
    if times[0][0] <= 0 and times[0][1] >= lasts_s:
        return f"<g>{content}</g>"
    changes = {0.0: "hidden"}
    for start, end in times:
        changes[start / lasts_s] = "visible"
        if end < lasts_s:
            changes[end / lasts_s] = "hidden"
    at = ";".join(f"{share:.4f}" for share in changes)
    is_last = times[-1][1] >= lasts_s
    return (
        f'<g visibility="{"visible" if is_last else "hidden"}">{content}<animate attributeName="visibility" '
        f'values="{";".join(changes.values())}" keyTimes="{at}" dur="{lasts_s:.2f}s" calcMode="discrete" '
        'repeatCount="indefinite"/></g>'
    )


def draw_row(row: Row, number: int) -> str:
    top = MARGIN_PX + number * LINE_PX
    pieces = []
    for run in row:
        x, width = MARGIN_PX + run.column * CELL_PX, len(run.text) * CELL_PX
        if run.style.background != BACKGROUND:
            fill = run.style.background
            pieces.append(f'<rect x="{x:g}" y="{top}" width="{width:g}" height="{LINE_PX}" fill="{fill}"/>')
        text = run.text.rstrip()
        if text.strip():
            text, x = text.lstrip(), x + (len(text) - len(text.lstrip())) * CELL_PX
            style = run.style
            weight = ' font-weight="bold"' if style.bold else ""
            slant = ' font-style="italic"' if style.italic else ""
            line = ' text-decoration="line-through"' if style.struck else ""
            pieces.append(
                f'<text x="{x:g}" y="{top + LINE_PX - 5}" textLength="{len(text) * CELL_PX:g}" '
                f'fill="{style.foreground}"{weight}{slant}{line} xml:space="preserve">{escape(text)}</text>'
            )
    return "".join(pieces)


def draw_cursor(row: int, column: int) -> str:
    x, y = MARGIN_PX + column * CELL_PX, MARGIN_PX + row * LINE_PX
    return f'<rect x="{x:g}" y="{y}" width="2" height="{LINE_PX}" fill="{FOREGROUND}"/>'


@contextmanager
def own_home() -> Iterator[tuple[Path, dict[str, str]]]:
    """A place that nothing of the user's own stardraft or Neovim is in."""
    folder = Path(tempfile.mkdtemp(prefix="sd-"))
    home = {name: value for name, value in os.environ.items() if not name.startswith(("STARDRAFT_", "TMUX"))}
    home |= {
        "STARDRAFT_CONFIG": str(folder / "config.toml"),
        "STARDRAFT_STATE_DIR": str(folder / "state"),
        "STARDRAFT_RUNTIME_DIR": str(folder / "run"),
        "STARDRAFT_MODELS_DIR": str(folder / "models"),
        "XDG_STATE_HOME": str(folder / "nvim-state"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "LC_ALL": "C.UTF-8",
    }
    (folder / "config.toml").write_text("[editor]\nconfidence = false\n", encoding="utf-8")
    try:
        yield folder, home
    finally:
        stop = [sys.executable, "-m", "stardraftd", "daemon", "stop", "--now"]
        subprocess.run(stop, env=home, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def record() -> tuple[list[Frame], float]:
    neovim = os.environ.get("STARDRAFT_NVIM") or shutil.which("nvim")
    if not neovim or not shutil.which("tmux"):
        raise SystemExit("record.py needs tmux, and nvim on the PATH or named by STARDRAFT_NVIM.")
    with own_home() as (folder, home):
        project = folder / "library"
        (project / ".git").mkdir(parents=True)
        shutil.copy(SHELF, project / "shelf.py")
        init = folder / "init.lua"
        init.write_text(INIT.format(plugin=PLUGIN), encoding="utf-8")
        socket = str(folder / "nvim")
        # The editor and its terminal are two processes, as always; started apart, they also run where Neovim
        # cannot find its own program, as when it was unpacked from another system's package.
        editing = [neovim, "--headless", "--listen", socket, "--clean", "-n", "-u", str(init)]
        editor = subprocess.Popen(
            [*editing, str(project / "shelf.py")],
            env=home,
            cwd=project,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not Path(socket).exists():
                time.sleep(INTERVAL_S)
            screen = Screen(folder, [neovim, "--server", socket, "--remote-ui"], home)
            session = Session(screen)
            play(session)
            screen.close()
            return session.frames, session.frames[-1].at_s + 2.5
        finally:
            editor.terminate()
            editor.wait()


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python packaging/neovim/record.py FILE.svg")
    file = Path(sys.argv[1])
    frames, lasts_s = record()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(to_svg(frames, lasts_s), encoding="utf-8")
    print(f"{file}: {len(frames)} frames, {lasts_s:.1f} s, {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
