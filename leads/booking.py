"""What the public page of an appointment shows: what it is now, what can be done, and the free times to choose from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import groupby
from zoneinfo import ZoneInfo

from leads.calendars import FAR, free_slots
from leads.models import Appointment
from leads.slots import Slot
from leads.zones import local_zone

# A proposal that nobody took up for so long is no invitation any more.
PROPOSAL_LASTS = timedelta(days=90)
DAYS_SHOWN = 5


class State(StrEnum):
    """`OPEN`: a time can be chosen. `BOOKED`: it is ahead. `BEGUN`, `OVER`: nothing can be changed. `EXPIRED`: too old
    to be taken up."""

    OPEN = "open"
    BOOKED = "booked"
    BEGUN = "begun"
    OVER = "over"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Time:
    """A slot as its link: `value` is what the form sends back; `theirs` the time at the brokerage where it differs."""

    slot: Slot
    value: str
    label: str
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    on: date
    times: Sequence[Time]


@dataclass(frozen=True, slots=True)
class Choice:
    """The days to choose from; `more` is the first day that is not shown."""

    days: Sequence[Day] = field(default_factory=list)
    more: date | None = None


def state_of(appointment: Appointment, now: datetime) -> State:
    if appointment.is_live and appointment.starts_at and appointment.ends_at:
        if appointment.starts_at > now:
            return State.BOOKED
        return State.BEGUN if appointment.ends_at > now else State.OVER
    if appointment.status in ("completed", "no_show"):
        return State.OVER
    return State.EXPIRED if appointment.created_at + PROPOSAL_LASTS < now else State.OPEN


def zone_of(appointment: Appointment) -> ZoneInfo:
    """In which the lead is shown times."""
    lead, broker = appointment.lead, appointment.broker
    return ZoneInfo(local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=broker.timezone))


def city(zone: ZoneInfo) -> str:
    """`America/Mexico_City` is Mexico City to people."""
    return zone.key.rpartition("/")[2].replace("_", " ")


def choice_for(appointment: Appointment, *, now: datetime, first: date | None = None) -> Choice:
    """The free times of its agent by the lead's own days, from the day `first` on."""
    if appointment.agent is None:
        return Choice()
    zone = zone_of(appointment)
    start = max(now, datetime.combine(first, time(), zone).astimezone(UTC)) if first else now
    moving = appointment if appointment.is_live else None
    free = free_slots(agents=[appointment.agent], start=start, end=now + FAR, now=now, moving=moving)
    days = days_of(free, zone, ZoneInfo(appointment.broker.timezone))
    more = days[DAYS_SHOWN].on if len(days) > DAYS_SHOWN else None
    return Choice(days[:DAYS_SHOWN], more)


def days_of(slots: Iterable[Slot], zone: ZoneInfo, theirs: ZoneInfo) -> list[Day]:
    by_day = groupby(slots, key=lambda slot: slot.starts_at.astimezone(zone).date())
    return [Day(day, times_of(list(found), zone, theirs)) for day, found in by_day]


def times_of(slots: Sequence[Slot], zone: ZoneInfo, theirs: ZoneInfo) -> list[Time]:
    """A time that the clock shows twice that day says which one it is."""
    labels = [_clock(slot.starts_at, zone) for slot in slots]
    return [
        Time(
            slot=slot,
            value=value_of(slot.starts_at),
            label=label if labels.count(label) == 1 else f"{label} ({slot.starts_at.astimezone(zone):%Z})",
            theirs=_theirs(slot.starts_at, zone, theirs),
        )
        for slot, label in zip(slots, labels, strict=True)
    ]


def value_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(value: str) -> datetime | None:
    """None for what is no moment of these times."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo and _is_ours(moment) else None


def day_of(value: str) -> date | None:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return day if _is_ours(day) else None


def _is_ours(moment: date) -> bool:
    """Far from the ends of what a date can hold."""
    return 2000 <= moment.year <= 2200


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M}"


def _theirs(moment: datetime, zone: ZoneInfo, theirs: ZoneInfo) -> str:
    """Told where the clocks differ."""
    if moment.astimezone(zone).utcoffset() == moment.astimezone(theirs).utcoffset():
        return ""
    return _clock(moment, theirs)
