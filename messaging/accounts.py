"""The accounts of a brokerage."""

from datetime import datetime
from typing import Any

from django.db import transaction

from brokers.actions import create_broker
from brokers.models import Broker
from messaging.models import ChannelAccount
from templates_app.models import Channel


@transaction.atomic
def open_brokerage(*, now: datetime, **fields: Any) -> Broker:
    """A new brokerage, ready to try everything on the sandbox. Raises Refused as `create_broker` does."""
    broker = create_broker(now=now, **fields)
    open_sandbox(broker=broker, now=now)
    return broker


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
