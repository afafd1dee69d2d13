"""What leads tell the timeline: one statement a kind of row."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from leads.models import (
    Appointment,
    Assignment,
    ContactPermission,
    Inquiry,
    Lead,
    MergeRecord,
    Note,
    ScoreChange,
    StageTransition,
    Task,
)
from leads.timeline import Before, Entry, in_order, newest


class Kind(NamedTuple):
    """Rows of one model: where from, by which moment, and what they say."""

    name: str
    rows: Callable[[Sequence[int]], QuerySet]
    moment: str
    tells: Callable[[Any], tuple[str, str, str]]


def entries(lead_ids: Sequence[int], before: Before | None, limit: int) -> list[Entry]:
    found = []
    for kind in KINDS:
        rows = newest(kind.rows(lead_ids), moment=kind.moment, kind=kind.name, before=before, limit=limit)
        for row in rows:
            title, text, who = kind.tells(row)
            found.append(Entry(getattr(row, kind.moment), kind.name, row.pk, title, text, who))
    return in_order(found, limit)


def upcoming(lead: Lead) -> list[Entry]:
    """What people are to do: open tasks, and meetings whose time is fixed."""
    tasks = Task.objects.open().with_moment().filter(lead=lead).select_related("assignee")
    meetings = Appointment.objects.live().filter(lead=lead).select_related("agent")
    return [
        *(Entry(row.acts_at, "next_task", row.pk, _("Task"), row.title, said_by(row.assignee)) for row in tasks),
        *(_next_meeting(row) for row in meetings),
    ]


def _next_meeting(row: Any) -> Entry:
    title = _("Meeting: %(status)s") % {"status": row.get_status_display()}
    return Entry(row.starts_at, "next_meeting", row.pk, title, row.location, said_by(row.agent))


def said_by(user: Any) -> str:
    return (user.get_full_name() or user.username) if user is not None else ""


def _inquiry(row: Inquiry) -> tuple[str, str, str]:
    asked = " · ".join(filter(None, (row.source, row.property_ref)))
    return _("Inquiry"), "\n".join(filter(None, (asked, row.text))), ""


def _move(row: StageTransition) -> tuple[str, str, str]:
    said = " · ".join(filter(None, (row.get_cause_display(), row.reason)))
    if not row.from_stage:
        return _("Arrived in %(stage)s") % {"stage": row.get_to_stage_display()}, said, said_by(row.by)
    stages = {"earlier": row.get_from_stage_display(), "stage": row.get_to_stage_display()}
    return _("Moved from %(earlier)s to %(stage)s") % stages, said, said_by(row.by)


def _score(row: ScoreChange) -> tuple[str, str, str]:
    if row.from_score is None:
        return _("Score %(score)d") % {"score": row.to_score}, "", ""
    scores = {"earlier": row.from_score, "score": row.to_score}
    return _("Score from %(earlier)d to %(score)d") % scores, "", ""


def _note(row: Note) -> tuple[str, str, str]:
    return _("Note"), row.text, said_by(row.author)


def _task(row: Task) -> tuple[str, str, str]:
    return _("Task done"), row.title, said_by(row.assignee)


def _meeting(row: Any) -> tuple[str, str, str]:
    status = _("Meeting: %(status)s") % {"status": row.get_status_display()}
    starts = date_format(timezone.localtime(row.starts_at), "DATETIME_FORMAT") if row.starts_at else ""
    return status, " · ".join(filter(None, (starts, row.location))), said_by(row.agent)


def _assignment(row: Assignment) -> tuple[str, str, str]:
    agent = said_by(row.to_user) or _("nobody")
    why = " · ".join(filter(None, (row.get_cause_display(), row.rule, row.reason)))
    return _("Given to %(agent)s") % {"agent": agent}, why, said_by(row.by)


def _permission(row: ContactPermission) -> tuple[str, str, str]:
    said = row.wording or row.source
    where = " · ".join(filter(None, (row.channel if row.channel != row.ANY_CHANNEL else "", row.address)))
    title = _("Permission taken back") if row.kind == "revoked" else _("Permission given")
    return title, "\n".join(filter(None, (where, said))), ""


def _merge(row: MergeRecord) -> tuple[str, str, str]:
    about = " · ".join(filter(None, (row.gone.name, row.gone.phone, row.gone.email)))
    title = _("Merged, and taken apart again") if row.undone_at else _("Another lead was merged into this one")
    return title, about, said_by(row.by)


def _of(model: Any, *related: str, **which: Any) -> Callable[[Sequence[int]], QuerySet]:
    def rows(lead_ids: Sequence[int]) -> QuerySet:
        return model._default_manager.filter(lead__in=lead_ids, **which).select_related(*related)

    return rows


def _meetings(lead_ids: Sequence[int]) -> QuerySet:
    rows = Appointment.objects.filter(lead__in=lead_ids).select_related("agent")
    return rows.annotate(told_at=Coalesce("booked_at", "created_at"))


def _merges(lead_ids: Sequence[int]) -> QuerySet:
    return MergeRecord.objects.filter(into__in=lead_ids).select_related("gone", "by")


# In any order: the timeline is by moment, and for one moment by name.
KINDS = (
    Kind("inquiry", _of(Inquiry), "at", _inquiry),
    Kind("stage", _of(StageTransition, "by"), "at", _move),
    Kind("score", _of(ScoreChange), "at", _score),
    Kind("note", _of(Note, "author"), "at", _note),
    Kind("task", _of(Task, "assignee", done_at__isnull=False), "done_at", _task),
    Kind("meeting", _meetings, "told_at", _meeting),
    Kind("assignment", _of(Assignment, "to_user", "by"), "at", _assignment),
    Kind("permission", _of(ContactPermission), "at", _permission),
    Kind("merge", _merges, "at", _merge),
)
