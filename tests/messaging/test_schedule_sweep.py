"""Every change of the clock of every zone from 2024 to 2030, one by one (failures.md row 21).

Each is looked at from some moments around it, with windows whose edges lie where that very change hurts.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import pytest

from brokers.rules import ContactWindow, default_contact_window
from messaging.schedule import next_opening
from tests.messaging.clocks import SECOND, ZONES, Change, changes, changing, earliest

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# Seen from the days before, right before, in the very moment, within what is skipped or repeated, and after.
MOMENTS = (-50 * HOUR, -25 * HOUR, -HOUR, -SECOND, timedelta(), 29 * MINUTE, HOUR, 3 * HOUR)
LAST_SECOND = time(23, 59, 59)


def daily(opens: time, closes: time) -> tuple[tuple[time, time], ...]:
    return ((opens, closes),) * 7


def plus(clock: time, length: timedelta) -> time:
    """Later on the same day, at most its last second."""
    moment = datetime.combine(date(2024, 1, 1), clock) + length
    return moment.time() if moment.day == 1 else LAST_SECOND


def windows_around(change: Change) -> Iterator[ContactWindow]:
    """Windows that open and close before, within and after what the change skips or repeats, and on its days alone."""
    first, last = sorted((change.at + change.before, change.at + change.after))
    starts, middle, ends = first.time(), (first + (last - first) / 2).time(), last.time()
    day = last.weekday()
    yield ContactWindow.parse(default_contact_window())
    yield ContactWindow(daily(time(0), LAST_SECOND))
    yield ContactWindow(daily(time(0), time(0, 1)))
    yield ContactWindow(daily(time(23, 59), LAST_SECOND))
    for edge in (starts, middle, ends):
        yield ContactWindow(daily(edge, plus(edge, MINUTE)) if edge < LAST_SECOND else daily(time(23), edge))
        yield ContactWindow(daily(edge, plus(edge, 4 * HOUR)) if edge < LAST_SECOND else daily(time(22), edge))
        if edge > time(0):
            yield ContactWindow(daily(time(0), edge))
    for open_day in (day, (day - 1) % 7):
        for hours in ((middle, plus(middle, HOUR)), (time(0), time(12))):
            yield ContactWindow(tuple(hours if n == open_day else None for n in range(7)))


def test_every_zone_is_looked_at() -> None:
    """And those whose clocks change are not few."""
    assert (len(ZONES) > 400, 100 < len(changing()) < len(ZONES)) == (True, True)
    assert sum(len(changes(zone)) for zone in ZONES) > 2000


@pytest.mark.parametrize("year", range(2024, 2031))
def test_opening_around_every_change_of_the_clock_is_the_earliest(year: int) -> None:
    """Zones that go by the same clock at that change stand for each other."""
    alike = {change: zone for zone in changing() for change in changes(zone) if change.at.year == year}
    assert alike
    assert [wrong for change, zone in alike.items() for wrong in wrong_around(change, zone)] == []


def test_opening_around_every_change_of_every_zone_of_a_year_is_the_earliest() -> None:
    """Here each zone stands for itself."""
    every = [(change, zone) for zone in changing() for change in changes(zone) if change.at.year == 2026]
    assert len(every) > 300
    assert [wrong for change, zone in every for wrong in wrong_around(change, zone)] == []


def wrong_around(change: Change, zone: str) -> Iterator[tuple[str, datetime, ContactWindow]]:
    for window in windows_around(change):
        for moment in MOMENTS:
            now = change.at + moment
            if next_opening(now, window, (zone,)) != earliest(now, window, (zone,)):
                yield zone, now, window
