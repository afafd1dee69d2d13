"""A campaign's versions as the engine reads them: steps and settings, loaded once a batch."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, Subquery

from campaigns.decisions import Step
from campaigns.models import Action, Campaign, CampaignStep, CampaignVersion
from messaging.accounts import is_on_sandbox
from templates_app.models import Channel


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of one campaign."""

    campaign_id: int
    version: int
    exit_on_reply: bool
    goal_stage: str
    steps: dict[int, Step]

    def after(self, number: int) -> Step | None:
        return self.steps.get(number + 1)


def step_channel(action: str, channel: str | None, campaign_channel: str) -> str:
    """The channel a step contacts people over; '' for one that contacts nobody. Calls always use the phone."""
    if action == Action.UPDATE_STAGE:
        return ""
    return Channel.CALL if action == Action.MAKE_CALL else channel or campaign_channel


def load_plans(versions: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Plan]:
    """Plans by (campaign id, version number), in one statement."""
    wanted = Q()
    for campaign_id, number in set(versions):
        wanted |= Q(campaign=campaign_id, version=number)
    if not wanted:
        return {}
    steps: dict[tuple[int, int], dict[int, Step]] = defaultdict(dict)
    settings: dict[tuple[int, int], dict[str, Any]] = {}
    version = CampaignVersion.objects.filter(campaign=OuterRef("campaign"), number=OuterRef("version"))
    rows = CampaignStep.objects.filter(wanted).select_related("campaign")
    for row in rows.annotate(settings=Subquery(version.values("settings"))):
        key = row.campaign_id, row.version
        steps[key][row.step_number], settings[key] = _step(row), row.settings or {}
    return {key: _plan(key, settings[key], found) for key, found in steps.items()}


def _plan(key: tuple[int, int], settings: dict[str, Any], steps: dict[int, Step]) -> Plan:
    return Plan(*key, settings.get("exit_on_reply", True), settings.get("goal_stage", ""), steps)


def _step(row: CampaignStep) -> Step:
    return Step(
        id=row.pk,
        number=row.step_number,
        action=row.action,
        delay=row.delay,
        conditions=row.conditions,
        channel=step_channel(row.action, row.channel, row.campaign.channel),
        target_stage=row.target_stage,
        template_id=row.message_template_id,
        fallback_channel=row.fallback_channel or "",
        fallback_template_id=row.fallback_template_id,
    )


def is_sandbox(campaign: Campaign) -> bool:
    """Whether leads who enter now are reached on the sandbox: the default account of the campaign's channel says."""
    return is_on_sandbox(campaign.broker_id, campaign.channel)
