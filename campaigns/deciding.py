"""The first third of a batch: take what is due, decide, write what needs no provider, and commit to the rest."""

import gc
import json
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from campaigns import sql
from campaigns.decisions import CONTACTS, Act, Decision, Exit, Postpone, Skip, Step, Way, decide
from campaigns.division import Group, Quota, divide
from campaigns.facts import Due, load
from campaigns.models import Action, CampaignLog, LogStatus
from leads.actions import create_task, move_stage, propose_appointment
from leads.models import Appointment, Cause, Lead, LostReason, Stage, WonReason
from messaging.base import Envelope
from messaging.dispatching import SEND_LEASE, Sending
from messaging.models import ChannelAccount
from messaging.pacing import me
from messaging.slots import slots_for
from messaging.sql import SUBJECT_LENGTH
from messaging.unsubscribe import footer_links
from voice.actions import write_calls

logger = logging.getLogger(__name__)

# Ring time-out, the longest call and ten minutes for its callbacks.
CALL_LEASE = timedelta(seconds=60) + timedelta(minutes=15) + timedelta(minutes=10)
BROKEN_AGAIN_AFTER = timedelta(hours=1)
# Why a lead is lost or won when a campaign says so.
CLOSED_BY_CAMPAIGN: dict[str, str] = {Stage.PERDIDO: LostReason.SIN_RESPUESTA, Stage.GANADO: WonReason.OTRO}

_to_json = json.JSONEncoder(default=str, check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Dispatch(Sending):
    """A step's committed contact, decided at `at`; `way` is 1 for the step's fallback."""

    due: Due
    at: datetime
    way: int = 0


class _Contact(NamedTuple):
    """A row of campaigns.sql.DISPATCH."""

    log: int
    broker: int
    lead: int
    channel: str
    account: int
    template: int | None
    purpose: str
    address: str
    subject: str
    body: str
    key: str
    basis: str
    sandbox: bool
    appointment: int | None
    lease: datetime
    response: str


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A contact with the slot that its account gave it."""

    due: Due
    act: Act
    account: ChannelAccount
    slot_at: datetime

    @property
    def way(self) -> Way:
        return self.due.facts.ways[self.act.way]


_Written = tuple[_Admitted, _Contact, int]


@dataclass(frozen=True, slots=True)
class Decided:
    """What one transaction took, and what of it goes to a provider now."""

    taken: int
    dispatches: list[Dispatch]
    counts: Counter[str]


@transaction.atomic
def decide_batch(*, groups: Sequence[Group], size: int, now: datetime) -> Decided:
    """One short transaction over at most `size` due rows; a crash before it commits leaves everything due."""
    _keep_what_is_loaded()
    claimed = _claim(divide(groups, size, now), now)
    due = load(claimed, now, is_ranked=_is_ranked(groups))
    _set_aside(set(claimed) - {one.facts.log_id for one in due}, now)
    decided = [(one, _decision(one, now)) for one in due]
    counts: Counter[str] = Counter()
    endings: list[sql.Ending] = []
    postponed: list[tuple[Due, Postpone]] = []
    contacts: list[tuple[Due, Act]] = []
    for one, decision in decided:
        if isinstance(decision, Postpone):
            postponed.append((one, decision))
        elif isinstance(decision, Act) and one.facts.step.action in CONTACTS:
            contacts.append((one, decision))
        else:
            ending = _carried_out(one, decision, now)
            endings.append(ending)
            counts[ending.reason or ending.status] += 1
    admitted, paced = _admit(contacts, now)
    postponed += paced
    _postpone(postponed)
    sent = _write_contacts(admitted, now) if admitted else []
    endings += _conflicts(admitted, {row.log for _one, row, _message in sent}, now)
    sql.finish(endings, now)
    counts.update(decision.reason for _one, decision in postponed)
    return Decided(len(claimed), _dispatches(sent, now), counts)


def _is_ranked(groups: Sequence[Group]) -> bool:
    """Whether campaigns of different priority have something due."""
    return len({(group.broker_id, group.priority) for group in groups}) > len({group.broker_id for group in groups})


@lru_cache(maxsize=1)
def _keep_what_is_loaded() -> None:
    """Once a process: what its modules made stays for good, so the collector of cycles need not go through it.

    A batch makes ten thousands of objects, none of them in a cycle; searching them took a sixth of the engine's time.
    """
    gc.freeze()
    gc.set_threshold(20_000)


def _claim(quotas: Sequence[Quota], now: datetime) -> list[int]:
    """The ids of the rows that are ours until the commit, at most one a lead."""
    if not quotas:
        return []
    taken = sql.rows(
        sql.CLAIM,
        {
            "campaigns": [quota.campaign_id for quota in quotas],
            "channels": [quota.channel for quota in quotas],
            "quotas": [quota.rows for quota in quotas],
            "oldest": [quota.oldest for quota in quotas],
            "now": now,
        },
    )
    first: dict[int, int] = {}
    for log_id, lead_id in taken:
        first.setdefault(lead_id, log_id)
    return list(first.values())


def _decision(one: Due, now: datetime) -> Decision:
    """A row that cannot be decided about (a zone nobody knows, say) waits for a repair and harms nobody else."""
    try:
        return decide(one.facts, now)
    except Exception:
        logger.exception("Log %s: no decision is possible", one.facts.log_id)
        return Postpone(now + BROKEN_AGAIN_AFTER, "internal_error")


def _set_aside(log_ids: Collection[int], now: datetime) -> None:
    """Rows whose facts could not be read: nothing is lost, and they do not come back with every batch."""
    if log_ids:
        CampaignLog.objects.filter(pk__in=log_ids).waiting().update(
            due_at=now + BROKEN_AGAIN_AFTER, reason="internal_error"
        )


def _carried_out(one: Due, decision: Decision, now: datetime) -> sql.Ending:
    """The end of a step that no provider is needed for."""
    if isinstance(decision, Act):
        status, reason = _move(one, now)
        return ending(one, status, reason, decision, now)
    assert isinstance(decision, Skip | Exit)
    if decision.reason == "handed_to_agent":
        _hand_over(one, now)
    is_failure = isinstance(decision, Skip) and decision.is_failure
    status = LogStatus.FAILED if is_failure else LogStatus.SKIPPED
    return ending(one, status, decision.reason, decision, now, exits=isinstance(decision, Exit))


def ending(
    one: Due, status: str, reason: str, decision: Decision | None, now: datetime, *, exits: bool = False
) -> sql.Ending:
    """The log's end with what comes after it by the enrolment's own version."""
    end = end_of(one.facts.log_id, one.plan.after(one.facts.step.number), status, reason, now)
    return end._replace(response=_checks(decision) if decision else "", exits=exits)


def end_of(log_id: int, following: Step | None, status: str, reason: str, now: datetime) -> sql.Ending:
    """The end of a log that `following` comes after; without one the enrolment is completed."""
    reason = reason[: sql.REASON_LENGTH]
    if following is None:
        return sql.Ending(log_id, status, reason, "", False, None, None, "", "", None)
    due_at = now + following.delay
    return sql.Ending(
        log_id, status, reason, "", False, following.id, following.number, following.action, following.channel, due_at
    )


def _checks(decision: Decision) -> str:
    return _to_json({"checks": [check.as_json() for check in decision.checks]})


def _move(one: Due, now: datetime) -> tuple[str, str]:
    """`update_stage` happens right here, in its own savepoint: exactly once, and a refusal harms nobody else."""
    target = one.facts.step.target_stage
    lead = Lead.objects.get(pk=one.facts.lead.id)
    reason = CLOSED_BY_CAMPAIGN.get(target, "")
    try:
        with transaction.atomic():
            move_stage(lead=lead, to=target, now=now, cause=Cause.CAMPAIGN, reason=reason)
    except Refused:
        return LogStatus.SKIPPED, "move_refused"
    return LogStatus.SENT, ""


def _hand_over(one: Due, now: datetime) -> None:
    lead = Lead.objects.select_related("broker").get(pk=one.facts.lead.id)
    with translation.override(one.broker.language):
        title = _("Campaign step for you: %(action)s") % {"action": Action(one.facts.step.action).label}
    create_task(lead=lead, title=title, due_at=now, now=now, origin=f"log:{one.facts.log_id}")


def _postpone(postponed: Sequence[tuple[Due, Postpone]]) -> None:
    if postponed:
        sql.run(
            sql.POSTPONE,
            {
                "log": [one.facts.log_id for one, _decision in postponed],
                "until": [decision.until for _one, decision in postponed],
                "reason": [decision.reason for _one, decision in postponed],
                "channel": [decision.channel for _one, decision in postponed],
                "response": [_checks(decision) for _one, decision in postponed],
            },
        )


def _admit(contacts: Sequence[tuple[Due, Act]], now: datetime) -> tuple[list[_Admitted], list[tuple[Due, Postpone]]]:
    """Who gets a slot of their account within the next second, and who waits for a later one.

    Slots are given before anything is written: a contact that could not leave in time would only be cancelled again.
    """
    accounts = [account for one, act in contacts if (account := one.accounts[act.way]) is not None]
    admitted: list[_Admitted] = []
    waiting: list[tuple[Due, Postpone]] = []
    for (one, act), account, slot in zip(contacts, accounts, slots_for(accounts, now, process=me()), strict=True):
        if slot.is_given:
            admitted.append(_Admitted(one, act, account, slot.at))
        else:
            waiting.append((one, Postpone(slot.at, "paced", one.facts.ways[act.way].channel, checks=act.checks)))
    return admitted, waiting


def _write_contacts(admitted: Sequence[_Admitted], now: datetime) -> list[_Written]:
    """Write the Messages and stamp their rows; only rows whose Message was inserted here are dispatched."""
    unproposed = [one.due for one in admitted if one.due.meeting_token and not one.due.is_proposed]
    meetings = {due.facts.log_id: _propose(due, now) for due in unproposed}
    rows = [_contact_row(one, meetings, now) for one in admitted]
    written = dict(sql.rows(sql.DISPATCH, sql.columns_of(rows) | {"now": now}))
    sent = [(one, row, written[row.log]) for one, row in zip(admitted, rows, strict=True) if row.log in written]
    write_calls(
        [(message, row.broker, row.lead, row.address) for _one, row, message in sent if row.channel == "call"], now=now
    )
    return sent


def _dispatches(sent: Sequence[_Written], now: datetime) -> list[Dispatch]:
    return [
        Dispatch(
            lead_id=row.lead,
            account=one.account,
            envelope=_envelope(row, message, one),
            slot_at=one.slot_at,
            due=one.due,
            at=now,
            way=one.act.way,
        )
        for one, row, message in sent
    ]


def _propose(one: Due, now: datetime) -> int:
    appointment: Appointment = propose_appointment(
        lead=Lead.objects.get(pk=one.facts.lead.id), token=one.meeting_token, now=now
    )
    return appointment.pk


def _contact_row(one: _Admitted, meetings: dict[int, int], now: datetime) -> _Contact:
    facts, way, act = one.due.facts, one.way, one.act
    return _Contact(
        log=facts.log_id,
        broker=facts.lead.broker_id,
        lead=facts.lead.id,
        channel=way.channel,
        account=one.account.pk,
        template=way.template.id if way.template else None,
        purpose=way.contact.purpose,
        address=way.contact.address,
        subject=act.subject[:SUBJECT_LENGTH],
        body=act.body,
        key=f"step:{facts.enrollment_id}:{facts.step.number}:{facts.attempts + 1}",
        basis=_to_json(act.basis),
        sandbox=one.due.sandbox,
        appointment=meetings.get(facts.log_id),
        lease=now + (CALL_LEASE if way.channel == "call" else SEND_LEASE),
        response=_checks(act),
    )


def _envelope(row: _Contact, message_id: int, one: _Admitted) -> Envelope:
    template = one.way.template
    return Envelope(
        message_id=message_id,
        key=row.key,
        channel=row.channel,
        address=row.address,
        subject=row.subject,
        body=row.body,
        purpose=row.purpose,
        **footer_links(broker_id=row.broker, lead_id=row.lead, channel=row.channel, address=row.address),
        language=template.language if template else one.due.broker.language,
        provider_template_id=template.provider_template_id if template else "",
        variables=one.act.variables,
        window_open=one.way.contact.window_open,
    )


def _conflicts(admitted: Sequence[_Admitted], written: Collection[int], now: datetime) -> list[sql.Ending]:
    """A key that was used already is never sent again, and its row does not come back for ever."""
    return [
        ending(one.due, LogStatus.FAILED, "key_conflict", one.act, now)
        for one in admitted
        if one.due.facts.log_id not in written
    ]


def due_groups(*, batch: int, broker_id: int | None, now: datetime, known: Sequence[Group] = ()) -> list[Group]:
    """What is due right now, by campaign and channel; one statement, an index probe a group.

    Groups that are `known` from a moment ago are looked at from their oldest row on. What came before it meanwhile, by
    a transaction that had been open for longer, is found by a look without them: by the next pass.
    """
    params: dict[str, Any] = {"now": now, "batch": batch, "broker": broker_id, "me": me()}
    params |= {
        "campaigns": [group.campaign_id for group in known],
        "channels": [group.channel for group in known],
        "oldest": [group.oldest for group in known],
    }
    return [Group(*row) for row in sql.rows(sql.DUE_GROUPS, params)]
