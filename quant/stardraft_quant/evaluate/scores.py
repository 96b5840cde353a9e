"""How an answer compares with what stood there, and what many comparisons come to. Pure functions."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from stardraft_quant.evaluate.tasks import Answer, Arm, Item, Task, Verdict
from stardraft_quant.shared.prefixes import common_prefix

Z95 = 1.959964  # of the normal distribution: 95% lie within so many standard deviations
MAX_EDITED = 400  # characters; a longer line is compared by its beginning


class Share(Struct, frozen=True):
    """`n` of `of`, with the 95% interval of the share (Wilson, JASA 22 (1927) 209)."""

    n: int
    of: int
    share: float
    low: float
    high: float


class Summary(Struct, frozen=True, kw_only=True):
    """A group of items.

    prefix, similarity: means.
    ended:       how many generations ended for each reason.
    n_prompt, n_tokens, total_ms: means of one item.
    passed_line, passed_whole: of the programs that were run; None when none was.
    """

    exact_line: Share
    exact: Share
    prefix: float
    similarity: float
    ended: dict[str, int]
    n_prompt: float
    n_tokens: float
    total_ms: float
    passed_line: Share | None = None
    passed_whole: Share | None = None


class Pair(Struct, frozen=True):
    """Two arms on the same tasks. `p`: of so uneven a split by chance alone, two-sided (the sign test)."""

    first: Arm
    second: Arm
    only_first: int
    only_second: int
    p: float


def first_line(text: str) -> str:
    """The first line with something visible on it, without white space at its ends; "" if there is none."""
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def score(
    task: Task, arm: Arm, answer: Answer, *, line: Verdict | None = None, whole: Verdict | None = None
) -> Item:
    """`line` and `whole` are what programs said, where they were run."""
    expected, found = first_line(task.expected), first_line(answer.text)
    return Item(
        task=task.number,
        name=task.name,
        kind=task.kind,
        language=task.language,
        context=arm.context,
        layout=arm.layout,
        used_layout=answer.layout,
        expected=task.expected,
        text=answer.text,
        ended=answer.ended,
        exact=answer.text.strip() == task.expected.strip(),
        exact_line=found == expected,
        prefix=round(common_prefix(found, expected) / max(len(expected), 1), 4),
        similarity=round(similarity(found, expected), 4),
        n_prompt=answer.n_prompt,
        n_context=answer.n_context,
        n_tokens=len(answer.tokens),
        total_ms=answer.total_ms,
        mean_logprob=round(answer.mean_logprob, 4),
        tokens=answer.tokens,
        first_line=line,
        whole=whole,
    )


def similarity(first: str, second: str) -> float:
    """1 - Levenshtein's distance over the longer length: 1 is equal, 0 has nothing in common."""
    first, second = first[:MAX_EDITED], second[:MAX_EDITED]
    if not first or not second:
        return float(first == second)
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return 1 - row[-1] / max(len(first), len(second))


def share(n: int, of: int) -> Share:
    """A share with Wilson's interval; of nothing it is 0, and anything from 0 to 1."""
    if of == 0:
        return Share(0, 0, 0.0, 0.0, 1.0)
    p, z2 = n / of, Z95 * Z95
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Share(n, of, p, 0.0 if n == 0 else low, 1.0 if n == of else high)


def summarise(items: Sequence[Item]) -> Summary:
    def mean(values: Iterable[float]) -> float:
        return sum(values) / max(len(items), 1)

    return Summary(
        exact_line=share(sum(item.exact_line for item in items), len(items)),
        exact=share(sum(item.exact for item in items), len(items)),
        prefix=mean(item.prefix for item in items),
        similarity=mean(item.similarity for item in items),
        ended=dict(Counter(item.ended for item in items).most_common()),
        n_prompt=mean(item.n_prompt for item in items),
        n_tokens=mean(item.n_tokens for item in items),
        total_ms=mean(item.total_ms for item in items),
        passed_line=_passed([item.first_line for item in items]),
        passed_whole=_passed([item.whole for item in items]),
    )


def _passed(verdicts: Sequence[Verdict | None]) -> Share | None:
    ran = [verdict.passed for verdict in verdicts if verdict is not None]
    return share(sum(ran), len(ran)) if ran else None


def by_arm(items: Iterable[Item]) -> dict[Arm, list[Item]]:
    found: dict[Arm, list[Item]] = {}
    for item in items:
        found.setdefault(item.arm, []).append(item)
    return found


def pairs(items: Iterable[Item]) -> list[Pair]:
    """Arms that differ in one thing, compared on the tasks that both answered, by the first line."""
    arms = by_arm(items)
    right = {arm: {item.task: item.exact_line for item in group} for arm, group in arms.items()}
    found = []
    for i, first in enumerate(arms):
        for second in list(arms)[i + 1 :]:
            if (first.context == second.context) == (first.layout == second.layout):
                continue
            both = right[first].keys() & right[second].keys()
            only_first = sum(right[first][task] and not right[second][task] for task in both)
            only_second = sum(right[second][task] and not right[first][task] for task in both)
            found.append(Pair(first, second, only_first, only_second, sign_test(only_first, only_second)))
    return found


def sign_test(n: int, m: int) -> float:
    """How probable a split of n + m at least as uneven as n to m is, if both sides are as likely."""
    total, least = n + m, min(n, m)
    ways = in_all = 1  # to choose k of the total, exactly
    for k in range(least):
        ways = ways * (total - k) // (k + 1)
        in_all += ways
    return min(1.0, 2 * in_all / (1 << total))
