"""Consent and opt-outs as people, files and other systems tell of them: looked at, then recorded."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions.facts import record_permission
from leads.addresses import normalise_address
from leads.consents import ADDRESS_OF, ANY_CHANNEL, CHANNELS
from leads.models import Lead, OtherAddress, PermissionKind, PermissionPurpose

LONGEST_SOURCE = 60
# So many addresses are looked up at once.
SLICE = 1_000
ALLOWED = {
    "kind": PermissionKind.values,
    "purpose": PermissionPurpose.values,
    "channel": [ANY_CHANNEL, *CHANNELS],
}


@transaction.atomic
def record_consent(
    *,
    broker: Broker,
    now: datetime,
    kind: str,
    source: str,
    lead: Lead | None = None,
    address: str = "",
    channel: str = ANY_CHANNEL,
    purpose: str = PermissionPurpose.MARKETING.value,
    wording: str = "",
    evidence: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> None:
    """Record a consent with its proof, or an opt-out, of a lead or of an address, be it a lead's or not (yet).

    `at` is when it was said, now if nobody knows; the newest decides. Every lead of the broker that has the address is
    meant. Raises Refused `consent_invalid` with a fault for each field that is wrong (`wording='' …`), `phone_invalid`,
    `email_invalid` or `telegram_chat_id_invalid`.
    """
    faults = _faults(broker, {"kind": kind, "purpose": purpose, "channel": channel}, lead, address)
    faults += _faults_of_proof(kind, source, wording, at or now, now)
    if faults:
        raise Refused("consent_invalid", faults=faults)
    address = normalise_address(address, channel, broker.country)
    said: dict[str, Any] = {
        "kind": kind,
        "source": source,
        "channel": channel,
        "purpose": purpose,
        "wording": wording,
        "evidence": evidence,
        "at": at,
        "address": address,
    }
    holders: list[Lead | None] = [lead] if lead is not None else [*locked_with(broker, [address])]
    for one in holders or [None]:
        record_permission(broker=broker, lead=one, now=now, **said)


class _Changed(Exception):
    """Other leads have the addresses by now."""


def locked_with(broker: Broker, addresses: list[str]) -> list[Lead]:
    """The leads of `leads_with`, locked in the order of their ids; looked for again, with all locks given up, when an
    address came to somebody else while we waited."""
    while True:
        with suppress(_Changed), transaction.atomic():
            rows = Lead.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
            leads = list(rows.filter(pk__in=_holders(broker, addresses)))
            if _holders(broker, addresses) - {lead.pk for lead in leads}:
                raise _Changed
            return leads


def _holders(broker: Broker, addresses: list[str]) -> set[int]:
    some = (addresses[start : start + SLICE] for start in range(0, len(addresses), SLICE))
    return {pk for each in some for pk in leads_with(broker, each).values_list("pk", flat=True)}


def leads_with(broker: Broker, addresses: list[str]) -> QuerySet[Lead]:
    """The leads of the broker that have one of these addresses, or to whom one came by a merge; deleted ones not."""
    has_one = Q(pk__in=other_addresses(broker, addresses).values("lead"))
    for column in dict.fromkeys(ADDRESS_OF.values()):
        has_one |= Q(**{f"{column}__in": addresses}) & ~Q(**{column: ""})
    leads: QuerySet[Lead] = Lead.objects.present().filter(has_one, broker=broker)
    return leads


def other_addresses(broker: Broker, addresses: list[str]) -> QuerySet[OtherAddress]:
    """Which of these came to whom by a merge."""
    return OtherAddress.objects.filter(broker=broker, kind__in=ADDRESS_OF.values(), address__in=addresses)


def _faults(broker: Broker, words: Mapping[str, str], lead: Lead | None, address: str) -> list[str]:
    faults = [
        f"{field}={word!r} is not allowed; use {', '.join(ALLOWED[field])}"
        for field, word in words.items()
        if word not in ALLOWED[field]
    ]
    if lead is None and not address.strip():
        faults.append("address='' " + _("is not allowed without a lead; say whose permission it is"))
    if lead is not None and lead.broker_id != broker.pk:
        faults.append(f"lead={lead.pk} is not allowed; use a lead of {broker}")
    return faults


def _faults_of_proof(kind: str, source: str, wording: str, at: datetime, now: datetime) -> list[str]:
    faults = []
    if not 0 < len(source.strip()) <= LONGEST_SOURCE:
        faults.append(f"source={source!r} is not allowed; say in 1 to {LONGEST_SOURCE} signs where it comes from")
    if kind == PermissionKind.GRANTED and not wording.strip():
        proof = _("is not allowed for a consent; give the sentence that the person agreed to, as proof")
        faults.append(f"wording='' {proof}")
    if at.utcoffset() is None:
        faults.append(f"at={at.isoformat()} is not allowed; give its time zone")
    elif at > now:
        faults.append(f"at={at.isoformat()} " + _("is not allowed; it lies in the future"))
    return faults
