"""Enrolments: seen, explained, and moved by their buttons only."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import HistoryAdmin
from brokers.admin_verbs import HasVerbs, Verb, VerbForm
from campaigns.actions import enroll_again, pause_enrollment, stop_enrollment
from campaigns.explain import explain
from campaigns.models import Enrollment, EnrollmentStatus
from campaigns.telling import as_text
from leads.models import Lead

# What browsers send and show in a field for a moment.
LOCAL = "%Y-%m-%dT%H:%M"


class PauseForm(VerbForm):
    until = forms.DateTimeField(
        label=gettext_lazy("Until"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL)
    )


def _pause(enrollment: Enrollment, form: Any, now: datetime, by: Any) -> str:
    log = pause_enrollment(enrollment=enrollment, until=form.cleaned_data["until"], now=now, by=by)
    return _("Nothing happens before %(moment)s.") % {"moment": f"{timezone.localtime(log.due_at):%Y-%m-%d %H:%M}"}


def _stop(enrollment: Enrollment, form: Any, now: datetime, by: Any) -> str:
    stop_enrollment(enrollment=enrollment, now=now, by=by)
    return _("The enrolment is over; nothing more is sent.")


def _again(enrollment: Enrollment, form: Any, now: datetime, by: Any) -> str:
    intake = enroll_again(enrollment=enrollment, now=now, by=by)
    return _("The lead is held out.") if intake.held_out else _("The lead entered the campaign again.")


def _is_under_way(enrollment: Enrollment) -> bool:
    return enrollment.status == EnrollmentStatus.ACTIVE


def _is_over(enrollment: Enrollment) -> bool:
    return not _is_under_way(enrollment)


@admin.register(Enrollment)
class EnrollmentAdmin(HasVerbs, HistoryAdmin):
    verbs = (
        Verb("pause", gettext_lazy("Pause until a date"), _pause, _is_under_way, PauseForm),
        Verb("stop", gettext_lazy("Stop"), _stop, _is_under_way),
        Verb("again", gettext_lazy("Enrol again"), _again, _is_over),
    )
    list_display = (
        "campaign",
        "lead",
        "entry",
        "version",
        "trigger",
        "status",
        "exit_reason",
        "enrolled_at",
        "finished_at",
    )
    list_filter = ("status", "trigger", "campaign")
    list_select_related = ("campaign", "lead")
    search_fields = ("campaign__name", "lead__name", "lead__phone", "lead__email")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_fields(request, obj), "explanation"]

    @admin.display(description=gettext_lazy("Why?"))
    def explanation(self, row: Enrollment) -> str:
        lead = Lead.objects.filter(pk=row.lead_id).first()
        return (
            format_html('<pre class="answer">{}</pre>', as_text(explain(row.campaign, lead, self.now())))
            if lead
            else ""
        )
