"""The accounts of a brokerage."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from brokers.actions import create_broker
from brokers.models import Broker
from messaging.fields import Unreadable
from messaging.models import ChannelAccount
from messaging.providers import rest_of
from templates_app.models import Channel


@transaction.atomic
def open_brokerage(*, now: datetime, **fields: Any) -> Broker:
    """A new brokerage, ready to try everything on the sandbox. Raises Refused as `create_broker` does."""
    broker = create_broker(now=now, **fields)
    open_sandbox(broker=broker, now=now)
    return broker


class Rotated(NamedTuple):
    """How many accounts' credentials are encrypted by the first key now, and the ids of those that no key opens."""

    accounts: int
    unreadable: list[int]


def rotate_credentials() -> Rotated:
    """Encrypt every account's credentials by the first of CREDENTIALS_KEYS, row by row, while the product runs."""
    unreadable: list[int] = []
    count = 0
    for pk in ChannelAccount.objects.order_by("id").values_list("pk", flat=True).iterator():
        with transaction.atomic():
            account = ChannelAccount.objects.select_for_update(no_key=True).get(pk=pk)
            if isinstance(account.credentials, Unreadable):
                unreadable.append(pk)
                continue
            account.save(update_fields=["credentials"])
            count += 1
    return Rotated(count, unreadable)


def open_sandbox(*, broker: Broker, now: datetime) -> None:
    """A sandbox account for every channel that has none; the default where the channel has no other."""
    accounts = list(ChannelAccount.objects.filter(broker=broker))
    has_sandbox = {account.channel for account in accounts if account.sandbox}
    has_default = {account.channel for account in accounts if account.is_default}
    ChannelAccount.objects.bulk_create(
        ChannelAccount(
            broker=broker,
            channel=channel,
            provider="sandbox",
            name=f"Sandbox · {Channel(channel).label}",
            sandbox=True,
            is_default=channel not in has_default,
            created_at=now,
        )
        for channel in Channel.values
        if channel not in has_sandbox
    )


class Accounts:
    """Some brokers and their accounts, chosen by channel and by whether they reach real people."""

    def __init__(self, brokers: Iterable[int]) -> None:
        wanted = set(brokers)
        rows = ChannelAccount.objects.filter(broker__in=wanted, is_active=True).select_related("broker")
        self.brokers: dict[int, Broker] = {}
        self._best: dict[tuple[int, str, bool], ChannelAccount] = {}
        for row in rows.order_by("is_default", "-pk"):
            self._best[row.broker_id, row.channel, row.sandbox] = row
            self.brokers.setdefault(row.broker_id, row.broker)
        if missing := wanted - set(self.brokers):
            self.brokers |= Broker.objects.in_bulk(missing)

    def get(self, broker_id: int, channel: str, sandbox: bool) -> ChannelAccount | None:
        return self._best.get((broker_id, channel, sandbox))

    def rest_on(self, channel: str) -> bool:
        """Whether one of them uses a provider that wants addresses on this channel left alone for a while."""
        return any(rest_of(row) is not None for (_broker, on, _side), row in self._best.items() if on == channel)


def is_on_sandbox(broker_id: int, channel: str) -> bool:
    """Whether people are reached on the sandbox over this channel: its default account says."""
    default = ChannelAccount.objects.filter(broker=broker_id, channel=channel, is_default=True)
    return default.values_list("sandbox", flat=True).first() is not False
