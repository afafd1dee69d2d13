"""Contestants take turns, and values are medians over rounds that are each compared within themselves."""

import pytest

from bench.measuring import Contestant, Goal, Line, Timing, compete, times_as_long


def test_contestants_take_turns_at_being_first() -> None:
    order: list[str] = []

    def contestant(name: str) -> Contestant:
        return Contestant(name, lambda _round: order.append(name) or 1)

    compete([contestant("a"), contestant("b"), contestant("c")], 3)
    assert "".join(order) == "abcbcacab"


def test_times_as_long_is_the_median_of_the_rounds() -> None:
    slow = Timing(rows=[1, 1, 2], seconds=[2.0, 90.0, 6.0])
    fast = Timing(rows=[1, 1, 4], seconds=[1.0, 3.0, 4.0])
    assert times_as_long(slow, fast) == 3.0


@pytest.mark.parametrize(
    ("goal", "value", "is_met"), [("≤", 2.0, True), ("≤", 2.1, False), ("≥", 2.0, True), ("≥", 1.9, False)]
)
def test_a_goal_includes_its_bound(goal: str, value: float, is_met: bool) -> None:
    assert Line("", value=value, goal=Goal(goal, 2)).is_met == is_met
