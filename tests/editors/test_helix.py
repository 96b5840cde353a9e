"""The whole way in a real Helix that `stardraft setup` set up: keys, language server, menu, buffer."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import stardraft
from tests.editors.helix import Helix, find_helix
from tests.support.home import write_config
from tests.support.waiting import bytes_in, wait_until

SHELF = (Path(__file__).parents[1] / "data" / "demo" / "shelf.py").read_text(encoding="utf-8")
# The line of a method that was left at its beginning, in lines from 1.
BEGINNING = SHELF.splitlines().index("        return") + 1
BEGUN = " [item for item in self"
# An entry of the completion menu: its label, and the kind that the language server gives all of its own.
ENTRY = re.compile(r"^\W*(?:\d+)?\s{2,}(\S.*?)\s+text\b")


@pytest.fixture
def project() -> Iterator[Path]:
    """A folder with a short path: the terminal's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="sd-hx-") as folder:
        (Path(folder) / ".git").mkdir()
        yield Path(folder)


def test_the_menu_shows_a_suggestion_and_what_was_shown_is_what_is_accepted(
    shared_home: dict[str, str], project: Path
) -> None:
    binary = find_helix()
    write_config(shared_home, "[editor]\nconfidence = false\n")
    environment = dict(shared_home, HOME=str(project), XDG_CONFIG_HOME=str(project / "config"))
    # The path is a link to another place, as in many people's dotfiles.
    (project / "dotfiles").mkdir()
    (project / "config" / "helix").mkdir(parents=True)
    (project / "config" / "helix" / "languages.toml").symlink_to(project / "dotfiles" / "languages.toml")
    set_up = stardraft(environment, "setup", "helix", "--yes")
    assert set_up.returncode == 0, set_up.stderr
    file = project / "shelf.py"
    file.write_text(SHELF, encoding="utf-8")

    with Helix(binary, environment, project, file, BEGINNING) as helix:
        wait_until(helix.is_ready, what="the language server that Helix starts was not ready")
        helix.keys("A")
        helix.type(BEGUN)

        def entry() -> str | None:
            line = helix.screen()[cursor_row(helix) + 1]
            found = ENTRY.search(line)
            return found.group(1) if found else None

        label = wait_until(entry, what="no completion menu with a suggestion appeared")
        helix.keys("Tab")
        wait_until(
            lambda: "stardraft" in "\n".join(helix.screen()), what="the entry does not say whose it is"
        )
        shown = helix.screen()[cursor_row(helix)].rstrip()
        helix.keys("Enter")
        helix.leave_insert_mode()
        helix.type(":write")
        helix.keys("Enter")

        def written() -> str | None:
            text = bytes_in(file).decode()  # Helix moves a file aside, and empties it, before it writes it
            return text if text != SHELF and text.endswith(SHELF.splitlines(keepends=True)[-1]) else None

        accepted = wait_until(written, what="Helix did not write the file")

    first = accepted.splitlines()[BEGINNING - 1]
    assert first.startswith(f"        return{BEGUN}")
    assert len(first) > len(f"        return{BEGUN}")
    assert first.removeprefix("        return [item for item in ").startswith(label.removesuffix("…"))
    assert shown.endswith(first.strip())
    around = SHELF.splitlines()
    lines = accepted.splitlines()
    assert lines[: BEGINNING - 1] == around[: BEGINNING - 1]
    assert lines[-len(around[BEGINNING:]) :] == around[BEGINNING:]


def cursor_row(helix: Helix) -> int:
    """The row of the screen, from 0, where the line that is written stands: Helix numbers its lines."""
    rows = [row for row, line in enumerate(helix.screen()) if re.match(rf"\W*{BEGINNING} ", line)]
    assert rows, "the line is not on the screen:\n" + "\n".join(helix.screen())
    return rows[0]
