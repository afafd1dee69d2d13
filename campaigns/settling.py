"""The last third of a batch: what became of each contact, and what comes next. Also of leases that ran out."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from campaigns import sql
from campaigns.backoff import retry_at
from campaigns.deciding import Dispatch, end_of, ending
from campaigns.decisions import Step
from campaigns.exits import end_enrolments_of
from campaigns.models import LogStatus
from campaigns.plans import load_plans
from leads.actions import record_call
from leads.models import Lead
from messaging.base import Outcome, OutcomeKind
from messaging.costs import Cost, cost_by, prices_of
from messaging.dispatching import CANCELLED
from messaging.merged import check_merged, with_leads_as_they_are
from messaging.models import ACCEPTED, Message, MessageStatus
from messaging.policy import CALL
from messaging.prices import Prices
from messaging.refusals import UNREACHABLE_CODES
from messaging.settling import EXCUSED, MessageRow, heed_outcomes, write_off, write_outcomes, write_rows
from voice.actions import ring_simulated
from voice.models import CallStatus

MAX_ATTEMPTS = 5
# A phone that nobody picks up is tried again, but not five times.
MAX_CALL_ATTEMPTS = 3
CALL_AGAIN_AFTER = timedelta(hours=2)

Outcomes = Sequence[tuple[Dispatch, Outcome]]


class _Release(NamedTuple):
    """A row of campaigns.sql.RELEASE."""

    log: int
    message: int
    due: datetime
    reason: str


def settle(outcomes: Sequence[tuple[Dispatch, Outcome]], now: datetime) -> Counter[str]:
    """Write a batch's outcomes in one transaction; the counts are by what the log says. Doing it twice is harmless."""
    return with_leads_as_they_are(_settle, outcomes, now)


@transaction.atomic
def _settle(outcomes: Sequence[tuple[Dispatch, Outcome]], now: datetime) -> Counter[str]:
    counts: Counter[str] = Counter()
    if not outcomes:
        return counts
    touched = lock_leads(outcomes)
    told_before = news_of(outcomes, write_outcomes(outcomes, now))
    endings, releases = [], []
    for dispatch, outcome in outcomes:
        news = told_before.get(dispatch.envelope.message_id)
        if news is not None:
            endings.append(ending(dispatch.due, *news, None, now))
        elif _falls_back(dispatch, outcome):
            releases.append(_Release(dispatch.due.facts.log_id, dispatch.envelope.message_id, now, outcome.code))
        elif outcome.kind == OutcomeKind.REFUSED_FOR_NOW and not _is_last(dispatch, outcome):
            releases.append(_release(dispatch, outcome, now))
        elif outcome.kind != OutcomeKind.ACCEPTED or dispatch.envelope.channel != CALL:
            endings.append(_ending(dispatch, outcome, now))
    _finish(endings, releases, touched, now)
    heed_outcomes(outcomes, now)
    _ring([dispatch.envelope.message_id for dispatch, outcome in outcomes if is_simulated_call(dispatch, outcome)], now)
    counts.update(row.reason or row.status for row in endings)
    counts.update(row.reason for row in releases)
    return counts


def _finish(endings: list[sql.Ending], releases: list[_Release], touched: list[int], now: datetime) -> None:
    """End and give back rows; a lead to whom something happened meanwhile gets no next step."""
    sql.finish(endings, now)
    if releases:
        sql.run(sql.RELEASE, sql.columns_of(releases) | {"now": now, "excused": list(EXCUSED)})
    if touched:
        end_enrolments_of(touched, now)


def lock_leads(outcomes: Sequence[tuple[Dispatch, Outcome]]) -> list[int]:
    """Lock the leads; the ids of those to whom something happened since the decision. Raises Merged."""
    leads = list({dispatch.lead_id for dispatch, _outcome in outcomes})
    since = min(dispatch.at for dispatch, _outcome in outcomes)
    rows = sql.rows(sql.LOCK_LEADS, {"leads": leads, "since": since})
    merged = {lead for lead, _is_touched, is_merged in rows if is_merged}
    if merged:
        check_merged(outcomes, merged)
    return [lead for lead, is_touched, _is_merged in rows if is_touched]


def news_of(outcomes: Sequence[tuple[Dispatch, Outcome]], written: Collection[int]) -> dict[int, tuple[str, str]]:
    """What the provider told before us of messages that we did not write, as a log's (status, reason)."""
    messages = [dispatch.envelope.message_id for dispatch, _outcome in outcomes]
    others = [message for message in messages if message not in written]
    if not others:
        return {}
    rows = Message.objects.filter(pk__in=others).values_list("pk", "status", "error_code")
    return {message: told(status, code) for message, status, code in rows}


def _falls_back(dispatch: Dispatch, outcome: Outcome) -> bool:
    """Whether nobody is at this address, and the step names another channel: it is decided anew, by that one."""
    is_nobody = outcome.kind == OutcomeKind.REFUSED and outcome.code in UNREACHABLE_CODES
    return is_nobody and dispatch.way == 0 and len(dispatch.due.facts.ways) > 1


def _is_last(dispatch: Dispatch, outcome: Outcome) -> bool:
    """Whether this was the last attempt."""
    facts = dispatch.due.facts
    return outcome.code not in EXCUSED and facts.attempts + 1 - facts.cancellations >= MAX_ATTEMPTS


def _release(dispatch: Dispatch, outcome: Outcome, now: datetime) -> _Release:
    facts = dispatch.due.facts
    if outcome.code == CANCELLED:
        due_at = now
    elif outcome.again_after:
        due_at = now + timedelta(seconds=outcome.again_after)
    else:
        due_at = retry_at(now, facts.attempts + 1, facts.log_id, outcome.retry_after)
    return _Release(facts.log_id, dispatch.envelope.message_id, due_at, outcome.code or "refused_for_now")


def _ending(dispatch: Dispatch, outcome: Outcome, now: datetime) -> sql.Ending:
    if outcome.kind == OutcomeKind.ACCEPTED:
        return ending(dispatch.due, LogStatus.SENT, "", None, now)
    if outcome.kind == OutcomeKind.UNKNOWN:
        return ending(dispatch.due, LogStatus.FAILED, "outcome_unknown", None, now)
    if outcome.kind == OutcomeKind.REFUSED_FOR_NOW:
        return ending(dispatch.due, LogStatus.FAILED, "gave_up", None, now)
    return ending(dispatch.due, LogStatus.FAILED, outcome.code or "refused", None, now)


def is_simulated_call(dispatch: Dispatch, outcome: Outcome) -> bool:
    return outcome.kind == OutcomeKind.ACCEPTED and dispatch.envelope.channel == CALL and dispatch.account.sandbox


def _ring(message_ids: list[int], now: datetime) -> None:
    if message_ids:
        ring_simulated(message_ids=message_ids, now=now)


class _Expired(NamedTuple):
    """A row of campaigns.sql.EXPIRED."""

    log_id: int
    lead_id: int
    campaign_id: int
    version: int
    step_number: int
    message_id: int
    status: str
    code: str


@transaction.atomic
def settle_expired(*, batch: int, broker_id: int | None, now: datetime) -> int:
    """Rows whose worker never came back: nobody can know whether they were sent, so they are shown, not resent. Where
    the provider has told meanwhile, that is what the log says."""
    expired = [_Expired._make(row) for row in sql.rows(sql.EXPIRED, {"now": now, "batch": batch, "broker": broker_id})]
    if not expired:
        return 0
    write_off([row.message_id for row in expired], now)
    following = _following(expired)
    endings = [end_of(row.log_id, following[row.log_id], *told(row.status, row.code), now) for row in expired]
    _finish(endings, [], [row.lead_id for row in expired], now)
    return len(expired)


def _following(rows: "Sequence[_Expired | EndedCall]") -> dict[int, Step | None]:
    """The step after each log's, by its enrolment's own version."""
    plans = load_plans({(row.campaign_id, row.version) for row in rows})
    found = {row.log_id: plans.get((row.campaign_id, row.version)) for row in rows}
    return {row.log_id: plan.after(row.step_number) if (plan := found[row.log_id]) else None for row in rows}


def told(status: str, code: str) -> tuple[str, str]:
    """A log's (status, reason) by what its message says."""
    if status in ACCEPTED:
        return LogStatus.SENT, ""
    if status == MessageStatus.FAILED:
        return LogStatus.FAILED, code or "refused"
    return LogStatus.FAILED, "outcome_unknown"


class EndedCall(NamedTuple):
    """A row of campaigns.sql.ENDED_CALLS; `tries` are the attempts that rang."""

    log_id: int
    lead_id: int
    campaign_id: int
    version: int
    step_number: int
    message_id: int
    tries: int
    has_lease: bool
    status: str
    seconds: int | None
    points: int

    @property
    def is_answered(self) -> bool:
        return self.status == CallStatus.COMPLETED

    @property
    def is_over(self) -> bool:
        """Whether the step is: a phone that was busy or not picked up is called again, while the row is ours."""
        may_try = self.status != CallStatus.FAILED and self.tries < MAX_CALL_ATTEMPTS and self.has_lease
        return self.is_answered or not may_try


@transaction.atomic
def settle_calls(*, batch: int, broker_id: int | None, now: datetime) -> int:
    """Calls that have ended: answered ones finish their step, others are tried again or given up."""
    params = {"now": now, "batch": batch, "broker": broker_id}
    calls = [EndedCall._make(row) for row in sql.rows(sql.ENDED_CALLS, params)]
    if not calls:
        return 0
    answered = [call for call in calls if call.is_answered]
    write_rows(call_messages(calls), [call.lead_id for call in answered], now)
    following = _following(calls)
    endings = [_call_ending(call, following[call.log_id], now) for call in calls if call.is_over]
    again = [
        _Release(call.log_id, call.message_id, now + CALL_AGAIN_AFTER, call.status)
        for call in calls
        if not call.is_over
    ]
    _finish(endings, again, [call.lead_id for call in calls], now)
    for call in answered:
        record_ended(call, now)
    return len(calls)


def record_ended(call: EndedCall, now: datetime) -> None:
    """What an answered call says of the lead comes down onto it."""
    lead = Lead.objects.get(pk=call.lead_id)
    record_call(lead=lead, seconds=call.seconds or 0, points=call.points, now=now)


def call_messages(calls: Sequence[EndedCall]) -> list[MessageRow]:
    """What becomes of their messages. A call is paid for when somebody picked up."""
    answered = [call.message_id for call in calls if call.is_answered]
    real = Message.objects.filter(pk__in=answered, sandbox=False, cost=None).select_related("account")
    costs = {message.pk: _call_cost(message) for message in real}
    return [_call_message(call, costs.get(call.message_id, Cost())) for call in calls]


def _call_cost(message: Message) -> Cost:
    prices = prices_of(message.account) if message.account else Prices()
    return cost_by(prices, channel=CALL, address=message.address, purpose=message.purpose, is_own_words=True)


def _call_message(call: EndedCall, cost: Cost) -> MessageRow:
    if call.is_answered:
        return MessageRow(call.message_id, MessageStatus.DELIVERED, "", "", "", *cost)
    return MessageRow(call.message_id, MessageStatus.FAILED, "", call.status, "")


def _call_ending(call: EndedCall, following: Step | None, now: datetime) -> sql.Ending:
    if call.is_answered:
        return end_of(call.log_id, following, LogStatus.SENT, "", now)
    return end_of(call.log_id, following, LogStatus.FAILED, call.status, now)
