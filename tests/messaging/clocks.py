"""When windows are open, reckoned another way than the product does: by stretches of time in which no clock changes.

Within such a stretch local time is UTC plus a constant, so the open hours of each local day are one interval of
instants. Nothing here asks for the instant of a local time, which is what may not exist or exist twice.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from brokers.rules import ContactWindow

ZONES = sorted(available_timezones())
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 2, 1, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
# Clocks of Morocco go back for Ramadan and forth after it; nowhere do they do both within so few days.
BETWEEN_LOOKS = 3 * DAY
AS_LONG_AS_ASKED = 15 * DAY


class Change(NamedTuple):
    """From the instant `at` on, local time is UTC plus `after`; until then it was UTC plus `before`."""

    at: datetime
    before: timedelta
    after: timedelta


class Interval(NamedTuple):
    """From `start` on, up to but without `end`."""

    start: datetime
    end: datetime


def offset(zone: str, moment: datetime) -> timedelta:
    found = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found


@cache
def changes(zone: str) -> tuple[Change, ...]:
    """Every change of a zone's clock from 2024 to 2030, to the second."""
    looks = [FIRST + n * BETWEEN_LOOKS for n in range((LAST - FIRST) // BETWEEN_LOOKS + 1)]
    offsets = [offset(zone, look) for look in looks]
    pairs = zip(looks[:-1], pairwise(offsets), strict=True)
    return tuple(_narrowed(zone, look, before, after) for look, (before, after) in pairs if before != after)


def _narrowed(zone: str, start: datetime, before: timedelta, after: timedelta) -> Change:
    end = start + BETWEEN_LOOKS
    while end - start > SECOND:
        middle = start + (end - start) // (2 * SECOND) * SECOND
        start, end = (middle, end) if offset(zone, middle) == before else (start, middle)
    return Change(end, before, after)


@cache
def changing() -> tuple[str, ...]:
    return tuple(zone for zone in ZONES if changes(zone))


def open_intervals(window: ContactWindow, zone: str, start: datetime, end: datetime) -> Iterator[Interval]:
    """When the wall clock of the zone shows a time inside the window, between two instants, in order."""
    inside = [change for change in changes(zone) if start < change.at < end]
    bounds = [start, *(change.at for change in inside), end]
    offsets = [offset(zone, start), *(change.after for change in inside)]
    for (begin, finish), shift in zip(pairwise(bounds), offsets, strict=True):
        yield from _within_stretch(window, begin, finish, shift)


def _within_stretch(window: ContactWindow, start: datetime, end: datetime, shift: timedelta) -> Iterator[Interval]:
    midnight = (start + shift).replace(hour=0, minute=0, second=0, microsecond=0) - shift
    weekday = (start + shift).weekday()
    while midnight < end:
        if hours := window.days[weekday]:
            opens, closes = (midnight + _since_midnight(clock) for clock in hours)
            if (begin := max(opens, start)) < (finish := min(closes, end)):
                yield Interval(begin, finish)
        midnight, weekday = midnight + DAY, (weekday + 1) % 7


def _since_midnight(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)


def earliest(now: datetime, window: ContactWindow, zones: Sequence[str]) -> datetime | None:
    """The first instant from `now` on, within 15 days, that lies in an open interval of every zone."""
    end = now + AS_LONG_AS_ASKED
    common: Iterator[Interval] = iter([Interval(now, end + SECOND)])
    for zone in zones:
        common = _overlaps(common, open_intervals(window, zone, now, end + SECOND))
    return next((interval.start for interval in common if interval.start <= end), None)


def _overlaps(ours: Iterator[Interval], theirs: Iterator[Interval]) -> Iterator[Interval]:
    """What two sequences of intervals, each in order, have in common."""
    one, other = next(ours, None), next(theirs, None)
    while one is not None and other is not None:
        both = Interval(max(one.start, other.start), min(one.end, other.end))
        if both.start < both.end:
            yield both
        if one.end < other.end:
            one = next(ours, None)
        else:
            other = next(theirs, None)
