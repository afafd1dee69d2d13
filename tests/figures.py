"""Histories by hand: leads whose moves, messages and entries lie where a test wants them."""

from datetime import datetime, timedelta
from typing import Any

from brokers.models import Broker
from campaigns.models import Campaign, Enrollment
from leads.models import Lead, StageTransition
from tests.building import NOW, a_lead

# (hours after NOW, stage, cause)
Moves = list[tuple[float, str, str]]


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def after(count: float) -> datetime:
    return NOW + hours(count)


def a_history(broker: Broker, *moves: tuple[float, str, str] | tuple[float, str], **fields: Any) -> Lead:
    """A lead born with the first of these moves, `agent` ones unless told otherwise."""
    first = moves[0]
    cause = first[2] if len(first) > 2 else "arrival"
    lead = a_lead(broker, now=after(first[0]), stage=first[1], cause=cause, **fields)
    before = first[1]
    for at, stage, *why in moves[1:]:
        StageTransition.objects.create(
            broker=broker, lead=lead, from_stage=before, to_stage=stage, at=after(at), cause=why[0] if why else "agent"
        )
        Lead.objects.filter(pk=lead.pk).update(pipeline_stage=stage, stage_entered_at=after(at))
        before = stage
    return lead


def an_entry(campaign: Campaign, lead: Lead, at: float, *, is_held: bool = False, **fields: Any) -> Enrollment:
    """Taken in `at` hours after NOW."""
    known = {
        "version": 1,
        "trigger": "manual",
        "status": "held_out" if is_held else "completed",
        "enrolled_at": after(at),
        "sandbox": False,
    }
    return Enrollment.objects.create(broker_id=campaign.broker_id, campaign=campaign, lead=lead, **known | fields)
