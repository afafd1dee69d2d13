"""What follows from a lead's facts, in the transaction in which one of them changed."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from leads.actions.moves import write_move
from leads.advancing import RANK
from leads.families import survivor_id
from leads.models import Appointment, Cause, Lead, ScoreChange, StageTransition
from leads.models.work import LIVE_STATUSES, AppointmentStatus
from leads.scoring import ScoreFacts
from leads.standing import Meetings, Outcome, assess

# What says something new of a lead whom a person took back; a message, a call or a night does not undo that.
NEWS = ("edit", "appointment", "import")
CLOSED = [stage for stage, rank in RANK.items() if rank == RANK["perdido"]]


@transaction.atomic
def after_fact_change(*, lead: Lead, now: datetime, cause: str) -> Lead:
    """Score a lead anew by its facts as they are in the database; then status, qualification and the stages that it
    reaches by itself. Doing it twice changes nothing. Every verb that changes a fact of a lead ends with it."""
    return settle(locked(lead), now=now, cause=cause)


def settle(fresh: Lead, *, now: datetime, cause: str, advances: bool = True) -> Lead:
    """The same for a lead that was read under its lock; it stays in its stage unless it `advances`."""
    may_move = advances and fresh.treatment_type != "hold" and fresh.deleted_at is None
    outcome = _assess(fresh, now, advances=may_move and fresh.pipeline_stage not in CLOSED)
    if outcome.steps and cause not in NEWS and is_taken_back(fresh):
        outcome = _assess(fresh, now, advances=False)
    for step in outcome.steps:
        write_move(fresh, to=step.to, now=now, cause=Cause.AUTO, reason=step.reason)
    _write(fresh, outcome, now, cause)
    return fresh


def locked(lead: Lead) -> Lead:
    """The lead as it is now, locked until the transaction ends: the mutex of everything that is about one lead.

    Raises Refused `lead_merged` when it became part of another one: what is new belongs there.
    """
    fresh: Lead = Lead.objects.select_for_update(no_key=True, of=("self",)).select_related("broker").get(pk=lead.pk)
    if fresh.merged_into_id is not None:
        raise Refused("lead_merged", _("This lead has been merged into another one; look there."))
    return fresh


def check_still_theirs(row: Any, lead: Lead) -> None:
    """That a row which was read before its lead was locked is the lead's still: a merge, or its undoing, may have given
    it to another one. Raises Refused `lead_merged`."""
    if row.lead_id != lead.pk:
        raise Refused("lead_merged", _("This belongs to another lead by now; look there."))


def locked_survivor(lead_id: int) -> Lead | None:
    """Who stands for this lead now, locked; None when there never was such a lead."""
    while Lead.objects.filter(pk=lead_id).exists():
        with suppress(Refused), transaction.atomic():  # merged while we waited: look again, with its lock given up
            return locked(Lead(pk=survivor_id(lead_id)))
    return None


def is_taken_back(lead: Lead) -> bool:
    """Whether a person put the lead where it is, against the course of the pipeline or by a correction."""
    newest = StageTransition.objects.filter(lead=lead).order_by("-id").first()
    return newest is not None and is_backwards(newest.from_stage, newest.to_stage, newest.cause)


def is_backwards(from_stage: str, to_stage: str, cause: str) -> bool:
    """Whether a move went no further on: to the same rank, to a lower one, or as a correction."""
    if not from_stage or cause == Cause.AUTO:
        return False
    return cause == Cause.CORRECTION or RANK[to_stage] <= RANK[from_stage]


def stage_by_itself(lead: Lead, *, begins_in: str, now: datetime) -> str:
    """Where a lead's facts would bring it from a stage, if it were there and not on hold."""
    facts, rules = replace(ScoreFacts.of(lead), stage=begins_in), lead.broker.rules
    return assess(facts, rules, now, meetings=_meetings(lead), advances=True).stage


def _assess(lead: Lead, now: datetime, *, advances: bool) -> Outcome:
    meetings = _meetings(lead) if advances else Meetings()
    facts = ScoreFacts.of(lead)
    return assess(facts, lead.broker.rules, now, meetings=meetings, advances=advances)


def _meetings(lead: Lead) -> Meetings:
    telling = [*LIVE_STATUSES, AppointmentStatus.COMPLETED]
    statuses = set(Appointment.objects.filter(lead=lead, status__in=telling).values_list("status", flat=True))
    return Meetings(bool(statuses & set(LIVE_STATUSES)), AppointmentStatus.COMPLETED in statuses)


def _write(fresh: Lead, outcome: Outcome, now: datetime, cause: str) -> None:
    columns = {
        "lead_score": outcome.score,
        "score_components": outcome.components,
        "status": outcome.status,
        "qualification": outcome.qualification,
    }
    if all(getattr(fresh, name) == value for name, value in columns.items()):
        return
    Lead.objects.filter(pk=fresh.pk).update(**columns, updated_at=now)
    if fresh.lead_score != outcome.score:
        ScoreChange.objects.create(
            broker_id=fresh.broker_id,
            lead=fresh,
            from_score=fresh.lead_score,
            to_score=outcome.score,
            at=now,
            cause=cause,
        )
    for name, value in columns.items():
        setattr(fresh, name, value)
