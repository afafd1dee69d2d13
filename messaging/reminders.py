"""What a lead is told about a meeting, and when. Pure.

Each notice has a key of its own under which it is told once: a fixed time has its confirmation and its invitation (by
how often the time was changed), and its reminders (by the time itself). docs/appointments.md has the rules.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from brokers.rules import ContactWindow
from leads.zones import clock_changes
from messaging.dispatching import SEND_LEASE
from messaging.schedule import is_open, next_opening

BOOKED, MOVED, CANCELLED = "booked", "moved", "cancelled"
INVITATION, WITHDRAWAL = "invitation", "withdrawal"
DAY_BEFORE, HOUR_BEFORE = "reminder_24h", "reminder_1h"
BY_MAIL = (INVITATION, WITHDRAWAL)
# How long before the meeting; and by how much earlier or later than that, where that moment is closed.
REMINDERS = {
    DAY_BEFORE: (timedelta(hours=24), timedelta(hours=72), timedelta(hours=12)),
    HOUR_BEFORE: (timedelta(hours=1), timedelta(hours=2), timedelta(minutes=45)),
}
# One that comes before a closing leaves the engine so much time.
MARGIN = timedelta(minutes=15)

WAITING, SENDING, SENT, FAILED, UNKNOWN, SKIPPED = "waiting", "sending", "sent", "failed", "unknown", "skipped"


class PlannedNotice(NamedTuple):
    """Due from `due_at` on, and pointless from `until` on."""

    key: str
    kind: str
    due_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Meeting:
    """What of an appointment the plan reads; `told` is Appointment.notices, `window` and `zones` bind its lead."""

    is_live: bool
    is_cancelled: bool
    starts_at: datetime
    changed_at: datetime
    sequence: int
    has_email: bool
    told: Mapping[str, Mapping[str, Any]]
    window: ContactWindow
    zones: tuple[str, ...]


def plan(meeting: Meeting) -> list[PlannedNotice]:
    """All that there is to tell about it as it stands, told already or not."""
    if meeting.is_live:
        return [*_of_booking(meeting), *_reminders(meeting)]
    return list(_of_cancelling(meeting)) if meeting.is_cancelled else []


def due(meeting: Meeting, now: datetime) -> list[PlannedNotice]:
    """What is to be told now, and what there was to tell and has become pointless."""
    return [notice for notice in plan(meeting) if (at := _open_at(meeting, notice)) is not None and at <= now]


def next_due_at(meeting: Meeting) -> datetime | None:
    """When to look at it again; a notice that is under way has its lease."""
    moments = [_open_at(meeting, notice) for notice in plan(meeting)]
    leases = [lease_of(said) for said in meeting.told.values() if said["state"] == SENDING]
    return min((moment for moment in (*moments, *leases) if moment is not None), default=None)


def lease_of(said: Mapping[str, Any]) -> datetime:
    """When to look what became of one that a worker began."""
    return datetime.fromisoformat(said["at"]) + SEND_LEASE


def _open_at(meeting: Meeting, notice: PlannedNotice) -> datetime | None:
    """None for what was told, or is being told."""
    said = meeting.told.get(notice.key)
    if said is None:
        return notice.due_at
    return datetime.fromisoformat(said["again_at"]) if said["state"] == WAITING else None


def _of_booking(meeting: Meeting) -> Iterator[PlannedNotice]:
    number = meeting.sequence
    kind = (
        MOVED
        if any(key.startswith((BOOKED, MOVED)) and key.endswith(f":{number - 1}") for key in meeting.told)
        else BOOKED
    )
    yield PlannedNotice(f"{kind}:{number}", kind, meeting.changed_at, meeting.starts_at)
    if meeting.has_email:
        yield PlannedNotice(f"{INVITATION}:{number}", INVITATION, meeting.changed_at, meeting.starts_at)


def _of_cancelling(meeting: Meeting) -> Iterator[PlannedNotice]:
    number = meeting.sequence
    yield PlannedNotice(f"{CANCELLED}:{number}", CANCELLED, meeting.changed_at, meeting.starts_at)
    if any(key.startswith(INVITATION) and said["state"] in (SENT, UNKNOWN) for key, said in meeting.told.items()):
        yield PlannedNotice(f"{WITHDRAWAL}:{number}", WITHDRAWAL, meeting.changed_at, meeting.starts_at)


def _reminders(meeting: Meeting) -> Iterator[PlannedNotice]:
    """Those whose moment came after the time was fixed."""
    untils = {DAY_BEFORE: meeting.starts_at - REMINDERS[HOUR_BEFORE][0], HOUR_BEFORE: meeting.starts_at}
    for kind, room in REMINDERS.items():
        moment = reminder_at(meeting.starts_at, *room, meeting.window, meeting.zones)
        if moment is not None and moment > meeting.changed_at:
            key = f"{kind}:{int(meeting.starts_at.timestamp())}"
            yield PlannedNotice(key, kind, moment, untils[kind])


def reminder_at(
    starts_at: datetime,
    before: timedelta,
    early: timedelta,
    late: timedelta,
    window: ContactWindow,
    zones: tuple[str, ...],
) -> datetime | None:
    """The moment of a reminder: `before` the meeting; where that is outside the hours, the nearest one inside them, by
    no more than `early` or `late`. None where there is no such moment."""
    planned = starts_at - before
    earlier, later = last_open(planned, window, zones, planned - early), next_opening(planned, window, zones)
    near = [moment for moment in (earlier, later) if moment is not None and moment <= planned + late]
    return min(near, key=lambda moment: abs(moment - planned), default=None)


def last_open(moment: datetime, window: ContactWindow, zones: tuple[str, ...], earliest: datetime) -> datetime | None:
    """The last instant up to `moment`, and not before `earliest`, at which the window is open in every zone; one that
    is earlier than `moment` keeps a margin to the closing."""
    if all(is_open(moment, window, ZoneInfo(zone)) for zone in zones):
        return moment
    closings = {at - MARGIN for zone in zones for at in _closings(moment, window, ZoneInfo(zone), earliest)}
    inside = (at for at in closings if earliest <= at < moment)
    return max((at for at in inside if all(is_open(at, window, ZoneInfo(zone)) for zone in zones)), default=None)


def _closings(moment: datetime, window: ContactWindow, zone: ZoneInfo, earliest: datetime) -> Iterator[datetime]:
    """The instants at which the window closes in a zone, in these days: its hour, or midnight, or a clock's change."""
    day, first = moment.astimezone(zone).date(), earliest.astimezone(zone).date()
    while day >= first:
        yield from clock_changes(day, zone)
        hours = window.days[day.weekday()]
        if hours is not None:
            closing = datetime.combine(day, hours[1], zone)
            yield closing.astimezone(UTC)
            yield closing.replace(fold=1).astimezone(UTC)
        yield datetime.combine(day, time(), zone).astimezone(UTC)
        day -= timedelta(days=1)
