"""Time that counts: the part of it in which a brokerage, or an agent, is at work. Pure arithmetic over instants.

Hours are wall-clock times in one zone. A day begins and ends where its clocks say so, also on the days on which they
change: what is counted are the seconds that really went by.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from holidays import country_holidays

from brokers.rules import ContactWindow

# Longer than any run of closed days between two open ones; hours that open on no weekday never open.
HORIZON_DAYS = 60
DAY = timedelta(days=1)


class Span(NamedTuple):
    """From `opens` to before `closes`, in UTC."""

    opens: datetime
    closes: datetime


def is_at_work(moment: datetime, hours: ContactWindow, zone: str) -> bool:
    return any(span.opens <= moment < span.closes for span in spans(moment, moment, hours, zone))


def spans(since: datetime, until: datetime, hours: ContactWindow, zone: str) -> Iterator[Span]:
    """The spans of work on every local day from that of `since` to that of `until`, in order, whole."""
    local = ZoneInfo(zone)
    day, last = since.astimezone(local).date(), until.astimezone(local).date()
    while day <= last:
        span = _span(day, hours, local)
        if span:
            yield span
        day += DAY


def _span(day: date, hours: ContactWindow, zone: ZoneInfo) -> Span | None:
    times = hours.days[day.weekday()]
    if times is None or any(day in _holidays(country, day.year) for country in hours.holidays):
        return None
    opens, closes = (datetime.combine(day, one, zone).astimezone(UTC) for one in times)
    return Span(opens, closes) if opens < closes else None


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(country_holidays(country, years=year))


def after_work_of(since: datetime, work: timedelta, hours: ContactWindow, zone: str) -> datetime | None:
    """The instant at which `work` (more than none) has gone by since; None when they hardly ever open."""
    left = work
    for span in spans(since, since + HORIZON_DAYS * DAY, hours, zone):
        begins = max(span.opens, since)
        if begins + left <= span.closes:
            return begins + left
        left -= max(span.closes - begins, timedelta())
    return None


class Ruler(NamedTuple):
    """Spans as columns: their starts, their lengths in seconds, and the seconds of work before each of them."""

    starts: list[datetime]
    lengths: list[float]
    before: list[float]


def ruler(all_spans: Sequence[Span]) -> Ruler:
    """For reading off business time in SQL: the same spans, so that both ways of counting agree."""
    lengths = [(span.closes - span.opens).total_seconds() for span in all_spans]
    before, total = [], 0.0
    for length in lengths:
        before.append(total)
        total += length
    return Ruler([span.opens for span in all_spans], lengths, before)
