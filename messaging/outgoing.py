"""One message that no campaign's batch sends (of a person, of a meeting): begun before its provider is asked, settled
when it was, and written off when nobody came back for it."""

from datetime import datetime
from typing import Any

from django.db import transaction

from messaging import sql
from messaging.base import Outcome
from messaging.dispatching import SEND_LEASE, Sending
from messaging.models import ChannelAccount, Direction, Message, MessageStatus
from messaging.settling import heed_outcomes, write_off, write_outcomes


def begin_message(
    *, broker_id: int, lead_id: int, account: ChannelAccount, key: str, now: datetime, **columns: Any
) -> Message:
    """The message as it is committed before its provider is asked. The caller holds the lead, and has seen that no
    other message has this key."""
    return Message.objects.create(
        broker_id=broker_id,
        lead_id=lead_id,
        channel=account.channel,
        direction=Direction.OUT,
        account=account,
        status=MessageStatus.SENDING,
        dedupe_key=key,
        sandbox=account.sandbox,
        created_at=now,
        sending_at=now,
        **columns,
    )


def settle_message(sending: Sending, outcome: Outcome, now: datetime) -> tuple[Message, bool]:
    """Write what became of it: the message as it is now, and whether it was this outcome that was written. If not, its
    provider told before us. The caller holds the lead."""
    pair = [(sending, outcome)]
    written = write_outcomes(pair, now)
    heed_outcomes(pair, now)
    return Message.objects.get(pk=sending.envelope.message_id), bool(written)


@transaction.atomic
def settle_unfinished(*, batch: int, broker_id: int | None, now: datetime) -> int:
    """Messages of people and notices of meetings whose process never came back: nobody can know whether they were
    sent, so they are shown, not resent; only the provider's word may still tell."""
    params = {"begun_before": now - SEND_LEASE, "batch": batch, "broker": broker_id}
    messages = [row[0] for row in sql.rows(sql.UNFINISHED, params)]
    if messages:
        write_off(messages, now)
    return len(messages)
