"""`bench/compare.py`: what it says about pairs of times."""

from __future__ import annotations

import math

import pytest

from bench import compare


@pytest.mark.parametrize(
    ("count", "doubt", "bounds"),
    [
        (5, 0.05, (-math.inf, math.inf)),  # even all five on one side happen once in 16 times
        (6, 0.05, (0, 5)),
        (8, 0.05, (0, 7)),
        (9, 0.05, (1, 7)),
        (20, 0.05, (5, 14)),
        (20, 0.001, (2, 17)),
    ],
)
def test_the_interval_is_that_of_the_sign_test(count: int, doubt: float, bounds: tuple[float, float]) -> None:
    """The textbook's ranks, whatever the order of the values."""
    values = [float(value) for value in range(count)]
    assert compare.median_interval(values[::-1], doubt) == bounds


def case(*ratios: float) -> compare.Case:
    """A case in which HEAD took so many times as long as BASE."""
    made = compare.Case("traces", "one", "protobuf", 16)
    made.base = [1_000_000] * len(ratios)
    made.head = [int(ratio * 1_000_000) for ratio in ratios]
    return made


def test_only_what_lies_outside_the_noise_is_a_change() -> None:
    """One outlier hides nothing, a spread around 1 says nothing, and many cases need more pairs for the same."""
    slower = case(*[1.1, 1.12, 1.09, 1.11, 1.1, 1.3, 1.1, 1.12, 1.09, 0.9])
    assert compare.judge(slower, 1).verdict == "slower"
    assert compare.judge(slower, 10).verdict == "no change"
    assert compare.judge(case(*[0.8] * 10), 10).verdict == "faster"
    assert compare.judge(case(*[0.99, 1.01, 1.2, 0.9, 1.0, 1.03, 0.98, 1.0, 1.0, 1.02]), 1).verdict == "no change"


def test_failures_are_what_got_slower_than_is_allowed_or_breaks() -> None:
    """Not what is slower by less than the threshold, and not what failed in BASE already."""
    results = [compare.judge(case(*[ratio] * 10), 1) for ratio in (1.04, 1.2)]
    assert [text.partition(": ")[2] for text in compare.failures(results, 5)] == ["slower by 20.0 %"]
    broken, fixed, other = case(), case(), case(*[1.0] * 10)
    broken.error, fixed.error, other.differs = "HEAD fails: no", "BASE fails: no", True
    found = compare.failures([compare.judge(one, 1) for one in (broken, fixed, other)], 5)
    assert [text.partition(": ")[2] for text in found] == ["HEAD fails: no", "other output"]
