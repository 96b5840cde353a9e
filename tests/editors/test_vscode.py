"""The whole way, in a real VS Code with the packaged extension: from keys to ghost text, and to the file.

One VS Code serves all tests of this file, in a home where nothing but the extension and the `stardraft` of
the PATH is set up. What the built-in model writes is its own affair; what is promised here is that a user
sees it grow, and gets what they saw. Pictures are kept in the folder that STARDRAFT_ARTEFACTS names.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil
import pytest

from stardraft_lsp.syntax.gates import GATE_TEXTS
from stardraftd.protocol.http import Status
from tests.editors.vscode import STARTING_S, Browser, CodeServer, Frame, Window, find_extension, find_vscode
from tests.support.home import command_of, isolated_home, processes_of, write_config
from tests.support.waiting import DEADLINE_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
SHELF = (ROOT / "tests" / "data" / "demo" / "shelf.py").read_text(encoding="utf-8")
# The built-in model is sure of little: here it is to be seen with what it guesses, too.
SHOW_ALL = "[editor]\nconfidence = false\n"
# The line of a method that was left at its beginning, in lines from 1.
BEGINNING = SHELF.splitlines().index("        return") + 1
# A suggestion whose last frame is older than this is not growing any more.
SETTLED_MS = 600.0
# After so long nothing comes of a key any more.
FIRST_KEY_S = 8.0


@pytest.fixture(scope="module")
def home() -> Iterator[dict[str, str]]:
    with isolated_home() as environment:
        write_config(environment, SHOW_ALL)
        yield environment


@pytest.fixture(scope="module")
def code_server(home: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    folder = tmp_path_factory.mktemp("vscode")
    with CodeServer(find_vscode(), find_extension(), home, folder, {}) as server:
        yield server


@pytest.fixture(scope="module")
def browser(home: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    with Browser(find_vscode(), {**home, "HOME": str(folder)}, folder / "driver.log") as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is open in the window."""
    folder = tmp_path_factory.mktemp("library")
    (folder / ".git").mkdir()
    return folder


@pytest.fixture(scope="module")
def shared_window(code_server: CodeServer, browser: Browser, folder: Path) -> Window:
    window = browser.open(code_server.folder_url(folder))
    first_suggestion(window, folder / "shelf.py")
    window.picture(artefacts(folder) / "first_suggestion.png")
    return window


def first_suggestion(window: Window, file: Path) -> None:
    """Types until there is ghost text: VS Code loads what draws it a while after a window's first editor."""
    file.write_text(SHELF, encoding="utf-8")
    window.open_file(file, BEGINNING)
    n_typed = type_until_suggested(window, "n", STARTING_S)
    print(f"the first suggestion came after {n_typed} keys")


def type_until_suggested(window: Window, last: str, idle_s: float = DEADLINE_S) -> int:
    """Types the last letter once more, and again until there is ghost text; how often that was."""
    n_typed = 0

    def appears() -> bool:
        nonlocal n_typed
        if window.ghost() is None and window.unchanged_ms() > SETTLED_MS:
            window.press("Backspace")
            window.type(last)
            window.forget_frames()
            n_typed += 1
        return window.ghost() is not None

    wait_until(appears, idle_s, what=lambda: f"no ghost text after {n_typed} keys: {window.why_nothing()}")
    return n_typed


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return artefacts(tmp_path)


def artefacts(otherwise: Path) -> Path:
    """The folder for pictures."""
    named = os.environ.get("STARDRAFT_ARTEFACTS")
    folder = Path(named) if named else otherwise
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def window(shared_window: Window, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Window]:
    yield shared_window
    shared_window.picture(pictures / f"{request.node.name}.png")


@pytest.fixture
def file(folder: Path, request: pytest.FixtureRequest) -> Path:
    """The shelf, in a file for this test alone."""
    file = folder / f"{request.node.name.removeprefix('test_')}.py"
    file.write_text(SHELF, encoding="utf-8")
    return file


def settled(window: Window) -> Frame:
    """The suggestion, once it is there and grows no more."""

    def whole() -> Frame | None:
        last = window.frames()[-1]
        return last if last.ghost and window.unchanged_ms() > SETTLED_MS and window.is_ready() else None

    return wait_until(whole, what=lambda: f"no ghost text appeared: {window.why_nothing()}")


def begin(window: Window, file: Path) -> Frame:
    """Opens the file at the method that was left at its beginning, and finishes its word.

    A busy VS Code may ask for nothing at a file's first key (Alt+\\ then shows what it did not ask for); a
    user types another one.
    """
    finish_word(window, file, BEGINNING)
    with suppress(AssertionError):
        wait_until(window.ghost, FIRST_KEY_S)
    if window.ghost() is None:
        print("nothing came of the first key, it is typed again")
        window.press("Backspace")
        window.type("n")
    return settled(window)


def finish_word(window: Window, file: Path, line: int) -> None:
    """Types the last letter of a line, counted from 1, once more: an n."""
    window.open_file(file, line)
    window.forget_frames()
    window.press("Backspace")
    window.type("n")


def wait_for_line(window: Window, line: str) -> None:
    """Waits until the line with the cursor is this in the document, whatever is shown behind it."""
    wait_until(lambda: (now := window.now()) and now.line == line, what=f"the line did not become {line!r}")


def with_line(line: str) -> str:
    """The shelf, when the line that was left at its beginning says this."""
    lines = SHELF.splitlines(keepends=True)
    lines[BEGINNING - 1] = f"{line}\n"
    return "".join(lines)


def test_what_is_shown_is_what_tab_accepts(window: Window, file: Path, pictures: Path) -> None:
    suggestion = begin(window, file)
    assert suggestion.line == "        return"  # it is shown, not there
    window.picture(pictures / "ghost_text.png")
    window.press("Tab")
    wait_for_line(window, suggestion.shown[-1])
    window.save(file, with_line("\n".join(suggestion.shown)))


def test_a_suggestion_grows_while_it_is_made(window: Window, file: Path, home: dict[str, str]) -> None:
    # Of words that are nowhere in the file, for what is there already is written in one go.
    file.write_text(f"{SHELF}\n    def load(self, path):\n        with open\n", encoding="utf-8")
    with slowed_down(engine_pid(home)):
        finish_word(window, file, len(file.read_text(encoding="utf-8").splitlines()))
        wait_until(window.ghost, what=lambda: f"no ghost text appeared: {window.why_nothing()}")
    whole = settled(window)
    seen = [frame.ghost for frame in window.frames()]
    first = next(index for index, ghost in enumerate(seen) if ghost)
    growing = seen[first:]
    assert len(growing) >= 2, f"it came in {len(growing)} pieces: {growing}"
    for before, after in itertools.pairwise(growing):
        # VS Code paints the cursor's line and those below it one after the other.
        lines = list(zip(before.split("\n"), after.split("\n"), strict=False))
        assert len(lines) == before.count("\n") + 1, f"{before!r} became {after!r}"
        assert all(longer.startswith(line) for line, longer in lines), f"{before!r} became {after!r}"
    assert growing[-1] == whole.ghost
    print(*growing, sep="\n")


def test_a_suggestion_is_accepted_word_by_word(window: Window, file: Path) -> None:
    suggestion = begin(window, file)
    line = suggestion.line
    while line != suggestion.shown[0]:
        window.forget_frames()
        window.press("Control+ArrowRight")
        wait_until(lambda: window.frames()[-1].line != line, what="no word was accepted")  # noqa: B023
        assert all(frame.shown == suggestion.shown for frame in window.frames())
        accepted = window.frames()[-1].line
        # A word, the space before it, or the signs around it: not all at once.
        assert accepted.startswith(line)
        assert len(accepted[len(line) :].split()) <= 1
        line = accepted
    window.save(file, with_line(suggestion.shown[0]))


def test_typing_what_is_suggested_leaves_the_rest_of_it(
    window: Window, file: Path, home: dict[str, str]
) -> None:
    suggestion = begin(window, file)
    window.forget_frames()
    before = n_requests(home)
    n_typed = 6
    for n in range(1, n_typed + 1):
        window.type(suggestion.ghost[n - 1])
        # A bracket that the editor closed stands in the document, behind the rest.
        rests = (suggestion.ghost[n:], suggestion.ghost[n:-1])
        wait_until(lambda: window.frames()[-1].ghost in rests, what=f"what is left is none of {rests}")  # noqa: B023
    for frame in window.frames():
        assert frame.shown == suggestion.shown, "it flickered"
    assert n_requests(home) == before
    window.press("Tab")
    window.save(file, with_line(suggestion.shown[0]))


def test_brackets_that_the_editor_closes_are_not_closed_twice(window: Window, file: Path) -> None:
    begin(window, file)
    window.press("Escape")
    window.forget_frames()
    window.type(" sum([")
    suggestion = settled(window)
    assert suggestion.line == "        return sum([])"
    shown = "\n".join(suggestion.shown)
    # The model may forget to close one of its own.
    assert shown.count(")") <= shown.count("(")
    assert shown.count("]") <= shown.count("[")
    window.press("Tab")
    wait_for_line(window, suggestion.shown[-1])
    window.save(file, with_line(shown))


def test_one_undo_takes_an_accepted_suggestion_back(window: Window, file: Path) -> None:
    suggestion = begin(window, file)
    window.press("Tab")
    wait_for_line(window, suggestion.shown[-1])
    window.press("Control+z")
    wait_for_line(window, suggestion.line)
    window.save(file, SHELF)
    window.press("Control+y")
    wait_for_line(window, suggestion.shown[-1])
    window.save(file, with_line("\n".join(suggestion.shown)))


def test_the_status_says_why_there_is_no_suggestion(window: Window, file: Path, pictures: Path) -> None:
    window.open_file(file, BEGINNING)
    window.type("  # what is due back ")
    reason = GATE_TEXTS["in_comment"]
    wait_until(lambda: reason in window.status(), what=lambda: f"no {reason!r}, but: {window.status()}")
    assert window.ghost() is None
    window.point_at_status()
    window.picture(pictures / "status.png")
    window.press("Escape")


def test_snoozed_it_is_silent_until_it_is_woken(window: Window, file: Path) -> None:
    window.open_file(file, BEGINNING)
    window.command("stardraft: Snooze Suggestions...")
    window.choose("5 minutes")
    wait_until(lambda: window.status_icon() == "bell-slash", what=lambda: f"not snoozed: {window.status()}")
    assert "snoozed for 5 more minutes" in window.status()
    window.forget_frames()
    window.type(" [")
    wait_until(lambda: window.unchanged_ms() > SETTLED_MS)
    assert not any(frame.ghost for frame in window.frames())
    window.command("stardraft: Resume Suggestions")
    wait_until(window.is_ready, what=lambda: f"not awake: {window.status()}")
    window.press("Backspace")
    window.type("[")
    settled(window)


def test_off_for_the_language_is_seen_at_once_and_the_second_use_leaves_nothing_behind(
    window: Window, file: Path, code_server: CodeServer
) -> None:
    window.open_file(file, BEGINNING)
    before = json.loads(code_server.settings_file.read_text())
    window.command("stardraft: Switch Suggestions On or Off for This Language")
    wait_until(lambda: "switched off for this language" in window.status(), what=window.status)
    assert window.status_icon() == "circle-slash"
    window.command("stardraft: Switch Suggestions On or Off for This Language")
    wait_until(window.is_ready, what=lambda: f"not on again: {window.status()}")
    left = json.loads(code_server.settings_file.read_text())
    assert left.get("[python]", {}) == before.get("[python]", {})


def test_a_wrong_setting_is_in_the_status_until_it_is_corrected(
    window: Window, file: Path, home: dict[str, str]
) -> None:
    window.open_file(file, BEGINNING)
    write_config(home, "[editor]\ndebounce_ms = 'soon'\n")
    wait_until(lambda: "editor.debounce_ms" in window.status(), what=window.status)
    assert window.status_icon() == "warning"
    assert not window.has_toast()
    write_config(home, SHOW_ALL)
    wait_until(window.is_ready, what=lambda: f"the warning stayed: {window.status()}")


def test_what_escape_sends_away_is_counted_as_rejected(
    window: Window, file: Path, home: dict[str, str]
) -> None:
    def rejected() -> int:
        command = [sys.executable, "-m", "stardraftd", "stats", "--json"]
        said = subprocess.run(command, env=home, capture_output=True, check=True).stdout
        return int(json.loads(said)["all"]["rejected"])

    before = rejected()
    begin(window, file)
    window.press("Escape")
    wait_until(lambda: window.ghost() is None, what="the suggestion stayed")
    wait_until(lambda: rejected() == before + 1, what="it was not counted")


def test_a_key_that_brings_nothing_says_why(window: Window, file: Path) -> None:
    begin(window, file)
    window.press("Alt+]")
    wait_until(lambda: window.says("This is the only suggestion"), what="Alt+] was silent")
    window.press("Escape")
    window.command("stardraft: Snooze Suggestions...")
    window.choose("5 minutes")
    wait_until(lambda: window.status_icon() == "bell-slash")
    window.type(" ")
    window.press("Alt+\\")
    wait_until(lambda: window.says("No suggestion: Suggestions are snoozed for"), what="Alt+\\ was silent")
    window.command("stardraft: Switch Suggestions On or Off")  # back on, whatever put them off
    wait_until(window.is_ready, what=lambda: f"not awake: {window.status()}")


def test_the_example_shows_a_suggestion_before_any_key(window: Window) -> None:
    """From the walkthrough, too, which has the focus and is no text."""
    for before in ("", "stardraft: Open the Walkthrough"):
        if before:
            window.command(before)
        window.forget_frames()
        window.command("stardraft: Open an Example")
        wait_until(window.ghost, what=lambda: f"no suggestion in the example: {window.status()}")
        window.press("Escape")


def test_the_walkthroughs_first_step_is_done_where_there_is_a_server(window: Window) -> None:
    window.command("stardraft: Open the Walkthrough")
    wait_until(lambda: window.step_is_done("install"), what="there is a server, and its step has no tick")
    assert not window.step_is_done("model"), "it is the toy that runs"


def test_the_language_server_was_killed_and_comes_back(
    window: Window, file: Path, home: dict[str, str]
) -> None:
    begin(window, file)
    killed = language_servers(home)
    assert len(killed) == 1
    for process in killed:
        process.kill()
    pids = {process.pid for process in killed}
    wait_until(
        lambda: {process.pid for process in language_servers(home)} - pids, what="no other server is started"
    )
    window.press("Escape")
    window.type(" [")
    # What is typed before it is ready is not asked about again.
    type_until_suggested(window, "[")
    wait_until(window.is_ready, what=lambda: f"it did not come back: {window.status()}")
    assert not pids & {process.pid for process in language_servers(home)}


def test_the_daemon_was_killed_and_comes_back(window: Window, file: Path, home: dict[str, str]) -> None:
    begin(window, file)
    killed = status_of(home).pid
    os.kill(killed, signal.SIGKILL)
    # Another text than before: what was suggested once is remembered, and needs no daemon.
    window.press("Escape")
    window.forget_frames()
    window.type(" sum([")
    settled(window)
    assert status_of(home).pid != killed


def test_two_windows_at_the_same_time(
    window: Window,
    browser: Browser,
    code_server: CodeServer,
    file: Path,
    home: dict[str, str],
    tmp_path: Path,
    pictures: Path,
) -> None:
    there = tmp_path / "elsewhere.py"
    there.write_text(SHELF, encoding="utf-8")
    other = browser.open(code_server.folder_url(tmp_path))
    try:
        first_suggestion(other, tmp_path / "shelf.py")
        here, elsewhere = begin(window, file), begin(other, there)
        other.picture(pictures / "second_window.png")
        assert len(language_servers(home)) == 2
        window.press("Tab")
        wait_for_line(window, here.shown[-1])
        window.save(file, with_line("\n".join(here.shown)))
        now = other.now()
        assert now is not None
        assert now.shown == elsewhere.shown  # what is accepted in one window leaves the other as it is
        other.press("Tab")
        wait_for_line(other, elsewhere.shown[-1])
        other.save(there, with_line("\n".join(elsewhere.shown)))
    finally:
        other.close()
    wait_until(lambda: len(language_servers(home)) == 1, what="the closed window's language server stayed")


def language_servers(home: dict[str, str]) -> list[psutil.Process]:
    return [process for process in processes_of(home) if "stardraft_lsp" in command_of(process)]


def engine_pid(home: dict[str, str]) -> int:
    def loaded() -> int | None:
        return status_of(home).engine_pid

    return wait_until(loaded, what="no engine runs")


def status_of(home: dict[str, str]) -> Status:
    command = [sys.executable, "-m", "stardraftd", "status", "--json"]
    said = subprocess.run(command, env=home, capture_output=True, check=True).stdout
    return msgspec.json.decode(said, type=Status)


def n_requests(home: dict[str, str]) -> int:
    """How many suggestions the daemon has been asked for so far."""
    status = status_of(home)
    ended = status.completed + status.cancelled + status.failed
    return ended + status.n_running + status.n_waiting


@contextmanager
def slowed_down(pid: int) -> Iterator[None]:
    """Lets a process run 1 / 60 of the time: the built-in model becomes as slow as a real one on a CPU."""
    over = threading.Event()
    process = psutil.Process(pid)

    def brake() -> None:
        while not over.wait(0.004):
            process.suspend()
            over.wait(0.24)
            process.resume()

    thread = threading.Thread(target=brake)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
