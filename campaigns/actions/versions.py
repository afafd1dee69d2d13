"""Steps and versions: what was approved stays as it is, and who is under way stays on it until somebody moves them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from campaigns import sql
from campaigns.actions.locking import locked
from campaigns.filters import StepFilter
from campaigns.models import Campaign, CampaignLog, CampaignStep, CampaignVersion
from campaigns.validation import activation_faults, spec_faults

VERSIONED = ("triggered_by", "trigger_condition", "exit_on_reply", "goal_stage", "reentry_after_days")
NOT_IN_VERSION = "not_in_version"
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


@transaction.atomic
def save_steps(
    *, campaign: Campaign, specs: Sequence[Mapping[str, Any]], now: datetime, by: User | None = None
) -> list[CampaignStep]:
    """Save the steps of a campaign as a whole set, in the order given.

    A draft's steps are replaced; a version that was activated gets a successor, and who is under way stays on theirs.
    Raises Refused `steps_invalid` with every fault.
    """
    current = locked(campaign)
    faults = spec_faults(current, specs, now)
    if faults:
        raise Refused("steps_invalid", faults=faults)
    steps = [CampaignStep(step_number=number, **_stored(spec, now)) for number, spec in enumerate(specs, start=1)]
    if is_activated(current):
        save_version(current, steps, now, by)
    else:
        CampaignStep.objects.filter(campaign=current, version=current.version).delete()
        _insert(current, steps)
    campaign.version = current.version
    return list(CampaignStep.objects.filter(campaign=current, version=current.version).order_by("step_number"))


def _stored(spec: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The fields of a step, its number aside."""
    values = {key: value for key, value in spec.items() if key != "step_number"}
    conditions = StepFilter.canonical(values.get("conditions") or {}, now=now)
    return values | {"conditions": conditions, "target_stage": values.get("target_stage") or ""}


def is_activated(campaign: Campaign) -> bool:
    return campaign.versions.filter(number=campaign.version).exists()


def current_steps(campaign: Campaign) -> list[CampaignStep]:
    return list(CampaignStep.objects.filter(campaign=campaign, version=campaign.version).order_by("step_number"))


def save_version(campaign: Campaign, steps: Sequence[CampaignStep], now: datetime, by: User | None) -> None:
    """The successor of an activated version; refused as a whole when it could not be activated."""
    campaign.version += 1
    campaign.save(update_fields=["version"])
    _insert(campaign, steps)
    faults = activation_faults(campaign, now)
    if faults:
        raise Refused("steps_invalid", faults=faults)
    write_version(campaign, now, by)


def _insert(campaign: Campaign, steps: Sequence[CampaignStep]) -> None:
    for step in steps:
        step.pk = None
        step.broker_id, step.campaign, step.version = campaign.broker_id, campaign, campaign.version
    CampaignStep.objects.bulk_create(steps)


def write_version(campaign: Campaign, now: datetime, by: User | None) -> None:
    CampaignVersion.objects.create(
        broker_id=campaign.broker_id,
        campaign=campaign,
        number=campaign.version,
        settings=version_settings(campaign),
        fingerprint=fingerprint(version_settings(campaign), current_steps(campaign)),
        approved_by=by,
        at=now,
    )


def version_settings(campaign: Campaign) -> dict[str, Any]:
    return {key: getattr(campaign, key) for key in VERSIONED}


def fingerprint(settings: Mapping[str, Any], steps: Sequence[CampaignStep]) -> str:
    """SHA-256 over what was approved: the settings and the steps, in one canonical form."""
    content = [settings, [{field: getattr(step, field) for field in STEP_FIELDS} for step in steps]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_canonical).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)


@dataclass(frozen=True, slots=True)
class VersionInUse:
    """A version that was activated, and how many enrolments are on it: under way, and in all."""

    number: int
    at: datetime
    approved_by: User | None
    steps: int
    under_way: int
    enrolled: int


@dataclass(frozen=True, slots=True)
class Move:
    """What moving does: enrolments that go on in the other version, those that end because it has no step of their
    number, and those that stay because their step is being sent just now."""

    moved: int
    completed: int
    in_flight: int


def versions_in_use(campaign: Campaign) -> list[VersionInUse]:
    """Who is on which version, the newest first; three statements."""
    entries = campaign.enrollments.order_by().values_list("version")
    counted = entries.annotate(under_way=Count("id", filter=Q(status="active")), enrolled=Count("id"))
    on_it = {number: counts for number, *counts in counted}
    steps = dict(campaign.steps.order_by().values_list("version").annotate(Count("id")))
    return [
        VersionInUse(row.number, row.at, row.approved_by, steps.get(row.number, 0), *on_it.get(row.number, (0, 0)))
        for row in campaign.versions.select_related("approved_by").order_by("-number")
    ]


def preview_move(*, campaign: Campaign, to: int, versions: Sequence[int] = ()) -> Move:
    """What `move_enrollments` would do. Raises Refused `version_unknown`."""
    params = _move_params(campaign, to, versions)
    moved, completed = sql.rows(sql.COUNT_MOVABLE, params)[0]
    return Move(moved, completed, _in_flight(campaign, params["versions"]))


@transaction.atomic
def move_enrollments(
    *, campaign: Campaign, to: int, now: datetime, versions: Sequence[int] = (), by: User | None = None
) -> Move:
    """Move who is under way on `versions` (all others, if none is named) to version `to`, at the step they wait for.

    What was due stays due when it was; a step that is being sent stays, with its enrolment, where it is. Raises
    Refused `version_unknown`.
    """
    current = locked(campaign)
    params = _move_params(current, to, versions)
    in_flight = _in_flight(current, params["versions"])
    moved, completed = sql.rows(sql.MOVE, params | {"now": now, "reason": NOT_IN_VERSION})[0]
    return Move(moved, completed, in_flight)


def _move_params(campaign: Campaign, to: int, versions: Sequence[int]) -> dict[str, Any]:
    known = set(campaign.versions.values_list("number", flat=True))
    for key, number in (("to", to), *(("versions", number) for number in versions)):
        if number not in known:
            allowed = ", ".join(str(number) for number in sorted(known)) or _("none was activated yet")
            raise Refused("version_unknown", f"{key}={number} is no version that was activated; use one of {allowed}")
    return {"campaign": campaign.pk, "to": to, "versions": sorted(set(versions or known) - {to})}


def _in_flight(campaign: Campaign, versions: Sequence[int]) -> int:
    rows = CampaignLog.objects.in_flight().filter(campaign=campaign)
    return rows.filter(enrollment__version__in=versions, enrollment__status="active").count()
