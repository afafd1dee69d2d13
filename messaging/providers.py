"""From an account to the adapter that speaks to its provider."""

from datetime import timedelta

from django.conf import settings
from django.utils.module_loading import import_string

from brokers.refusal import Refused
from messaging.base import Adapter
from messaging.models import ChannelAccount


def adapter_class(provider: str) -> type[Adapter]:
    """Raises Refused `provider_unknown`."""
    path = settings.PROVIDERS.get(provider)
    if path is None:
        allowed = ", ".join(settings.PROVIDERS)
        raise Refused("provider_unknown", f"provider={provider!r} is not allowed; use one of {allowed}")
    return import_string(path)


def adapter_for(account: ChannelAccount) -> Adapter:
    """The adapter of this account. Raises Refused `provider_unknown`."""
    return adapter_class(account.provider)(account)


def channels_of(provider: str) -> frozenset[str]:
    return adapter_class(provider).channels


def rest_of(account: ChannelAccount) -> timedelta | None:
    """How long its provider wants one address left alone after a message; None for a provider that nobody knows."""
    path = settings.PROVIDERS.get(account.provider)
    adapter: type[Adapter] | None = import_string(path) if path else None
    return adapter.rest if adapter else None
