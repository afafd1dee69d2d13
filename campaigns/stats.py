"""Intervals for shares. Pure.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927),
209–212; R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
methods", Statistics in Medicine 17 (1998), 873–890, method 10.
"""

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

CONFIDENCE = 0.95
# With less than this the interval is right still, but says so little that a verdict would be read into noise.
SMALLEST_ARM, FEWEST_GOALS = 30, 5


class Interval(NamedTuple):
    low: float
    high: float


def wilson(reached: int, of: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a share, without continuity correction. `of` is at least 1."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = reached / of, z * z / of
    centre = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def newcombe(one: tuple[int, int], other: tuple[int, int], confidence: float = CONFIDENCE) -> Interval:
    """Newcombe's hybrid score interval for the difference of two independent shares, `one` less `other`.

    Each is (reached, of), and `of` is at least 1. Both Wilson intervals are squared and added, each limit by the half
    that lies towards it.
    """
    first, second = one[0] / one[1], other[0] / other[1]
    a, b = wilson(*one, confidence), wilson(*other, confidence)
    difference = first - second
    return Interval(
        difference - sqrt((first - a.low) ** 2 + (b.high - second) ** 2),
        difference + sqrt((a.high - first) ** 2 + (second - b.low) ** 2),
    )


def is_too_small(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Fewer than 30 in an arm, or fewer than 5 who reached the goal in both together."""
    return min(one[1], other[1]) < SMALLEST_ARM or one[0] + other[0] < FEWEST_GOALS
