"""The work list of contacts of which nobody can know whether they were sent."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import HistoryAdmin
from brokers.admin_verbs import HasVerbs, Verb, VerbForm
from campaigns.actions import confirm_delivered, leave_unknown, send_again
from campaigns.models import NOT_RESENT, LogStatus, UnknownOutcome
from campaigns.reasons import explained, remedy
from messaging.clock import SystemClock


def _delivered(log: UnknownOutcome, form: Any, now: datetime, by: Any) -> str:
    confirm_delivered(log=log, now=now, by=by)
    return _("%(lead)s: noted as sent.") % {"lead": log.lead}


def _again(log: UnknownOutcome, form: Any, now: datetime, by: Any) -> str:
    after = send_again(log=log, clock=SystemClock(), by=by)
    if after.status == LogStatus.SENT:
        return _("%(lead)s: sent again.") % {"lead": log.lead}
    return _("%(lead)s: tried again. %(outcome)s") % {"lead": log.lead, "outcome": explained(after.reason)}


def _leave(log: UnknownOutcome, form: Any, now: datetime, by: Any) -> str:
    leave_unknown(log=log, now=now, by=by)
    return _("%(lead)s: left as it is.") % {"lead": log.lead}


def _may_have_arrived(log: UnknownOutcome) -> bool:
    return log.reason != NOT_RESENT


def _for_all(verb: Verb) -> Callable[..., None]:
    """The same button for the rows that are chosen in the list; each is done or refused on its own."""

    def action(model_admin: "UnknownOutcomeAdmin", request: HttpRequest, queryset: QuerySet) -> None:
        for row in queryset.order_by("id"):
            model_admin.press(request, row, verb, VerbForm(row=row))

    action.__name__ = f"{verb.name}_chosen"
    action.short_description = verb.title  # type: ignore[attr-defined]
    return action


DELIVERED = Verb("delivered", gettext_lazy("It was delivered"), _delivered, _may_have_arrived)
AGAIN = Verb("again", gettext_lazy("It was not: send again"), _again)
LEAVE = Verb("leave", gettext_lazy("Leave it"), _leave)


@admin.register(UnknownOutcome)
class UnknownOutcomeAdmin(HasVerbs, HistoryAdmin):
    """Find out (ask the lead, look at the provider's own log), then say so."""

    verbs = (DELIVERED, AGAIN, LEAVE)
    actions = tuple(_for_all(verb) for verb in verbs)
    leaves_list = True
    ordering: ClassVar[Any] = ("executed_at",)
    list_display = ("lead", "campaign", "step_number", "channel", "address", "dispatched_at", "code")
    list_filter = ("channel", "campaign")
    list_select_related = ("campaign", "lead", "message")
    search_fields = ("lead__name", "lead__phone", "lead__email")
    fields = ("lead", "campaign", "step_number", "channel", "address", "text", "dispatched_at", "why", "error", "said")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnknownOutcome]:
        rows: Any = super().get_queryset(request)
        return rows.unsettled().select_related("message", "lead", "campaign")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @admin.display(description=gettext_lazy("address"))
    def address(self, row: UnknownOutcome) -> str:
        return row.message.address if row.message else ""

    @admin.display(description=gettext_lazy("text"))
    def text(self, row: UnknownOutcome) -> str:
        return "\n".join(filter(None, (row.message.subject, row.message.body))) if row.message else ""

    @admin.display(description=gettext_lazy("why it is here"))
    def why(self, row: UnknownOutcome) -> str:
        return f"{explained(row.reason)} {remedy(row.reason)}"

    @admin.display(description=gettext_lazy("error code"))
    def code(self, row: UnknownOutcome) -> str:
        return row.message.error_code if row.message else ""

    @admin.display(description=gettext_lazy("error"))
    def error(self, row: UnknownOutcome) -> str:
        return " ".join(filter(None, (row.message.error_code, row.message.error))) if row.message else ""

    @admin.display(description=gettext_lazy("what people said"))
    def said(self, row: UnknownOutcome) -> str:
        return "\n".join(f"{word['at']}: {word['name']}: {word['what']}" for word in row.response.get("said", []))
