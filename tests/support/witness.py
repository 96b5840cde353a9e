"""What a test that failed could see: whoever has something to tell is asked at the moment of the failure.

A home tells its processes and the end of its log, an editor what it was told. Under a failed test each
stands in a section of its own, so that a failure of time says what was there instead of only that it was
late.
"""

import contextlib
import traceback
from collections.abc import Callable, Iterator

import pytest

_witnesses: dict[int, tuple[str, Callable[[], str]]] = {}
_told: list[tuple[str, str]] = []


@contextlib.contextmanager
def witness(name: str, tell: Callable[[], str]) -> Iterator[None]:
    """While the block runs, `tell` is asked when a test fails; also when the block ends in an error."""
    key = id(tell)
    _witnesses[key] = (name, tell)
    try:
        yield
    except BaseException:
        _told.append((name, _ask(tell)))
        raise
    finally:
        del _witnesses[key]


def _ask(tell: Callable[[], str]) -> str:
    try:
        return tell()
    except Exception:  # noqa: BLE001 - whatever it is, it must not hide the failure that is told of
        return f"could not tell: {traceback.format_exc(limit=2)}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        report.sections += [(f"seen by {name}", text) for name, text in _told]
        report.sections += [(f"seen by {name}", _ask(tell)) for name, tell in [*_witnesses.values()]]
    _told.clear()
