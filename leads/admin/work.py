"""What people do with a lead. Rows that move the lead's own columns are written by verbs."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from brokers.admin_base import TenantAdmin, TenantForm, who
from leads.actions import record_consent, write_note
from leads.models import ContactPermission, Note

LEAD_SEARCH: tuple[str, ...] = ("lead__name", "lead__phone", "lead__email")
CHANNELS = [
    (ContactPermission.ANY_CHANNEL, _("every channel")),
    ("telegram", "Telegram"),
    ("whatsapp", "WhatsApp"),
    ("email", _("e-mail")),
    ("call", _("call")),
]


class OfLeadAdmin(TenantAdmin):
    """Rows about one lead, which stays the same once it is chosen."""

    autocomplete_fields = ("lead",)
    search_fields: ClassVar[tuple[str, ...]] = LEAD_SEARCH
    list_select_related: ClassVar[tuple[str, ...]] = ("lead",)
    add_fields: tuple[str, ...] = ("lead",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is not None else self.add_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None else (*fields, "lead")


@admin.register(Note)
class NoteAdmin(OfLeadAdmin):
    can_change = False
    add_fields = ("lead", "text")
    fields = ("lead", "text", "author", "at")
    list_display = ("__str__", "lead", "author", "at")
    list_select_related = ("lead", "author")
    search_fields = ("text", *LEAD_SEARCH)

    def save_model(self, request: HttpRequest, obj: Note, form: Any, change: bool) -> None:
        text = form.cleaned_data["text"]
        obj.pk = write_note(lead=obj.lead, text=text, now=self.now(), by=who(request)).pk


class PermissionForm(TenantForm):
    refusal_fields = dict.fromkeys(("phone_invalid", "email_invalid", "telegram_chat_id_invalid"), "address")
    channel = forms.ChoiceField(label=_("Channel"), choices=CHANNELS)

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not self.errors and not given["lead"] and not given["address"]:
            self.add_error("address", _("Choose a lead or give an address."))
        return given


@admin.register(ContactPermission)
class ContactPermissionAdmin(OfLeadAdmin):
    """A ledger: what was given or taken back is added, and never changed."""

    form = PermissionForm
    can_change = False
    add_fields = ("lead", "address", "channel", "kind", "purpose", "wording")
    fields = ("lead", "address", "channel", "kind", "purpose", "source", "wording", "evidence", "at")
    list_display = ("__str__", "lead", "address", "channel", "kind", "purpose", "source", "at")
    list_filter = ("kind", "purpose", "channel")
    search_fields = ("address", *LEAD_SEARCH)

    def save_model(self, request: HttpRequest, obj: ContactPermission, form: Any, change: bool) -> None:
        names = ("lead", "address", "channel", "kind", "purpose", "wording")
        given = {name: form.cleaned_data[name] for name in names}
        evidence = {"by": request.user.get_username()}
        record_consent(broker=obj.broker, now=self.now(), source="admin", evidence=evidence, **given)
        obj.pk = ContactPermission.objects.filter(broker=obj.broker).latest("pk").pk
