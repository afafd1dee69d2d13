"""One message of the product's own: written, handed to its provider once, settled."""

import logging
from collections import Counter
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Greatest

from leads.models import Lead
from messaging.base import Envelope, Outcome, OutcomeKind
from messaging.models import ChannelAccount, Direction, Message, MessageStatus
from messaging.providers import adapter_for
from messaging.refusals import TELLING_CODES, heed_refusal

logger = logging.getLogger(__name__)

UNDER_WAY = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNKNOWN)
STATUS = {
    OutcomeKind.ACCEPTED: MessageStatus.SENT,
    OutcomeKind.REFUSED: MessageStatus.FAILED,
    OutcomeKind.REFUSED_FOR_NOW: MessageStatus.FAILED,
    OutcomeKind.UNKNOWN: MessageStatus.UNKNOWN,
}
LONGEST_PAUSE = timedelta(days=1)
# What was not handed over: its worker was late.
CANCELLED = "cancelled"


def write_message(*, lead: Lead, account: ChannelAccount, key: str, now: datetime, **columns: Any) -> Message | None:
    """The intent, before any provider is asked; None when this key was used before. In the caller's transaction, which
    holds the lead."""
    try:
        with transaction.atomic():
            return Message.objects.create(
                broker_id=lead.broker_id,
                lead=lead,
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
    except IntegrityError:
        return None


def reserve(wanted: Counter[int], now: datetime) -> dict[int, list[datetime]]:
    """Up to as many moments as wanted of each account, within the next second and by its rate, for all processes.

    The same column as campaigns reserve from. An account whose provider asked for a pause gives none.
    """
    given: dict[int, list[datetime]] = {}
    accounts = ChannelAccount.objects.select_for_update(no_key=True).filter(pk__in=list(wanted)).order_by("pk")
    for account in accounts:
        start = max(account.next_slot_at or now, now)
        gap = timedelta(seconds=float(1 / account.rate)) if account.rate else timedelta()
        moments = [start + n * gap for n in range(wanted[account.pk])] if account.rate or start == now else []
        given[account.pk] = [moment for moment in moments if moment < now + timedelta(seconds=1)]
        if account.rate and given[account.pk]:
            ChannelAccount.objects.filter(pk=account.pk).update(next_slot_at=given[account.pk][-1] + gap)
    return given


def hand_over(account: ChannelAccount, envelope: Envelope) -> Outcome:
    """Ask the provider, once, with no transaction open. A failure of our own is an outcome nobody can know."""
    try:
        return _storable(adapter_for(account).send(envelope))
    except Exception:
        logger.exception("Message %s: the adapter of %s failed", envelope.message_id, account.provider)
        return Outcome(OutcomeKind.UNKNOWN, code="adapter_error", error="the adapter failed")


def settle_message(*, message: Message, lead: Lead, outcome: Outcome, now: datetime) -> None:
    """What became of it; what its provider told before us stays. The caller holds the lead."""
    status = STATUS[outcome.kind]
    if outcome.kind == OutcomeKind.ACCEPTED and outcome.delivered:
        status = MessageStatus.DELIVERED
    if outcome.code == CANCELLED:
        status = MessageStatus.CANCELLED
    stamps: dict[str, Any] = {f"{status}_at": now}
    if status == MessageStatus.DELIVERED:
        stamps["sent_at"] = Coalesce("sent_at", Value(now))
    if outcome.provider_id:
        stamps["provider_id"] = outcome.provider_id
    Message.objects.filter(pk=message.pk, status__in=UNDER_WAY).update(
        status=status, error_code=outcome.code, error=outcome.error, **stamps
    )
    if outcome.kind == OutcomeKind.ACCEPTED:
        Lead.objects.filter(pk=lead.pk).update(last_contacted_at=Greatest("last_contacted_at", Value(now)))
    elif outcome.kind == OutcomeKind.REFUSED and outcome.code in TELLING_CODES:
        where = {"channel": message.channel, "address": message.address}
        heed_refusal(lead=lead, code=outcome.code, now=now, **where)
    if outcome.retry_after and message.account_id:
        hold(message.account_id, now + timedelta(seconds=outcome.retry_after))


def hold(account_id: int, until: datetime) -> None:
    """A provider that asks for a pause gets it, from all processes."""
    rows = ChannelAccount.objects.filter(Q(next_slot_at=None) | Q(next_slot_at__lt=until), pk=account_id)
    rows.update(next_slot_at=until)


def _storable(outcome: Outcome) -> Outcome:
    """A provider's words are its own, and one of them breaks nothing."""
    return Outcome(
        kind=outcome.kind,
        provider_id=outcome.provider_id.replace("\x00", "")[:255],
        code=outcome.code.replace("\x00", "")[:60],
        error=outcome.error.replace("\x00", "")[:2000],
        retry_after=_bounded(outcome.retry_after),
        delivered=outcome.delivered,
        again_after=_bounded(outcome.again_after),
    )


def _bounded(seconds: float | None) -> float | None:
    is_sound = seconds is not None and isfinite(seconds) and seconds > 0
    return min(seconds, LONGEST_PAUSE.total_seconds()) if is_sound and seconds is not None else None
