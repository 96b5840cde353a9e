"""Each fuzzer's first cases, always the same ones. How long one runs is chosen by its number of cases."""

import random
from types import ModuleType

import pytest

from tests.fuzz import Deadline
from tests.fuzz.__main__ import run_each, targets


@pytest.mark.parametrize("target", [pytest.param(module, id=name) for name, module in targets().items()])
def test_no_made_up_input_is_answered_as_it_must_not_be(target: ModuleType) -> None:
    report = target.run(random.Random(1), Deadline(cases=target.CASES))
    assert report.faults == []
    assert report.n_cases == target.CASES


def test_a_fuzzer_that_ends_before_it_can_say_is_told_and_the_others_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_each(["no_such", "ignore"], ["--cases=3", "--seed=1"], n_at_once=1) == 1
    told = capsys.readouterr().out
    assert "no_such: exit status 2" in told
    assert "ignore: 3 cases" in told
