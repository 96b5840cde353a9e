"""Each fuzzer's first cases, always the same ones. How long one runs is chosen by its number of cases."""

import random
from types import ModuleType

import pytest

from tests.fuzz import Deadline
from tests.fuzz.__main__ import targets


@pytest.mark.parametrize("target", [pytest.param(module, id=name) for name, module in targets().items()])
def test_no_made_up_input_is_answered_as_it_must_not_be(target: ModuleType) -> None:
    report = target.run(random.Random(1), Deadline(cases=target.CASES))
    assert report.faults == []
    assert report.n_cases == target.CASES
