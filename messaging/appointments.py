"""Confirmations, invitations and reminders of meetings, sent in every pass of the engine.

The appointment's `notice_due_at` says when to look at it, so a pass with nothing to tell reads nothing. A notice is
written down as a Message and marked on its appointment in one transaction before any provider is asked, and under its
key at most once: after a crash it is unknown, and not sent again. docs/appointments.md tells who is told what, when.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists
from django.utils import translation

from brokers.models import Platform
from leads import ics
from leads.actions.standing import locked
from leads.models import Appointment
from leads.models.lead import Treatment
from messaging.appointment_facts import Batch, accounts_for, channels_for, facts_of, meeting_of
from messaging.appointment_texts import Text, Wordings
from messaging.base import Attachment, Envelope, Outcome, OutcomeKind
from messaging.clock import Clock
from messaging.dispatching import Sending, dispatch_all
from messaging.mail import sender_of
from messaging.merged import locked_owner
from messaging.models import ACCEPTED, ChannelAccount, Message, MessageStatus
from messaging.outgoing import begin_message, settle_message
from messaging.pacing import me
from messaging.policy import EMAIL, Verdict, judge
from messaging.providers import rest_of
from messaging.refusals import UNREACHABLE_CODES
from messaging.reminders import (
    BOOKED,
    BY_MAIL,
    FAILED,
    INVITATION,
    MOVED,
    SENDING,
    SENT,
    SKIPPED,
    UNKNOWN,
    WAITING,
    WITHDRAWAL,
    PlannedNotice,
    due,
    lease_of,
    next_due_at,
)
from messaging.reminders import CANCELLED as CALLED_OFF
from messaging.settling import EXCUSED, LEASE_OVER, until_written
from messaging.slots import Slot, slots_for
from messaging.sql import SUBJECT_LENGTH

logger = logging.getLogger(__name__)

BATCH = 100
# What changes what the lead has in their calendar.
CHANGES = (BOOKED, MOVED, CALLED_OFF, INVITATION, WITHDRAWAL)
MAX_ATTEMPTS = 5
AGAIN_AFTER = timedelta(minutes=2)
BROKEN_AGAIN_AFTER = timedelta(hours=1)
# What never got as far as its provider is tried for as long as there is a point in it, with pauses up to this.
LONGEST_PAUSE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Way:
    """How a notice goes out."""

    account: ChannelAccount
    text: Text
    verdict: Verdict
    window_open: bool


@dataclass(frozen=True, slots=True)
class Telling(Sending):
    """A notice that is written down."""

    appointment: Appointment
    notice: PlannedNotice


def tell_leads(*, clock: Clock, broker_id: int | None = None) -> int:
    """Tell what is due; how many messages were handed to their providers."""
    told = 0
    while True:
        now = clock.now()
        taken, tellings = _decide(now, broker_id)
        for telling, outcome in dispatch_all(tellings, clock):
            until_written(partial(_settle, telling, outcome, clock.now()), clock)
        told += len(tellings)
        if taken < BATCH:
            return told


@transaction.atomic
def _decide(now: datetime, broker_id: int | None) -> tuple[int, list[Telling]]:
    """Take what is due, write down what goes out, and say when to look again. One short transaction."""
    rows = _claim(now, broker_id)
    if not rows:
        return 0, []
    batch, wordings = Batch.load(rows, now), Wordings.load(rows)
    wanted: list[tuple[Appointment, PlannedNotice, Way]] = []
    for row in rows:
        try:
            wanted += _wanted(row, batch, wordings, now)
        except Exception:
            logger.exception("Appointment %s: its notices cannot be decided", row.pk)
            Appointment.objects.filter(pk=row.pk).update(notice_due_at=now + BROKEN_AGAIN_AFTER)
            row.notice_due_at = None
    slots = slots_for([way.account for _row, _notice, way in wanted], now, process=me())
    tellings = [_written_alone(*one, slot, now) for one, slot in zip(wanted, slots, strict=True)]
    for row in rows:
        if row.notice_due_at is not None:
            _keep(row)
    return len(rows), [telling for telling in tellings if telling is not None]


def _claim(now: datetime, broker_id: int | None) -> list[Appointment]:
    """With their leads, whom nobody else decides about meanwhile."""
    rows = Appointment.objects.filter(
        ~Exists(Platform.objects.filter(sending_paused_at__isnull=False)),
        notice_due_at__lte=now,
        broker__is_active=True,
        broker__sending_paused_at=None,
    )
    rows = rows if broker_id is None else rows.filter(broker=broker_id)
    rows = rows.select_related("lead__broker", "broker", "agent").order_by("notice_due_at")
    return list(rows.select_for_update(no_key=True, skip_locked=True, of=("self", "lead"))[:BATCH])


def _wanted(
    row: Appointment, batch: Batch, wordings: Wordings, now: datetime
) -> list[tuple[Appointment, PlannedNotice, Way]]:
    """What goes out now; what does not is marked with why, and when to look again."""
    if row.starts_at is None or row.changed_at is None:
        return []
    _learn_left(row, now)
    found: list[tuple[Appointment, PlannedNotice, Way]] = []
    for notice in due(meeting_of(row), now):
        if reason := _pointless(row, notice, now):
            _mark(row, notice, SKIPPED, now, reason=reason)
        elif notice.kind in BY_MAIL and any(_is_same_mail(one, notice, way) for _row, one, way in found):
            _mark(row, notice, SKIPPED, now, reason="with_confirmation")
        else:
            way = _way(row, notice, batch, wordings, now)
            if way is not None:
                found.append((row, notice, way))
    return found


def _is_same_mail(said: PlannedNotice, notice: PlannedNotice, way: Way) -> bool:
    """A confirmation that goes by mail carries the invitation."""
    return way.account.channel == EMAIL and said.kind not in BY_MAIL


def _pointless(row: Appointment, notice: PlannedNotice, now: datetime) -> str:
    if row.lead.deleted_at is not None:
        return "deleted"
    if row.lead.treatment_type == Treatment.HOLD:
        return "hold"
    return "late" if now >= notice.until else ""


def _way(row: Appointment, notice: PlannedNotice, batch: Batch, wordings: Wordings, now: datetime) -> Way | None:
    """The first channel that reaches the lead: theirs, else another one. None when it is not to be told now."""
    accounts = accounts_for(row, batch)
    channels = [EMAIL] if notice.kind in BY_MAIL else channels_for(row, batch)
    refusal: Verdict | None = None
    for account in (accounts[channel] for channel in channels if channel in accounts):
        text = wordings.text(notice.kind, row, account.channel, now)
        facts = facts_of(row, account, batch, has_provider_template=bool(text.provider_template_id))
        verdict = judge(facts, now)
        if verdict.allowed:
            if rest_of(account) is not None:
                batch.heard[row.lead_id] = now  # the next notice waits for this one
            return Way(account, text, verdict, facts.window_open)
        if verdict.until is not None:
            _wait(row, notice, verdict.until, now, verdict.reason)
            return None
        refusal = refusal or verdict
    _mark(row, notice, SKIPPED, now, reason=refusal.reason if refusal else "no_account")
    return None


def _written_alone(row: Appointment, notice: PlannedNotice, way: Way, slot: Slot, now: datetime) -> Telling | None:
    """One that cannot be written waits for a repair and harms nobody else, nor the other notices of its meeting."""
    before = row.notices.get(notice.key)
    try:
        with transaction.atomic():
            return _written(row, notice, way, slot, now)
    except (OperationalError, InterfaceError):
        raise  # the database is away, which is nobody's fault
    except Exception:
        logger.exception("Appointment %s: its notice %s cannot be written", row.pk, notice.key)
        row.notices[notice.key] = dict(before or {})
        _wait(row, notice, now + BROKEN_AGAIN_AFTER, now, "internal_error")
        return None


def _written(row: Appointment, notice: PlannedNotice, way: Way, slot: Slot, now: datetime) -> Telling | None:
    """The Message and its mark. Without a slot of its account it waits for one."""
    if not slot.is_given:
        _wait(row, notice, slot.at, now, "paced")
        return None
    attempt = int(_said(row, notice).get("attempts", 0)) + 1
    key = f"appointment:{row.pk}:{notice.key}:{attempt}"
    if Message.objects.filter(dedupe_key=key).exists():
        _mark(row, notice, FAILED, now, reason="key_conflict")
        return None
    message = begin_message(
        broker_id=row.broker_id,
        lead_id=row.lead_id,
        account=way.account,
        key=key,
        now=now,
        purpose="transactional",
        address=_address(way),
        subject=way.text.subject[:SUBJECT_LENGTH] if way.account.channel == EMAIL else "",
        body=way.text.body,
        template=way.text.template,
        basis=way.verdict.basis() | {"appointment": row.pk},
    )
    _mark(row, notice, SENDING, now, message=message.pk, attempts=attempt)
    envelope = _envelope(row, notice, message, way)
    return Telling(row.lead_id, way.account, envelope, slot.at, appointment=row, notice=notice)


def _address(way: Way) -> str:
    return str(next(check.values["address"] for check in way.verdict.checks if check.name == "address"))


def _envelope(row: Appointment, notice: PlannedNotice, message: Message, way: Way) -> Envelope:
    text = way.text
    return Envelope(
        message_id=message.pk,
        key=message.dedupe_key,
        channel=message.channel,
        address=message.address,
        subject=message.subject,
        body=message.body,
        purpose=message.purpose,
        language=text.language,
        provider_template_id=text.provider_template_id,
        variables=text.variables,
        window_open=way.window_open,
        attachments=_attachments(row, notice, way),
    )


def _attachments(row: Appointment, notice: PlannedNotice, way: Way) -> tuple[Attachment, ...]:
    """The calendar file of a mail that fixes a time or calls it off."""
    if way.account.channel != EMAIL or notice.kind not in CHANGES:
        return ()
    method = ics.REQUEST if row.is_live else ics.CANCEL
    name, address = sender_of(way.account)
    with translation.override(way.text.language):
        content = ics.invitation(
            row,
            method=method,
            organizer=address or settings.DEFAULT_FROM_EMAIL,
            organizer_name=name or row.broker.name,
        )
    return (Attachment("appointment.ics", "calendar", content.decode(), (("method", method),)),)


@transaction.atomic
def _settle(telling: Telling, outcome: Outcome, now: datetime) -> None:
    """What became of it, on the message and on the appointment as it is now."""
    lead, telling = locked_owner(telling)
    rows = Appointment.objects.select_for_update(no_key=True, of=("self",)).select_related("broker", "agent")
    row = rows.get(pk=telling.appointment.pk)
    message, is_ours = settle_message(telling, outcome, now)
    row.lead = locked(lead)  # a refusal may have changed it
    if is_ours:
        _mark_outcome(row, telling.notice, message, outcome, now)
    else:
        state = _state_by(message.status)
        _mark(row, telling.notice, state, now, message=message.pk, reason="" if state == SENT else message.error_code)
    _keep(row)


def _mark_outcome(row: Appointment, notice: PlannedNotice, message: Message, outcome: Outcome, now: datetime) -> None:
    said = _said(row, notice)
    attempts, excused = int(said.get("attempts", 1)), int(said.get("excused", 0)) + (outcome.code in EXCUSED)
    may_try = outcome.code in EXCUSED or attempts - excused < MAX_ATTEMPTS
    if outcome.kind == OutcomeKind.ACCEPTED:
        _mark(row, notice, SENT, now, message=message.pk)
    elif outcome.kind == OutcomeKind.UNKNOWN:
        _mark(row, notice, UNKNOWN, now, message=message.pk, reason="outcome_unknown")
    elif outcome.kind == OutcomeKind.REFUSED_FOR_NOW and may_try:
        _wait(row, notice, now + _pause(outcome, attempts, excused), now, outcome.code, excused=excused)
    elif outcome.code in UNREACHABLE_CODES and may_try:
        _wait(row, notice, now, now, outcome.code)  # nobody is there: over another channel
    else:
        _mark(row, notice, FAILED, now, message=message.pk, reason=outcome.code or "refused")


def _pause(outcome: Outcome, attempts: int, excused: int) -> timedelta:
    """A worker may have been too late by chance, once."""
    asked = timedelta(seconds=outcome.retry_after or outcome.again_after or 0)
    if outcome.code in EXCUSED:
        return max(asked, min(AGAIN_AFTER * (excused - 1), LONGEST_PAUSE))
    return asked or AGAIN_AFTER * attempts


def _learn_left(row: Appointment, now: datetime) -> None:
    """What a worker began and did not finish is as its message is: unknown by now, unless its provider told. Where
    nobody wrote it off yet (`settle_unfinished`), it is looked at again."""
    for key, said in row.notices.items():
        if said["state"] == SENDING and lease_of(said) <= now:
            status = Message.objects.values_list("status", flat=True).get(pk=said["message"])
            if status == MessageStatus.SENDING:
                row.notices[key] = said | {"at": now.isoformat()}
            else:
                state = _state_by(status)
                row.notices[key] = said | {"state": state, "reason": "" if state == SENT else LEASE_OVER}


def _state_by(status: str) -> str:
    """A notice's state by what its message says."""
    if status in ACCEPTED:
        return SENT
    return FAILED if status == MessageStatus.FAILED else UNKNOWN


def _said(row: Appointment, notice: PlannedNotice) -> dict[str, Any]:
    return dict(row.notices.get(notice.key, {}))


def _mark(row: Appointment, notice: PlannedNotice, state: str, now: datetime, **values: Any) -> None:
    said = _said(row, notice)
    said.pop("again_at", None)
    said.pop("reason", None)
    row.notices[notice.key] = said | {"state": state, "at": now.isoformat()} | values


def _wait(row: Appointment, notice: PlannedNotice, until: datetime, now: datetime, reason: str, **values: Any) -> None:
    """Look at it again, unless it is pointless by then."""
    if until >= notice.until:
        _mark(row, notice, SKIPPED, now, reason=reason)
    else:
        _mark(row, notice, WAITING, now, reason=reason, again_at=until.isoformat(), **values)


def _keep(row: Appointment) -> None:
    has_time = row.starts_at is not None and row.changed_at is not None
    next_at = next_due_at(meeting_of(row)) if has_time else None
    Appointment.objects.filter(pk=row.pk).update(notices=row.notices, notice_due_at=next_at)
