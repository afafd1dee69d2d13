"""The form of an account asks for what its provider needs, and never shows a secret again."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import TenantForm
from messaging.base import Credential
from messaging.fields import Unreadable
from messaging.price_fields import prices_field
from messaging.providers import adapter_class, adapter_for, channels_of
from templates_app.models import Channel

PREFIX = "credential_"


class ProviderForm(forms.Form):
    """The first question of a new account."""

    provider = forms.ChoiceField(label=gettext_lazy("Provider"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["provider"].choices = [(name, described(name)) for name in settings.PROVIDERS]  # type: ignore[attr-defined]


class ServiceForm(forms.Form):
    """The second one, where a provider stands for several services."""

    provider = forms.CharField(widget=forms.HiddenInput)
    service = forms.ChoiceField(label=gettext_lazy("Service"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, provider: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["provider"].initial = provider
        self.fields["service"].choices = list(adapter_class(provider).services.items())  # type: ignore[attr-defined]


def described(provider: str) -> str:
    """A provider with the channels that it serves, and the services that it stands for."""
    channels = ", ".join(str(Channel(channel).label) for channel in sorted(channels_of(provider)))
    services = ", ".join(adapter_class(provider).services.values())
    return f"{provider} – {channels}" + (f": {services}" if services else "")


class AccountForm(TenantForm):
    """`asks` are the credentials of the provider (at this service); `form_for` makes a class with a field for each."""

    provider_name = service_name = ""
    asks: tuple[Credential, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.credentials
        for credential in self.asks:
            if not credential.is_secret:
                self.initial[PREFIX + credential.name] = stored.get(credential.name, "")
        if "channel" in self.fields:
            self.fields["channel"].choices = [  # type: ignore[attr-defined]
                (channel, Channel(channel).label) for channel in sorted(channels_of(self.provider_name))
            ]

    def clean(self) -> dict[str, Any]:
        """The credentials as they are to be stored: a secret that is left empty stays as it is."""
        super().clean()
        stored = self.instance.credentials
        kept = {} if isinstance(stored, Unreadable) else dict(stored)
        for credential in self.asks:
            value = (self.cleaned_data.get(PREFIX + credential.name) or "").strip()
            if value or not credential.is_secret:
                kept[credential.name] = value
            if credential.is_required and not kept.get(credential.name):
                self.add_error(PREFIX + credential.name, self._missing(stored))
        self.cleaned_data["credentials"] = {name: value for name, value in kept.items() if value != ""}
        return self.cleaned_data

    def _missing(self, stored: Any) -> str:
        if isinstance(stored, Unreadable):
            return _("The stored credentials cannot be read; give them again.")
        return _("This is needed.")

    def _post_clean(self) -> None:
        if self.errors:
            return
        self.instance.provider, self.instance.service = self.provider_name, self.service_name
        self.instance.sandbox = self.provider_name == "sandbox"
        self.instance.credentials = self.cleaned_data["credentials"]
        super()._post_clean()
        if not self.errors and self.instance.is_active:
            for fault in adapter_for(self.instance).faults():
                self.add_error(None, fault)

    def _get_validation_exclusions(self) -> set[str]:
        """The form's own fields check the secrets; the column's would make text of them."""
        return super()._get_validation_exclusions() | {"credentials"}

    @property
    def changed_columns(self) -> list[str]:
        """The edited columns; any credential is one of the same column."""
        names = {"credentials" if name.startswith(PREFIX) else name for name in self.changed_data}
        return sorted(names)


def form_for(provider: str, service: str = "") -> type[AccountForm]:
    """Raises Refused `provider_unknown`."""
    asks = adapter_class(provider).asks(service)
    fields = {PREFIX + credential.name: _field(credential) for credential in asks}
    told: dict[str, Any] = {"provider_name": provider, "service_name": service, "asks": asks}
    if channel := priced_channel(provider):
        told["prices"] = prices_field(channel)
    return type("AccountForm", (AccountForm,), {**told, **fields})


def priced_channel(provider: str) -> str:
    """The channel whose prices its form asks for; '' for the sandbox, which costs nothing."""
    channels = sorted(channels_of(provider))
    return channels[0] if provider != "sandbox" and len(channels) == 1 else ""


def _field(credential: Credential) -> forms.Field:
    widget = (
        forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"}, render_value=False)
        if credential.is_secret
        else forms.TextInput(attrs={"class": "vTextField"})
    )
    label: Any = credential.label
    where: Any = credential.where
    field = forms.CharField(label=label, help_text=where, required=False, widget=widget)
    if credential.is_secret:
        field.help_text = gettext_lazy("%s It is never shown again; left empty, it stays as it is.") % where
    return field
