"""Meetings: proposed, booked, moved, called off, held. Each verb is one transaction, and done twice it is done once.

The lead is locked first. Two meetings of one agent that overlap are refused by the database; a lead who chooses a time
is told the next free ones.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import F, Min
from django.db.models.functions import Greatest
from django.utils import formats, timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from brokers.models import User
from brokers.refusal import Refused
from leads.actions.stage import move_stage
from leads.actions.standing import after_fact_change, check_still_theirs, locked
from leads.actions.tasks import create_task
from leads.calendars import FAR, free_slots, next_free
from leads.models import Appointment, Calendar, Cause, Lead, Stage
from leads.models.lead import Treatment
from leads.models.work import AppointmentStatus, new_token
from leads.slots import Slot

BEFORE_BOOKED = (Stage.ENTRADA, Stage.PERFILAMIENTO, Stage.CALIFICACION, Stage.SEGUIMIENTO)
# A meeting that was called off may be booked again by the same link.
BOOKABLE = (AppointmentStatus.PROPOSED, AppointmentStatus.CANCELLED)
OVERLAP = "appointment_no_overlap"
A_MOMENT = timedelta(minutes=1)
# More is a wrong day or year, and would close the agent's calendar until then.
LONGEST = timedelta(days=1)
TITLES = {
    AppointmentStatus.CANCELLED: gettext_noop("%(lead)s called off the meeting of %(when)s: offer another time"),
    AppointmentStatus.NO_SHOW: gettext_noop("%(lead)s did not come to the meeting of %(when)s: get in touch"),
    AppointmentStatus.SCHEDULED: gettext_noop(
        "%(lead)s was lost, but booked a meeting for %(when)s: take them up again"
    ),
}


class SlotTaken(Refused):
    """That time is not free (any more); `free` are the next ones that are."""

    def __init__(self, free: Sequence[Slot]) -> None:
        self.free = free
        super().__init__("slot_taken", _("That time has just been taken; choose another one."))


def propose_appointment(*, lead: Lead, now: datetime, token: str = "", **fields: Any) -> Appointment:
    """A meeting with the lead's agent, its time still open; whoever has the token may book it.

    Raises Refused `no_agent`.
    """
    if lead.assigned_to_id is None:
        raise Refused("no_agent", _("Nobody is assigned to this lead, so nobody can meet them."))
    return Appointment.objects.create(
        broker_id=lead.broker_id,
        lead=lead,
        agent_id=lead.assigned_to_id,
        token=token or new_token(),
        created_at=now,
        **fields,
    )


@transaction.atomic
def choose_slot(*, appointment: Appointment, starts_at: datetime, now: datetime) -> Appointment:
    """A lead chooses one of their agent's free slots: the meeting is booked, or moved there.

    Whoever chooses at the same agent waits here, so that the buffer holds among people who choose at once. Raises
    SlotTaken, or Refused as `book_appointment` and `move_appointment` do.
    """
    _lead, row = _both(appointment)
    if row.is_live and row.starts_at == starts_at:
        return row
    if row.agent is None:
        raise Refused("no_agent", _("Nobody is assigned to this meeting."))
    Calendar.objects.select_for_update(no_key=True).filter(agent=row.agent).first()
    end = min(starts_at, now + FAR) + A_MOMENT
    free = free_slots(agents=[row.agent], start=starts_at, end=end, now=now, moving=row)
    slot = next((slot for slot in free if slot.starts_at == starts_at), None)
    if slot is None:
        raise SlotTaken(next_free(agent=row.agent, around=starts_at, now=now, moving=row))
    verb = move_appointment if row.is_live else book_appointment
    return verb(appointment=row, starts_at=slot.starts_at, ends_at=slot.ends_at, now=now)


@transaction.atomic
def book_appointment(
    *, appointment: Appointment, starts_at: datetime, ends_at: datetime, now: datetime, by: User | None = None
) -> Appointment:
    """Fix the time of a meeting, at any hour; the lead moves on to agendado where the pipeline has it so.

    `by` is the person of the brokerage who books, None the lead. Raises SlotTaken, or Refused `not_open`,
    `time_invalid`, `no_agent` or `lead_gone`.
    """
    lead, row = _both(appointment)
    if _is_at(row, starts_at, ends_at):
        return row
    _check_slot(row, starts_at, ends_at, now)
    if row.status not in BOOKABLE:
        raise Refused("not_open", _("This meeting is not open for booking any more."))
    again = row.booked_at is not None
    row = _fix(row, starts_at, ends_at, now, booked_at=now, sequence=F("sequence") + int(again))
    _stamp(lead, now, booking_count=F("booking_count") + 1, last_activity_at=now)
    _move_on(lead, BEFORE_BOOKED, Stage.AGENDADO, now, by)
    if lead.pipeline_stage == Stage.PERDIDO and by is None:
        _give_task(lead, _fresh(row), AppointmentStatus.SCHEDULED, now)
    after_fact_change(lead=lead, now=now, cause="appointment")
    return row


@transaction.atomic
def move_appointment(
    *, appointment: Appointment, starts_at: datetime, ends_at: datetime, now: datetime, by: User | None = None
) -> Appointment:
    """Another time for a meeting that has not begun; it waits to be confirmed again.

    Raises SlotTaken, or Refused `not_open`, `time_invalid` or `lead_gone`.
    """
    lead, row = _both(appointment)
    if _is_at(row, starts_at, ends_at):
        return row
    _check_live(row, now)
    _check_slot(row, starts_at, ends_at, now)
    row = _fix(row, starts_at, ends_at, now, sequence=F("sequence") + 1)
    _stamp(lead, now, last_activity_at=now)
    after_fact_change(lead=lead, now=now, cause="appointment")
    return row


@transaction.atomic
def confirm_appointment(*, appointment: Appointment, now: datetime, by: User | None = None) -> Appointment:
    """The lead says that they will come. Raises Refused `not_open`."""
    lead, row = _both(appointment)
    if row.status == AppointmentStatus.CONFIRMED:
        return row
    _check_live(row, now)
    Appointment.objects.filter(pk=row.pk).update(status=AppointmentStatus.CONFIRMED)
    _stamp(lead, now, last_activity_at=now)
    after_fact_change(lead=lead, now=now, cause="appointment")
    return _fresh(row)


@transaction.atomic
def cancel_appointment(*, appointment: Appointment, now: datetime, by: User | None = None) -> Appointment:
    """Call a meeting off before it begins. When the lead does it (`by` None), their agent gets a task.

    The stage stays, as most who call off want another time, but for who came to a meeting before: they are followed up.
    Raises Refused `not_open`.
    """
    lead, row = _both(appointment)
    if row.status == AppointmentStatus.CANCELLED:
        return row
    was_live = row.is_live
    if row.status != AppointmentStatus.PROPOSED:
        _check_live(row, now)
    due_at = now if was_live else None
    _close(
        row, AppointmentStatus.CANCELLED, changed_at=now, notice_due_at=due_at, sequence=F("sequence") + int(was_live)
    )
    _stamp(lead, now, last_activity_at=now)
    if was_live and by is None:
        _give_task(lead, row, AppointmentStatus.CANCELLED, now)
    after_fact_change(lead=lead, now=now, cause="appointment")
    return _fresh(row)


@transaction.atomic
def complete_appointment(*, appointment: Appointment, now: datetime, by: User | None = None) -> Appointment:
    """It took place: a sign of life. With no other one ahead the lead moves on to seguimiento.

    Raises Refused `not_open` or `not_yet`.
    """
    lead, row = _both(appointment)
    if row.status == AppointmentStatus.COMPLETED:
        return row
    _check_begun(row, now)
    _close(row, AppointmentStatus.COMPLETED, notice_due_at=None)
    _stamp(lead, now, last_activity_at=now)
    _follow_up(lead, now, by)
    after_fact_change(lead=lead, now=now, cause="appointment")
    return _fresh(row)


@transaction.atomic
def miss_appointment(*, appointment: Appointment, now: datetime, by: User | None = None) -> Appointment:
    """The lead did not come: no sign of life, the points of this booking are taken back, their agent gets a task, and
    with no other meeting ahead the lead moves to seguimiento. Raises Refused `not_open` or `not_yet`."""
    lead, row = _both(appointment)
    if row.status == AppointmentStatus.NO_SHOW:
        return row
    _check_begun(row, now)
    _close(row, AppointmentStatus.NO_SHOW, notice_due_at=None)
    _stamp(lead, now, booking_count=Greatest(F("booking_count") - 1, 0))
    _give_task(lead, row, AppointmentStatus.NO_SHOW, now)
    _follow_up(lead, now, by)
    after_fact_change(lead=lead, now=now, cause="appointment")
    return _fresh(row)


def _both(appointment: Appointment) -> tuple[Lead, Appointment]:
    """The lead and its meeting as they are now, locked in this order. Raises Refused `lead_merged`."""
    lead = locked(appointment.lead)
    rows = Appointment.objects.select_for_update(no_key=True, of=("self",)).select_related("agent", "broker")
    row: Appointment = rows.get(pk=appointment.pk)
    check_still_theirs(row, lead)
    row.lead = lead
    return lead, row


def _fresh(row: Appointment) -> Appointment:
    return Appointment.objects.select_related("lead__broker", "agent", "broker").get(pk=row.pk)


def _is_at(row: Appointment, starts_at: datetime, ends_at: datetime) -> bool:
    return row.is_live and (row.starts_at, row.ends_at) == (starts_at, ends_at)


def _check_slot(row: Appointment, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if row.agent_id is None:
        raise Refused("no_agent", _("Nobody is assigned to this meeting."))
    if not now < starts_at < ends_at:
        raise Refused("time_invalid", _("A meeting must lie in the future and start before it ends."))
    if ends_at - starts_at > LONGEST:
        raise Refused("time_invalid", _("A meeting may last a day at most; look at the day on which it ends."))
    if row.lead.deleted_at is not None:
        raise Refused("lead_gone", _("This lead has been deleted already."))


def _check_live(row: Appointment, now: datetime) -> None:
    if not row.is_live or row.starts_at is None or row.starts_at <= now:
        raise Refused(
            "not_open", _("This meeting cannot be changed any more: it is over, has begun or was called off.")
        )


def _check_begun(row: Appointment, now: datetime) -> None:
    if not row.is_live or row.starts_at is None:
        raise Refused("not_open", _("This meeting was not booked, or what became of it has been said already."))
    if row.starts_at > now:
        raise Refused("not_yet", _("This meeting has not begun yet; it can be called off or moved."))


def _fix(row: Appointment, starts_at: datetime, ends_at: datetime, now: datetime, **columns: Any) -> Appointment:
    """Write the time. Raises SlotTaken where the database knows of a meeting that overlaps."""
    columns |= {"starts_at": starts_at, "ends_at": ends_at, "changed_at": now, "notice_due_at": now}
    try:
        with transaction.atomic():
            Appointment.objects.filter(pk=row.pk).update(status=AppointmentStatus.SCHEDULED, **columns)
    except IntegrityError as error:
        if OVERLAP not in str(error) or row.agent is None:
            raise
        raise SlotTaken(next_free(agent=row.agent, around=starts_at, now=now, moving=row)) from error
    return _fresh(row)


def _close(row: Appointment, status: AppointmentStatus, **columns: Any) -> None:
    Appointment.objects.filter(pk=row.pk).update(status=status, **columns)


def _stamp(lead: Lead, now: datetime, **columns: Any) -> None:
    """The facts on the lead; what is next follows from its meetings."""
    next_at = lead.appointments.live().filter(starts_at__gte=now).aggregate(at=Min("starts_at"))["at"]
    Lead.objects.filter(pk=lead.pk).update(next_appointment_at=next_at, updated_at=now, **columns)


def _follow_up(lead: Lead, now: datetime, by: User | None) -> None:
    """Nothing is ahead any more: the lead is no longer booked (docs/appointments.md)."""
    if not lead.appointments.live().exists():
        _move_on(lead, (Stage.AGENDADO,), Stage.SEGUIMIENTO, now, by)


def _move_on(lead: Lead, sources: Sequence[str], to: str, now: datetime, by: User | None) -> None:
    """Through the pipeline, by who did it or by itself; by itself nobody moves who is on hold."""
    fresh = locked(lead)
    is_held = by is None and fresh.treatment_type == Treatment.HOLD
    if fresh.pipeline_stage in sources and not is_held:
        move_stage(lead=fresh, to=to, now=now, cause=Cause.AGENT if by else Cause.AUTO, by=by)


def _give_task(lead: Lead, row: Appointment, status: AppointmentStatus, now: datetime) -> None:
    """In the brokerage's language, at its clock."""
    broker = lead.broker
    with translation.override(broker.language):
        when = formats.date_format(
            timezone.localtime(row.starts_at, ZoneInfo(broker.timezone)), "SHORT_DATETIME_FORMAT"
        )
        title = _(TITLES[status]) % {"lead": lead, "when": when}
    create_task(lead=lead, title=title[:200], due_at=now, now=now, origin=f"appointment:{row.pk}:{status}")
