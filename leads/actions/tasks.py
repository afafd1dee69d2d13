"""What a person is to do with a lead: given, done, put off; the lead's next action follows."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Min, Value
from django.db.models.functions import Coalesce, Least
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from leads.actions.assigning import check_agents
from leads.actions.standing import after_fact_change, check_still_theirs, locked
from leads.models import Lead, Task

TASK_FIELDS = {"title", "assignee", "due_at", "done_at"}


@transaction.atomic
def create_task(*, lead: Lead, title: str, due_at: datetime, now: datetime, origin: str = "") -> Task:
    """Give the lead's agent something to do; it shows up in the lead's next action."""
    locked(lead)
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
def edit_task(*, task: Task, now: datetime, **changes: Any) -> Task:
    """Change or finish a task; a new due date ends what it was put off to. Raises Refused `field_unknown`,
    `agent_foreign` or `agent_inactive`."""
    unknown = set(changes) - TASK_FIELDS
    if unknown:
        allowed = ", ".join(sorted(TASK_FIELDS))
        message = _("%(field)s is not a field of a task; allowed are %(allowed)s")
        raise Refused("field_unknown", message % {"field": min(unknown), "allowed": allowed})
    if changes.get("assignee") is not None:
        check_agents(task.broker_id, [changes["assignee"]])
    if "due_at" in changes:
        changes["snoozed_until"] = None
    return _write(task, now, changes)


def finish_task(*, task: Task, now: datetime) -> Task:
    """It is done: the person worked on the lead, who shows life by it. Raises Refused `task_done`."""
    return _write(task, now, {"done_at": now}, wants_open=True, is_work=True)


def snooze_task(*, task: Task, until: datetime, now: datetime) -> Task:
    """Put a task off: until then it is no next action. Raises Refused `task_done` or `time_invalid`."""
    if until <= now:
        raise Refused("time_invalid", _("A task can only be put off to a later moment."))
    return _write(task, now, {"snoozed_until": until}, wants_open=True)


@transaction.atomic
def _write(
    task: Task, now: datetime, changes: dict[str, Any], *, wants_open: bool = False, is_work: bool = False
) -> Task:
    lead = locked(task.lead)
    rows = Task.objects.filter(pk=task.pk)
    check_still_theirs(rows.get(), lead)
    if not (rows.open() if wants_open else rows).update(**changes) and wants_open:
        raise Refused("task_done", _("This task is done already."))
    next_at = Task.objects.open().with_moment().filter(lead=lead).aggregate(at=Min("acts_at"))["at"]
    stamps = {"next_task_at": next_at, "updated_at": now} | ({"last_activity_at": now} if is_work else {})
    Lead.objects.filter(pk=lead.pk).update(**stamps)
    if is_work:
        after_fact_change(lead=lead, now=now, cause="task")
    return Task.objects.get(pk=task.pk)
