"""What providers tell us, applied once: messages that leads wrote, and what became of ours.

Every webhook takes this path, and so does the sandbox's phone page. An event is stored first, so that
whatever goes wrong afterwards can be seen and done again; a repeated one changes nothing.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import translation
from django.utils.translation import gettext as _

from brokers.models import OutboxEvent
from brokers.refusal import Refused
from leads.actions import create_task, record_inbound, record_permission, record_written
from leads.actions.standing import locked
from leads.actions.telling import tell_of_reply
from leads.consents import ADDRESS_OF, ANY_CHANNEL
from leads.families import known_by
from leads.models import Lead
from messaging import optout
from messaging.arrivals import follow_link, is_welcome, note_arrival, welcome
from messaging.automatic import is_automatic_mail
from messaging.base import Event
from messaging.costs import late_cost
from messaging.merged import locked_lead_of
from messaging.models import ACCEPTED, ON_THE_WAY, ChannelAccount, Direction, Message, MessageStatus, WebhookEvent
from messaging.policy import address_of
from messaging.providers import adapter_for
from messaging.refusals import heed_refusal, record_opt_out
from messaging.storable import storable, storable_event, storable_text

logger = logging.getLogger(__name__)

LONGEST_EVENT_ID = 120

# From where a message may go where: statuses never run backwards, and what was delivered has not failed.
MAY_FOLLOW = {
    MessageStatus.SENT: ON_THE_WAY,
    MessageStatus.DELIVERED: (*ON_THE_WAY, MessageStatus.SENT),
    MessageStatus.READ: (*ON_THE_WAY, MessageStatus.SENT, MessageStatus.DELIVERED),
    MessageStatus.FAILED: (*ON_THE_WAY, MessageStatus.SENT),
}


def receive_event(*, account: ChannelAccount, event: Event, payload: Mapping[str, Any], now: datetime) -> WebhookEvent:
    """Store an event and apply it, unless it was applied before.

    One that cannot be applied (`lead_unknown`, `message_unknown`, `status_unknown`) stays unprocessed with
    its error; any other exception is noted with it too, and raised.
    """
    event = storable_event(event)
    stored, _is_new = WebhookEvent.objects.get_or_create(
        account=account,
        event_id=_event_key(event),
        defaults={"broker_id": account.broker_id, "payload": storable(payload), "received_at": now},
    )
    if stored.processed_at is None:
        with suppress(Refused):
            _apply_noting_errors(account, stored, event, now)
        stored.refresh_from_db()
    return stored


def replay(*, stored: WebhookEvent, now: datetime) -> None:
    """Apply a stored event that could not be applied when it came, from its payload.

    Raises Refused `already_applied`, `event_gone`, `fails_again`, or with what still stands in its way.
    """
    if stored.processed_at is not None:
        raise Refused("already_applied", _("This event has been applied already."))
    try:
        events = map(storable_event, adapter_for(stored.account).parse(stored.payload))
        event = next((event for event in events if _event_key(event) == stored.event_id), None)
        if event is None:
            raise Refused("event_gone", _("What was stored of this event cannot be read any more."))
        _apply_noting_errors(stored.account, stored, event, now)
    except Refused:
        raise
    except Exception as error:
        logger.exception("Event %s of account %s fails again", stored.pk, stored.account_id)
        message = _("It failed again: %(error)s")
        raise Refused("fails_again", message % {"error": f"{type(error).__name__}: {error}"}) from error


@transaction.atomic
def apply_event(*, account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> None:
    """Do what a stored event says, once.

    Raises Refused `lead_unknown`, `message_unknown` or `status_unknown`.
    """
    if event.kind == "inbound":
        _apply_inbound(account, stored, event, now)
    elif event.kind == "revoked":
        _apply_revoked(account, stored, event, now)
    else:
        _apply_status(account, stored, event, now)


def match_lead(account: ChannelAccount, event: Event) -> Lead:
    """The lead of the account's broker that the event comes from, locked.

    Where several share the address: the one whose message it answers, else the one contacted last; else the one to
    whom the address came by a merge. Raises Refused `lead_unknown`.
    """
    address = normalised(account.channel, event.address)
    while (lead_id := _matching(account, event, address)) is not None:
        # Merged while we waited: look again, with the lock given up. Whoever keeps it meets the next merge half-way.
        with suppress(Refused), transaction.atomic():
            lead = locked(Lead(pk=lead_id))
            if _matching(account, event, address) == lead_id:
                return lead
            raise Refused("lead_changed")
    message = _("No lead of this brokerage has the address %(address)s.")
    raise Refused("lead_unknown", message % {"address": address})


def _matching(account: ChannelAccount, event: Event, address: str) -> int | None:
    column = ADDRESS_OF[account.channel]
    present = Lead.objects.present().filter(broker=account.broker_id)
    leads = present.filter(**{column: address}).values_list("pk", flat=True)
    found: int | None = None
    if event.message_id:
        answered = Message.objects.filter(pk=event.message_id, account=account, direction=Direction.OUT)
        found = leads.filter(pk__in=answered.values("lead")).first()
    if found is None and address:
        found = leads.order_by(F("last_contacted_at").desc(nulls_last=True), "-id").first()
    if found is None and address:
        others = known_by(account.broker_id, column, address)
        found = present.filter(pk__in=others).order_by("id").values_list("pk", flat=True).first()
    return found


def normalised(channel: str, address: str) -> str:
    """An address as leads carry it."""
    return address.strip().lower() if channel == "email" else address.strip()


def _apply_noting_errors(account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> None:
    """What goes wrong stays with the event, and is raised."""
    rows = WebhookEvent.objects.filter(pk=stored.pk, processed_at=None)
    try:
        apply_event(account=account, stored=stored, event=event, now=now)
    except Refused as refused:
        rows.update(error=storable_text(f"{refused.reason}: {refused}"))
        raise
    except Exception as error:
        rows.update(error=storable_text(f"{type(error).__name__}: {error}"))
        raise


def _apply_inbound(account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> None:
    """The event is claimed before its lead is locked, always in this order: a stranger has no lead to lock."""
    if not _claim(stored, now) or (event.provider_id and _ours(account, event).exists()):
        return  # known already, or our own message came back to us: no reply
    is_automatic = event.is_automatic or is_automatic_mail(event.raw.get("headers") or {})
    lead = _lead_who_wrote(account, stored, event, now, is_automatic=is_automatic)
    if lead is None:
        return
    answered = _newest_sent(lead, account)
    message = _write_inbound(lead, account, stored, event, now, is_automatic)
    if is_automatic:
        return
    if not account.sandbox:
        note_arrival(lead=lead, account=account, stored=stored, event=event, now=now)
    _heed_opt_out(lead, message, answered, now)
    if not event.start:  # who follows a link has come, and has answered nothing
        record_inbound(lead=lead, now=now, answers=answered.sent_at if answered else None)
    _tell_outside(lead, message, now)


def _lead_who_wrote(
    account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime, *, is_automatic: bool
) -> Lead | None:
    """Known by the link they followed or by their address, or new. None for a stranger's opt-out, which is kept."""
    lead = follow_link(account=account, event=event, now=now) if event.start else None
    try:
        return lead or match_lead(account, event)
    except Refused:
        if is_automatic:
            raise
        if _suppress(account, stored, event, now):
            return None
        if not is_welcome(account) or not event.address.strip():
            raise
    try:
        return welcome(account=account, stored=stored, event=event, now=now)
    except Refused as refused:
        if refused.reason != "address_taken":
            raise
        return match_lead(account, event)


def _tell_outside(lead: Lead, message: Message, now: datetime) -> None:
    """Integrations hear of it, and the agent by mail; a task for each message would bury them."""
    told = {"lead": lead.pk, "message": message.pk, "channel": message.channel, "assigned_to": lead.assigned_to_id}
    OutboxEvent.objects.create(
        broker_id=lead.broker_id, kind="message.received", payload=told, created_at=now, due_at=now
    )
    if not message.sandbox:
        tell_of_reply(lead=lead, channel=message.get_channel_display(), text=message.body, now=now)


def _write_inbound(
    lead: Lead, account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime, is_automatic: bool
) -> Message:
    return Message.objects.create(
        broker_id=lead.broker_id,
        lead=lead,
        channel=account.channel,
        direction=Direction.IN,
        account=account,
        address=normalised(account.channel, event.address),
        body=_body(lead, event),
        status=MessageStatus.RECEIVED,
        provider_id=_provider_id(event),
        dedupe_key=f"in:{account.pk}:{stored.event_id}",
        basis=_marks(event, is_automatic),
        sandbox=account.sandbox,
        created_at=now,
        received_at=now,
    )


def _marks(event: Event, is_automatic: bool) -> dict[str, Any]:
    """What makes it no reply (an automatic one, a link that was followed), and what came with it."""
    marks = {"automatic": is_automatic, "start": bool(event.start), "media": list(event.media)}
    return {name: mark for name, mark in marks.items() if mark}


def _body(lead: Lead, event: Event) -> str:
    if event.text or not event.media:
        return event.text
    with translation.override(lead.broker.language):
        return _("(an attachment)")


def _suppress(account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> bool:
    """An opt-out of somebody who is no lead (any more) binds too; whether it was one."""
    address, channels = normalised(account.channel, event.address), optout.revoked_channels(event.text)
    for channel in channels if address else ():
        record_permission(
            broker=account.broker,
            address=address,
            channel=channel,
            kind="revoked",
            source="keyword",
            wording=event.text,
            evidence={"event": stored.pk, "channel": account.channel, "sandbox": account.sandbox},
            now=now,
        )
    return bool(address and channels)


def _apply_revoked(account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> None:
    """Somebody told the provider that they want nothing from us, be they a lead (still) or not."""
    if not _claim(stored, now):
        return
    address = normalised(account.channel, event.address)
    try:
        lead = match_lead(account, event)
    except Refused:
        if not address:
            raise
        lead = None
    evidence = {"event": stored.pk, "code": event.code}
    where = {"channel": account.channel, "address": address}
    record_opt_out(broker=account.broker, lead=lead, evidence=evidence, now=now, **where)


def _heed_opt_out(lead: Lead, message: Message, answered: Message | None, now: datetime) -> None:
    """An opt-out ends marketing on every channel, or on those it names; what only reads like one is a person's task."""
    is_about_appointment = (
        answered is not None and _is_about_appointment(answered) and optout.may_mean_appointment(message.body)
    )
    channels = optout.revoked_channels(message.body)
    if channels and not is_about_appointment:
        for channel in channels:
            _revoke(lead, message, channel, now)
    elif is_about_appointment or optout.looks_like_opt_out(message.body):
        with translation.override(lead.broker.language):
            title = _("Wants to cancel or to be left alone? “%(text)s”") % {"text": message.body}
        create_task(lead=lead, title=title[:200], due_at=now, now=now, origin="opt_out")


def _is_about_appointment(answered: Message) -> bool:
    """What people answer in their own words may be about anything."""
    is_own_words = answered.sent_by_id is not None and answered.template_id is None
    return answered.purpose == "transactional" and not is_own_words


def _revoke(lead: Lead, message: Message, channel: str, now: datetime) -> None:
    """For the lead's address on that channel; where we know none, it is kept with the one they wrote from."""
    is_its_own = channel == ANY_CHANNEL or ADDRESS_OF[channel] == ADDRESS_OF[message.channel]
    known = "" if is_its_own else address_of(lead, channel)
    record_permission(
        broker=lead.broker,
        lead=lead,
        address=known or message.address,
        channel=channel,
        kind="revoked",
        source="keyword",
        wording=message.body,
        evidence={"message": message.pk, "channel": message.channel, "sandbox": message.sandbox},
        now=now,
    )


def _newest_sent(lead: Lead, account: ChannelAccount) -> Message | None:
    """What the lead may be answering: the last thing we wrote to them."""
    ours = Message.objects.filter(lead=lead, direction=Direction.OUT, sandbox=account.sandbox)
    return ours.filter(status__in=ACCEPTED).exclude(channel="call").order_by("-created_at", "-id").first()


def _apply_status(account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> None:
    if event.status not in MAY_FOLLOW:
        raise Refused("status_unknown", event.status)
    message = _ours(account, event).first()
    if message is None:
        raise Refused("message_unknown", event.provider_id or str(event.message_id))
    lead = locked_lead_of(message.pk)
    if not _claim(stored, now):
        return
    moves = {"status": event.status, "code": event.code, "provider_id": _provider_id(event)}
    cost = late_cost(message, account, event.cost) if event.status in ACCEPTED else {}
    has_moved = apply_status(message=message, now=now, cost=cost, **moves)
    if has_moved and event.status in ACCEPTED and message.sent_by_id is not None:
        record_written(lead=lead, at=message.created_at, now=now)
    if event.status == MessageStatus.FAILED:
        # Late too: the mail was delivered to a server, which found out afterwards that nobody is there.
        where = {"channel": message.channel, "address": message.address}
        heed_refusal(lead=lead, code=event.code, now=now, **where)


def apply_status(
    *,
    message: Message,
    status: str,
    now: datetime,
    code: str = "",
    provider_id: str = "",
    cost: Mapping[str, Any] | None = None,
) -> bool:
    """Move a sent message on, never backwards; whether it moved. `cost` are its columns of late_cost. The caller holds
    the lead."""
    is_failed = status == MessageStatus.FAILED
    stamps: dict[str, Any] = {f"{status}_at": now, "error_code": code[:60] if is_failed else "", "error": ""}
    if status in (MessageStatus.DELIVERED, MessageStatus.READ):
        stamps["sent_at"] = Coalesce("sent_at", now)
    if status == MessageStatus.READ:
        stamps["delivered_at"] = Coalesce("delivered_at", now)
    if provider_id:
        stamps["provider_id"] = provider_id
    stamps |= cost or {}
    movable = Message.objects.filter(pk=message.pk, status__in=MAY_FOLLOW[MessageStatus(status)])
    return bool(movable.update(status=status, **stamps))


def _ours(account: ChannelAccount, event: Event) -> QuerySet[Message]:
    """The message an event speaks of, by our id or the provider's."""
    messages = Message.objects.filter(account=account, broker=account.broker_id, direction=Direction.OUT)
    if event.kind != "inbound" and event.message_id:
        return messages.filter(pk=event.message_id)
    return messages.filter(provider_id=_provider_id(event)).exclude(provider_id="")


def _claim(stored: WebhookEvent, now: datetime) -> bool:
    """Whether this is the transaction that applies the event."""
    claimed = WebhookEvent.objects.filter(pk=stored.pk, processed_at=None).update(processed_at=now, error="")
    return bool(claimed)


def _provider_id(event: Event) -> str:
    return event.provider_id[:255]


def _event_key(event: Event) -> str:
    """The provider's id, or its hash where it is long (a Message-ID may have a thousand signs)."""
    if len(event.event_id) <= LONGEST_EVENT_ID:
        return event.event_id
    return sha256(event.event_id.encode()).hexdigest()
