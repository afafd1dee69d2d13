"""What became of messages that were handed to their providers, for those of campaigns and those of people alike."""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError, connection

from leads.models import Lead
from messaging import sql
from messaging.base import Envelope, Outcome, OutcomeKind
from messaging.clock import Clock
from messaging.costs import Cost, cost_by, prices_of
from messaging.dispatching import CANCELLED, Sending
from messaging.models import Message, MessageStatus
from messaging.policy import CALL
from messaging.prices import Prices
from messaging.refusals import TELLING_CODES, heed_refusal
from messaging.slots import hold_accounts

logger = logging.getLogger(__name__)

MESSAGE_STATUS = {
    OutcomeKind.ACCEPTED: MessageStatus.SENT,
    OutcomeKind.REFUSED: MessageStatus.FAILED,
    OutcomeKind.REFUSED_FOR_NOW: MessageStatus.FAILED,
    OutcomeKind.UNKNOWN: MessageStatus.UNKNOWN,
}
# After these no attempt is used up: no provider was asked, or the account is at fault and waits for its repair.
EXCUSED = (CANCELLED, "not_configured")
# The code of a message whose worker never came back.
LEASE_OVER = "lease_over"


SETTLE_AGAIN_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0.2, 1, 5, 15, 30))
Written = TypeVar("Written")


class MessageRow(NamedTuple):
    """A row of messaging.sql.SETTLE_MESSAGES."""

    message: int
    status: str
    provider_id: str
    code: str
    error: str
    cost: Decimal | None = None
    currency: str = ""


def until_written(write: Callable[[], Written], clock: Clock) -> Written:
    """Only this process knows what became of these contacts, so a connection that breaks is no reason to forget it.
    `write` is one transaction."""
    for pause in (*SETTLE_AGAIN_AFTER, None):
        try:
            return write()
        except (OperationalError, InterfaceError):
            if pause is None or connection.in_atomic_block:
                raise
            logger.warning("What became of contacts could not be written, trying again")
            connection.close()
            clock.sleep_until(clock.now() + pause)
    raise AssertionError


def write_outcomes(outcomes: Sequence[tuple[Sending, Outcome]], now: datetime) -> set[int]:
    """Write what became of the messages; the ids of those written. Of the others their provider told before us. The
    leads must be locked."""
    accounts = {sending.account.pk: sending.account for sending, _outcome in outcomes}
    prices = {pk: prices_of(account) for pk, account in accounts.items()}
    rows = [_message_row(sending, outcome, prices[sending.account.pk]) for sending, outcome in outcomes]
    contacted = {sending.lead_id for sending, outcome in outcomes if outcome.kind == OutcomeKind.ACCEPTED}
    return write_rows(rows, contacted, now)


def heed_outcomes(outcomes: Sequence[tuple[Sending, Outcome]], now: datetime) -> None:
    """What the providers said of accounts and of people meanwhile."""
    _hold_accounts(outcomes, now)
    _mark_refused(outcomes, now)


def write_rows(rows: Sequence[MessageRow], contacted: Collection[int], now: datetime) -> set[int]:
    """Messages that are still under way become what their rows say; `contacted` are leads that were reached."""
    params = sql.columns_of(rows) | {"contacted": list(contacted), "now": now}
    return {row[0] for row in sql.rows(sql.SETTLE_MESSAGES, params)}


def write_off(message_ids: Collection[int], now: datetime) -> None:
    """Messages whose worker never came back: nobody can know whether they were sent."""
    Message.objects.filter(pk__in=message_ids, status=MessageStatus.SENDING).update(
        status=MessageStatus.UNKNOWN, unknown_at=now, error_code=LEASE_OVER
    )


def _message_row(sending: Sending, outcome: Outcome, prices: Prices) -> MessageRow:
    status = MESSAGE_STATUS[outcome.kind]
    if outcome.kind == OutcomeKind.ACCEPTED and sending.envelope.channel == CALL:
        status = MessageStatus.SENDING  # until the call has ended
    elif outcome.kind == OutcomeKind.ACCEPTED and outcome.delivered:
        status = MessageStatus.DELIVERED
    if outcome.code == CANCELLED:
        status = MessageStatus.CANCELLED
    is_paid = outcome.kind == OutcomeKind.ACCEPTED and sending.envelope.channel != CALL
    cost = _cost(sending.envelope, prices) if is_paid else Cost()
    return MessageRow(sending.envelope.message_id, status, outcome.provider_id, outcome.code, outcome.error, *cost)


def _cost(envelope: Envelope, prices: Prices) -> Cost:
    about = {"channel": envelope.channel, "address": envelope.address, "purpose": envelope.purpose}
    return cost_by(prices, is_own_words=envelope.window_open, **about)


def _hold_accounts(outcomes: Sequence[tuple[Sending, Outcome]], now: datetime) -> None:
    pauses: dict[int, float] = {}
    for sending, outcome in outcomes:
        if outcome.retry_after:
            pauses[sending.account.pk] = max(pauses.get(sending.account.pk, 0.0), outcome.retry_after)
    hold_accounts(pauses, now)


def _mark_refused(outcomes: Sequence[tuple[Sending, Outcome]], now: datetime) -> None:
    """What a refusal for good says of the person stays with the lead."""
    for sending, outcome in outcomes:
        if outcome.kind == OutcomeKind.REFUSED and outcome.code in TELLING_CODES:
            lead = Lead.objects.select_related("broker").get(pk=sending.lead_id)
            envelope = sending.envelope
            where = {"channel": envelope.channel, "address": envelope.address}
            heed_refusal(lead=lead, code=outcome.code, now=now, **where)
