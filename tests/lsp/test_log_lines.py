"""The log has one line a record, nothing of anybody's source, and no flood."""

import logging
import sys
import threading

import pytest

from stardraft_lsp.server.log_lines import ALIKE_S, MAX_ALIKE, FewAlike, OneLine, log_uncaught

SECRET = "password = 'hunter2'\nmore = 1"


def line_of(message: str, *arguments: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("a", logging.ERROR, __file__, 1, message, arguments, info)
    return OneLine("%(levelname)s %(message)s").format(record)


def failed() -> Exception:
    try:
        int(SECRET)
    except ValueError as error:
        return error
    raise AssertionError


def test_an_exceptions_words_are_not_written_but_where_it_comes_from_is() -> None:
    line = line_of("a mistake in %s", "textDocument/didOpen", error=failed())
    assert line.startswith("ERROR a mistake in textDocument/didOpen: ValueError at ")
    assert f"{__file__}:" in line
    assert "hunter2" not in line
    assert "\n" not in line


@pytest.mark.parametrize("message", [f"Task was lost\nfuture: {SECRET}", f"Unable\n{SECRET}\n\n"])
def test_a_librarys_report_is_its_first_line(message: str) -> None:
    line = line_of(message)
    assert "hunter2" not in line
    assert line.endswith(" ...")


def test_records_that_are_alike_are_counted_after_a_few() -> None:
    now = [0.0]
    lines = FewAlike(lambda: now[0])

    def passed(n: int, line: int = 1) -> list[str]:
        records = [
            logging.LogRecord("a", logging.WARNING, "a.py", line, "one %d", (i,), None) for i in range(n)
        ]
        return [record.getMessage() for record in records if lines.filter(record)]

    first = passed(2500)
    assert len(first) == MAX_ALIKE
    assert first[-1].endswith("(more like it are counted)")
    assert passed(1, line=2) == ["one 0"]
    now[0] += ALIKE_S + 1
    assert passed(2) == [f"one 0 ({2500 - MAX_ALIKE} more like it before)", "one 1"]


def test_who_asks_for_the_details_gets_all_of_them() -> None:
    lines = FewAlike()
    records = [logging.LogRecord("a", logging.DEBUG, "a.py", 1, "one", (), None) for _ in range(100)]
    assert all(lines.filter(record) for record in records)


def test_what_nobody_catches_is_logged_so_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_uncaught()
    error = failed()
    sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    assert [record.levelname for record in caplog.records] == ["CRITICAL", "ERROR"]
    assert "ZeroDivisionError at" in caplog.records[1].getMessage()
