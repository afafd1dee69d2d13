"""Leads move through the pipeline."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django_fsm import ConcurrentTransition, can_proceed

from brokers.models import User
from brokers.refusal import Refused
from leads.actions.lead import apply_score, locked
from leads.models import Cause, Lead, Stage, StageTransition


@transaction.atomic
def move_stage(*, lead: Lead, to: str, now: datetime, cause: str, by: User | None = None, reason: str = "") -> Lead:
    """Move a lead to another stage, as the caller saw it: when somebody moved it meanwhile, this move is refused.

    Returns the lead as it is now. Raises Refused `stage_unknown`, `reason_required`, `not_admin`, `stage_changed`
    or `stage_not_allowed`; the last names the stage, the wish and the moves that are allowed.
    """
    _check_move(to, cause, by, reason)
    moved = locked(lead)
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
    return apply_score(moved, now=now, cause=cause if cause in (Cause.CORRECTION, Cause.MIGRATION) else "stage")


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
