"""Leads move through the pipeline."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from leads.actions.moves import write_move
from leads.actions.standing import locked, settle
from leads.advancing import RANK
from leads.models import Cause, Lead, Stage


@transaction.atomic
def move_stage(*, lead: Lead, to: str, now: datetime, cause: str, by: User | None = None, reason: str = "") -> Lead:
    """Move a lead to another stage, as the caller saw it: when somebody moved it meanwhile, this move is refused.

    A move forwards goes on as far as the table of auto-advance takes it; one back stays where a person put it. Returns
    the lead as it is now. Raises Refused `stage_unknown`, `reason_required`, `reason_unknown`, `not_admin`,
    `stage_changed` or `stage_not_allowed`; the last names the stage, the wish and the moves that are allowed.
    """
    _check_move(to, cause, by, reason)
    moved = locked(lead)
    if moved.pipeline_stage != lead.pipeline_stage:
        raise Refused(
            "stage_changed",
            _("Somebody moved this lead from %(seen)s to %(stage)s meanwhile; look again before you move it.")
            % {"seen": lead.pipeline_stage, "stage": moved.pipeline_stage},
        )
    write_move(moved, to=to, now=now, cause=cause, by=by, reason=reason)
    # What fires no stage trigger must not fire one by the points that the stage is worth.
    is_silent = cause in (Cause.CORRECTION, Cause.MIGRATION)
    goes_on = not is_silent and RANK[to] > RANK[lead.pipeline_stage]
    return settle(moved, now=now, cause=cause if is_silent else "stage", advances=goes_on)


def _check_move(to: str, cause: str, by: User | None, reason: str) -> None:
    if to not in Stage.values:
        allowed = ", ".join(Stage.values)
        raise Refused("stage_unknown", _("stage=%(to)r is not allowed; use one of %(allowed)s") % locals())
    if cause == Cause.CORRECTION and not reason:
        raise Refused("reason_required", _("reason is missing: a correction needs one."))
    if cause == Cause.CORRECTION and not (by and by.is_broker_admin):
        raise Refused("not_admin", _("Only a broker admin may correct a stage."))
