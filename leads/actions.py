"""The verbs about leads. Each is the only way to do its thing, from every door.

All moments are aware datetimes given by the caller; all verbs raise Refused and then have changed nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Min, Value
from django.db.models.functions import Coalesce, Least
from django.utils.translation import gettext as _
from django_fsm import ConcurrentTransition

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads import scoring
from leads.addresses import normalise_email, normalise_phone
from leads.models import (
    Appointment,
    Cause,
    ContactPermission,
    Inquiry,
    Lead,
    ScoreChange,
    Stage,
    StageTransition,
    Task,
)
from leads.models.work import new_token

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
QUICK_REPLY_WITHIN = timedelta(minutes=5)


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
    """Take a new lead in: the lead, its birth in the pipeline, its first score and what it asked for.

    Raises Refused `field_unknown`, `phone_invalid`, `email_invalid` or `address_taken`.
    """
    values = _clean(broker, fields)
    lead = Lead(
        broker=broker,
        pipeline_stage=stage,
        stage_entered_at=now,
        last_activity_at=now,
        created_at=now,
        updated_at=now,
        field_sources=_sources(values, by, now),
        **values,
    )
    first = scoring.score(scoring.ScoreFacts.of(lead), broker.rules.score, now)
    lead.lead_score, lead.score_components = first.total, first.components
    lead.status = scoring.status(first.total, stage, broker.rules.score)
    _save_with_free_address(lead)
    StageTransition.objects.create(broker=broker, lead=lead, to_stage=stage, at=now, by=by, cause=cause)
    ScoreChange.objects.create(broker=broker, lead=lead, to_score=first.total, at=now, cause=cause)
    if inquiry is not None:
        Inquiry.objects.create(broker=broker, lead=lead, at=now, **inquiry)
    return lead


@transaction.atomic
def edit_lead(*, lead: Lead, now: datetime, by: User | None, **changes: Any) -> Lead:
    """Change what is known of a lead, note who said so, and score anew. Raises Refused as `create_lead` does."""
    values = _clean(lead.broker, changes)
    fresh = _locked(lead)
    changed = {key: value for key, value in values.items() if getattr(fresh, key) != value}
    if not changed:
        return fresh
    try:
        with transaction.atomic():
            Lead.objects.filter(pk=lead.pk).update(
                **changed,
                field_sources=fresh.field_sources | _sources(changed, by, now),
                updated_at=now,
                last_activity_at=now,
            )
    except IntegrityError as error:
        raise Refused("address_taken", _address_taken(values)) from error
    return rescore(lead=fresh, now=now, cause="edit")


@transaction.atomic
def move_stage(*, lead: Lead, to: str, now: datetime, cause: str, by: User | None = None, reason: str = "") -> Lead:
    """Move a lead to another stage, as the caller saw it: when somebody moved it meanwhile, this move is refused.

    Returns the lead as it is now. Raises Refused `stage_unknown`, `reason_required`, `not_admin`, `stage_changed`
    or `stage_not_allowed`; the last names the stage, the wish and the moves that are allowed.
    """
    _check_move(to, cause, by, reason)
    moved = _locked(lead)
    if moved.pipeline_stage != lead.pipeline_stage:
        raise Refused(
            "stage_changed",
            _("Somebody moved this lead from %(seen)s to %(stage)s meanwhile; look again before you move it.")
            % {"seen": lead.pipeline_stage, "stage": moved.pipeline_stage},
        )
    _make_transition(moved, to, cause)
    moved.stage_entered_at = moved.updated_at = now
    if cause == Cause.AGENT:
        moved.last_activity_at = now
    try:
        moved.save(update_fields=["pipeline_stage", "stage_entered_at", "updated_at", "last_activity_at"])
    except ConcurrentTransition as error:
        raise Refused("stage_changed", _("Somebody moved this lead meanwhile; look again.")) from error
    StageTransition.objects.create(
        broker_id=moved.broker_id,
        lead=moved,
        from_stage=lead.pipeline_stage,
        to_stage=to,
        at=now,
        by=by,
        cause=cause,
        reason=reason,
    )
    # What fires no stage trigger must not fire one by the points that the stage is worth.
    return rescore(lead=moved, now=now, cause=cause if cause in (Cause.CORRECTION, Cause.MIGRATION) else "stage")


def allowed_moves(lead: Lead) -> list[str]:
    """The stages this lead may go to now, in the order of the pipeline."""
    targets = {str(move.target) for move in lead.get_available_pipeline_stage_transitions() if move.name != "correct"}
    return [stage for stage in Stage.values if stage in targets]


def _check_move(to: str, cause: str, by: User | None, reason: str) -> None:
    if to not in Stage.values:
        allowed = ", ".join(Stage.values)
        raise Refused("stage_unknown", _("stage=%(to)r is not allowed; use one of %(allowed)s") % locals())
    if not reason and (to == Stage.PERDIDO or cause == Cause.CORRECTION):
        raise Refused("reason_required", _("reason is missing: a lead that is lost or corrected needs one."))
    if cause == Cause.CORRECTION and not (by and by.is_broker_admin):
        raise Refused("not_admin", _("Only a broker admin may correct a stage."))


def _make_transition(lead: Lead, to: str, cause: str) -> None:
    """Change the stage in memory by the transition of the table that leads there."""
    if cause == Cause.CORRECTION and lead.pipeline_stage != to:
        lead.correct(to)
        return
    for move in lead.get_available_pipeline_stage_transitions():
        if move.target == to:
            getattr(lead, move.name)()
            return
    message = _("A lead in %(stage)s cannot go to %(to)s; allowed from there: %(allowed)s.") % {
        "stage": lead.pipeline_stage,
        "to": to,
        "allowed": ", ".join(allowed_moves(lead)) or "–",
    }
    raise Refused("stage_not_allowed", message)


@transaction.atomic
def rescore(*, lead: Lead, now: datetime, cause: str) -> Lead:
    """Compute the score of a lead from its facts as they are in the database; a ScoreChange only when it changed."""
    fresh = _locked(lead)
    rules = fresh.broker.rules.score
    result = scoring.score(scoring.ScoreFacts.of(fresh), rules, now)
    status = scoring.status(result.total, fresh.pipeline_stage, rules)
    before = (fresh.lead_score, fresh.score_components, fresh.status)
    if before == (result.total, result.components, status):
        return fresh
    Lead.objects.filter(pk=fresh.pk).update(
        lead_score=result.total, score_components=result.components, status=status, updated_at=now
    )
    if fresh.lead_score != result.total:
        ScoreChange.objects.create(
            broker_id=fresh.broker_id,
            lead=fresh,
            from_score=fresh.lead_score,
            to_score=result.total,
            at=now,
            cause=cause,
        )
    fresh.lead_score, fresh.score_components, fresh.status = result.total, result.components, status
    return fresh


@transaction.atomic
def record_inbound(*, lead: Lead, now: datetime, answers: datetime | None) -> Lead:
    """A lead wrote: count it, stamp it, score anew. `answers` is when we last wrote to them, if we did."""
    _locked(lead)
    is_quick = answers is not None and now - answers <= QUICK_REPLY_WITHIN
    Lead.objects.filter(pk=lead.pk).update(
        inbound_count=F("inbound_count") + 1,
        quick_reply_count=F("quick_reply_count") + int(is_quick),
        last_inbound_at=now,
        last_activity_at=now,
        updated_at=now,
    )
    return rescore(lead=lead, now=now, cause="message")


@transaction.atomic
def record_call(*, lead: Lead, now: datetime, seconds: int) -> Lead:
    """A lead spoke with us on the phone for `seconds`: a sign of life, and points when it was over a minute."""
    _locked(lead)
    Lead.objects.filter(pk=lead.pk).update(
        long_call_count=F("long_call_count") + int(seconds > 60), last_activity_at=now, updated_at=now
    )
    return rescore(lead=lead, now=now, cause="call")


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
) -> None:
    """Append a permission given or taken back. One for every channel is written for each address of the lead, so
    that it holds although the lead is deleted and comes again."""
    addresses = [address]
    if lead is not None:
        lead = _locked(lead)
        if channel == ContactPermission.ANY_CHANNEL:
            addresses = sorted({address, lead.phone, lead.email, lead.telegram_chat_id} - {""}) or [""]
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
            at=now,
        )
        for one in addresses
    )
    if lead is not None:
        Lead.objects.filter(pk=lead.pk).update(opted_out_at=now if kind == "revoked" else None, updated_at=now)
        rescore(lead=lead, now=now, cause="permission")


@transaction.atomic
def mark_unreachable(*, lead: Lead, channel: str, code: str, now: datetime) -> Lead:
    """A provider said that this address reaches nobody; it is not tried again."""
    fresh = _locked(lead)
    Lead.objects.filter(pk=lead.pk).update(unreachable=fresh.unreachable | {channel: code}, updated_at=now)
    return rescore(lead=lead, now=now, cause="message")


@transaction.atomic
def create_task(*, lead: Lead, title: str, due_at: datetime, now: datetime, origin: str = "") -> Task:
    """Give the lead's agent something to do; it shows up in the lead's next action."""
    task = Task.objects.create(
        broker_id=lead.broker_id,
        lead=lead,
        assignee_id=lead.assigned_to_id,
        title=title,
        due_at=due_at,
        origin=origin,
    )
    Lead.objects.filter(pk=lead.pk).update(
        next_task_at=Least(Coalesce("next_task_at", Value(due_at)), Value(due_at)), updated_at=now
    )
    return task


def propose_appointment(*, lead: Lead, now: datetime, token: str = "") -> Appointment:
    """A meeting with the lead's agent, its time still open; whoever has the token may book it.

    Raises Refused `no_agent`.
    """
    if lead.assigned_to_id is None:
        raise Refused("no_agent", _("Nobody is assigned to this lead, so nobody can meet them."))
    return Appointment.objects.create(
        broker_id=lead.broker_id,
        lead=lead,
        agent_id=lead.assigned_to_id,
        token=token or new_token(),
        created_at=now,
    )


@transaction.atomic
def book_appointment(
    *, appointment: Appointment, starts_at: datetime, ends_at: datetime, now: datetime, by: User | None = None
) -> Appointment:
    """Fix the time of a proposed meeting. Raises Refused `not_open`, `slot_taken`, `time_invalid` or `no_agent`."""
    lead = _locked(appointment.lead)
    _check_slot(appointment, starts_at, ends_at, now)
    try:
        with transaction.atomic():
            changed = Appointment.objects.filter(pk=appointment.pk, status="proposed").update(
                status="scheduled", starts_at=starts_at, ends_at=ends_at, booked_at=now
            )
    except IntegrityError as error:
        raise Refused("slot_taken", _("That time has just been taken; choose another one.")) from error
    if not changed:
        raise Refused("not_open", _("This meeting is not open for booking any more."))
    next_at = lead.appointments.live().filter(starts_at__gte=now).aggregate(at=Min("starts_at"))["at"]
    Lead.objects.filter(pk=lead.pk).update(
        booking_count=F("booking_count") + 1, next_appointment_at=next_at, last_activity_at=now, updated_at=now
    )
    rescore(lead=lead, now=now, cause="appointment")
    return Appointment.objects.get(pk=appointment.pk)


def _check_slot(appointment: Appointment, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if appointment.agent_id is None:
        raise Refused("no_agent", _("Nobody is assigned to this meeting."))
    if not now < starts_at < ends_at:
        raise Refused("time_invalid", _("A meeting must lie in the future and start before it ends."))


def _locked(lead: Lead) -> Lead:
    """The lead as it is now, locked until the transaction ends: the mutex of everything that is about one lead."""
    return Lead.objects.select_for_update(no_key=True, of=("self",)).select_related("broker").get(pk=lead.pk)


def _clean(broker: Broker, fields: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(fields) - EDITABLE
    if unknown:
        allowed = ", ".join(sorted(EDITABLE))
        raise Refused("field_unknown", f"{min(unknown)} is not a field of a lead; allowed are {allowed}")
    values = dict(fields)
    if values.get("phone"):
        values["phone"] = normalise_phone(values["phone"], broker.country)
    if values.get("email"):
        values["email"] = normalise_email(values["email"])
    return values


def _sources(values: Mapping[str, Any], by: User | None, now: datetime) -> dict[str, Any]:
    who = by.username if by else "system"
    return {key: {"by": who, "at": now.isoformat()} for key, value in values.items() if value not in ("", None, [], {})}


def _save_with_free_address(lead: Lead) -> None:
    try:
        with transaction.atomic():
            lead.save(force_insert=True)
    except IntegrityError as error:
        raise Refused("address_taken", _address_taken({"phone": lead.phone})) from error


def _address_taken(values: Mapping[str, Any]) -> str:
    given = ", ".join(f"{key}={values[key]}" for key in ("phone", "telegram_chat_id") if values.get(key))
    return _("Another lead of this brokerage has %(given)s already.") % {"given": given}
