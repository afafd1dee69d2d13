"""A campaign's versions as the engine reads them: steps, settings, templates and accounts, loaded once a batch."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, Subquery

from brokers.models import Broker
from campaigns.decisions import Step, Template
from campaigns.models import Action, Campaign, CampaignStep, CampaignVersion
from messaging.models import ChannelAccount
from templates_app.merge import TemplateSyntaxError, compile_text
from templates_app.models import Channel, MessageTemplate


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


class Templates:
    """The templates of a batch with their language variants."""

    def __init__(self, ids: Iterable[int]) -> None:
        chosen = MessageTemplate.objects.filter(pk__in=set(ids))
        families = MessageTemplate.objects.filter(
            broker__in=chosen.values("broker"), name__in=chosen.values("name"), channel__in=chosen.values("channel")
        )
        self._templates: dict[int, Template] = {}
        self._family: dict[int, tuple[int, str, str]] = {}
        self._variants: dict[tuple[int, str, str, str], Template] = {}
        self._unreadable: dict[int, TemplateSyntaxError] = {}
        for row in families:
            try:
                self._templates[row.pk] = compiled(row)
            except TemplateSyntaxError as error:
                self._unreadable[row.pk] = error
                continue
            self._family[row.pk] = (row.broker_id, row.name, row.channel)
            if row.is_active:
                self._variants[row.broker_id, row.name, row.channel, row.language] = self._templates[row.pk]

    def variables(self) -> frozenset[str]:
        """Every variable that any of them speaks of."""
        return frozenset().union(*(template.variables for template in self._templates.values()))

    def variant(self, template_id: int | None, language: str) -> Template | None:
        """The active variant in this language, else the template that the step names.

        Raises TemplateSyntaxError where that one was stored past its check.
        """
        if template_id in self._unreadable:
            raise self._unreadable[template_id]
        if template_id is None or template_id not in self._templates:
            return None
        chosen = self._templates[template_id]
        return self._variants.get((*self._family[template_id], language), chosen) if chosen.is_active else chosen


def compiled(row: MessageTemplate) -> Template:
    subject, body = compile_text(row.subject), compile_text(row.content)
    return Template(
        id=row.pk,
        channel=row.channel,
        purpose=row.purpose,
        language=row.language,
        is_active=row.is_active,
        subject=subject,
        body=body,
        variables=frozenset(subject.variables + body.variables),
        provider_template_id=row.provider_template_id,
    )


class Accounts:
    """Some brokers and their accounts, chosen by channel and by whether they reach real people."""

    def __init__(self, brokers: Iterable[int]) -> None:
        wanted = set(brokers)
        rows = ChannelAccount.objects.filter(broker__in=wanted, is_active=True).select_related("broker")
        self.brokers: dict[int, Broker] = {}
        self._best: dict[tuple[int, str, bool], ChannelAccount] = {}
        for row in rows.order_by("is_default", "-pk"):
            self._best[row.broker_id, row.channel, row.sandbox] = row
            self.brokers.setdefault(row.broker_id, row.broker)
        if missing := wanted - set(self.brokers):
            self.brokers |= Broker.objects.in_bulk(missing)

    def get(self, broker_id: int, channel: str, sandbox: bool) -> ChannelAccount | None:
        return self._best.get((broker_id, channel, sandbox))


def is_sandbox(campaign: Campaign) -> bool:
    """Whether leads who enter now are reached on the sandbox: the default account of the campaign's channel says."""
    default = ChannelAccount.objects.filter(broker=campaign.broker_id, channel=campaign.channel, is_default=True)
    return default.values_list("sandbox", flat=True).first() is not False
