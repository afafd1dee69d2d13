"""Who comes: for the first time, or again. Every arrival is kept, whoever it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions.lead import create_lead, edit_lead, write_inquiry
from leads.actions.routing import routing_settings
from leads.actions.speed import start_clock
from leads.actions.standing import after_fact_change, locked
from leads.addresses import normalise_email, normalise_phone
from leads.families import known_by
from leads.models import Cause, Lead

# As edit_lead names them; who comes again fills these where nothing is known.
FILLABLE = (
    "name",
    "phone",
    "email",
    "telegram_chat_id",
    "budget_amount",
    "income_amount",
    "debt_amount",
    "dicom_status",
    "location",
    "language",
    "timezone",
)
# Two at once may both find nobody; the second finds the first.
ATTEMPTS = 3


class Arrival(NamedTuple):
    """The lead who came, whether for the first time, and whether this very arrival was known already."""

    lead: Lead
    is_new: bool
    is_known: bool


def receive_lead(
    *,
    broker: Broker,
    now: datetime,
    inquiry: Mapping[str, Any],
    by: User | None = None,
    cause: str = Cause.API,
    **fields: Any,
) -> Arrival:
    """Take in whoever comes through a form, a portal or the API: a new lead, or an inquiry of one who is known.

    The same phone is the same lead, then the same Telegram chat; the same e-mail where one of the two has no phone. Of
    a known one what is empty is filled, nothing is written over. Raises Refused as `create_lead` does, and
    `no_address` when nobody can be reached by what was said.
    """
    if not any(fields.get(column) for column in ("phone", "email", "telegram_chat_id")):
        raise Refused("no_address", _("Give a phone, an e-mail address or a Telegram chat."))
    for attempt in range(ATTEMPTS):
        try:
            return _receive(broker, now, inquiry, by, cause, fields)
        except Refused as refused:
            if refused.reason not in ("address_taken", "lead_merged") or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


@transaction.atomic
def _receive(
    broker: Broker, now: datetime, inquiry: Mapping[str, Any], by: User | None, cause: str, fields: dict[str, Any]
) -> Arrival:
    known = _known(broker, fields)
    if known is None:
        lead = create_lead(broker=broker, now=now, by=by, cause=cause, inquiry=inquiry, **fields)
        return Arrival(lead, True, False)
    lead = locked(known)
    is_news = record_inquiry(lead=lead, now=now, **inquiry)
    return Arrival(_fill(lead, now, by, fields), False, not is_news)


@transaction.atomic
def record_inquiry(*, lead: Lead, now: datetime, **inquiry: Any) -> bool:
    """A known lead asks again: kept, a sign of life, what they asked for last, and somebody has to touch them in time.
    Whether it is news; the same one again changes nothing."""
    fresh = locked(lead)
    if not write_inquiry(fresh, now, **inquiry):
        return False
    Lead.objects.filter(pk=fresh.pk).update(
        last_inquiry_at=Greatest("last_inquiry_at", Value(now)),
        last_activity_at=Greatest(F("last_activity_at"), Value(now)),
        updated_at=now,
    )
    start_clock(lead=fresh, settings=routing_settings(fresh.broker), now=now)
    after_fact_change(lead=fresh, now=now, cause="inquiry")
    return True


def _known(broker: Broker, fields: Mapping[str, Any]) -> Lead | None:
    phone = normalise_phone(fields["phone"], broker.country) if fields.get("phone") else ""
    email = normalise_email(fields["email"]) if fields.get("email") else ""
    chat = str(fields.get("telegram_chat_id") or "")
    by_number = _holder(broker, "phone", phone) or _holder(broker, "telegram_chat_id", chat)
    if by_number or not email:
        return by_number
    sharing = Lead.objects.present().filter(broker=broker, email=email).order_by("pk")
    others = sharing.filter(phone="") if phone else sharing
    return others.first() or (None if phone else known_by(broker.pk, "email", email).order_by("pk").first())


def _holder(broker: Broker, column: str, address: str) -> Lead | None:
    if not address:
        return None
    own = Lead.objects.present().filter(broker=broker, **{column: address}).first()
    return own or known_by(broker.pk, column, address).order_by("pk").first()


def _fill(lead: Lead, now: datetime, by: User | None, fields: Mapping[str, Any]) -> Lead:
    said = {name: fields[name] for name in FILLABLE if fields.get(name) not in (None, "")}
    missing: dict[str, Any] = {name: value for name, value in said.items() if getattr(lead, name) in (None, "")}
    if "metadata" in fields:
        metadata = {**fields["metadata"], **{key: value for key, value in lead.metadata.items() if value}}
        missing |= {"metadata": metadata} if metadata != lead.metadata else {}
    if "tags" in fields:
        has = {tag.casefold() for tag in lead.tags}
        new = [tag for tag in fields["tags"] if tag.casefold() not in has]
        missing |= {"tags": [*lead.tags, *new]} if new else {}
    return edit_lead(lead=lead, now=now, by=by, **missing) if missing else lead
