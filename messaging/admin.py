from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin import BrokerAdmin
from brokers.admin_base import HistoryAdmin, TenantAdmin, TenantForm
from brokers.admin_verbs import HasVerbs, Verb, VerbForm
from brokers.models import Broker
from messaging.accounts import open_brokerage
from messaging.fields import Unreadable
from messaging.inbound import replay
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.providers import adapter_for, channels_of


class OpensBrokerages(BrokerAdmin):
    """The page of a brokerage, which is opened here with what it needs to try everything.

    Registered by campaigns.admin: what is stopped there is campaigns.
    """

    def save_model(self, request: HttpRequest, obj: Broker, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.pk = open_brokerage(now=self.now(), **form.cleaned_data).pk


class SecretField(forms.JSONField):
    """A JSON object that is written and never shown, not even when the form comes back with an error."""

    widget = forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField", "autocomplete": "off"})

    def prepare_value(self, value: Any) -> str:
        return ""

    def clean(self, value: Any) -> dict[str, Any]:
        secret = super().clean(value)
        if secret is not None and not isinstance(secret, dict):
            raise forms.ValidationError(_('Use an object such as {"host": "smtp.example.com"}.'))
        return secret or {}

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data and data.strip())


class AccountForm(TenantForm):
    provider = forms.ChoiceField(label=gettext_lazy("Provider"))
    credentials = SecretField(
        label=gettext_lazy("Credentials"),
        required=False,
        help_text=gettext_lazy("A JSON object. It is never shown again; left empty, it stays as it is."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "provider" in self.fields:
            self.fields["provider"].choices = [(name, name) for name in settings.PROVIDERS]  # type: ignore[attr-defined]

    def clean_credentials(self) -> dict[str, Any]:
        secret = self.cleaned_data["credentials"] or self.instance.credentials
        if isinstance(secret, Unreadable):
            raise forms.ValidationError(_("The stored credentials cannot be read; give them again."))
        return secret

    def _get_validation_exclusions(self) -> set[str]:
        """The form's own field checks the secret; the column's would make text of it."""
        return super()._get_validation_exclusions() | {"credentials"}

    def _post_clean(self) -> None:
        if self.errors:
            return
        self.instance.sandbox = self.cleaned_data.get("provider", self.instance.provider) == "sandbox"
        super()._post_clean()
        if not self.errors:
            self._check_provider()

    def _check_provider(self) -> None:
        account = self.instance
        channels = channels_of(account.provider)
        if account.channel not in channels:
            allowed = {"provider": account.provider, "channels": ", ".join(sorted(channels))}
            field = "channel" if "channel" in self.fields else None
            self.add_error(field, _("%(provider)s serves these channels only: %(channels)s") % allowed)
        elif account.is_active:
            for fault in adapter_for(account).faults():
                self.add_error(None, fault)


@admin.register(ChannelAccount)
class ChannelAccountAdmin(TenantAdmin):
    """Accounts are switched off, never deleted, and keep their channel and provider: messages name them."""

    form = AccountForm
    born = "created_at"
    fields = ("name", "channel", "provider", "credentials", "sender", "rate", "is_default", "is_active")
    readonly_fields = ("sandbox", "created_at")
    list_display = ("__str__", "channel", "provider", "sender", "is_default", "is_active", "sandbox")
    list_filter = ("channel", "provider", "is_active", "sandbox")
    search_fields = ("name", "sender")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is None else (*self.fields, *self.readonly_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None else (*fields, "channel", "provider")


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
