"""The free times of agents, from their calendars and what is booked."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from brokers.models import User
from leads.models import Appointment, Availability, Calendar
from leads.slots import Hours, Slot, Stretch, Times, slots_of

# What is looked through for the next free slots, and how many are offered.
FAR = timedelta(days=181)
OFFERED = 3


def free_slots(
    *, agents: Collection[User], start: datetime, end: datetime, now: datetime, moving: Appointment | None = None
) -> list[Slot]:
    """The free slots of these agents that begin from `start` up to `end`, in order; three statements, however many.

    An agent without a calendar, or who works here no more, has none. `moving` is a meeting that makes room for itself.
    """
    calendars = list(_calendars(agents))
    busy = _busy([calendar.agent_id for calendar in calendars], start, end, moving)
    found: list[Slot] = []
    for calendar in calendars:
        found += slots_of(
            hours_of(calendar),
            zone=ZoneInfo(calendar.broker.timezone),
            busy=busy.get(calendar.agent_id, ()),
            start=start,
            end=end,
            now=now,
            agent_id=calendar.agent_id,
        )
    return sorted(found)


def next_free(*, agent: User, around: datetime, now: datetime, moving: Appointment | None = None) -> list[Slot]:
    """What to offer instead of a time that is taken: the next free ones after it, else the first there are."""
    free = free_slots(agents=[agent], start=now, end=now + FAR, now=now, moving=moving)
    return ([slot for slot in free if slot.starts_at >= around] or free)[:OFFERED]


def has_hours(agent: User) -> bool:
    """Whether leads can ever choose a time of this agent."""
    return Availability.objects.filter(calendar__agent=agent).exclude(kind=Availability.BLOCK).exists()


def hours_of(calendar: Calendar) -> Hours:
    """The rules as values."""
    weekly: dict[int, list[Times]] = {}
    dates: dict[date, list[Times]] = {}
    blocks: list[Stretch] = []
    for row in calendar.hours.all():
        times = [(row.opens, row.closes)] if row.opens and row.closes else []
        if row.starts_at and row.ends_at:
            blocks.append((row.starts_at, row.ends_at))
        elif row.on:
            dates.setdefault(row.on, []).extend(times)
        elif row.weekday is not None:
            weekly.setdefault(row.weekday, []).extend(times)
    return Hours(weekly, dates, blocks, calendar.slot, calendar.buffer, calendar.notice, calendar.days_ahead)


def _calendars(agents: Iterable[User]) -> QuerySet[Calendar]:
    rows = Calendar.objects.filter(agent__in=[agent.pk for agent in agents], agent__is_active=True)
    return rows.select_related("broker").prefetch_related("hours").order_by("agent_id")


def _busy(
    agent_ids: Collection[int], start: datetime, end: datetime, moving: Appointment | None
) -> dict[int, list[Stretch]]:
    """Their meetings that may touch these days; a buffer is shorter than a day."""
    day = timedelta(days=1)
    rows = Appointment.objects.live().filter(agent__in=agent_ids, starts_at__lt=end + day, ends_at__gt=start - day)
    found: dict[int, list[Stretch]] = {}
    for pk, agent_id, starts_at, ends_at in rows.values_list("pk", "agent_id", "starts_at", "ends_at"):
        if moving is None or pk != moving.pk:
            found.setdefault(agent_id, []).append((starts_at, ends_at))
    return found
