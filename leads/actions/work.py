"""What people do with a lead: notes, tasks and appointments."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Min, Value
from django.db.models.functions import Coalesce, Least
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from leads.actions.lead import locked, rescore
from leads.models import Appointment, Lead, Note, Task
from leads.models.work import new_token

TASK_FIELDS = {"title", "assignee", "due_at", "done_at"}


@transaction.atomic
def create_task(*, lead: Lead, title: str, due_at: datetime, now: datetime, origin: str = "") -> Task:
    """Give the lead's agent something to do; it shows up in the lead's next action."""
    task = Task.objects.create(
        broker_id=lead.broker_id,
        lead=lead,
        assignee_id=lead.assigned_to_id,
        title=title,
        due_at=due_at,
        origin=origin,
    )
    Lead.objects.filter(pk=lead.pk).update(
        next_task_at=Least(Coalesce("next_task_at", Value(due_at)), Value(due_at)), updated_at=now
    )
    return task


def propose_appointment(*, lead: Lead, now: datetime, token: str = "") -> Appointment:
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
    )


@transaction.atomic
def book_appointment(
    *, appointment: Appointment, starts_at: datetime, ends_at: datetime, now: datetime, by: User | None = None
) -> Appointment:
    """Fix the time of a proposed meeting. Raises Refused `not_open`, `slot_taken`, `time_invalid` or `no_agent`."""
    lead = locked(appointment.lead)
    _check_slot(appointment, starts_at, ends_at, now)
    try:
        with transaction.atomic():
            changed = Appointment.objects.filter(pk=appointment.pk, status="proposed").update(
                status="scheduled", starts_at=starts_at, ends_at=ends_at, booked_at=now
            )
    except IntegrityError as error:
        raise Refused("slot_taken", _("That time has just been taken; choose another one.")) from error
    if not changed:
        raise Refused("not_open", _("This meeting is not open for booking any more."))
    next_at = lead.appointments.live().filter(starts_at__gte=now).aggregate(at=Min("starts_at"))["at"]
    Lead.objects.filter(pk=lead.pk).update(
        booking_count=F("booking_count") + 1, next_appointment_at=next_at, last_activity_at=now, updated_at=now
    )
    rescore(lead=lead, now=now, cause="appointment")
    return Appointment.objects.get(pk=appointment.pk)


def _check_slot(appointment: Appointment, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if appointment.agent_id is None:
        raise Refused("no_agent", _("Nobody is assigned to this meeting."))
    if not now < starts_at < ends_at:
        raise Refused("time_invalid", _("A meeting must lie in the future and start before it ends."))


@transaction.atomic
def write_note(*, lead: Lead, text: str, now: datetime, by: User | None) -> Note:
    """Keep what a person says about a lead; somebody is working on them, which is a sign of life."""
    note = Note.objects.create(broker_id=lead.broker_id, lead=lead, author=by, text=text, at=now)
    Lead.objects.filter(pk=lead.pk).update(last_activity_at=now, updated_at=now)
    return note


@transaction.atomic
def edit_task(*, task: Task, now: datetime, **changes: Any) -> Task:
    """Change or finish a task; the lead's next action follows. Raises Refused `field_unknown`."""
    unknown = set(changes) - TASK_FIELDS
    if unknown:
        allowed = ", ".join(sorted(TASK_FIELDS))
        raise Refused("field_unknown", f"{min(unknown)} is not a field of a task; allowed are {allowed}")
    lead = locked(task.lead)
    Task.objects.filter(pk=task.pk).update(**changes)
    next_at = Task.objects.open().filter(lead=lead).aggregate(at=Min("due_at"))["at"]
    Lead.objects.filter(pk=lead.pk).update(next_task_at=next_at, updated_at=now)
    return Task.objects.get(pk=task.pk)
