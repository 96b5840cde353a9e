"""Foreign text drives no terminal and hides nothing, wherever it is shown."""

import io
from pathlib import Path

import msgspec
import pytest

from stardraft_lsp.server.server import StardraftServer
from stardraft_lsp.status import StatusReport
from stardraftd.cli.edge import run
from stardraftd.console import printable
from stardraftd.console.printable import visible, visible_line
from stardraftd.errors import StardraftError
from stardraftd.logs.reader import render
from stardraftd.models.store import Record
from stardraftd.paths import tilde
from tests.support.tiny_models import rewrite, write_tiny_model

# A title, a colour, a bell, a C1 control, a line end of old printers, marks of direction, what takes no room.
FOREIGN = "a\x1b]0;owned\x07\x1b[31mb\x9b2J\r\u202egnp\u2066\u200b\u2028\ufeff\U000e0041.gguf"
DRIVING = set("\x1b\x07\x9b\r\u202e\u2066\u200b\u2028\ufeff\U000e0041")


def test_what_would_drive_a_terminal_is_written_out_and_text_is_left() -> None:
    assert not DRIVING & set(visible(FOREIGN))
    assert visible("\x1b[2J\ud800") == "\\x1b[2J\\ud800"
    text = "def naïve(名前):\n\treturn '👩‍👩‍👧 \u00a0' # नमस्ते مرحبا\n"
    assert visible(text) == text
    assert visible_line("a\nb\tc") == "a\\x0ab\tc"


def test_a_path_is_one_line_and_visible() -> None:
    assert tilde(Path("/m") / "a\nstardraft: all is well\x1b[1A") == r"/m/a\x0astardraft: all is well\x1b[1A"


def test_a_log_line_is_one_line_and_visible() -> None:
    raw = msgspec.json.encode({"event": FOREIGN, "level": "info", "exception": f"x\n{FOREIGN}"}).decode()
    for line in (raw, FOREIGN):
        assert not DRIVING & set(render(line))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_table_a_bar_and_a_line_are_visible(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

    monkeypatch.setenv("TERM", "xterm-256color")
    console = printable.console(width=120)
    console.file = io.StringIO()
    console._force_terminal = is_terminal
    table = Table(title=FOREIGN)
    table.add_column(FOREIGN, style="red")
    table.add_row(Text(FOREIGN, style="bold"))
    console.print(table)
    console.print(FOREIGN, style="green")
    with Progress(console=console) as progress:
        progress.add_task(FOREIGN, total=1)
    shown = console.file.getvalue()
    for own in ("\x1b[?25l", "\x1b[?25h"):
        shown = shown.replace(own, "")
    assert "owned" in shown
    assert not (DRIVING - {"\x1b", "\r"}) & set(shown)
    assert "\x1b]0;owned" not in shown


async def test_what_an_editor_shows_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    server = StardraftServer()
    sent: list[str] = []
    monkeypatch.setattr(server.protocol, "notify", lambda _method, params: sent.append(str(params)))
    server.show_error(StardraftError(f"There is no {FOREIGN}.", FOREIGN))
    server.send_status(StatusReport("error", message=FOREIGN, model=FOREIGN))
    assert len(sent) == 2
    for one in sent:
        assert not {repr(char)[1:-1] for char in DRIVING} & set(one.replace("\\\\", ""))
        assert "\x1b" not in one
        assert "\\x1b" in one.replace("\\\\", "\\")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home whose folders and models have names that mean ill."""
    top = tmp_path_factory.mktemp("home")
    (top / "run").mkdir(mode=0o700)
    models = top / "m\x1b[31m"
    models.mkdir()
    plain = write_tiny_model(top / "plain.gguf", vocabulary=600)
    model = rewrite(
        plain, models / "plain.gguf", lambda writer: writer.add_name(FOREIGN), drop=("general.name",)
    )
    record = Record(
        how="downloaded", source=FOREIGN, sha256="0" * 64, size_bytes=model.stat().st_size, license=FOREIGN,
        added_at=FOREIGN,
    )  # fmt: skip
    (models / "plain.json").write_bytes(msgspec.json.encode(record))
    (models / FOREIGN).write_bytes(b"GGUF")
    state = top / "s\x1b]0;owned\x07"
    (state / "logs").mkdir(parents=True)
    (state / "logs" / "daemon.log").write_text(FOREIGN, encoding="utf-8")
    (state / "logs" / FOREIGN).write_text("another's")
    places = {"CONFIG": top / "c.toml", "STATE_DIR": state, "RUNTIME_DIR": top / "run", "MODELS_DIR": models}
    return {f"STARDRAFT_{name}": str(path) for name, path in places.items()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["model", "list"],
        ["model", "info", "plain"],
        ["model", "use", FOREIGN],
        ["model", "use", "plain"],
        ["model", "use", f"/nowhere/{FOREIGN}"],
        ["model", "remove", "plain"],
        ["model", "pull", f"o/r:{FOREIGN}"],
        ["uninstall", "--purge"],
        ["daemon", "logs"],
        ["daemon", "logs", "--json"],
        ["doctor"],
        ["complete", f"{FOREIGN}:1"],
        [FOREIGN],
        ["daemon", "start", "--set", FOREIGN],
        ["--config", FOREIGN, "status"],
    ],
)
def test_no_command_prints_it_as_it_is(
    arguments: list[str],
    home: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    run(arguments)
    said = capsys.readouterr()
    assert said.out + said.err
    assert not DRIVING & set(said.out + said.err)
    assert "mistake in stardraft" not in said.err
