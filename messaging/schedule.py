"""When a contact window is open. Pure arithmetic over instants; right across daylight-saving changes.

`next_opening` is monotone (a later `now` never gives an earlier answer) and idempotent (its answer is its own answer).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from holidays import country_holidays

from brokers.rules import ContactWindow
from leads.zones import clock_changes

HORIZON_DAYS = 15


@lru_cache(maxsize=4096)
def next_opening(now: datetime, window: ContactWindow, zones: tuple[str, ...]) -> datetime | None:
    """The first instant from `now` on at which the window is open in every zone; None when there is none in 15 days."""
    moment = now
    limit = now + timedelta(days=HORIZON_DAYS)
    while moment <= limit:
        later = max((_opening_in(moment, window, ZoneInfo(zone)) or _never(limit) for zone in zones), default=moment)
        if later == moment:
            return moment
        moment = later
    return None


def is_open(moment: datetime, window: ContactWindow, zone: ZoneInfo) -> bool:
    """Whether the wall clock in `zone` shows a time inside the window."""
    local = moment.astimezone(zone)
    hours = window.days[local.weekday()]
    if hours is None or not hours[0] <= local.time() < hours[1]:
        return False
    return not any(local.date() in _holidays(country, local.year) for country in window.holidays)


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(country_holidays(country, years=year))


def _never(limit: datetime) -> datetime:
    return limit + timedelta(seconds=1)


def _opening_in(now: datetime, window: ContactWindow, zone: ZoneInfo) -> datetime | None:
    if is_open(now, window, zone):
        return now
    first_day = now.astimezone(zone).date()
    for offset in range(HORIZON_DAYS + 1):
        moments = _candidates(first_day + timedelta(days=offset), window, zone)
        later = [moment for moment in moments if moment > now and is_open(moment, window, zone)]
        if later:
            return min(later)
    return None


def _candidates(day: date, window: ContactWindow, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of a local day at which the window can open: its opening, and a change of the clock."""
    # Also of a closed day: a clock that jumps at midnight jumps into the day after.
    yield from clock_changes(day, zone)
    hours = window.days[day.weekday()]
    if hours is None:
        return
    opening = datetime.combine(day, hours[0], zone)
    yield opening.astimezone(UTC)
    yield opening.replace(fold=1).astimezone(UTC)
