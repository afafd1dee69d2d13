"""Meetings in the admin: proposed, booked, and what became of them, by the verbs."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import TenantForm, who
from brokers.admin_verbs import HasVerbs, Verb, VerbForm
from brokers.models import User
from leads.actions import (
    book_appointment,
    cancel_appointment,
    complete_appointment,
    confirm_appointment,
    miss_appointment,
    move_appointment,
    propose_appointment,
)
from leads.admin.work import OfLeadAdmin
from leads.calendars import has_hours
from leads.links import booking_url
from leads.models import Appointment


class AppointmentForm(TenantForm):
    refusal_fields = {"no_agent": "lead", "slot_taken": "starts_at", "time_invalid": "starts_at"}

    def _get_validation_exclusions(self) -> set[str]:
        """The verb looks at the times; Django cannot check an overlap of rows whose status is no field."""
        return super()._get_validation_exclusions() | {"starts_at"}

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not self.errors and bool(given.get("starts_at")) != bool(given.get("ends_at")):
            self.add_error("ends_at", _("Give start and end, or neither to leave the time open."))
        return given


class Moment(forms.DateTimeInput):
    """The browser's own, which needs no script."""

    input_type = "datetime-local"


class TimesForm(VerbForm):
    starts_at = forms.DateTimeField(label=gettext_lazy("Starts"), widget=Moment)
    ends_at = forms.DateTimeField(label=gettext_lazy("Ends"), widget=Moment)


def _when(row: Appointment) -> str:
    return formats.date_format(timezone.localtime(row.starts_at), "DATETIME_FORMAT")


def _book(row: Appointment, form: Any, now: datetime, by: User) -> str:
    return _("Booked: %(when)s") % {
        "when": _when(book_appointment(appointment=row, now=now, by=by, **form.cleaned_data))
    }


def _move(row: Appointment, form: Any, now: datetime, by: User) -> str:
    return _("Moved: %(when)s") % {
        "when": _when(move_appointment(appointment=row, now=now, by=by, **form.cleaned_data))
    }


def _confirm(row: Appointment, form: Any, now: datetime, by: User) -> str:
    confirm_appointment(appointment=row, now=now, by=by)
    return _("Confirmed.")


def _cancel(row: Appointment, form: Any, now: datetime, by: User) -> str:
    done = cancel_appointment(appointment=row, now=now, by=by)
    return _("Called off; the lead is told.") if done.booked_at else _("Called off.")


def _complete(row: Appointment, form: Any, now: datetime, by: User) -> str:
    lead = complete_appointment(appointment=row, now=now, by=by).lead
    return _("It took place; the lead is in %(stage)s.") % {"stage": lead.get_pipeline_stage_display()}


def _miss(row: Appointment, form: Any, now: datetime, by: User) -> str:
    lead = miss_appointment(appointment=row, now=now, by=by).lead
    return _("Did not come; the lead is in %(stage)s, and their agent has a task.") % {
        "stage": lead.get_pipeline_stage_display()
    }


def _is_ahead(row: Appointment) -> bool:
    return row.is_live and row.starts_at is not None and row.starts_at > timezone.now()


def _has_begun(row: Appointment) -> bool:
    return row.is_live and not _is_ahead(row)


VERBS = (
    Verb("book", gettext_lazy("Book a time"), _book, lambda row: row.status in ("proposed", "cancelled"), TimesForm),
    Verb(
        "confirm", gettext_lazy("The lead confirms"), _confirm, lambda row: _is_ahead(row) and row.status == "scheduled"
    ),
    Verb("move", gettext_lazy("Another time"), _move, _is_ahead, TimesForm),
    Verb("cancel", gettext_lazy("Call off"), _cancel, lambda row: _is_ahead(row) or row.status == "proposed"),
    Verb("complete", gettext_lazy("It took place"), _complete, _has_begun),
    Verb("no-show", gettext_lazy("The lead did not come"), _miss, _has_begun),
)


class AppointmentAdmin(OfLeadAdmin, HasVerbs):
    """A meeting is proposed with the lead's agent, and booked at once when its time is given.

    Registered by messaging.admin: what the lead was told stands on its page.
    """

    form = AppointmentForm
    verbs = VERBS
    add_fields = ("lead", "starts_at", "ends_at", "kind", "location", "meeting_url")
    fields = (
        "lead",
        "agent",
        "status",
        "starts_at",
        "ends_at",
        "kind",
        "location",
        "meeting_url",
        "link",
    )
    readonly_fields = ("agent", "status", "link")
    list_display = ("lead", "agent", "kind", "status", "starts_at", "ends_at")
    list_filter = ("status", "kind", "agent")
    list_select_related = ("lead", "agent")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None else (*fields, "starts_at", "ends_at")

    @admin.display(description=gettext_lazy("Booking page"))
    def link(self, row: Appointment) -> str:
        return booking_url(row.token)

    def save_model(self, request: HttpRequest, obj: Appointment, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        about = {name: form.cleaned_data[name] for name in ("kind", "location", "meeting_url")}
        meeting = propose_appointment(lead=obj.lead, now=self.now(), **about)
        if obj.starts_at and obj.ends_at:
            times = {"starts_at": obj.starts_at, "ends_at": obj.ends_at}
            book_appointment(appointment=meeting, now=self.now(), by=who(request), **times)
        elif meeting.agent and not has_hours(meeting.agent):
            says = _("%(agent)s has no hours in which leads can choose a time: add them under Calendars.")
            self.message_user(request, says % {"agent": meeting.agent}, messages.WARNING)
        obj.pk = meeting.pk
