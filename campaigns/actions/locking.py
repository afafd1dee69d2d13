"""A campaign or an enrolment in this transaction's hands, and the refusals that come of its status."""

from django.utils.translation import gettext as _

from brokers.refusal import Refused
from campaigns.models import Campaign, CampaignLog, CampaignStatus, Enrollment
from leads.models import Lead


def locked(campaign: Campaign) -> Campaign:
    rows = Campaign.objects.select_for_update(no_key=True, of=("self",)).select_related("broker")
    return rows.get(pk=campaign.pk)


def wrong_status(campaign: Campaign, wanted: str) -> Refused:
    label = CampaignStatus(wanted).label
    return Refused(
        "wrong_status",
        _("Campaign %(name)s is %(status)s; this can be done only while it is %(wanted)s.")
        % {"name": campaign.name, "status": campaign.get_status_display(), "wanted": label},
    )


def locked_enrollment(enrollment: Enrollment) -> Enrollment:
    """The enrolment with its lead locked, as the engine does it: nobody decides about either meanwhile."""
    Lead.objects.select_for_update(no_key=True).get(pk=enrollment.lead_id)
    current = Enrollment.objects.select_for_update(no_key=True).get(pk=enrollment.pk)
    _check_lead(current.lead_id, enrollment.lead_id)
    return current


def locked_log(log: CampaignLog) -> CampaignLog:
    Lead.objects.select_for_update(no_key=True).get(pk=log.lead_id)
    rows = CampaignLog.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "campaign__broker", "message"
    )
    current = rows.get(pk=log.pk)
    _check_lead(current.lead_id, log.lead_id)
    return current


def _check_lead(is_of: int, was_of: int) -> None:
    """Whose lead was locked is not whose lead it is, when a merge came in between."""
    if is_of != was_of:
        raise Refused("lead_merged", _("The lead has just been merged with another one; look again."))
