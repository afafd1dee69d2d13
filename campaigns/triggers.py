"""Which leads became what a campaign waits for since the last pass. Set-based, incremental, edge-triggered."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from brokers.refusal import Refused
from campaigns import sql
from campaigns.enrollment import Intake, enroll_leads
from campaigns.models import Campaign, Trigger
from leads.filters import LeadFilter
from leads.models import Cause, Lead, ScoreChange, StageTransition

logger = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=10)
Became = tuple[QuerySet[Lead], Any, Any]
SILENT_CAUSES = (Cause.CORRECTION, Cause.MIGRATION)
OWN_KEYS = {
    Trigger.MANUAL: (),
    Trigger.LEAD_SCORE: ("score_min", "score_max"),
    Trigger.STAGE_CHANGE: ("stage",),
    Trigger.INACTIVITY: ("inactivity_days",),
}


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` to `until`, both included."""

    since: datetime
    until: datetime


def fire(*, now: datetime, broker_id: int | None = None, is_virtual: bool = False) -> dict[int, Intake]:
    """One pass over all triggers with one `now`: who was taken in, by campaign id.

    Costs three probes when nothing happened, however many campaigns and leads there are.
    """
    sql.run(sql.ENSURE_SWEEPS, {})
    swept_to = now if is_virtual else _safe_horizon(now)
    taken: dict[int, Intake] = {}
    for kind in sql.HAPPENED:
        for campaign_id, since in _concerned(kind, now, broker_id):
            taken[campaign_id] = _collect(campaign_id, Window(since, now), now)
    sql.run(sql.ADVANCE_SWEEPS, {"to": swept_to, "broker": broker_id})
    return taken


def _safe_horizon(now: datetime) -> datetime:
    """The watermark must not pass a transaction that may still commit what it wrote earlier."""
    oldest = sql.rows(sql.OPEN_SINCE, {})[0][0]
    return min(now, oldest) if oldest else now


def _concerned(kind: str, now: datetime, broker_id: int | None) -> list[tuple[int, datetime]]:
    statement = sql.PROBE.replace("{kind}", kind).replace("{happened}", sql.HAPPENED[kind])
    return sql.rows(statement, {"now": now, "overlap": OVERLAP, "broker": broker_id})


def _collect(campaign_id: int, window: Window, now: datetime) -> Intake:
    campaign = Campaign.objects.get(pk=campaign_id)
    try:
        leads, evidence, happened_at = became(campaign, window)
        return enroll_leads(
            campaign=campaign,
            leads=leads,
            trigger=campaign.triggered_by,
            evidence=evidence,
            happened_at=happened_at,
            now=now,
        )
    except Refused as refused:
        # Paused meanwhile, or a condition that was changed past its check: the others go on.
        logger.warning("Campaign %s took nobody in: %s", campaign_id, refused)
        return Intake()
    except (DataError, TypeError, ValueError):
        logger.exception("Campaign %s took nobody in", campaign_id)
        return Intake()


def became(campaign: Campaign, window: Window) -> Became:
    """The leads that became what the campaign waits for within the window, with evidence and moment as expressions.

    The trigger's own keys give the moment, the others narrow it. Raises Refused `condition_invalid`.
    """
    condition = campaign.trigger_condition
    said = LeadFilter.checked(condition, now=window.until).form.cleaned_data
    own = {key: said[key] for key in OWN_KEYS[Trigger(campaign.triggered_by)] if key in condition}
    if not own:
        raise Refused("condition_invalid", f"the trigger {campaign.triggered_by} has no condition of its own")
    narrowing = {key: value for key, value in condition.items() if key not in own}
    leads = LeadFilter.apply(Lead.objects.filter(broker=campaign.broker_id), narrowing, now=window.until)
    return _BECAME[campaign.triggered_by](campaign, leads, own, window)


def _became_score(campaign: Campaign, leads: QuerySet[Lead], own: dict[str, Any], window: Window) -> Became:
    low, high = own.get("score_min", 0), own.get("score_max", 100)
    outside = Q(from_score=None) | Q(from_score__lt=low) | Q(from_score__gt=high)
    changes = ScoreChange.objects.filter(
        outside,
        broker=campaign.broker_id,
        to_score__gte=low,
        to_score__lte=high,
        at__gte=window.since,
        at__lte=window.until,
    ).exclude(cause__in=SILENT_CAUSES)
    evidence = JSONObject(score_change=F("id"), **{"from": F("from_score"), "to": F("to_score")}, at=F("at"))
    return _happened(leads, changes, evidence)


def _became_stage(campaign: Campaign, leads: QuerySet[Lead], own: dict[str, Any], window: Window) -> Became:
    moves = StageTransition.objects.filter(
        broker=campaign.broker_id, to_stage__in=own["stage"], at__gte=window.since, at__lte=window.until
    ).exclude(cause__in=SILENT_CAUSES)
    evidence = JSONObject(transition=F("id"), **{"from": F("from_stage"), "to": F("to_stage")}, at=F("at"))
    return _happened(leads, moves, evidence)


def _became_inactive(campaign: Campaign, leads: QuerySet[Lead], own: dict[str, Any], window: Window) -> Became:
    silence = timedelta(days=own["inactivity_days"])
    fell = leads.filter(last_activity_at__gt=window.since - silence, last_activity_at__lte=window.until - silence)
    return fell, JSONObject(last_activity_at=F("last_activity_at")), F("last_activity_at") + silence


def _happened(leads: QuerySet[Lead], events: QuerySet, evidence: Any) -> Became:
    newest = events.filter(lead=OuterRef("pk")).order_by("-at", "-id")
    return (
        leads.filter(pk__in=events.values("lead")),
        Subquery(newest.annotate(found=evidence).values("found")[:1]),
        Subquery(newest.values("at")[:1]),
    )


_BECAME: dict[str, Callable[[Campaign, QuerySet[Lead], dict[str, Any], Window], Became]] = {
    Trigger.LEAD_SCORE: _became_score,
    Trigger.STAGE_CHANGE: _became_stage,
    Trigger.INACTIVITY: _became_inactive,
}
