"""Which times of an agent are free. Pure: hours and what keeps them busy in, slots out.

Hours are wall-clock times in the brokerage's zone; slots are instants, each of its exact length, and at every moment
of one the wall clock shows a time inside the hours. An hour that the clock skips is not there, one that it shows twice
is there twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from leads.zones import clock_changes

Times = tuple[time, time]
Stretch = tuple[datetime, datetime]
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    starts_at: datetime
    ends_at: datetime
    agent_id: int = 0


@dataclass(frozen=True, slots=True)
class Hours:
    """An agent's rules. `dates` take the place of the week's hours on their day; an empty one closes it."""

    weekly: Mapping[int, Sequence[Times]]
    dates: Mapping[date, Sequence[Times]] = field(default_factory=dict)
    blocks: Sequence[Stretch] = ()
    slot: timedelta = timedelta(minutes=45)
    buffer: timedelta = timedelta(minutes=15)
    notice: timedelta = timedelta(hours=2)
    days_ahead: int = 21

    def on(self, day: date) -> Sequence[Times]:
        return self.dates[day] if day in self.dates else self.weekly.get(day.weekday(), ())


def slots_of(
    hours: Hours,
    *,
    zone: ZoneInfo,
    busy: Iterable[Stretch],
    start: datetime,
    end: datetime,
    now: datetime,
    agent_id: int = 0,
) -> Iterator[Slot]:
    """The free slots that begin from `start` up to, but without, `end`, in order. `busy` are the agent's meetings; the
    buffer is kept free on both sides of each."""
    taken = [(begin - hours.buffer, finish + hours.buffer) for begin, finish in busy]
    taken += hours.blocks
    earliest = max(start, now + hours.notice)
    last = now.astimezone(zone).date() + hours.days_ahead * DAY
    day = earliest.astimezone(zone).date()
    while day <= min(last, end.astimezone(zone).date()):
        for opens, closes in open_stretches(day, hours.on(day), zone):
            for begin in _steps(opens, closes, hours):
                finish = begin + hours.slot
                if earliest <= begin < end and not any(a < finish and begin < b for a, b in taken):
                    yield Slot(begin, finish, agent_id)
        day += DAY


def _steps(opens: datetime, closes: datetime, hours: Hours) -> Iterator[datetime]:
    """Always the same ones, whatever is booked, so that two people who look at once see the same times."""
    while opens + hours.slot <= closes:
        yield opens
        opens += hours.slot + hours.buffer


def open_stretches(day: date, times: Sequence[Times], zone: ZoneInfo) -> list[Stretch]:
    """The instants of a local day at which the wall clock shows a time inside one of `times`, as stretches in order."""
    if not times:
        return []
    midnights = [datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + DAY)]
    edges = [midnights[0], *clock_changes(day, zone), midnights[1]]
    found = [
        stretch for begin, end in pairwise(edges) for pair in times for stretch in _clipped(day, pair, zone, begin, end)
    ]
    return _united(found)


def _clipped(day: date, pair: Times, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[Stretch]:
    """Between `begin` and `end` no clock changes, so wall time is the instant plus a constant."""
    shift = begin.astimezone(zone).utcoffset() or timedelta()
    opens, closes = (datetime.combine(day, one, UTC) - shift for one in pair)
    if max(opens, begin) < min(closes, end):
        yield max(opens, begin), min(closes, end)


def _united(stretches: Iterable[Stretch]) -> list[Stretch]:
    united: list[Stretch] = []
    for begin, end in sorted(stretches):
        if united and begin <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((begin, end))
    return united
