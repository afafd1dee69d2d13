"""Intervals as their authors printed them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.stats import is_too_small, newcombe, wilson


@pytest.mark.parametrize(
    ("counts", "interval"),
    [((81, 263), (0.2553, 0.3662)), ((15, 148), (0.0624, 0.1605)), ((0, 20), (0, 0.1611)), ((1, 29), (0.0061, 0.1718))],
)
def test_wilson_gives_the_printed_intervals(counts: tuple[int, int], interval: tuple[float, float]) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 857–872, table I, method 3."""
    assert tuple(round(limit, 4) for limit in wilson(*counts)) == interval


@pytest.mark.parametrize(
    ("one", "other", "interval"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0000)),
        ((10, 10), (0, 10), (0.6075, 1.0000)),
    ],
)
def test_newcombe_gives_the_printed_intervals(
    one: tuple[int, int], other: tuple[int, int], interval: tuple[float, float]
) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 873–890, table II, method 10, examples (a) to (h)."""
    assert tuple(round(limit, 4) for limit in newcombe(one, other)) == interval


arms = st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(arms, arms)
def test_newcombe_holds_the_difference_and_mirrors(one: tuple[int, int], other: tuple[int, int]) -> None:
    there, back = newcombe(one, other), newcombe(other, one)
    assert -1 - 1e-9 <= there.low <= one[0] / one[1] - other[0] / other[1] <= there.high <= 1 + 1e-9
    assert (round(back.low, 9), round(back.high, 9)) == (round(-there.high, 9), round(-there.low, 9))


@pytest.mark.parametrize(
    ("one", "other", "small"),
    [((5, 30), (0, 30), False), ((5, 29), (0, 300), True), ((5, 300), (5, 29), True), ((2, 300), (2, 300), True)],
)
def test_too_small_is_fewer_than_thirty_in_an_arm_or_five_goals(
    one: tuple[int, int], other: tuple[int, int], small: bool
) -> None:
    assert is_too_small(one, other) is small
