"""Taking turns by weight: everybody has their share at any moment, whoever comes and goes."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from leads.routing import Agent, Seat, take_turn

WEIGHTS = st.lists(st.integers(1, 50), min_size=1, max_size=9)


def some_seats(weights: list[int]) -> list[Seat]:
    return [Seat(Agent(number), weight) for number, weight in enumerate(weights)]


def picks(seats: list[Seat], count: int, *, weighted: bool = True) -> list[int]:
    return [take_turn(seats, weighted=weighted).agent.id for _ in range(count)]


@given(WEIGHTS, st.integers(1, 400))
def test_share_is_off_by_less_than_one_lead_after_any_number_of_picks(weights: list[int], count: int) -> None:
    """Picks n times weight w by the sum of the weights W: |picked * W - n * w| < W, in whole numbers."""
    had, total, seats = Counter[int](), sum(weights), some_seats(weights)
    for done in range(1, count + 1):
        had[take_turn(seats).agent.id] += 1
        off = [abs(had[number] * total - done * weight) for number, weight in enumerate(weights)]
        assert max(off) < total


@given(WEIGHTS, st.integers(1, 5))
def test_shares_are_exact_after_whole_rounds(weights: list[int], rounds: int) -> None:
    had = Counter(picks(some_seats(weights), rounds * sum(weights)))
    assert [had[number] for number in range(len(weights))] == [rounds * weight for weight in weights]


@given(WEIGHTS, st.integers(0, 100))
def test_turns_go_on_where_they_were_written_down(weights: list[int], pause: int) -> None:
    """The state is in the lags alone, as rows keep them."""
    through, before = some_seats(weights), some_seats(weights)
    expected = picks(through, pause + 30)[pause:]
    picks(before, pause)
    after = [Seat(seat.agent, seat.weight, lag=seat.lag) for seat in before]
    assert picks(after, 30) == expected


def test_without_weights_everybody_takes_a_turn() -> None:
    assert picks(some_seats([5, 1, 1]), 6, weighted=False) == [0, 1, 2, 0, 1, 2]


def test_large_share_does_not_come_all_at_once() -> None:
    assert picks(some_seats([3, 3, 2]), 8) == [0, 1, 2, 0, 1, 0, 1, 2]


def test_who_was_away_catches_nothing_up() -> None:
    seats = some_seats([1, 1, 1])
    picks(seats, 1)
    picks(seats[1:], 20)
    assert Counter(picks(seats, 9)) == {0: 3, 1: 3, 2: 3}


@given(WEIGHTS, st.lists(st.integers(0, 2**9 - 1), max_size=60))
def test_somebody_available_is_always_picked(weights: list[int], absences: list[int]) -> None:
    seats = some_seats(weights)
    for absent in absences:
        here = [seat for seat in seats if not absent >> seat.agent.id & 1]
        if here:
            assert take_turn(here) in here
