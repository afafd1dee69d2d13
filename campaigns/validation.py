"""Everything that can be wrong with a campaign, found at once and said in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from brokers.refusal import Refused
from brokers.rules import ContactWindow
from campaigns.filters import StepFilter
from campaigns.models import Action, Campaign, CampaignStep, Trigger
from campaigns.plans import is_sandbox, step_channel
from campaigns.triggers import OWN_KEYS
from leads.filters import LeadFilter
from leads.models import Stage
from messaging.accounts import Accounts
from messaging.providers import adapter_for
from templates_app.models import Channel, MessageTemplate
from templates_app.variables import unknown_variables

SPEC_KEYS = {
    "step_number",
    "action",
    "delay_hours",
    "conditions",
    "message_template",
    "target_stage",
    "channel",
    "fallback_channel",
    "fallback_template",
}


def settings_faults(campaign: Campaign, now: datetime) -> list[str]:
    """What is wrong with a campaign's own settings, its trigger included."""
    faults = [] if campaign.name else [_("name is missing")]
    faults += _not_one_of("channel", campaign.channel, Channel.values)
    faults += _not_one_of("goal_stage", campaign.goal_stage, ["", *Stage.values])
    if not 0 <= campaign.holdout_percent <= 99:
        faults.append(f"holdout_percent={campaign.holdout_percent} is not allowed; use 0 to 99")
    if campaign.reentry_after_days is not None and campaign.reentry_after_days < 1:
        faults.append(f"reentry_after_days={campaign.reentry_after_days} is not allowed; use 1 or more, or nothing")
    if campaign.max_contacts is not None and campaign.max_contacts < campaign.enrolled_count:
        faults.append(
            f"max_contacts={campaign.max_contacts} is not allowed; {campaign.enrolled_count} leads are enrolled already"
        )
    unknown_trigger = _not_one_of("triggered_by", campaign.triggered_by, Trigger.values)
    return faults + (unknown_trigger or trigger_faults(campaign, now))


def spec_faults(campaign: Campaign, specs: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    """What is wrong with a set of steps that is to be saved."""
    faults = [f"steps: {_('a campaign needs at least one step')}"] if not specs else []
    for position, spec in enumerate(specs, start=1):
        faults += [f"step {position}: {fault}" for fault in _spec_faults(campaign, position, spec, now)]
    return faults


def _spec_faults(campaign: Campaign, position: int, spec: Mapping[str, Any], now: datetime) -> list[str]:
    faults = [f"{key} is no field of a step" for key in spec if key not in SPEC_KEYS]
    if spec.get("step_number", position) != position:
        faults.append(
            _("step_number=%(number)r leaves a gap; number the steps 1, 2, 3 …") % {"number": spec["step_number"]}
        )
    faults += _not_one_of("action", spec.get("action"), Action.values)
    for key, allowed in (
        ("channel", Channel.values),
        ("fallback_channel", Channel.values),
        ("target_stage", Stage.values),
    ):
        if spec.get(key):
            faults += _not_one_of(key, spec[key], allowed)
    faults += _delay_faults(spec.get("delay_hours", 0))
    for key in ("message_template", "fallback_template"):
        template = spec.get(key)
        if template is not None and template.broker_id != campaign.broker_id:
            faults.append(f"{key}={template.pk} is no template of this brokerage")
    return faults + condition_faults(StepFilter, spec.get("conditions") or {}, now)


def _not_one_of(key: str, value: Any, allowed: Iterable[str]) -> list[str]:
    return [] if value in allowed else [f"{key}={value!r} is not allowed; use one of {', '.join(allowed)}"]


def _delay_faults(value: Any) -> list[str]:
    try:
        hours = Decimal(str(value))
    except InvalidOperation:
        hours = Decimal(-1)
    if hours.is_finite() and 0 <= hours < 1_000_000:
        return []
    return [f"delay_hours={value!r} is not allowed; use a number of hours from 0"]


def condition_faults(filterset: type[LeadFilter], data: Any, now: datetime) -> list[str]:
    try:
        filterset.checked(data, now=now)
    except Refused as refused:
        return refused.faults or [str(refused)]
    return []


def activation_faults(campaign: Campaign, now: datetime) -> list[str]:
    """What keeps a campaign from being activated; all of it at once."""
    steps = _steps(campaign)
    faults = [] if steps else [_("steps: a campaign needs at least one step")]
    for position, step in enumerate(steps, start=1):
        if step.step_number != position:
            faults.append(_("steps: number %(number)s is missing") % {"number": position})
            break
    for step in steps:
        faults += [f"step {step.step_number}: {fault}" for fault in _step_faults(campaign, step, now)]
    faults += trigger_faults(campaign, now)
    faults += _account_faults(campaign, steps)
    if not ContactWindow.parse(campaign.broker.contact_window).ever_opens:
        faults.append(_("contact_window: the brokerage's contact window never opens"))
    return faults


def activation_warnings(campaign: Campaign) -> list[str]:
    """What a broker should know before activating, though it is allowed."""
    return [warning for step in _steps(campaign) for warning in _step_warnings(campaign, step)]


def _steps(campaign: Campaign) -> list[CampaignStep]:
    steps = CampaignStep.objects.filter(campaign=campaign, version=campaign.version)
    return list(steps.select_related("message_template", "fallback_template").order_by("step_number"))


def _step_warnings(campaign: Campaign, step: CampaignStep) -> list[str]:
    """WhatsApp takes one's own words within 24 hours of the lead's last message only."""
    channel = step_channel(step.action, step.channel, campaign.channel)
    if channel != Channel.WHATSAPP or step.fallback_channel:
        return []
    about = {"number": step.step_number}
    if step.message_template is None:
        return [_("Step %(number)s: without a template it goes out only to leads who wrote within 24 hours.") % about]
    family = MessageTemplate.objects.filter(
        broker=campaign.broker_id, name=step.message_template.name, channel=channel, is_active=True
    )
    return [
        _(
            "Step %(number)s: %(template)s has no approved template at WhatsApp, so it goes out only to leads who "
            "wrote within 24 hours. Give it its Content SID, or the step a fallback channel."
        )
        % {**about, "template": template}
        for template in family.filter(provider_template_id="").order_by("id")
    ]


def trigger_faults(campaign: Campaign, now: datetime) -> list[str]:
    """The trigger's own key must be there, and every key must be one that LeadFilter knows."""
    condition = campaign.trigger_condition
    faults = [f"trigger_condition: {fault}" for fault in condition_faults(LeadFilter, condition, now)]
    own = OWN_KEYS[Trigger(campaign.triggered_by)]
    if own and isinstance(condition, dict) and not any(key in condition for key in own):
        faults.append(
            _("trigger_condition: %(trigger)s needs %(keys)s")
            % {"trigger": campaign.triggered_by, "keys": _(" or ").join(own)}
        )
    return faults


def _step_faults(campaign: Campaign, step: CampaignStep, now: datetime) -> list[str]:
    faults = condition_faults(StepFilter, step.conditions, now)
    if step.action == Action.UPDATE_STAGE:
        return faults + _not_one_of("target_stage", step.target_stage, Stage.values)
    channel = step_channel(step.action, step.channel, campaign.channel)
    if step.action != Action.MAKE_CALL and channel == Channel.CALL:
        faults.append(_("channel=call is not allowed for a message; choose another channel for this step"))
    if step.message_template is not None:
        faults += template_faults(step.message_template, channel)
    elif step.action == Action.SEND_MESSAGE:
        faults.append(_("message_template is missing; choose a template"))
    faults += _fallback_faults(step, channel)
    for text in (step.message_template, step.fallback_template):
        if step.action == Action.SCHEDULE_MEETING and text and "booking_link" not in text.variables:
            faults.append(_("the template of a meeting must contain {{booking_link}}"))
    return faults


def _fallback_faults(step: CampaignStep, channel: str) -> list[str]:
    """Another channel, for messages, with a text of its own; only a meeting's invitation has one built in."""
    if not step.fallback_channel:
        return [_("fallback_template needs a fallback_channel")] if step.fallback_template else []
    faults = template_faults(step.fallback_template, step.fallback_channel) if step.fallback_template else []
    if step.fallback_channel == channel:
        faults.append(_("fallback_channel=%(channel)s is the step's own channel; use another") % {"channel": channel})
    elif step.fallback_channel == Channel.CALL:
        faults.append(_("fallback_channel=call is not allowed for a message; choose another channel"))
    if step.fallback_template is None and step.action != Action.SCHEDULE_MEETING:
        faults.append(_("fallback_template is missing; choose a template for the fallback channel"))
    return faults


def template_faults(template: MessageTemplate, channel: str) -> list[str]:
    faults = []
    if template.channel != channel:
        faults.append(
            _("template %(name)s is for %(its)s, the step contacts by %(channel)s")
            % {"name": template.name, "its": template.channel, "channel": channel}
        )
    if not template.is_active:
        faults.append(_("template %(name)s is not active") % {"name": template.name})
    unknown = unknown_variables(template.variables, template.broker)
    if unknown:
        faults.append(
            _("template %(name)s has the unknown variable %(variable)s")
            % {"name": template.name, "variable": unknown[0]}
        )
    return faults


def _account_faults(campaign: Campaign, steps: Sequence[CampaignStep]) -> list[str]:
    """Every channel that is used needs an account that can send, on the same side: the sandbox or the real world."""
    accounts, sandbox = Accounts([campaign.broker_id]), is_sandbox(campaign)
    own = {step_channel(step.action, step.channel, campaign.channel) for step in steps}
    channels = (own | {step.fallback_channel or "" for step in steps if step.action != Action.UPDATE_STAGE}) - {""}
    faults = []
    for channel in sorted(channels):
        account = accounts.get(campaign.broker_id, channel, sandbox)
        if account is None:
            side = _("sandbox") if sandbox else _("real")
            faults.append(_("account: no %(side)s account for %(channel)s") % {"side": side, "channel": channel})
        else:
            faults += [f"account {account}: {fault}" for fault in adapter_for(account).faults()]
    return faults
