"""Tries every pattern of `re` in this project, and prints which are slow: run by tests/test_patterns.py.

`re` looks for signals while it matches, so a timer of processor time ends a try that has become endless.
"""

import ast
import importlib
import json
import pkgutil
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.attacks import texts

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = {"stardraftd": "daemon", "stardraft_lsp": "lsp", "stardraft_quant": "quant"}
N_CHARACTERS = 30_000
LIMIT_S = 0.2  # of processor time for one text; a pass over it takes a fiftieth
# What a pattern is never given more of, by the module that holds it; with this much one match must be
# instant.
AT_MOST = {"stardraft_lsp.context.index.definitions": 240, "stardraftd.models.store": 4096}
SHORT_LIMIT_S = 0.02


class TooSlowError(Exception):
    pass


def is_slow(pattern: "str | bytes", flags: int, n_characters: int = N_CHARACTERS) -> str:
    """A text that takes too long, its beginning; "" when none does."""
    compiled = re.compile(pattern, flags)
    limit_s = LIMIT_S if n_characters >= N_CHARACTERS else SHORT_LIMIT_S
    for text in texts(
        pattern, compiled.flags & ~re.UNICODE if isinstance(pattern, str) else flags, n_characters
    ):
        subject: Any = text.encode("latin-1", "replace") if isinstance(pattern, bytes) else text
        for ask in (compiled.search, compiled.fullmatch):
            if not _is_in_time(lambda ask=ask, subject=subject: ask(subject), limit_s):
                return text[:80] or "empty"
    return ""


def _is_in_time(job: Any, limit_s: float) -> bool:
    def stop(_signal: int, _frame: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
    try:
        job()
    except TooSlowError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return True


def patterns() -> "Iterator[tuple[str, str | bytes, int]]":
    """Where, pattern and flags: in the modules' tables, in calls with a constant, made at run time."""
    for package, folder in PACKAGES.items():
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if module.name.endswith("__main__"):
                continue
            try:
                loaded = importlib.import_module(module.name)
            except ImportError:  # for the want of an extra
                continue
            for name, value in list(vars(loaded).items()):
                for found in _within(value, 0):
                    yield f"{module.name}:{name}", found.pattern, found.flags
        for file in sorted((ROOT / folder / package).rglob("*.py")):
            yield from _constants(file)
    yield from _made_at_run_time()


def _within(value: object, depth: int) -> "Iterator[re.Pattern[Any]]":
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict | list | tuple) and depth < 3:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _within(part, depth + 1)


def _constants(file: Path) -> "Iterator[tuple[str, str | bytes, int]]":
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and bool(node.args)
        if not is_call or getattr(node.func.value, "id", "") != "re":
            continue
        pattern = node.args[0]
        if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str | bytes):
            flags = re.MULTILINE if "MULTILINE" in ast.unparse(node) else 0
            yield f"{file.relative_to(ROOT)}:{node.lineno}", pattern.value, flags


def _made_at_run_time() -> "Iterator[tuple[str, str | bytes, int]]":
    from stardraftd.lexing.lexis import LEXES, lexis_of
    from stardraftd.lexing.patterns import compiled, hole_pattern, text_pattern

    for language in ["", "text", *LEXES]:
        found, lexis = compiled(language), lexis_of(language)
        in_texts = [text_pattern(text, '"') for text in lexis.texts]
        in_heredocs = [hole_pattern(rule) for rule in lexis.heredocs if rule.holes]
        in_code = [found.sign, found.sign_or_end, found.in_code, found.in_tag]
        for made in [*in_code, *in_texts, *in_heredocs]:
            yield f"made for {language}", made.pattern, made.flags
        for text in lexis.texts:
            if text.prefix:
                yield f"a prefix of {language}", text.prefix, 0


def main() -> None:
    tried: set[tuple[object, int]] = set()
    slow = []
    for where, pattern, flags in patterns():
        if (pattern, flags) in tried:
            continue
        tried.add((pattern, flags))
        if text := is_slow(pattern, flags, AT_MOST.get(where.partition(":")[0], N_CHARACTERS)):
            slow.append([where, str(pattern), text])
    json.dump({"tried": len(tried), "slow": slow}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
