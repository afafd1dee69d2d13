"""Leads come, change, and are given to agents; and their score follows."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads import consents
from leads.actions.assigning import assign_lead, check_agents
from leads.actions.moves import write_move
from leads.actions.routing import route_leads, routing_settings
from leads.actions.speed import start_clock
from leads.actions.standing import after_fact_change, locked
from leads.addresses import normalise_email, normalise_phone
from leads.consents import ADDRESS_OF
from leads.families import is_anothers
from leads.models import (
    Appointment,
    AssignmentCause,
    Cause,
    ContactPermission,
    Inquiry,
    Lead,
    ScoreChange,
    Stage,
    StageTransition,
    Treatment,
)
from leads.models.work import AppointmentStatus
from leads.routing import Given
from leads.scoring import ScoreFacts
from leads.standing import Meetings, assess

EDITABLE = {
    "name",
    "phone",
    "email",
    "telegram_chat_id",
    "assigned_to",
    "treatment_type",
    "notes",
    "tags",
    "metadata",
    "budget_amount",
    "income_amount",
    "debt_amount",
    "dicom_status",
    "location",
    "source",
    "language",
    "timezone",
}
LANGUAGES = ("", "es", "en")
AMOUNTS = ("budget_amount", "income_amount", "debt_amount")
SHAPES = {"metadata": dict, "tags": list}


@transaction.atomic
def create_lead(
    *,
    broker: Broker,
    now: datetime,
    by: User | None = None,
    cause: str = Cause.ARRIVAL,
    stage: str = Stage.ENTRADA,
    inquiry: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Lead:
    """Take a new lead in: the lead, its birth in the pipeline, its first score and what it asked for. Who comes with
    a name and a phone is on the way to `perfilamiento` at once; what was so elsewhere (`migration`) stays so.

    Without `assigned_to` the broker's routing rules say who gets it. Raises Refused `field_unknown`, `field_invalid`,
    `phone_invalid`, `email_invalid`, `agent_foreign`, `agent_inactive` or `address_taken`.
    """
    values = _clean(broker, fields)
    agent = values.pop("assigned_to", None)
    lead: Lead = Lead(
        broker=broker,
        pipeline_stage=stage,
        stage_entered_at=now,
        last_activity_at=now,
        created_at=now,
        updated_at=now,
        last_inquiry_at=now if inquiry is not None else None,
        field_sources=_sources(values, by, now),
        **values,
    )
    _check_free(broker.pk, values, None)
    lead.opted_out_at = consents.opted_out_at(_said_before(lead))
    outcome = assess(ScoreFacts.of(lead), broker.rules, now, meetings=Meetings(), advances=_advances(lead, cause))
    lead.lead_score, lead.score_components = outcome.score, outcome.components
    lead.status, lead.qualification = outcome.status, outcome.qualification
    _save_with_free_address(lead)
    StageTransition.objects.create(broker=broker, lead=lead, to_stage=stage, at=now, by=by, cause=cause)
    for step in outcome.steps:
        write_move(lead, to=step.to, now=now, cause=Cause.AUTO, reason=step.reason)
    ScoreChange.objects.create(broker=broker, lead=lead, to_score=outcome.score, at=now, cause=cause)
    if inquiry is not None:
        write_inquiry(lead, now, **inquiry)
    _hand_to_somebody(lead, agent, cause=cause, by=by, now=now)
    return lead


def _hand_to_somebody(lead: Lead, agent: User | None, *, cause: str, by: User | None, now: datetime) -> None:
    """To whom it came with, else by the rules; and from now on somebody has to touch it in time."""
    settings = routing_settings(lead.broker)
    if agent is not None:
        assign_lead(lead=lead, to=agent, now=now, cause=AssignmentCause.ARRIVAL, by=by)
        lead.assigned_to = agent
    elif cause != Cause.MIGRATION:
        decision = route_leads(settings=settings, lead_ids=[lead.pk], now=now).get(lead.pk)
        lead.assigned_to_id = decision.agent.id if isinstance(decision, Given) else None
    if cause not in (Cause.IMPORT, Cause.MIGRATION):
        start_clock(lead=lead, settings=settings, now=now)


def write_inquiry(
    lead: Lead,
    now: datetime,
    *,
    source: str = "",
    external_id: str = "",
    property_ref: str = "",
    text: str = "",
    raw: Mapping[str, Any] | None = None,
) -> bool:
    """Whether this is news: an inquiry is known by its id at its source, one without by what it says that day."""
    said = {"property_ref": property_ref, "text": text, "raw": dict(raw or {})}
    digest = "" if external_id else sha256(json.dumps([lead.pk, f"{now:%Y-%m-%d}", source, said]).encode()).hexdigest()
    row = Inquiry(
        broker_id=lead.broker_id, lead=lead, source=source, external_id=external_id, digest=digest, at=now, **said
    )
    Inquiry.objects.bulk_create([row], ignore_conflicts=True)
    same = {"external_id": external_id} if external_id else {"digest": digest}
    return Inquiry.objects.filter(broker=lead.broker_id, source=source, lead=lead, at=now, **same).exists()


@transaction.atomic
def edit_lead(*, lead: Lead, now: datetime, by: User | None, **changes: Any) -> Lead:
    """Change what is known of a lead, note who said so, and score anew. Raises Refused as `create_lead` does."""
    values = _clean(lead.broker, changes)
    fresh = locked(lead)
    changed = {key: value for key, value in values.items() if getattr(fresh, key) != value}
    if not changed:
        return fresh
    _check_free(fresh.broker_id, changed, fresh.pk)
    if "assigned_to" in changed:
        assign_lead(lead=fresh, to=changed.pop("assigned_to"), now=now, cause=AssignmentCause.PERSON, by=by)
    try:
        with transaction.atomic():
            Lead.objects.filter(pk=lead.pk).update(
                **changed,
                **_said_of_new_addresses(fresh, changed),
                unreachable=_still_unreachable(fresh, changed),
                field_sources=fresh.field_sources | _sources(changed, by, now),
                updated_at=now,
                last_activity_at=now,
            )
    except IntegrityError as error:
        raise Refused("address_taken", _address_taken(values)) from error
    return after_fact_change(lead=fresh, now=now, cause="edit")


def _advances(lead: Lead, cause: str) -> bool:
    return cause != Cause.MIGRATION and lead.treatment_type != Treatment.HOLD


def _said_before(lead: Lead) -> list[ContactPermission]:
    """What was said of a new lead's addresses, by an earlier lead or by nobody we knew: it belongs to the address."""
    addresses = {lead.phone, lead.email, lead.telegram_chat_id} - {""}
    return list(ContactPermission.objects.real().filter(broker=lead.broker_id, address__in=addresses))


def _said_of_new_addresses(lead: Lead, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Whether they have opted out depends on what was said of the addresses that they have now."""
    if not changed.keys() & set(ADDRESS_OF.values()):
        return {}
    addresses = {column: changed.get(column, getattr(lead, column)) for column in ADDRESS_OF.values()}
    as_it_will_be = Lead(pk=lead.pk, broker_id=lead.broker_id, **addresses)
    return {"opted_out_at": consents.opted_out_at(list(ContactPermission.objects.binding(as_it_will_be)))}


def _still_unreachable(lead: Lead, changed: Mapping[str, Any]) -> dict[str, str]:
    """What providers said of the addresses that stay; a new one may be tried."""
    return {channel: code for channel, code in lead.unreachable.items() if ADDRESS_OF[channel] not in changed}


@transaction.atomic
def delete_lead(*, lead: Lead, now: datetime) -> None:
    """Take a lead out of every list; the rows stay, and the address is free for a lead who comes again. So is the time
    of their agent: meetings ahead are called off, and nobody is told.

    Raises Refused `lead_gone`.
    """
    gone = Lead.objects.present().filter(pk=lead.pk).update(deleted_at=now, next_appointment_at=None, updated_at=now)
    if not gone:
        raise Refused("lead_gone", _("This lead has been deleted already."))
    Appointment.objects.live().filter(lead=lead, starts_at__gt=now).update(
        status=AppointmentStatus.CANCELLED, changed_at=now, notice_due_at=now, sequence=F("sequence") + 1
    )


def _clean(broker: Broker, fields: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(fields) - EDITABLE
    if unknown:
        allowed = ", ".join(sorted(EDITABLE))
        raise Refused("field_unknown", f"{min(unknown)} is not a field of a lead; allowed are {allowed}")
    values = dict(fields)
    if values.get("assigned_to") is not None:
        check_agents(broker.pk, [values["assigned_to"]])
    if values.get("phone"):
        values["phone"] = normalise_phone(values["phone"], broker.country)
    if values.get("email"):
        values["email"] = normalise_email(values["email"])
    return {key: _checked(key, value) for key, value in values.items()}


def _checked(key: str, value: Any) -> Any:
    """The value as its column takes it. Raises Refused `field_invalid` naming the field."""
    field = Lead._meta.get_field(key)
    if field.is_relation:
        return value
    try:
        cleaned = field.clean(value, None)
    except ValidationError as error:
        raise Refused("field_invalid", f"{key}={value!r}: {' '.join(error.messages)}") from error
    if key == "language" and cleaned not in LANGUAGES:
        raise Refused("field_invalid", f"{key}={value!r} is not allowed; use es, en or nothing")
    if key in AMOUNTS and cleaned is not None and cleaned < 0:
        message = _("%(field)s=%(value)s is not allowed; use 0 or more, or nothing")
        raise Refused("field_invalid", message % {"field": key, "value": value})
    if not isinstance(cleaned, SHAPES.get(key, object)):
        raise Refused("field_invalid", f"{key}={value!r}: " + _("it has another form than expected"))
    return cleaned


def _sources(values: Mapping[str, Any], by: User | None, now: datetime) -> dict[str, Any]:
    who = by.username if by else "system"
    return {key: {"by": who, "at": now.isoformat()} for key, value in values.items() if value not in ("", None, [], {})}


def _check_free(broker_id: int, values: Mapping[str, Any], lead_id: int | None) -> None:
    """An address that came to another lead by a merge is theirs. Raises Refused `address_taken`."""
    given = [(column, values.get(column) or "") for column in ("phone", "telegram_chat_id")]
    if is_anothers(broker_id, given, lead_id):
        raise Refused("address_taken", _address_taken(values))


def _save_with_free_address(lead: Lead) -> None:
    try:
        with transaction.atomic():
            lead.save(force_insert=True)
    except IntegrityError as error:
        given = {"phone": lead.phone, "telegram_chat_id": lead.telegram_chat_id}
        raise Refused("address_taken", _address_taken(given)) from error


def _address_taken(values: Mapping[str, Any]) -> str:
    given = ", ".join(f"{key}={values[key]}" for key in ("phone", "telegram_chat_id") if values.get(key))
    return _("Another lead of this brokerage has %(given)s already.") % {"given": given}
