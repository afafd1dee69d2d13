"""What is learnt after a step was written off as unknown: by the provider's callback, or because a person had it sent
again. The log is corrected; the enrolment, which went on, is not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from campaigns import sql
from campaigns.deciding import Dispatch
from campaigns.models import NOT_RESENT, OUTCOME_UNKNOWN, LogStatus
from campaigns.settling import (
    EndedCall,
    Outcomes,
    call_messages,
    is_simulated_call,
    lock_leads,
    news_of,
    record_ended,
    told,
)
from messaging.base import Outcome, OutcomeKind
from messaging.merged import with_leads_as_they_are
from messaging.policy import CALL
from messaging.settling import heed_outcomes, write_off, write_outcomes, write_rows
from voice.actions import ring_simulated

# Providers tell within hours; what was left unknown longer than this is not asked about with every pass.
TOLD_WITHIN = timedelta(days=30)


class Correction(NamedTuple):
    """A row of campaigns.sql.CORRECT: what this message's log says from now on."""

    log: int
    message: int
    status: str
    reason: str


def correct(corrections: Sequence[Correction], now: datetime) -> None:
    """Rewrite failed rows that were not the last word. The leads must be locked."""
    if corrections:
        sql.run(sql.CORRECT, sql.columns_of(corrections) | {"now": now})


@transaction.atomic
def correct_unsettled(*, batch: int, broker_id: int | None, now: datetime) -> int:
    """Unknown outcomes that the provider told meanwhile, and messages sent again by a worker that never came back."""
    params = {"now": now, "since": now - TOLD_WITHIN, "batch": batch, "broker": broker_id}
    rows = sql.rows(sql.UNSETTLED, params)
    if rows:
        write_off([row[1] for row in rows], now)
        correct([Correction(log, message, *told(status, code)) for log, message, status, code in rows], now)
    return len(rows)


def settle_resent(dispatch: Dispatch, outcome: Outcome, now: datetime) -> None:
    """What became of a contact that a person had sent again."""
    with_leads_as_they_are(_settle_resent, [(dispatch, outcome)], now)


@transaction.atomic
def _settle_resent(pair: Outcomes, now: datetime) -> None:
    [(dispatch, outcome)] = pair
    lock_leads(pair)
    message_id = dispatch.envelope.message_id
    news = news_of(pair, write_outcomes(pair, now)).get(message_id) or _said(dispatch, outcome)
    if news is not None:
        correct([Correction(dispatch.due.facts.log_id, message_id, *news)], now)
    heed_outcomes(pair, now)
    if is_simulated_call(dispatch, outcome):
        ring_simulated(message_ids=[message_id], now=now)


def _said(dispatch: Dispatch, outcome: Outcome) -> tuple[str, str] | None:
    """The log's (status, reason); None while an accepted call rings."""
    if outcome.kind == OutcomeKind.ACCEPTED:
        return None if dispatch.envelope.channel == CALL else (LogStatus.SENT, "")
    if outcome.kind == OutcomeKind.UNKNOWN:
        return LogStatus.FAILED, OUTCOME_UNKNOWN
    if outcome.kind == OutcomeKind.REFUSED_FOR_NOW:
        return LogStatus.FAILED, NOT_RESENT
    return LogStatus.FAILED, outcome.code or "refused"


@transaction.atomic
def settle_resent_calls(*, batch: int, broker_id: int | None, now: datetime) -> int:
    """Calls that a person had made again, and that have ended; and those whose end was told after their lease."""
    params = {"now": now, "since": now - TOLD_WITHIN, "batch": batch, "broker": broker_id}
    calls = [EndedCall._make(row) for row in sql.rows(sql.RESENT_CALLS, params)]
    if not calls:
        return 0
    answered = [call for call in calls if call.is_answered]
    write_rows(call_messages(calls), [call.lead_id for call in answered], now)
    correct([_call_correction(call) for call in calls], now)
    for call in answered:
        record_ended(call, now)
    return len(calls)


def _call_correction(call: EndedCall) -> Correction:
    status, reason = (LogStatus.SENT, "") if call.is_answered else (LogStatus.FAILED, call.status)
    return Correction(call.log_id, call.message_id, status, reason)
