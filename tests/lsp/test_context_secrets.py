"""What counts as a secret: by name and by content. Cases to add to: tests/data/lsp/context/*.toml."""

import tomllib
from pathlib import Path

import pytest

from stardraft_lsp.context.secrets import (
    entropy_bits,
    has_secret,
    holds_private_key,
    is_secret_name,
    is_suspicious_name,
    masked,
)

DATA = Path(__file__).parent.parent / "data" / "lsp" / "context"
LINES = tomllib.loads((DATA / "secrets.toml").read_text(encoding="utf-8"))
NAMES = tomllib.loads((DATA / "names.toml").read_text(encoding="utf-8"))
BEGIN, END = "-----BEGIN " + "RSA PRIVATE KEY-----", "-----END " + "RSA PRIVATE KEY-----"
BODY = "MIIEpAIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL"


@pytest.mark.parametrize("case", LINES["secret"], ids=lambda case: case["why"])
def test_a_secret_is_seen(case: dict[str, str]) -> None:
    text = case["text"].replace("~", "")
    assert has_secret(text)
    assert has_secret(f"def f():\n    return 1\n\n{text}\n# the end\n")


@pytest.mark.parametrize("case", LINES["harmless"], ids=lambda case: case["why"])
def test_ordinary_code_is_no_secret(case: dict[str, str]) -> None:
    assert not has_secret(case["text"].replace("~", ""))


@pytest.mark.parametrize("name", NAMES["secret"])
def test_secret_files_are_known_by_name(name: str) -> None:
    assert is_secret_name(name)
    assert is_secret_name(f"/home/me/project/{name}")


@pytest.mark.parametrize("name", NAMES["suspicious"])
def test_code_with_a_suspicious_name_is_completed_but_not_shown_to_others(name: str) -> None:
    assert is_suspicious_name(name)
    assert not is_secret_name(name)


@pytest.mark.parametrize("name", NAMES["open"])
def test_ordinary_names_are_open(name: str) -> None:
    assert not is_secret_name(name)
    assert not is_suspicious_name(name)


def test_masking_leaves_every_position_where_it_was() -> None:
    text = 'user = "ann"\npassword = "tiger 99"\nprint(user)\n'
    assert masked(text) == 'user = "ann"\npassword = "xxxxx xx"\nprint(user)\n'
    assert masked("nothing = here\n") == "nothing = here\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGIN}\n{BODY}\n{END}\n",
        f'KEY = """\n{BEGIN}\n{BODY}\n"""',
        f'KEY = "{BEGIN}\\n{BODY}\\n"',
        f'KEY = (\n    "{BEGIN}\\n"\n    "{BODY}\\n"\n)',
        f"{BEGIN}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{BODY}\n",
        f"key: |\n  {BEGIN}\n  {BODY}\n",
    ],
)
def test_a_private_key_is_told_from_code_that_looks_for_one(text: str) -> None:
    assert holds_private_key(text)
    assert not holds_private_key(f'if line.startswith("{BEGIN}"):\n    raise ValueError("a key")\n')


def test_entropy_is_that_of_shannon() -> None:
    assert entropy_bits("") == 0
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("abab") == pytest.approx(1)
    assert entropy_bits("abcdefgh") == pytest.approx(3)


@pytest.mark.parametrize(
    "unit", ["token", "password ", "a", "eyJ", "a.", "://:", "x@", "pwd=", '"', "BEGIN ", "-----BEGIN ", "A1"]
)
def test_no_text_however_odd_takes_long(unit: str) -> None:
    """The patterns are bounded: some of these would take minutes; the test's timeout is the measure."""
    text = unit * (20_000 // len(unit))
    masked(text)
    holds_private_key(f"PRIVATE KEY{text}")
