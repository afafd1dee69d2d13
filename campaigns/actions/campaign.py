"""The verbs about a campaign as a whole. All raise Refused and then have changed nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from campaigns.actions.locking import locked, wrong_status
from campaigns.actions.versions import (
    VERSIONED,
    current_steps,
    is_activated,
    save_version,
    version_settings,
    write_version,
)
from campaigns.enrollment import enroll_leads
from campaigns.models import Campaign, CampaignStatus, Trigger
from campaigns.validation import activation_faults, settings_faults
from leads.filters import LeadFilter
from leads.models import Lead

SETTINGS = (*VERSIONED, "name", "description", "channel", "max_contacts", "holdout_percent", "priority")


def create_campaign(*, broker: Broker, now: datetime, by: User | None = None, **settings: Any) -> Campaign:
    """A draft without steps. Raises Refused `campaign_invalid` naming each field that is wrong."""
    campaign = Campaign(broker=broker, created_by=by, created_at=now)
    _apply(campaign, settings, now)
    campaign.save()
    return campaign


@transaction.atomic
def edit_campaign(*, campaign: Campaign, now: datetime, by: User | None = None, **settings: Any) -> Campaign:
    """Change a campaign's settings. On an activated one, those that its enrolments live by make a new version."""
    current = locked(campaign)
    before, channel = version_settings(current), current.channel
    _apply(current, settings, now)
    if current.channel != channel and current.activated_at:
        fault = _("channel=%(new)s is not allowed; what was activated goes on over %(old)s")
        raise Refused("campaign_invalid", faults=[fault % {"new": current.channel, "old": channel}])
    current.save(update_fields=list(settings))
    if before != version_settings(current) and is_activated(current):
        save_version(current, current_steps(current), now, by)
    return current


@transaction.atomic
def activate(*, campaign: Campaign, now: datetime, by: User | None = None, include_matching: bool = False) -> Campaign:
    """Start a draft: from now on its trigger takes leads in.

    `include_matching` also takes in those who match already (see `matching_leads`). Raises Refused `wrong_status`,
    `no_trigger`, or `not_activatable` with every fault at once.
    """
    current = locked(campaign)
    if current.status != CampaignStatus.DRAFT:
        raise wrong_status(current, CampaignStatus.DRAFT)
    faults = activation_faults(current, now)
    if faults:
        raise Refused("not_activatable", faults=faults)
    write_version(current, now, by)
    current.status, current.activated_at, current.collects_from = CampaignStatus.ACTIVE, now, now
    current.save(update_fields=["status", "activated_at", "collects_from"])
    if include_matching:
        enroll_leads(campaign=current, leads=matching_leads(current, now), trigger=current.triggered_by, now=now)
        current.refresh_from_db(fields=["enrolled_count"])
    return current


def matching_leads(campaign: Campaign, now: datetime) -> Any:
    """The leads that match the whole trigger condition at this moment, whenever they began to.

    Raises Refused `no_trigger` for a manual campaign, which has none that anybody could match.
    """
    if campaign.triggered_by == Trigger.MANUAL:
        raise Refused("no_trigger", _("A manual campaign has no trigger; enrol its leads by hand."))
    return LeadFilter.apply(
        Lead.objects.present().filter(broker=campaign.broker_id), campaign.trigger_condition, now=now
    )


@transaction.atomic
def complete(*, campaign: Campaign, now: datetime, by: User | None = None) -> Campaign:
    """End a campaign that nobody is under way in. Raises Refused `not_finished` or `wrong_status`."""
    current = locked(campaign)
    if current.status not in (CampaignStatus.ACTIVE, CampaignStatus.PAUSED):
        raise wrong_status(current, CampaignStatus.ACTIVE)
    if current.enrollments.filter(status="active").exists():
        raise Refused("not_finished", _("Leads are still under way in this campaign; pause it instead."))
    current.status = CampaignStatus.COMPLETED
    current.save(update_fields=["status"])
    return current


def _apply(campaign: Campaign, settings: Mapping[str, Any], now: datetime) -> None:
    unknown = [f"{key} is no setting of a campaign" for key in settings if key not in SETTINGS]
    if unknown:
        raise Refused("campaign_invalid", faults=unknown)
    for key, value in settings.items():
        setattr(campaign, key, value)
    faults = settings_faults(campaign, now)
    if faults:
        raise Refused("campaign_invalid", faults=faults)
    if "trigger_condition" in settings:
        campaign.trigger_condition = LeadFilter.canonical(campaign.trigger_condition, now=now)
