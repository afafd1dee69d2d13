"""What is to be done: a list by when, and its two buttons."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from brokers.admin_base import TenantAdmin
from brokers.admin_verbs import HasVerbs, Verb, VerbForm
from brokers.refusal import Refused
from leads.actions import TASK_FIELDS, create_task, edit_task, finish_task, snooze_task
from leads.admin.work import LEAD_SEARCH, OfLeadAdmin
from leads.models import Task
from leads.models.work import ACTS_AT

WHEN = {
    "overdue": gettext_lazy("Overdue"),
    "today": gettext_lazy("In the next 24 hours"),
    "later": gettext_lazy("Later"),
    "snoozed": gettext_lazy("Put off"),
    "done": gettext_lazy("Done"),
}


class WhenFilter(admin.SimpleListFilter):
    """By the moment at which a task is to be done, put off or not."""

    title = gettext_lazy("when")
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, Any]]:
        return list(WHEN.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        tasks: Any = queryset
        now = timezone.now()
        day = now + timedelta(days=1)
        kinds: dict[str, Callable[[], QuerySet]] = {
            "overdue": lambda: tasks.due(now),
            "today": lambda: tasks.open().filter(acts_at__gt=now, acts_at__lte=day),
            "later": lambda: tasks.open().filter(acts_at__gt=day),
            "snoozed": lambda: tasks.open().filter(snoozed_until__gt=now),
            "done": lambda: tasks.exclude(done_at=None),
        }
        return kinds[str(self.value())]() if self.value() in kinds else queryset


class SnoozeForm(VerbForm):
    until = forms.SplitDateTimeField(label=gettext_lazy("Put off until"), widget=AdminSplitDateTime())


def _finish(task: Task, form: Any, now: datetime, by: Any) -> str:
    finish_task(task=task, now=now)
    return _("%(task)s: done.") % {"task": task}


def _snooze(task: Task, form: Any, now: datetime, by: Any) -> str:
    snooze_task(task=task, until=form.cleaned_data["until"], now=now)
    return _("%(task)s: put off.") % {"task": task}


def _is_open(task: Task) -> bool:
    return task.done_at is None


@admin.register(Task)
class TaskAdmin(HasVerbs, OfLeadAdmin):
    verbs = (
        Verb("done", gettext_lazy("Done"), _finish, _is_open),
        Verb("snooze", gettext_lazy("Put off"), _snooze, _is_open, form=SnoozeForm),
    )
    actions = ("finish_chosen", "snooze_day", "snooze_week")
    add_fields = ("lead", "title", "due_at")
    fields = ("lead", "title", "assignee", "due_at", "done_at", "snoozed_until", "origin")
    readonly_fields = ("snoozed_until", "origin")
    list_display = ("title", "lead", "assignee", "due_at", "acts_at", "done_at")
    list_filter = (WhenFilter, "assignee")
    list_select_related = ("lead", "assignee")
    search_fields = ("title", *LEAD_SEARCH)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).with_moment()  # type: ignore[attr-defined]

    def get_ordering(self, request: HttpRequest) -> Any:
        """What is open comes first, the most urgent of it on top."""
        return (F("done_at").desc(nulls_first=True), ACTS_AT.asc(), "id")

    @admin.display(description=gettext_lazy("to be done"), ordering="acts_at")
    def acts_at(self, task: Any) -> datetime | None:
        return None if task.done_at else task.acts_at

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        given = form.cleaned_data
        if change:
            changes = {name: given[name] for name in form.changed_data if name in TASK_FIELDS}
            edit_task(task=obj, now=self.now(), **changes)
            return
        due_at, title = given["due_at"], given["title"]
        task = create_task(lead=obj.lead, title=title, due_at=due_at, now=self.now(), origin="admin")
        obj.pk = task.pk

    @admin.action(description=gettext_lazy("Done"), permissions=["change"])
    def finish_chosen(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        _do_all(self, request, queryset, lambda task: finish_task(task=task, now=self.now()))

    @admin.action(description=gettext_lazy("Put off by a day"), permissions=["change"])
    def snooze_day(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._snooze_all(request, queryset, timedelta(days=1))

    @admin.action(description=gettext_lazy("Put off by a week"), permissions=["change"])
    def snooze_week(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._snooze_all(request, queryset, timedelta(days=7))

    def _snooze_all(self, request: HttpRequest, queryset: QuerySet[Task], by: timedelta) -> None:
        now = self.now()
        _do_all(self, request, queryset, lambda task: snooze_task(task=task, until=now + by, now=now))


def _do_all(
    model_admin: TenantAdmin, request: HttpRequest, tasks: QuerySet[Task], verb: Callable[[Task], object]
) -> None:
    """Each on its own; what is refused is told."""
    done = 0
    for task in tasks.select_related("lead").order_by("lead_id", "id"):
        try:
            verb(task)
            done += 1
        except Refused as refusal:
            model_admin.message_user(request, f"{task}: {refusal}", messages.ERROR)
    if done:
        text = ngettext("%(count)d task was changed.", "%(count)d tasks were changed.", done) % {"count": done}
        model_admin.message_user(request, text, messages.SUCCESS)
