"""The verbs about campaigns: their life, and their steps. All raise Refused and then have changed nothing."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from campaigns.enrollment import enroll_leads
from campaigns.filters import StepFilter
from campaigns.models import (
    Campaign,
    CampaignLog,
    CampaignStatus,
    CampaignStep,
    CampaignVersion,
    Trigger,
)
from campaigns.validation import activation_faults, settings_faults, spec_faults
from leads.filters import LeadFilter
from leads.models import Lead

VERSIONED = ("triggered_by", "trigger_condition", "exit_on_reply", "goal_stage", "reentry_after_days")
STEP_FIELDS = (
    "step_number",
    "action",
    "delay_hours",
    "conditions",
    "message_template_id",
    "target_stage",
    "channel",
    "fallback_channel",
    "fallback_template_id",
)
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
    current = _locked(campaign)
    before, channel = _version_settings(current), current.channel
    _apply(current, settings, now)
    if current.channel != channel and current.activated_at:
        fault = _("channel=%(new)s is not allowed; what was activated goes on over %(old)s")
        raise Refused("campaign_invalid", faults=[fault % {"new": current.channel, "old": channel}])
    current.save(update_fields=list(settings))
    if before != _version_settings(current) and _is_activated(current):
        _save_version(current, _current_steps(current), now, by)
    return current


@transaction.atomic
def save_steps(
    *, campaign: Campaign, specs: Sequence[Mapping[str, Any]], now: datetime, by: User | None = None
) -> list[CampaignStep]:
    """Save the steps of a campaign as a whole set, in the order given.

    A draft's steps are replaced; a version that was activated gets a successor, and who is under way stays on theirs.
    Raises Refused `steps_invalid` with every fault.
    """
    current = _locked(campaign)
    faults = spec_faults(current, specs, now)
    if faults:
        raise Refused("steps_invalid", faults=faults)
    steps = [CampaignStep(step_number=number, **_stored(spec, now)) for number, spec in enumerate(specs, start=1)]
    if _is_activated(current):
        _save_version(current, steps, now, by)
    else:
        CampaignStep.objects.filter(campaign=current, version=current.version).delete()
        _insert(current, steps)
    campaign.version = current.version
    return list(CampaignStep.objects.filter(campaign=current, version=current.version).order_by("step_number"))


@transaction.atomic
def activate(*, campaign: Campaign, now: datetime, by: User | None = None, include_matching: bool = False) -> Campaign:
    """Start a draft: from now on its trigger takes leads in.

    `include_matching` also takes in those who match already (see `matching_leads`). Raises Refused `wrong_status`,
    `no_trigger`, or `not_activatable` with every fault at once.
    """
    current = _locked(campaign)
    if current.status != CampaignStatus.DRAFT:
        raise _wrong_status(current, CampaignStatus.DRAFT)
    faults = activation_faults(current, now)
    if faults:
        raise Refused("not_activatable", faults=faults)
    _write_version(current, now, by)
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
def pause(*, campaign: Campaign, now: datetime, by: User | None = None) -> Campaign:
    """After this returns nothing more is decided; only batches begun before may still go out."""
    current = _locked(campaign)
    if current.status != CampaignStatus.ACTIVE:
        raise _wrong_status(current, CampaignStatus.ACTIVE)
    current.status, current.paused_at = CampaignStatus.PAUSED, now
    current.save(update_fields=["status", "paused_at"])
    return current


@transaction.atomic
def resume(*, campaign: Campaign, now: datetime, by: User | None = None) -> Campaign:
    """Go on where it stopped: everything waits as long as it would have waited, and it collects from now."""
    current = _locked(campaign)
    if current.status != CampaignStatus.PAUSED or current.paused_at is None:
        raise _wrong_status(current, CampaignStatus.PAUSED)
    stopped_at = current.broker.sending_paused_at
    since = min(current.paused_at, _stood_still_from(current, stopped_at)) if stopped_at else current.paused_at
    _shift(current, since, now)
    current.status, current.paused_at, current.collects_from = CampaignStatus.ACTIVE, None, now
    current.save(update_fields=["status", "paused_at", "collects_from"])
    return current


@transaction.atomic
def complete(*, campaign: Campaign, now: datetime, by: User | None = None) -> Campaign:
    """End a campaign that nobody is under way in. Raises Refused `not_finished` or `wrong_status`."""
    current = _locked(campaign)
    if current.status not in (CampaignStatus.ACTIVE, CampaignStatus.PAUSED):
        raise _wrong_status(current, CampaignStatus.ACTIVE)
    if current.enrollments.filter(status="active").exists():
        raise Refused("not_finished", _("Leads are still under way in this campaign; pause it instead."))
    current.status = CampaignStatus.COMPLETED
    current.save(update_fields=["status"])
    return current


def stop_sending(*, broker: Broker, now: datetime, by: User | None = None) -> None:
    """The kill switch: nothing more is decided for any campaign of this brokerage."""
    Broker.objects.filter(pk=broker.pk, sending_paused_at=None).update(sending_paused_at=now)


@transaction.atomic
def go_on_sending(*, broker: Broker, now: datetime, by: User | None = None) -> None:
    """Go on where it stopped: everything is due later by the stop.

    A paused campaign's rows move up to its pause here, and from there by its own resume.
    """
    campaigns = Campaign.objects.filter(broker=broker, status__in=(CampaignStatus.ACTIVE, CampaignStatus.PAUSED))
    locked = list(campaigns.select_for_update(no_key=True).order_by("id"))
    stopped_at = Broker.objects.select_for_update(no_key=True).get(pk=broker.pk).sending_paused_at
    if stopped_at is None:
        return
    for campaign in locked:
        _shift(campaign, _stood_still_from(campaign, stopped_at), campaign.paused_at or now)
    Broker.objects.filter(pk=broker.pk).update(sending_paused_at=None)


def _stood_still_from(campaign: Campaign, stopped_at: datetime) -> datetime:
    """Since when a campaign waits for its stopped brokerage; a resume meanwhile moved what was before it."""
    return max(stopped_at, campaign.collects_from or stopped_at)


def _shift(campaign: Campaign, since: datetime, until: datetime) -> None:
    """What waited from `since`, or from when it was written, to `until` is due later by that long."""
    if since < until:
        length = Value(until) - Greatest(Value(since), F("created_at"))
        rows = CampaignLog.objects.filter(campaign=campaign, created_at__lt=until).waiting()
        rows.update(due_at=F("due_at") + length, planned_at=F("planned_at") + length)


def _locked(campaign: Campaign) -> Campaign:
    rows = Campaign.objects.select_for_update(no_key=True, of=("self",)).select_related("broker")
    return rows.get(pk=campaign.pk)


def _wrong_status(campaign: Campaign, wanted: str) -> Refused:
    label = CampaignStatus(wanted).label
    return Refused(
        "wrong_status",
        _("Campaign %(name)s is %(status)s; this can be done only while it is %(wanted)s.")
        % {"name": campaign.name, "status": campaign.get_status_display(), "wanted": label},
    )


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


def _stored(spec: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The fields of a step, its number aside."""
    values = {key: value for key, value in spec.items() if key != "step_number"}
    conditions = StepFilter.canonical(values.get("conditions") or {}, now=now)
    return values | {"conditions": conditions, "target_stage": values.get("target_stage") or ""}


def _is_activated(campaign: Campaign) -> bool:
    return campaign.versions.filter(number=campaign.version).exists()


def _current_steps(campaign: Campaign) -> list[CampaignStep]:
    return list(CampaignStep.objects.filter(campaign=campaign, version=campaign.version).order_by("step_number"))


def _save_version(campaign: Campaign, steps: Sequence[CampaignStep], now: datetime, by: User | None) -> None:
    """The successor of an activated version; refused as a whole when it could not be activated."""
    campaign.version += 1
    campaign.save(update_fields=["version"])
    _insert(campaign, steps)
    faults = activation_faults(campaign, now)
    if faults:
        raise Refused("steps_invalid", faults=faults)
    _write_version(campaign, now, by)


def _insert(campaign: Campaign, steps: Sequence[CampaignStep]) -> None:
    for step in steps:
        step.pk = None
        step.broker_id, step.campaign, step.version = campaign.broker_id, campaign, campaign.version
    CampaignStep.objects.bulk_create(steps)


def _write_version(campaign: Campaign, now: datetime, by: User | None) -> None:
    CampaignVersion.objects.create(
        broker_id=campaign.broker_id,
        campaign=campaign,
        number=campaign.version,
        settings=_version_settings(campaign),
        fingerprint=fingerprint(_version_settings(campaign), _current_steps(campaign)),
        approved_by=by,
        at=now,
    )


def _version_settings(campaign: Campaign) -> dict[str, Any]:
    return {key: getattr(campaign, key) for key in VERSIONED}


def fingerprint(settings: Mapping[str, Any], steps: Sequence[CampaignStep]) -> str:
    """SHA-256 over what was approved: the settings and the steps, in one canonical form."""
    content = [settings, [{field: getattr(step, field) for field in STEP_FIELDS} for step in steps]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_canonical).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)
