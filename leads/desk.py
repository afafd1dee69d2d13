"""What people do with a lead besides editing and moving it: notes, tasks, and taking it out of the lists.

The rules are those of `leads.actions`: moments are given by the caller, Refused means that nothing was changed.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Min
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from leads.models import Lead, Note, Task

TASK_FIELDS = {"title", "assignee", "due_at", "done_at"}


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
    lead = Lead.objects.select_for_update(no_key=True, of=("self",)).get(pk=task.lead_id)
    Task.objects.filter(pk=task.pk).update(**changes)
    next_at = Task.objects.open().filter(lead=lead).aggregate(at=Min("due_at"))["at"]
    Lead.objects.filter(pk=lead.pk).update(next_task_at=next_at, updated_at=now)
    return Task.objects.get(pk=task.pk)


def delete_lead(*, lead: Lead, now: datetime) -> None:
    """Take a lead out of every list; the rows stay, and the address is free for a lead who comes again.

    Raises Refused `lead_gone`.
    """
    gone = Lead.objects.present().filter(pk=lead.pk).update(deleted_at=now, updated_at=now)
    if not gone:
        raise Refused("lead_gone", _("This lead has been deleted already."))
