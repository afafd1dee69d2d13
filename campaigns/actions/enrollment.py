"""One lead's way through one campaign: paused until a date, stopped, begun again."""

import json
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from campaigns import sql
from campaigns.actions.locking import locked_enrollment
from campaigns.enrollment import Intake, enroll_leads
from campaigns.explain import explain
from campaigns.models import CampaignLog, Enrollment, EnrollmentStatus, LogStatus, Trigger
from campaigns.reasons import ENTRY_REMEDIES
from leads.models import Lead

LONGEST_PAUSE = timedelta(days=365)
PAUSED_UNTIL, STOPPED = "paused_until", "stopped"


@transaction.atomic
def pause_enrollment(*, enrollment: Enrollment, until: datetime, now: datetime, by: User | None = None) -> CampaignLog:
    """Nothing happens to this lead in this campaign before `until`; a step that is due later anyway stays where it is.

    Raises Refused `until_invalid`, `not_under_way`, `in_flight`.
    """
    if not now < until <= now + LONGEST_PAUSE:
        latest = f"{now + LONGEST_PAUSE:%Y-%m-%d}"
        raise Refused("until_invalid", f"until={until:%Y-%m-%d %H:%M} is not allowed; use a moment up to {latest}")
    waiting = _waiting(_under_way(enrollment))
    waiting.reason = PAUSED_UNTIL
    waiting.response |= {"paused": {"until": until.isoformat(), "by": by and by.pk, "at": now.isoformat()}}
    waiting.due_at = Greatest(F("due_at"), Value(until))
    waiting.planned_at = Greatest(F("planned_at"), Value(until))
    waiting.save(update_fields=["reason", "response", "due_at", "planned_at"])
    return CampaignLog.objects.get(pk=waiting.pk)


@transaction.atomic
def stop_enrollment(*, enrollment: Enrollment, now: datetime, by: User | None = None) -> Enrollment:
    """End it here; a step that is being sent just now settles, and nothing follows. Raises Refused `not_under_way`."""
    current = _under_way(enrollment)
    logs = CampaignLog.objects.filter(enrollment=current)
    waiting = logs.waiting().first()
    if waiting is not None:
        response = json.dumps({"stopped": {"by": by and by.pk, "at": now.isoformat()}})
        sql.finish([sql.Ending(waiting.pk, LogStatus.SKIPPED, STOPPED, response, True, None, None, "", "", None)], now)
    else:
        Enrollment.objects.filter(pk=current.pk).update(
            status=EnrollmentStatus.EXITED, exit_reason=STOPPED, finished_at=now
        )
    return Enrollment.objects.get(pk=current.pk)


def enroll_again(*, enrollment: Enrollment, now: datetime, by: User | None = None) -> Intake:
    """The lead of an ended enrolment enters the campaign anew, by its re-entry rule.

    Raises Refused `not_active`, or `not_entered` with what stands in the way.
    """
    campaign, lead = enrollment.campaign, Lead.objects.get(pk=enrollment.lead_id)
    rows = Lead.objects.filter(pk=lead.pk)
    intake = enroll_leads(campaign=campaign, leads=rows, trigger=Trigger.MANUAL, now=now)
    if intake.enrolled or intake.held_out:
        return intake
    missing = [check.name for check in explain(campaign, lead, now).obstacles if not check.passed]
    asked = [name for name in missing if name not in ("trigger", "became_true")]
    raise Refused("not_entered", faults=[_("Not again: %(why)s") % {"why": ENTRY_REMEDIES[name]} for name in asked])


def _under_way(enrollment: Enrollment) -> Enrollment:
    current = locked_enrollment(enrollment)
    if current.status != EnrollmentStatus.ACTIVE:
        raise Refused(
            "not_under_way",
            _("This enrolment is %(status)s; only one that is under way can be paused or stopped.")
            % {"status": current.get_status_display()},
        )
    return current


def _waiting(enrollment: Enrollment) -> CampaignLog:
    rows = CampaignLog.objects.filter(enrollment=enrollment).waiting()
    row: CampaignLog | None = rows.select_for_update(no_key=True).first()
    if row is None:
        raise Refused("in_flight", _("Its step is being sent just now; try again in some minutes."))
    return row
