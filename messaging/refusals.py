"""What a provider's refusal says of a person: nobody is at this address, or they want nothing more from us."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from brokers.models import Broker
from leads.actions import mark_unreachable, record_permission
from leads.models import ContactPermission, Lead
from messaging.policy import address_of

# Codes of outcomes and events. Adapters say these and no other for the two.
UNREACHABLE_CODES = ("invalid_address",)
OPT_OUT_CODES = ("blocked", "unsubscribed")
TELLING_CODES = (*UNREACHABLE_CODES, *OPT_OUT_CODES)
SOURCE = "provider"


def heed_refusal(*, lead: Lead, channel: str, address: str, code: str, now: datetime) -> None:
    """Keep what a refusal for good means for later contacts; most mean nothing. Twice is once.

    Of an address that is no longer the lead's, that nobody is there says nothing of the one they have now.
    """
    if code in UNREACHABLE_CODES and address in ("", address_of(lead, channel)):
        mark_unreachable(lead=lead, channel=channel, code=code, now=now)
    elif code in OPT_OUT_CODES:
        evidence = {"code": code}
        record_opt_out(broker=lead.broker, lead=lead, channel=channel, address=address, evidence=evidence, now=now)


def record_opt_out(
    *, broker: Broker, lead: Lead | None, channel: str, address: str, evidence: Mapping[str, Any], now: datetime
) -> bool:
    """Somebody told the provider to let nothing of ours through: their permission for this channel is taken back.

    False when the newest rule says so already. The caller holds the lead.
    """
    rules = ContactPermission.objects.real().filter(broker=broker, address=address).order_by("-at", "-id")
    newest = rules.filter(channel__in=(channel, ContactPermission.ANY_CHANNEL)).first()
    if newest is not None and newest.kind == "revoked" and (lead is None or newest.lead_id == lead.pk):
        return False
    record_permission(
        broker=broker,
        lead=lead,
        address=address,
        channel=channel,
        kind="revoked",
        source=SOURCE,
        evidence=evidence,
        now=now,
    )
    return True
