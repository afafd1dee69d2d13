"""People write to leads: in their own words or by a template, through the policy, and once however often they press.

The message is written and committed before its provider is asked. What became of it is in its status; a process that
dies in between leaves a row that a later pass of the engine calls unknown (`outgoing.settle_unfinished`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import formats
from django.utils.translation import gettext as _

from brokers.actions import sending_stop
from brokers.models import User
from brokers.refusal import Refused
from leads.actions import propose_appointment, record_written
from leads.actions.standing import locked
from leads.links import booking_url
from leads.models import Lead
from leads.zones import local_zone
from messaging import sql
from messaging.base import Envelope, Outcome
from messaging.clock import Clock
from messaging.dispatching import Sending, dispatch_all
from messaging.links import telegram_link
from messaging.merged import locked_owner
from messaging.models import ACCEPTED, ChannelAccount, Message, MessageStatus
from messaging.outgoing import begin_message, settle_message
from messaging.policy import EMAIL, TELEGRAM, Verdict, address_of
from messaging.reach import WRITABLE, Way, ways_to
from messaging.reasons import remedy_for_people, sentence
from messaging.settling import until_written
from messaging.slots import SECOND, slot_of
from messaging.storable import storable_text
from messaging.unsubscribe import footer_links, preferences_url, unsubscribe_url
from templates_app.models import MessageTemplate
from templates_app.preview import Rendered, rendered, surroundings_of
from templates_app.variants import Template, Templates

# As long a person waits for a slot of the account, or for the chat to be free; then they are told to try again.
PATIENCE = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person wants to say. `template` is in the lead's language already."""

    lead: Lead
    channel: str
    by: User
    key: str
    text: str
    subject: str
    template: Template | None
    override: str


def write_message(
    *,
    lead: Lead,
    channel: str,
    by: User,
    clock: Clock,
    form_id: UUID,
    text: str = "",
    subject: str = "",
    template: MessageTemplate | None = None,
    override: str = "",
) -> Message:
    """Send a lead a person's own words, or a template in the lead's language; the message with what became of it.

    The same words from the same form are one message: who presses twice gets the first one back. `override` is the
    reason for which it cannot wait until the contact hours; it is kept with the message where it was needed.

    Raises Refused, and then nothing was sent: `lead_unknown`, `channel_unknown`, `empty`, `either`, `subject_missing`,
    `template_other`, `template_inactive`, `missing_variable:<name>`, `no_agent`, `broker_inactive`, `sending_stopped`,
    `paced`, or the policy's reason. Not within a transaction: what goes out is committed before.
    """
    draft = _draft(lead, channel, by, form_id, storable_text(text).strip(), subject, template, override)
    message, sending = _committed_soon(draft, clock)
    if sending is not None:
        [(_sending, outcome)] = dispatch_all([sending], clock)
        until_written(partial(settle_written, sending, outcome, clock.now()), clock)
    return Message.objects.get(pk=message.pk)


def _draft(
    lead: Lead,
    channel: str,
    by: User,
    form_id: UUID,
    text: str,
    subject: str,
    template: MessageTemplate | None,
    override: str,
) -> Draft:
    if channel not in WRITABLE:
        allowed = ", ".join(WRITABLE)
        raise Refused("channel_unknown", f"channel={channel!r} is not allowed; use one of {allowed}")
    if text and template is not None:
        raise Refused("either", _("Write the text or choose a template, not both."))
    if not text and template is None:
        raise Refused("empty", _("Write something first, or choose a template."))
    subject = " ".join(storable_text(subject).split())[: sql.SUBJECT_LENGTH] if channel == EMAIL else ""
    if channel == EMAIL and template is None and not subject:
        raise Refused("subject_missing", _("Give the e-mail a subject."))
    words = "\n".join([channel, str(template.pk if template else ""), subject, text])
    return Draft(
        lead=lead,
        channel=str(channel),
        by=by,
        key=f"write:{lead.pk}:{uuid5(form_id, words)}",
        text=text,
        subject=subject,
        template=_variant(template, lead, channel) if template else None,
        override=storable_text(override).strip(),
    )


def _variant(template: MessageTemplate, lead: Lead, channel: str) -> Template:
    """The template in the lead's language, as campaigns use it."""
    if template.broker_id != lead.broker_id or template.channel != channel:
        raise Refused("template_other", _("This template is not for this channel; choose another one."))
    variant = Templates([template.pk]).variant(template.pk, lead.language or lead.broker.language)
    if variant is None or not variant.is_active:
        raise _refused("template_inactive")
    return variant


def _committed_soon(draft: Draft, clock: Clock) -> tuple[Message, Sending | None]:
    """The message, committed as soon as its chat is free."""
    until = clock.now() + PATIENCE
    while True:
        try:
            return _committed(draft, clock.now())
        except Refused as refused:
            if refused.reason != "chat_busy" or clock.now() >= until:
                raise
        clock.sleep_until(clock.now() + SECOND)


@transaction.atomic(durable=True)
def _committed(draft: Draft, now: datetime) -> tuple[Message, Sending | None]:
    """The new message, written before its provider is asked; without a Sending when it was written before."""
    lead = _locked(draft)
    known = Message.objects.filter(dedupe_key=draft.key).first()
    if known is not None:
        return known, None
    _check_runs(lead)
    way = ways_to(lead, now, channels=[draft.channel], template=draft.template)[draft.channel]
    verdict = way.judged(now, draft.override)
    if not verdict.allowed or way.account is None:
        raise _refused(verdict.reason, verdict.until, lead)
    said = _said(draft, lead, way, now)
    slot = slot_of(way.account, now, ahead=PATIENCE)
    if not slot.is_given:
        raise _refused("paced", slot.at, lead)
    message = _new_message(draft, lead, way.account, way, said, _basis(draft, verdict), now)
    envelope = _envelope(message, draft, lead, way, said, now)
    return message, Sending(lead_id=lead.pk, account=way.account, envelope=envelope, slot_at=slot.at)


def _locked(draft: Draft) -> Lead:
    """The lead, if this person may see it; nobody else decides about it meanwhile."""
    visible = Lead.objects.present().visible_to(draft.by).filter(pk=draft.lead.pk)
    fresh = locked(draft.lead) if draft.by.is_active and visible.exists() else None
    if fresh is None or fresh.deleted_at is not None:
        raise Refused("lead_unknown", _("There is no such lead (any more)."))
    return fresh


def _check_runs(lead: Lead) -> None:
    if not lead.broker.is_active:
        raise _refused("broker_inactive")
    stopped = sending_stop(lead.broker)
    if stopped:
        raise Refused("sending_stopped", stopped)


def _said(draft: Draft, lead: Lead, way: Way, now: datetime) -> Rendered:
    """The person's own words as they are, or the template filled in. Raises Refused as `rendered` does."""
    if draft.template is None:
        return Rendered(draft.subject, draft.text)
    links: dict[str, str] = {}
    if "unsubscribe_link" in draft.template.variables:
        links["unsubscribe_link"] = unsubscribe_url(**_reached(lead, draft.channel))
    if "preferences_link" in draft.template.variables:
        links["preferences_link"] = preferences_url(**_reached(lead, draft.channel))
    if "telegram_link" in draft.template.variables:
        links["telegram_link"] = _telegram_link(lead)
    if "booking_link" in draft.template.variables:
        links["booking_link"] = booking_url(propose_appointment(lead=lead, now=now).token)
    said = rendered(draft.template, lead, surroundings_of(lead, draft.template.language, now, **links))
    return Rendered((said.subject or draft.subject)[: sql.SUBJECT_LENGTH], said.body, said.variables)


def _reached(lead: Lead, channel: str) -> dict[str, Any]:
    """Whom a signed link speaks of."""
    address = address_of(lead, channel)
    return {"broker_id": lead.broker_id, "lead_id": lead.pk, "channel": channel, "address": address}


def _telegram_link(lead: Lead) -> str:
    bot = ChannelAccount.objects.filter(broker=lead.broker_id, channel=TELEGRAM, sandbox=False, is_active=True)
    account = bot.order_by("-is_default", "pk").first()
    return telegram_link(bot=account.sender, broker_id=lead.broker_id, lead_id=lead.pk) if account else ""


def _basis(draft: Draft, verdict: Verdict) -> dict[str, Any]:
    """Why it was allowed; the reason given stays with it where the hours were wrong."""
    basis = verdict.basis()
    if any(check.name == "window" and not check.passed for check in verdict.checks):
        basis["override"] = {"reason": draft.override, "by": draft.by.pk, "name": str(draft.by)}
    return basis


def _new_message(
    draft: Draft,
    lead: Lead,
    account: ChannelAccount,
    way: Way,
    said: Rendered,
    basis: Mapping[str, Any],
    now: datetime,
) -> Message:
    is_marketing = draft.template is not None and not draft.template.is_about_appointment
    return begin_message(
        broker_id=lead.broker_id,
        lead_id=lead.pk,
        account=account,
        key=draft.key,
        now=now,
        template_id=draft.template.id if draft.template else None,
        purpose="marketing" if is_marketing else way.facts.purpose,
        address=way.facts.address,
        subject=said.subject,
        body=said.body,
        basis=basis,
        sent_by=draft.by,
    )


def _envelope(message: Message, draft: Draft, lead: Lead, way: Way, said: Rendered, now: datetime) -> Envelope:
    """An e-mail that answers is a letter between two people: it says nothing of lists, nor of machines."""
    template = draft.template
    wants_way_out = not way.is_answer(now)
    return Envelope(
        message_id=message.pk,
        key=message.dedupe_key,
        channel=message.channel,
        address=message.address,
        subject=message.subject,
        body=message.body,
        purpose=message.purpose,
        **(footer_links(**_reached(lead, draft.channel)) if wants_way_out else {}),
        language=template.language if template else lead.language or lead.broker.language,
        provider_template_id=template.provider_template_id if template else "",
        variables=said.variables,
        window_open=way.facts.window_open,
        is_automatic=False,
    )


@transaction.atomic
def settle_written(sending: Sending, outcome: Outcome, now: datetime) -> None:
    """What became of it, on the message and on the lead."""
    lead, sending = locked_owner(sending)
    message, _is_ours = settle_message(sending, outcome, now)
    if message.status in ACCEPTED:
        record_written(lead=lead, at=message.created_at, now=now)


def told(message: Message) -> str:
    """What became of a person's message, in words for them."""
    channel = {"channel": message.get_channel_display()}
    if message.status in ACCEPTED and message.sandbox:
        return _("Played on the sandbox (%(channel)s); nobody real got it.") % channel
    if message.status in ACCEPTED:
        return _("Sent over %(channel)s.") % channel
    if message.status == MessageStatus.UNKNOWN:
        return (
            _(
                "Nobody can know whether it arrived, so it is not sent again by itself. Ask the lead, or look into"
                " %(channel)s, before you write it again."
            )
            % channel
        )
    if message.status == MessageStatus.SENDING:
        return _("It is being sent just now; look at the conversation in a moment.")
    code = message.error_code or "refused"
    words = f"({message.error})" if message.error else ""
    return " ".join(filter(None, [_("Not sent."), sentence(code), words, remedy_for_people(code)]))


def _refused(reason: str, until: datetime | None = None, lead: Lead | None = None) -> Refused:
    """A sentence of what stands in the way, what to do about it, and from when on it may go, where the lead is."""
    parts = [sentence(reason), remedy_for_people(reason)]
    if until is not None and lead is not None:
        zone = local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=lead.broker.timezone)
        moment = formats.date_format(until.astimezone(ZoneInfo(zone)), "SHORT_DATETIME_FORMAT")
        parts.append(_("Possible from %(moment)s (%(zone)s).") % {"moment": moment, "zone": zone})
    return Refused(reason, " ".join(filter(None, parts)))
