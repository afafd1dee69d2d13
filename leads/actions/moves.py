"""The one place that writes a stage, for one lead or for many: the transition, its row, its moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.utils.translation import gettext as _
from django_fsm import ConcurrentTransition, can_proceed

from brokers.models import User
from brokers.refusal import Refused
from leads.models import CLOSE_REASONS, Cause, Lead, Stage, StageTransition


class Move(NamedTuple):
    """One step of one lead, as it is written set-based."""

    lead_id: int
    from_stage: str
    to_stage: str
    reason: str


# Set-based for leads that are locked; the steps of one lead follow each other in the order in which they came.
WRITE_MOVES = """
INSERT INTO leads_stagetransition (broker_id, lead_id, from_stage, to_stage, at, by_id, cause, reason)
SELECT %(broker)s, lead_id, from_stage, to_stage, %(now)s, NULL, 'auto', reason
FROM unnest(%(lead)s::bigint[], %(from)s::text[], %(to)s::text[], %(reason)s::text[])
     WITH ORDINALITY AS step (lead_id, from_stage, to_stage, reason, position)
ORDER BY position
"""
WRITE_STAGES = """
UPDATE leads_lead lead SET pipeline_stage = step.stage, stage_entered_at = %(now)s, updated_at = %(now)s
FROM unnest(%(lead)s::bigint[], %(stage)s::text[]) AS step (lead_id, stage)
WHERE lead.id = step.lead_id
"""


def allowed_moves(lead: Lead) -> list[str]:
    """The stages this lead may go to now, in the order of the pipeline."""
    targets = {str(move.target) for move in lead.get_available_pipeline_stage_transitions() if move.name != "correct"}
    return [stage for stage in Stage.values if stage in targets]


def write_move(lead: Lead, *, to: str, now: datetime, cause: str, by: User | None = None, reason: str = "") -> None:
    """Move a lead that was read under its lock, and write the row. Raises Refused `stage_not_allowed`,
    `reason_required`, `reason_unknown` or `stage_changed`."""
    from_stage = lead.pipeline_stage
    _make_transition(lead, to, cause)
    _check_reason(to, cause, reason)
    lead.stage_entered_at = lead.updated_at = now
    if cause == Cause.AGENT:
        lead.last_activity_at = now
    try:
        lead.save(update_fields=["pipeline_stage", "stage_entered_at", "updated_at", "last_activity_at"])
    except ConcurrentTransition as error:
        raise Refused("stage_changed", _("Somebody moved this lead meanwhile; look again.")) from error
    StageTransition.objects.create(
        broker_id=lead.broker_id,
        lead=lead,
        from_stage=from_stage,
        to_stage=to,
        at=now,
        by=by,
        cause=cause,
        reason=reason,
    )


def write_steps(moves: Sequence[Move], *, broker_id: int, now: datetime) -> None:
    """The rows of steps of the table of auto-advance, all of which the pipeline allows. The leads must be locked."""
    if moves:
        leads, before, after, reasons = map(list, zip(*moves, strict=True))
        rows = {"lead": leads, "from": before, "to": after, "reason": reasons}
        with connection.cursor() as cursor:
            cursor.execute(WRITE_MOVES, {**rows, "broker": broker_id, "now": now})


def write_stages(moves: Sequence[Move], *, now: datetime) -> None:
    """The stages to which the last steps lead. The leads must be locked."""
    last = {move.lead_id: move.to_stage for move in moves}
    if last:
        with connection.cursor() as cursor:
            cursor.execute(WRITE_STAGES, {"lead": list(last), "stage": list(last.values()), "now": now})


def _make_transition(lead: Lead, to: str, cause: str) -> None:
    """Change the stage in memory by the transition of the table that leads there."""
    if cause == Cause.CORRECTION and lead.pipeline_stage != to:
        lead.correct(to)
        return
    for move in lead.get_all_pipeline_stage_transitions():
        if move.source == lead.pipeline_stage and move.target == to and can_proceed(getattr(lead, move.name)):
            getattr(lead, move.name)()
            return
    message = _("A lead in %(stage)s cannot go to %(to)s; allowed from there: %(allowed)s.") % {
        "stage": lead.pipeline_stage,
        "to": to,
        "allowed": ", ".join(allowed_moves(lead)) or "–",
    }
    raise Refused("stage_not_allowed", message)


def _check_reason(to: str, cause: str, reason: str) -> None:
    """Who is won or lost has one of the fixed reasons; a correction, and what was so elsewhere, words of its own."""
    if to not in CLOSE_REASONS or cause in (Cause.CORRECTION, Cause.MIGRATION):
        return
    allowed = CLOSE_REASONS[to].values
    if not reason:
        message = _("reason is missing: to go to %(to)s a lead needs one of %(allowed)s.")
        raise Refused("reason_required", message % {"to": to, "allowed": ", ".join(allowed)})
    if reason not in allowed:
        message = _("reason=%(reason)r is not allowed; to go to %(to)s use one of %(allowed)s")
        raise Refused("reason_unknown", message % {"reason": reason, "to": to, "allowed": ", ".join(allowed)})
