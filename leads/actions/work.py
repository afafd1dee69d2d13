"""What people do with a lead: notes and tasks."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Min, Value
from django.db.models.functions import Coalesce, Least

from brokers.models import User
from brokers.refusal import Refused
from leads.actions.lead import locked
from leads.models import Lead, Note, Task

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
