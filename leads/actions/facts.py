"""What happened to a lead comes down onto it: messages, calls, permissions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest, Least

from brokers.models import Broker
from leads import consents
from leads.actions.standing import after_fact_change, locked
from leads.consents import ADDRESS_OF
from leads.models import ContactPermission, Lead

QUICK_REPLY_WITHIN = timedelta(minutes=5)
LONG_CALL_SECONDS = 60


@transaction.atomic
def record_inbound(*, lead: Lead, now: datetime, answers: datetime | None) -> Lead:
    """A lead wrote: count it, stamp it, score anew. `answers` is when we last wrote to them, if we did. Who answers in
    several lines answers once."""
    said = locked(lead).last_inbound_at
    is_quick = answers is not None and now - answers <= QUICK_REPLY_WITHIN and (said is None or said < answers)
    Lead.objects.filter(pk=lead.pk).update(
        inbound_count=F("inbound_count") + 1,
        quick_reply_count=F("quick_reply_count") + int(is_quick),
        last_inbound_at=_not_before("last_inbound_at", now),
        last_activity_at=_not_before("last_activity_at", now),
        updated_at=now,
    )
    return after_fact_change(lead=lead, now=now, cause="message")


@transaction.atomic
def record_call(*, lead: Lead, now: datetime, seconds: int, points: int = 0) -> Lead:
    """A lead spoke with us on the phone for `seconds`: a sign of life, worth `points` (−10…20) that stay in the score,
    and more when it was over a minute."""
    locked(lead)
    Lead.objects.filter(pk=lead.pk).update(
        long_call_count=F("long_call_count") + int(seconds > LONG_CALL_SECONDS),
        call_score=F("call_score") + points,
        last_activity_at=_not_before("last_activity_at", now),
        updated_at=now,
    )
    return after_fact_change(lead=lead, now=now, cause="call")


@transaction.atomic
def record_written(*, lead: Lead, at: datetime, now: datetime) -> None:
    """A person wrote to a lead at `at`: campaigns keep quiet for some days, and the lead is being worked on. Said again
    of the same moment it changes nothing."""
    locked(lead)
    Lead.objects.filter(pk=lead.pk).update(
        first_touched_at=Least(Coalesce("first_touched_at", Value(at)), Value(at)),
        last_contacted_at=_not_before("last_contacted_at", at),
        last_answered_at=_not_before("last_answered_at", at),
        last_activity_at=_not_before("last_activity_at", at),
        updated_at=now,
    )
    after_fact_change(lead=lead, now=now, cause="message")


@transaction.atomic
def record_permission(
    *,
    broker: Broker,
    kind: str,
    now: datetime,
    source: str,
    lead: Lead | None = None,
    address: str = "",
    channel: str = ContactPermission.ANY_CHANNEL,
    purpose: str = "marketing",
    wording: str = "",
    evidence: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> None:
    """Append a permission given or taken back, `at` a moment that is not later than now. It is written for each address
    of the lead that it is about, so that it holds although the lead is deleted and comes again.

    What people and files say comes by `record_consent`, which looks at it first."""
    addresses = [address]
    if lead is not None:
        lead = locked(lead)
        addresses = _addresses(lead, channel, address)
    ContactPermission.objects.bulk_create(
        ContactPermission(
            broker=broker,
            lead=lead,
            address=one,
            channel=channel,
            kind=kind,
            purpose=purpose,
            source=source,
            wording=wording,
            evidence=dict(evidence or {}),
            at=at or now,
        )
        for one in addresses
    )
    if lead is not None:
        # A sign of life, by which the engine's next pass sees it.
        Lead.objects.filter(pk=lead.pk).update(
            opted_out_at=consents.opted_out_at(list(ContactPermission.objects.binding(lead, *addresses))),
            last_activity_at=_not_before("last_activity_at", now),
            updated_at=now,
        )
        after_fact_change(lead=lead, now=now, cause="permission")


def _addresses(lead: Lead, channel: str, address: str) -> list[str]:
    if channel == ContactPermission.ANY_CHANNEL:
        return sorted({address, lead.phone, lead.email, lead.telegram_chat_id} - {""}) or [""]
    return [address or getattr(lead, ADDRESS_OF[channel])]


def _not_before(column: str, now: datetime) -> Greatest:
    """Events may come in another order than they happened in."""
    return Greatest(column, Value(now))


@transaction.atomic
def mark_unreachable(*, lead: Lead, channel: str, code: str, now: datetime) -> Lead:
    """A provider said that this address reaches nobody; it is not tried again."""
    fresh = locked(lead)
    Lead.objects.filter(pk=lead.pk).update(unreachable=fresh.unreachable | {channel: code}, updated_at=now)
    return after_fact_change(lead=lead, now=now, cause="message")
