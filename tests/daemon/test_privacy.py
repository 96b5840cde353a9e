"""What counts as a secret: by name and by content. Cases to add to: tests/data/privacy,
tests/data/lsp/context."""

import json
import time
import tomllib
from pathlib import Path

import pytest

from stardraftd.privacy.content import has_secret, holds_key, holds_private_key, secret_spans
from stardraftd.privacy.names import is_secret_name, is_suspicious_name
from stardraftd.privacy.services import entropy_bits, token_spans
from tests.measure_secrets import false_alarms, labelled, misses

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data" / "lsp" / "context"
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
    assert is_secret_name("C:\\Users\\me\\" + name.replace("/", "\\"))


@pytest.mark.parametrize("name", NAMES["suspicious"])
def test_code_with_a_suspicious_name_is_completed_but_not_shown_to_others(name: str) -> None:
    assert is_suspicious_name(name)
    assert not is_secret_name(name)


@pytest.mark.parametrize("name", NAMES["open"])
def test_ordinary_names_are_open(name: str) -> None:
    assert not is_secret_name(name)
    assert not is_suspicious_name(name)


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


def test_every_rule_of_gitleaks_is_a_pattern_and_finds_its_words() -> None:
    rules = json.loads((ROOT / "daemon" / "stardraftd" / "privacy" / "gitleaks.json").read_text())["rules"]
    assert len(rules) > 200
    # A text with the words of all: each rule is compiled, and none of them takes a word alone for a token.
    assert list(token_spans("\n".join(word for rule in rules for word in rule["keywords"]))) == []


# --- the labelled set: what docs/privacy.md promises ------------------------------------------------------


def test_of_the_labelled_secrets_none_is_missed() -> None:
    assert len(labelled("secrets.txt")) >= 350
    assert misses() == []


def test_of_the_labelled_look_alikes_none_is_called_secret() -> None:
    assert len(labelled("harmless.txt")) >= 200
    assert false_alarms() == []


def test_privacy_promises_what_is_measured() -> None:
    promised = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    n = len(labelled("secrets.txt"))
    assert f"{n} of {n} secrets" in promised
    assert f"none of {len(labelled('harmless.txt'))} look-alikes" in promised


@pytest.mark.parametrize(
    "text", ['password = "pa$$w0rd"', "ENV DB_PASSWORD hunter2", "x: 1\npassword: |\n  Zk39!xQp\n"]
)
def test_the_place_of_a_secret_is_that_of_its_value(text: str) -> None:
    places = {text[start:end].strip() for start, end in secret_spans(text)}
    assert places <= {"pa$$w0rd", "hunter2", "Zk39!xQp"}
    assert places


# --- no text takes long -----------------------------------------------------------------------------------

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    "text",
    [
        f'token = "{ALPHABET}12"',
        'token = "MySecretTokenForTestingPurpose99"',
        f'SALT_CHARS = "{ALPHABET}{ALPHABET.upper()}0123456789"',
        f'secret = "{ALPHABET * 200}!"',
        "-----BEGIN PRIVATE KEY-----\n" + ("AAA:" + " " * 50) * 8,
        "-----BEGIN PRIVATE KEY-----\n" + "\n" * 100_000,
        "password" + " " * 200_000 + "=",
        "password: " * 20_000,
        "curl " + "a" * 200_000,
        "https://" * 20_000,
        'authorization: "' * 10_000,
        "kind: secret data: " * 10_000,
        *(
            unit * (100_000 // len(unit))
            for unit in ("token", "a", "eyJ", "a.", "://:", "x@", "pwd=", '"', "A1", "sk-a-")
        ),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_no_text_however_odd_takes_long(text: str) -> None:
    """Each took seconds to ages where patterns backtrack; here a time in proportion to its length."""
    began = time.process_time()
    has_secret(text)
    holds_private_key(f"PRIVATE KEY{text}")
    holds_key(text)
    assert time.process_time() - began < 5  # processor seconds; far from what it takes, and from minutes
