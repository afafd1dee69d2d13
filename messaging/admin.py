from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import BROKER, HistoryAdmin, has_field
from brokers.admin_verbs import HasVerbs, Verb, VerbForm
from brokers.models import Broker
from leads.admin.appointment import AppointmentAdmin
from leads.admin.rules import SetsRules
from leads.models import Appointment, Lead
from messaging.account_forms import PREFIX, AccountForm, ProviderForm, ServiceForm, form_for, priced_channel
from messaging.account_verbs import VERBS
from messaging.accounts import open_brokerage
from messaging.appointment_told import told_lines
from messaging.inbound import replay
from messaging.lead_page import ConversingLeadAdmin
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.providers import adapter_class
from messaging.webhooks import webhook_url


class OpensBrokerages(SetsRules):
    """The page of a brokerage, which is opened here with what it needs to try everything.

    Registered by campaigns.admin: what is stopped there is campaigns.
    """

    def save_model(self, request: HttpRequest, obj: Broker, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.pk = open_brokerage(now=self.now(), **form.cleaned_data).pk


admin.site.register(Lead, ConversingLeadAdmin)


@admin.register(Appointment)
class ToldAppointmentAdmin(AppointmentAdmin):
    fields = (*AppointmentAdmin.fields, "told")
    readonly_fields = (*AppointmentAdmin.readonly_fields, "told")

    @admin.display(description=gettext_lazy("What the lead was told"))
    def told(self, row: Appointment) -> str:
        lines = [(line,) for line in told_lines(row)]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", lines)) if lines else "–"


@admin.register(ChannelAccount)
class ChannelAccountAdmin(HasVerbs):
    """Accounts are switched off, never deleted, and keep their channel and provider: messages name them."""

    verbs = VERBS
    born = "created_at"
    readonly_fields = ("provider", "service", "webhook_address", "sandbox", "created_at")
    list_display = ("__str__", "channel", "provider", "service", "sender", "is_default", "is_active", "sandbox")
    list_filter = ("channel", "provider", "is_active", "sandbox")
    search_fields = ("name", "sender")

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """First the provider and its service, then what it needs."""
        chosen = ProviderForm(request.GET or None)
        if not chosen.is_valid():
            return self._asked(request, _("Which provider?"), chosen)
        provider = chosen.cleaned_data["provider"]
        if adapter_class(provider).services:
            service = ServiceForm(request.GET if "service" in request.GET else None, provider=provider)
            if not service.is_valid():
                return self._asked(request, _("Which service?"), service)
        return super().add_view(request, *args, **kwargs)

    def _asked(self, request: HttpRequest, title: str, form: Any) -> HttpResponse:
        return self.verb_page(request, title=title, form=form, method="get", submit=_("Continue"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = self._form_class(request, obj)
        return super().get_form(request, obj, change=change, **kwargs)

    def _form_class(self, request: HttpRequest, obj: ChannelAccount | None) -> type[AccountForm]:
        if obj is not None:
            return form_for(obj.provider, obj.service)
        return form_for(self._provider(request), request.GET.get("service", ""))

    def _provider(self, request: HttpRequest) -> str:
        return request.GET.get("provider", "sandbox")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = [f"{PREFIX}{credential.name}" for credential in self._form_class(request, obj).asks]
        prices = ("prices",) if priced_channel(obj.provider if obj else self._provider(request)) else ()
        rest = ("sender", "rate", *prices, "is_default", "is_active")
        standing = () if obj is None else self.readonly_fields
        fields = ("name", "channel", *asked, *rest, *standing)
        broker = (BROKER,) if self._shows_broker(request) else ()
        return [(None, {"fields": (*broker, *fields)})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None else (*fields, "channel")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        adapter = adapter_class(self._provider(request))
        return {**super().get_changeform_initial_data(request), "rate": adapter.default_rate}

    def save_model(self, request: HttpRequest, obj: ChannelAccount, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=[name for name in form.changed_columns if has_field(self.model, name)])
        else:
            super().save_model(request, obj, form, change)

    @admin.display(description=gettext_lazy("webhook address"))
    def webhook_address(self, row: ChannelAccount) -> str:
        return "" if row.sandbox else webhook_url(row)


@admin.register(Message)
class MessageAdmin(HistoryAdmin):
    list_display = ("created_at", "lead", "channel", "direction", "status", "subject", "error_code", "sandbox")
    list_filter = ("channel", "direction", "status", "sandbox")
    list_select_related = ("lead",)
    search_fields = ("lead__name", "lead__phone", "lead__email", "address", "provider_id")


def _apply_again(row: WebhookEvent, form: Any, now: datetime, by: Any) -> str:
    replay(stored=row, now=now)
    return _("%(event)s: it has been applied.") % {"event": row}


APPLY = Verb("apply", gettext_lazy("Apply again"), _apply_again, lambda row: row.processed_at is None)


@admin.action(description=APPLY.title)
def apply_chosen(model_admin: "WebhookEventAdmin", request: HttpRequest, queryset: QuerySet) -> None:
    """In the order in which they came; each is applied or refused on its own."""
    for row in queryset.order_by("id"):
        model_admin.press(request, row, APPLY, VerbForm(row=row))


@admin.register(WebhookEvent)
class WebhookEventAdmin(HasVerbs, HistoryAdmin):
    verbs = (APPLY,)
    actions = (apply_chosen,)
    list_display = ("event_id", "account", "received_at", "processed_at", "error")
    list_filter = ("account", ("processed_at", admin.EmptyFieldListFilter))
    list_select_related = ("account",)
    search_fields = ("event_id",)
