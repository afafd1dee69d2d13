"""Loads all that the decisions about a batch need, in a number of statements that does not grow with the batch."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import translation
from django.utils.translation import gettext as _

from brokers.models import Broker
from campaigns import sql
from campaigns.decisions import CONTACTS, LeadFacts, Step, StepFacts, Way
from campaigns.filters import held_conditions
from campaigns.plans import Plan, load_plans
from leads.inquiries import latest_properties
from leads.links import booking_url
from leads.models.work import new_token
from leads.zones import local_zone
from messaging.accounts import Accounts
from messaging.facts import Permissions, contact_facts, free_at, heard_at, load_permissions, open_conversations
from messaging.links import telegram_link
from messaging.models import ChannelAccount
from messaging.policy import TELEGRAM, WEEK, WHATSAPP, ContactFacts, address_of
from messaging.unsubscribe import preferences_url, unsubscribe_url
from templates_app.variables import Surroundings
from templates_app.variants import Template, Templates

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """A row of campaigns.sql.FACTS before its lead."""

    log_id: int
    enrollment_id: int
    campaign_id: int
    step_number: int
    attempts: int
    cancellations: int
    planned_at: datetime
    due_at: datetime
    version: int
    enrolled_at: datetime
    sandbox: bool
    agent_name: str
    agent_phone: str
    proposed_token: str
    recent: Sequence[datetime]
    recent_channels: Sequence[str]
    rivals: int
    reached: Sequence[str]
    booked_at: datetime | None


@dataclass(slots=True)
class Due:
    """One due step with everything that is needed to decide about it and to carry it out.

    `accounts` are those of the step's ways; `meeting_token` is that of the meeting it invites to, `is_proposed` whether
    an earlier attempt proposed it already.
    """

    facts: StepFacts
    plan: Plan
    broker: Broker
    sandbox: bool
    accounts: Sequence[ChannelAccount | None]
    meeting_token: str = ""
    is_proposed: bool = False


@dataclass(slots=True)
class _Batch:
    """What was read for the whole batch, by lead, broker or template."""

    plans: dict[tuple[int, int], Plan]
    accounts: Accounts
    templates: Templates
    permissions: Permissions
    conditions: Mapping[int, tuple[tuple[str, Any, bool], ...]]
    properties: dict[int, str] = field(default_factory=dict)
    appointments: dict[int, datetime] = field(default_factory=dict)
    conversations: set[tuple[int, int]] = field(default_factory=set)
    heard: dict[int, datetime] = field(default_factory=dict)


def load(log_ids: Sequence[int], now: datetime, *, is_ranked: bool = True) -> list[Due]:
    """The facts of these logs, in the order of their ids. `is_ranked` False saves the look at other campaigns' due
    steps, where all campaigns are of one priority.

    One whose version or lead is gone, or whose broker's rules cannot be read, is left out: a poison row fails alone.
    """
    params = {"ids": list(log_ids), "now": now, "counted_since": now - WEEK, "is_ranked": is_ranked}
    pairs = [_split(row) for row in sql.rows(sql.FACTS, params)]
    plans = load_plans({(row.campaign_id, row.version) for row, _lead in pairs})
    steps = {row.log_id: _step_of(row, plans) for row, _lead in pairs}
    pairs = [(row, lead) for row, lead in pairs if steps[row.log_id] is not None]
    if not pairs:
        return []
    batch = _load_batch(pairs, plans, steps, now)
    found = (_due_or_none(row, lead, steps[row.log_id], batch, now) for row, lead in pairs)
    return [due for due in found if due is not None]


def _due_or_none(row: Row, lead: LeadFacts, step: Step, batch: _Batch, now: datetime) -> Due | None:
    try:
        return _due(row, lead, step, batch, now)
    except Exception:
        logger.exception("Log %s: its facts cannot be read", row.log_id)
        return None


def _split(record: tuple[Any, ...]) -> tuple[Row, LeadFacts]:
    width = len(Row._fields)
    *lead, metadata, unreachable = record[width:]
    return Row._make(record[:width]), LeadFacts._make([*lead, json.loads(metadata), json.loads(unreachable)])


def _step_of(row: Row, plans: Mapping[tuple[int, int], Plan]) -> Any:
    plan = plans.get((row.campaign_id, row.version))
    return plan.steps.get(row.step_number) if plan else None


def _load_batch(
    pairs: Sequence[tuple[Row, LeadFacts]], plans: dict[tuple[int, int], Plan], steps: Mapping[int, Step], now: datetime
) -> _Batch:
    leads = [lead.id for _row, lead in pairs]
    ways = {way for step in steps.values() if step for way in step.ways()}
    templates = Templates(template_id for _channel, template_id in ways if template_id)
    batch = _Batch(
        plans=plans,
        accounts=Accounts(lead.broker_id for _row, lead in pairs),
        templates=templates,
        permissions=load_permissions([lead for _row, lead in pairs]),
        conditions=held_conditions(
            {row.log_id: steps[row.log_id].conditions for row, _lead in pairs if steps[row.log_id].conditions}, now
        ),
    )
    _load_rarer(batch, leads, now)
    if WHATSAPP in {channel for channel, _template in ways}:
        batch.conversations = open_conversations(leads, now)
    if batch.accounts.rest_on(TELEGRAM):
        batch.heard = heard_at(leads, TELEGRAM, now)
    return batch


def _load_rarer(batch: _Batch, leads: list[int], now: datetime) -> None:
    """What only some templates speak of."""
    spoken = batch.templates.variables()
    if "property" in spoken:
        batch.properties = latest_properties(leads)
    if spoken & {"appointment_date", "appointment_time"}:
        batch.appointments = dict(sql.rows(sql.NEXT_APPOINTMENT, {"leads": leads, "now": now}))


def _due(row: Row, lead: LeadFacts, step: Step, batch: _Batch, now: datetime) -> Due:
    plan = batch.plans[row.campaign_id, row.version]
    broker = batch.accounts.brokers[lead.broker_id]
    token = (row.proposed_token or new_token()) if step.action == "schedule_meeting" else ""
    wanted = step.ways() if step.action in CONTACTS else ()
    accounts = [batch.accounts.get(lead.broker_id, channel, row.sandbox) for channel, _template in wanted]
    ways = [
        _way(row, lead, channel, template_id, broker, batch, token, account, now)
        for (channel, template_id), account in zip(wanted, accounts, strict=True)
    ]
    facts = StepFacts(
        log_id=row.log_id,
        enrollment_id=row.enrollment_id,
        attempts=row.attempts,
        cancellations=row.cancellations,
        planned_at=row.planned_at,
        due_at=row.due_at,
        enrolled_at=row.enrolled_at,
        exit_on_reply=plan.exit_on_reply,
        goal_stage=plan.goal_stage,
        step=step,
        lead=lead,
        booked_at=row.booked_at,
        reached=frozenset(row.reached),
        conditions=batch.conditions.get(row.log_id, ()),
        human_contact_days=broker.human_contact_days,
        ways=tuple(ways),
    )
    return Due(facts, plan, broker, row.sandbox, accounts, token, bool(row.proposed_token))


def _way(
    row: Row,
    lead: LeadFacts,
    channel: str,
    template_id: int | None,
    broker: Broker,
    batch: _Batch,
    token: str,
    account: ChannelAccount | None,
    now: datetime,
) -> Way:
    template = batch.templates.variant(template_id, lead.language or broker.language)
    return Way(
        contact=_contact(row, lead, channel, template, broker, batch, account),
        around=_surroundings(row, lead, channel, template, broker, batch, token, now),
        template_id=template_id,
        template=template,
        has_account=account is not None,
        plain_text=_plain_text(lead, broker, token),
    )


def _contact(
    row: Row,
    lead: LeadFacts,
    channel: str,
    template: Template | None,
    broker: Broker,
    batch: _Batch,
    account: ChannelAccount | None,
) -> ContactFacts:
    return contact_facts(
        lead=lead,
        broker=broker,
        channel=channel,
        purpose=_purpose(lead, template, batch),
        permissions=batch.permissions.concerning(lead, row.sandbox),
        recent=row.recent,
        recent_channels=row.recent_channels,
        reserved=row.rivals,
        window_open=_is_window_open(row, lead, channel, batch, account),
        has_provider_template=template is not None and bool(template.provider_template_id),
        free_at=free_at(account, batch.heard.get(lead.id) if channel == TELEGRAM else None),
    )


def _is_window_open(row: Row, lead: LeadFacts, channel: str, batch: _Batch, account: ChannelAccount | None) -> bool:
    """Only WhatsApp has such a window, and the sandbox has none: no template can be approved there."""
    if channel != WHATSAPP or row.sandbox:
        return True
    return account is not None and (lead.id, account.pk) in batch.conversations


def _purpose(lead: LeadFacts, template: Template | None, batch: _Batch) -> str:
    """A campaign's step is transactional only while the lead has a live appointment that its template speaks of."""
    is_transactional = template is not None and template.is_about_appointment and lead.id in batch.appointments
    return "transactional" if is_transactional else "marketing"


def _surroundings(
    row: Row,
    lead: LeadFacts,
    channel: str,
    template: Template | None,
    broker: Broker,
    batch: _Batch,
    token: str,
    now: datetime,
) -> Surroundings:
    spoken = template.variables if template is not None else frozenset()
    return Surroundings(
        broker_name=broker.name,
        timezone=local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=broker.timezone),
        language=template.language if template else broker.language,
        now=now,
        agent_name=row.agent_name,
        agent_phone=row.agent_phone,
        property_ref=batch.properties.get(lead.id, ""),
        booking_link=booking_url(token) if token else "",
        unsubscribe_link=unsubscribe_url(**_reached(lead, channel)) if "unsubscribe_link" in spoken else "",
        preferences_link=preferences_url(**_reached(lead, channel)) if "preferences_link" in spoken else "",
        telegram_link=_telegram_link(lead, batch) if "telegram_link" in spoken else "",
        appointment_at=batch.appointments.get(lead.id),
    )


def _reached(lead: LeadFacts, channel: str) -> dict[str, Any]:
    """Whom a signed link speaks of."""
    return {
        "broker_id": lead.broker_id,
        "lead_id": lead.id,
        "channel": channel,
        "address": address_of(lead, channel),
    }


def _telegram_link(lead: LeadFacts, batch: _Batch) -> str:
    """To the brokerage's own bot, from the sandbox too: there is none behind its phone."""
    bot = batch.accounts.get(lead.broker_id, TELEGRAM, sandbox=False)
    return telegram_link(bot=bot.sender, broker_id=lead.broker_id, lead_id=lead.id) if bot else ""


def _plain_text(lead: LeadFacts, broker: Broker, token: str) -> str:
    """What a meeting's invitation says when its step has no template."""
    if not token:
        return ""
    with translation.override(lead.language or broker.language):
        return _("%(broker)s would like to meet you. Choose a time here: %(link)s") % {
            "broker": broker.name,
            "link": booking_url(token),
        }
