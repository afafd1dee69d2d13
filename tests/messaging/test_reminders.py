"""When reminders are due, where contact hours stand in their way."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.rules import ContactWindow
from messaging.reminders import DAY_BEFORE, HOUR_BEFORE, REMINDERS, reminder_at
from messaging.schedule import is_open

SANTIAGO = "America/Santiago"
# As the cautious default for Chile has them.
WEEK: tuple[tuple[time, time] | None, ...] = (*[(time(8), time(20))] * 5, (time(9), time(14)), None)
CHILE = ContactWindow(WEEK)
ALWAYS = ContactWindow(((time(0), time(23, 59, 59)),) * 7)


def here(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026 in Santiago; the first is a Sunday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo(SANTIAGO)).astimezone(UTC)


def moment(kind: str, starts_at: datetime, window: ContactWindow = CHILE) -> datetime | None:
    return reminder_at(starts_at, *REMINDERS[kind], window, (SANTIAGO,))


@pytest.mark.parametrize(
    ("starts_at", "due_at"),
    [
        (here(4, 12), here(3, 12)),
        (here(4, 8), here(3, 8)),
        (here(3, 7, 30), here(2, 8)),  # half past seven is closed: half an hour later, at eight
        (here(9, 12), here(7, 13, 45)),  # Sunday is closed, and Monday too late: on Saturday, before the window closes
        (here(8, 12), here(7, 12)),
        (here(7, 21), here(6, 19, 45)),
    ],
)
def test_reminder_of_the_day_before_comes_at_the_last_open_moment(starts_at: datetime, due_at: datetime) -> None:
    assert moment(DAY_BEFORE, starts_at) == due_at


@pytest.mark.parametrize(
    ("starts_at", "due_at"),
    [
        (here(4, 12), here(4, 11)),
        (here(4, 21, 30), here(4, 19, 45)),  # half past eight is closed: before it closes
        (here(4, 8, 30), here(4, 8)),  # half past seven is closed, and so are the hours before: at eight
        (here(4, 8, 10), None),  # ten minutes before is no reminder
        (here(8, 12), None),  # Sunday
    ],
)
def test_reminder_of_the_hour_before_stays_close_to_it(starts_at: datetime, due_at: datetime | None) -> None:
    assert moment(HOUR_BEFORE, starts_at) == due_at


def test_reminder_looks_back_over_a_long_weekend_and_no_further() -> None:
    no_friday, four_days = ContactWindow((*WEEK[:4], None, None, None)), ContactWindow((None, *WEEK[1:3], *(None,) * 4))
    assert moment(DAY_BEFORE, here(9, 12), no_friday) == here(5, 19, 45)
    assert moment(DAY_BEFORE, here(9, 12), four_days) is None


zones = st.sampled_from(
    ["America/Santiago", "America/Bogota", "America/Mexico_City", "Europe/Madrid", "America/New_York"]
)
clocks = st.integers(0, 95).map(lambda n: time(n // 4, n % 4 * 15))
hours = st.none() | st.tuples(clocks, clocks).filter(lambda pair: pair[0] < pair[1])
windows = st.tuples(*[hours] * 7).map(ContactWindow)
starts = st.integers(0, 365 * 96).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + n * timedelta(minutes=15))


@given(starts_at=starts, window=windows, places=st.lists(zones, min_size=1, max_size=2, unique=True))
def test_reminder_is_inside_the_hours_of_every_zone_and_before_the_meeting(
    starts_at: datetime, window: ContactWindow, places: list[str]
) -> None:
    """failures.md row 21."""
    for before, early, late in REMINDERS.values():
        at = reminder_at(starts_at, before, early, late, window, tuple(places))
        if at is not None:
            assert starts_at - before - early <= at <= starts_at - before + late < starts_at
            assert all(is_open(at, window, ZoneInfo(place)) for place in places)


@given(starts_at=starts, zone=zones)
def test_reminder_comes_to_the_minute_where_nothing_is_closed(starts_at: datetime, zone: str) -> None:
    planned = starts_at - timedelta(hours=24)
    assert reminder_at(starts_at, *REMINDERS[DAY_BEFORE], ALWAYS, (zone,)) == planned
