"""Figures as people read them: the hold-out in a sentence, lengths of time, tables."""

from datetime import timedelta

import pytest
from django.utils import translation

from campaigns.figures import Arm, HoldOut
from campaigns.figures_told import compared, lasting, percent


def told(treated: tuple[int, int], held: tuple[int, int], goal: str = "agendado", **counts: int) -> str:
    arms = (Arm(size, reached) for reached, size in (treated, held))
    return compared(HoldOut(1, "Campaign", goal, 30, *arms, **counts))


def test_comparison_is_a_sentence_with_its_interval() -> None:
    assert told((38, 412), (6, 101)) == (
        "Of 412 treated 9.2 % booked within 30 days, of 101 held out 5.9 %: "
        "+3.3 points (95 %: −3.6 to +7.8); not proven yet."
    )


@pytest.mark.parametrize(
    ("treated", "held", "goal", "says"),
    [
        ((80, 400), (5, 100), "ganado", "won within 30 days, of 100 held out 5.0 %: +15.0 points"),
        ((80, 400), (5, 100), "seguimiento", "reached Follow-up within 30 days"),
        ((80, 400), (5, 100), "ganado", "; the campaign helps."),
        ((10, 400), (20, 100), "ganado", "; the campaign harms."),
        ((40, 400), (10, 100), "ganado", "0.0 points"),
    ],
)
def test_comparison_says_what_was_reached_and_what_follows(
    treated: tuple[int, int], held: tuple[int, int], goal: str, says: str
) -> None:
    assert says in told(treated, held, goal)


def test_too_few_is_said_with_what_it_takes() -> None:
    assert told((3, 20), (0, 5)) == (
        "Of 20 treated 15.0 % booked within 30 days, of 5 held out 0.0 %: +15.0 points (95 %: −29.5 to +36.0); "
        "too few to say. It takes 30 leads in each group, and 5 that reached the goal."
    )


def test_without_an_arm_there_is_nothing_to_compare() -> None:
    assert told((3, 20), (0, 0), beside=20) == "Nothing to compare yet: 20 treated, 0 held out, 30 days ago or longer."


def test_who_is_left_aside_is_told() -> None:
    assert told((3, 20), (0, 5), too_young=7, beside=2).splitlines()[1:] == [
        "Taken in less than 30 days ago, so not counted yet: 7.",
        "Treated while nobody was held out, so compared with nobody: 2.",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (40, "40 s"), (60, "1 min"), (3_600, "1 h"), (7_800, "2 h 10 min"), (273_599, "3 d 3 h")],
)
def test_length_of_time_has_two_units(seconds: int, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


def test_what_is_not_known_is_a_dash() -> None:
    assert (lasting(None), percent(None)) == ("–", "–")


def test_numbers_are_written_as_the_language_writes_them() -> None:
    with translation.override("es"):
        assert percent(0.0916) == "9,2 %"
