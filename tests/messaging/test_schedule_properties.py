"""For every zone and every change of the clock (failures.md row 21): inside, earliest, monotone, idempotent."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.rules import ContactWindow
from messaging.schedule import is_open, next_opening

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

minutes = st.integers(0, 24 * 60 - 1).map(lambda n: time(n // 60, n % 60))
hours = st.none() | st.tuples(minutes, minutes).filter(lambda pair: pair[0] < pair[1])
windows = st.lists(hours, min_size=7, max_size=7).map(lambda days: ContactWindow(tuple(days)))
moments = st.integers(0, int((LAST - FIRST).total_seconds())).map(lambda n: FIRST + timedelta(seconds=n))


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """The instants at which the clock of a zone changes, by the minute."""
    return tuple(_changes(ZoneInfo(zone)))


def _changes(zone: ZoneInfo) -> Iterator[datetime]:
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)]
    for start, end in pairwise(days):
        if start.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset():
            yield _narrowed(start, end, zone)


def _narrowed(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    while end - start > MINUTE:
        middle = start + (end - start) // (2 * MINUTE) * MINUTE
        changed = middle.astimezone(zone).utcoffset() != start.astimezone(zone).utcoffset()
        start, end = (start, middle) if changed else (middle, end)
    return end


CHANGING = [zone for zone in ZONES if changes(zone)]
near_a_change = st.sampled_from(CHANGING).flatmap(
    lambda zone: st.tuples(
        st.just(zone),
        st.sampled_from(changes(zone)),
        st.integers(-30 * 60, 30 * 60).map(lambda n: n * MINUTE),
    )
)


def stepped(start: datetime, window: ContactWindow, zone: str, limit: timedelta) -> datetime | None:
    """The same by looking at every minute."""
    found = (start + n * MINUTE for n in range(int(limit / MINUTE)))
    return next((moment for moment in found if is_open(moment, window, ZoneInfo(zone))), None)


def test_zones_and_changes_are_looked_at() -> None:
    assert (len(ZONES) > 400, len(CHANGING) > 100) == (True, True)


@given(st.sampled_from(ZONES), windows, moments)
@settings(max_examples=300, deadline=None)
def test_opening_lies_inside_the_window_and_is_its_own_opening(zone: str, window: ContactWindow, now: datetime) -> None:
    found = next_opening(now, window, (zone,))
    if found is None:
        assert not window.ever_opens
    else:
        assert found >= now
        assert is_open(found, window, ZoneInfo(zone))
        assert next_opening(found, window, (zone,)) == found


@given(st.sampled_from(ZONES), windows, moments, st.integers(0, 14 * 86_400))
@settings(max_examples=300, deadline=None)
def test_opening_is_monotone(zone: str, window: ContactWindow, now: datetime, later: int) -> None:
    first = next_opening(now, window, (zone,))
    second = next_opening(now + timedelta(seconds=later), window, (zone,))
    assert first is None or second is None or first <= second


@given(near_a_change, windows)
@settings(max_examples=150, deadline=None)
def test_opening_near_a_change_of_the_clock_is_the_earliest(
    where: tuple[str, datetime, timedelta], window: ContactWindow
) -> None:
    zone, change, offset = where
    now = change + offset
    found = next_opening(now, window, (zone,))
    if found is not None and found - now < timedelta(days=2):
        assert found == stepped(now, window, zone, timedelta(days=2))


@given(st.lists(st.sampled_from(ZONES), min_size=2, max_size=3, unique=True), windows, moments)
@settings(max_examples=150, deadline=None)
def test_opening_in_several_zones_is_open_in_each(zones: list[str], window: ContactWindow, now: datetime) -> None:
    found = next_opening(now, window, tuple(zones))
    assert found is None or all(is_open(found, window, ZoneInfo(zone)) for zone in zones)


@pytest.mark.parametrize("opens", [time(0), time(0, 30), time(1), time(1, 30), time(2), time(2, 30), time(3)])
@pytest.mark.parametrize("zone", ["America/Santiago", "Europe/Madrid", "Africa/Cairo", "Australia/Lord_Howe"])
def test_opening_on_each_changing_day_is_the_earliest(zone: str, opens: time) -> None:
    """Every change of these zones, looked at from twelve hours before it; weekdays before the change are closed."""
    for change in changes(zone):
        day = change.astimezone(ZoneInfo(zone)).weekday()
        window = ContactWindow(tuple((opens, time(4)) if n == day else None for n in range(7)))
        now = change - timedelta(hours=12)
        found = next_opening(now, window, (zone,))
        is_soon = found is not None and found - now < timedelta(days=1)
        assert stepped(now, window, zone, timedelta(days=1)) == (found if is_soon else None)
