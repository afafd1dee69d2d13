"""Tasks whose moment has come: whoever is to do them is told by mail, once a moment."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from brokers.models import Broker, User
from leads.actions.telling import NAMED, broker_admins, write_notices
from leads.models import Task

BATCH = 500
# What comes due within so long makes one mail a person.
TOGETHER = timedelta(minutes=5)
SHOWN_AS = "%Y-%m-%d %H:%M"


def reminds_up_to(now: datetime) -> datetime:
    """The last moment whose tasks are told of by now."""
    return now - timedelta(seconds=now.timestamp() % TOGETHER.total_seconds())


@transaction.atomic
def remind_of_tasks(*, broker: Broker, now: datetime, batch: int = BATCH) -> int:
    """Tell of up to `batch` tasks that are to be done now; how many. A task that is put off, or gets another due date,
    is told of again; one whose assignee works here no more, or that has none, is told to who runs the brokerage.

    Tasks that somebody changes in this moment are left to the next call.
    """
    due = Task.objects.unreminded().filter(broker=broker, acts_at__lte=reminds_up_to(now)).order_by("acts_at", "id")
    free = due.select_for_update(no_key=True, skip_locked=True, of=("self",))
    tasks = list(free.select_related("lead", "assignee")[:batch])
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(reminded_at=now)
    if broker.is_active:
        _tell(broker, [task for task in tasks if task.lead.deleted_at is None], now)
    return len(tasks)


def _tell(broker: Broker, tasks: Sequence[Task], now: datetime) -> None:
    for users, theirs in _by_user(broker, tasks):
        with translation.override(broker.language), timezone.override(broker.timezone):
            subject = _subject(theirs)
            body = (
                _("To be done now:") + "\n\n" + _lines(theirs) + "\n\n" + settings.PUBLIC_URL + reverse("brokers:home")
            )
        key = f"tasks:{theirs[0].pk}:{now.timestamp():.0f}"
        write_notices(broker=broker, users=users, key=key, subject=subject, body=body, now=now)


def _by_user(broker: Broker, tasks: Sequence[Task]) -> Iterable[tuple[list[User], list[Task]]]:
    of: dict[User | None, list[Task]] = defaultdict(list)
    for task in tasks:
        of[task.assignee if task.assignee and task.assignee.is_active else None].append(task)
    return [([user] if user else broker_admins(broker.pk), theirs) for user, theirs in of.items()]


def _subject(tasks: Sequence[Task]) -> str:
    if len(tasks) == 1:
        return _("%(task)s: %(lead)s") % {"task": tasks[0], "lead": tasks[0].lead}
    return ngettext("%(count)d task is to be done", "%(count)d tasks are to be done", len(tasks)) % {
        "count": len(tasks)
    }


def _lines(tasks: Sequence[Task]) -> str:
    lines = [f"- {timezone.localtime(task.due_at):{SHOWN_AS}} · {task.lead}: {task.title}" for task in tasks[:NAMED]]
    if len(tasks) > NAMED:
        lines.append(f"- … +{len(tasks) - NAMED}")
    return "\n".join(lines)
