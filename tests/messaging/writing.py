"""What tests of people's messages share: a person who writes, and leads who wrote."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from brokers.models import Broker, User
from leads.actions import record_inbound
from leads.models import ContactPermission, Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message
from messaging.writing import write_message
from tests.building import NOW, a_user, now_of

# A Wednesday at 22:00 in Santiago, and the opening after it.
NIGHT = datetime.fromisoformat("2026-03-05T01:00:00+00:00")
MORNING = "2026-03-05T12:00:00+00:00"


def write(lead: Lead, *, at: datetime = NOW, **wish: Any) -> Message:
    """A colleague of the lead's brokerage writes to them, by default over Telegram."""
    by = wish.pop("by", None) or boss(lead.broker)
    clock = wish.pop("clock", None) or VirtualClock(at)
    said = {"channel": "telegram", "form_id": uuid4()} | wish
    if "template" not in said:
        said = {"text": "Hola, soy Carla"} | said
    if said["channel"] == "email":
        said = {"subject": "Su visita"} | said
    return write_message(lead=now_of(lead), by=by, clock=clock, **said)


def boss(broker: Broker) -> User:
    """Who runs it."""
    return User.objects.filter(broker=broker, role="admin").first() or a_user(broker, "jefa", role="admin")


def wrote(lead: Lead, at: datetime, channel: str = "telegram", **fields: Any) -> Message:
    """The lead wrote to the channel's default account."""
    account = fields.pop("account", None) or ChannelAccount.objects.get(
        broker=lead.broker_id, channel=channel, is_default=True
    )
    values = {"status": "received", "sandbox": account.sandbox, "created_at": at, "received_at": at, "body": "¿Sigue?"}
    row = Message.objects.create(
        broker_id=lead.broker_id,
        lead=lead,
        channel=channel,
        direction="in",
        account=account,
        dedupe_key=f"in:test:{uuid4()}",
        **values | fields,
    )
    record_inbound(lead=lead, now=at, answers=None)
    return row


def everything() -> list[Any]:
    """All rows that writing could touch."""
    models: list[Any] = [Message, Lead, ChannelAccount, ContactPermission]
    return [list(model.objects.order_by("pk").values()) for model in models]
