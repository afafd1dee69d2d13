"""What a person says about a contact of which nobody can know whether it was sent. Each word is kept with the row."""

from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from brokers.actions import sending_stop
from brokers.models import User
from brokers.refusal import Refused
from campaigns.actions.locking import locked_log
from campaigns.correcting import Correction, correct, settle_resent
from campaigns.deciding import CALL_LEASE, Dispatch
from campaigns.decisions import Way, spoken
from campaigns.facts import Due, load
from campaigns.models import LEFT_UNKNOWN, NOT_RESENT, RESENDING, UNSETTLED, CampaignLog, CampaignStatus, LogStatus
from campaigns.reasons import explained
from messaging.base import Envelope
from messaging.clock import Clock
from messaging.costs import late_cost
from messaging.dispatching import SEND_LEASE, dispatch_all
from messaging.models import ChannelAccount, Message, MessageStatus
from messaging.outgoing import begin_message
from messaging.policy import CALL, judge
from messaging.settling import until_written
from messaging.slots import slot_of
from messaging.unsubscribe import footer_links
from templates_app.merge import MissingVariable
from voice.actions import write_calls
from voice.models import ENDED, VoiceCall

DELIVERED, SEND_AGAIN, LEAVE = "delivered", "send_again", "leave"
NOT_DELIVERED = "not_delivered"


@transaction.atomic
def confirm_delivered(*, log: CampaignLog, now: datetime, by: User | None = None) -> CampaignLog:
    """A person found out that it did arrive. Raises Refused `not_unknown`."""
    current = _unsettled(log)
    if current.reason == NOT_RESENT or current.message_id is None:
        raise Refused("not_unknown", _("You said that it did not arrive; send it again, or leave it."))
    _keep_word(current, DELIVERED, now, by)
    message = Message.objects.select_related("account").get(pk=current.message_id)
    cost = late_cost(message, message.account) if message.account else {}
    Message.objects.filter(pk=message.pk).update(
        status=MessageStatus.SENT, sent_at=now, failed_at=None, error_code="", error="", **cost
    )
    correct([Correction(current.pk, message.pk, LogStatus.SENT, "")], now)
    return CampaignLog.objects.get(pk=current.pk)


@transaction.atomic
def leave_unknown(*, log: CampaignLog, now: datetime, by: User | None = None) -> CampaignLog:
    """A person leaves it as it is; only the provider's callback may still correct it. Raises Refused `not_unknown`."""
    current = _unsettled(log)
    _keep_word(current, LEAVE, now, by)
    CampaignLog.objects.filter(pk=current.pk).update(reason=LEFT_UNKNOWN)
    return CampaignLog.objects.get(pk=current.pk)


def send_again(*, log: CampaignLog, clock: Clock, by: User | None = None) -> CampaignLog:
    """A person found out that it did not arrive: the same text goes out once more, as a message with a key of its own,
    if the policy allows it now. The enrolment goes on as it would have.

    Raises Refused `not_unknown`, `broker_inactive`, `sending_stopped`, `campaign_paused`, `no_account`, `paced`, or the
    policy's own reason; then nothing was said and nothing sent. Not within a transaction: what goes out is committed.
    """
    dispatch = _committed(log, clock.now(), by)
    [(_dispatch, outcome)] = dispatch_all([dispatch], clock)
    until_written(partial(settle_resent, dispatch, outcome, clock.now()), clock)
    return CampaignLog.objects.get(pk=log.pk)


def _unsettled(log: CampaignLog) -> CampaignLog:
    current = locked_log(log)
    if current.status != LogStatus.FAILED or current.reason not in (*UNSETTLED, LEFT_UNKNOWN) or _is_told(current):
        raise Refused("not_unknown", _("It is known by now what became of this contact."))
    return current


def _is_told(log: CampaignLog) -> bool:
    """Whether the provider has told meanwhile, which the next pass will write into the log."""
    if log.reason == NOT_RESENT or log.message is None:
        return False
    has_ended = VoiceCall.objects.filter(message=log.message_id, status__in=ENDED).exists()
    return has_ended or log.message.status != MessageStatus.UNKNOWN


def _keep_word(log: CampaignLog, word: str, now: datetime, by: User | None) -> None:
    """Who said what of which message, for ever."""
    said = {"what": word, "message": log.message_id, "by": by and by.pk, "name": str(by or ""), "at": now.isoformat()}
    response = {**log.response, "said": [*log.response.get("said", []), said]}
    CampaignLog.objects.filter(pk=log.pk).update(response=response)


@transaction.atomic(durable=True)
def _committed(log: CampaignLog, now: datetime, by: User | None) -> Dispatch:
    """The new message, written before its provider is asked; a crash from here on leaves it unknown once more."""
    current = _unsettled(log)
    _check_runs(current)
    _keep_word(current, SEND_AGAIN, now, by)
    original = current.message
    assert original is not None
    Message.objects.filter(pk=original.pk).update(
        status=MessageStatus.FAILED, failed_at=now, error_code=NOT_DELIVERED, error=""
    )
    due, number, basis = _allowed(current, now)
    account, way = due.accounts[number], due.facts.ways[number]
    if account is None:
        raise _refused("no_account")
    slot_at = _slot(account, now)
    row = _new_message(current, original, account, way, basis | {"resent_by": by and by.pk}, now)
    CampaignLog.objects.filter(pk=current.pk).update(
        message=row,
        reason=RESENDING,
        executed_at=now,
        dispatched_at=now,
        lease_until=now + (CALL_LEASE if way.channel == CALL else SEND_LEASE),
    )
    envelope = _envelope(row, due, way)
    return Dispatch(
        lead_id=row.lead_id, account=account, envelope=envelope, slot_at=slot_at, due=due, at=now, way=number
    )


def _check_runs(log: CampaignLog) -> None:
    if not log.campaign.broker.is_active:
        raise _refused("broker_inactive")
    stopped = sending_stop(log.campaign.broker)
    if stopped:
        raise Refused("sending_stopped", stopped)
    if log.campaign.status == CampaignStatus.PAUSED:
        raise _refused("campaign_paused")


def _allowed(log: CampaignLog, now: datetime) -> tuple[Due, int, dict[str, Any]]:
    """The facts as they are now, the way it went, and why it is allowed; the contact it replaces counts no more."""
    found = load([log.pk], now)
    if not found:
        raise _refused("internal_error")
    lead = found[0].facts.lead
    if lead.deleted_at is not None or lead.treatment_type == "hold":
        raise _refused("deleted" if lead.deleted_at else "hold")
    number = next((n for n, way in enumerate(found[0].facts.ways) if way.channel == log.channel), 0)
    verdict = judge(found[0].facts.ways[number].contact, now)
    if not verdict.allowed:
        raise _refused(verdict.reason, verdict.until)
    return found[0], number, verdict.basis()


def _slot(account: ChannelAccount, now: datetime) -> datetime:
    slot = slot_of(account, now)
    if not slot.is_given:
        raise _refused("paced", slot.at)
    return slot.at


def _refused(reason: str, until: datetime | None = None) -> Refused:
    when = _(" Possible from %(moment)s.") % {"moment": f"{until:%Y-%m-%d %H:%M %Z}"} if until else ""
    return Refused(reason, f"{explained(reason)}{when}")


def _new_message(
    log: CampaignLog, original: Message, account: ChannelAccount, way: Way, basis: dict[str, Any], now: datetime
) -> Message:
    earlier = Message.objects.filter(lead=log.lead_id, dedupe_key__startswith=f"resend:{log.pk}:").count()
    row = begin_message(
        broker_id=log.broker_id,
        lead_id=log.lead_id,
        account=account,
        key=f"resend:{log.pk}:{earlier + 1}",
        now=now,
        template_id=original.template_id,
        purpose=way.contact.purpose,
        address=way.contact.address,
        subject=original.subject,
        body=original.body,
        basis=basis,
    )
    if way.channel == CALL:
        write_calls([(row.pk, row.broker_id, row.lead_id, row.address)], now=now)
    return row


def _variables(due: Due, way: Way) -> tuple[str, ...]:
    try:
        return spoken(due.facts.lead, way)
    except MissingVariable as missing:
        raise _refused(str(missing)) from missing


def _envelope(row: Message, due: Due, way: Way) -> Envelope:
    return Envelope(
        message_id=row.pk,
        key=row.dedupe_key,
        channel=row.channel,
        address=row.address,
        subject=row.subject,
        body=row.body,
        purpose=row.purpose,
        **footer_links(broker_id=row.broker_id, lead_id=row.lead_id, channel=row.channel, address=row.address),
        language=way.template.language if way.template else due.broker.language,
        provider_template_id=way.template.provider_template_id if way.template else "",
        variables=_variables(due, way),
        window_open=way.contact.window_open,
    )
