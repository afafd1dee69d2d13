"""What becomes of one due step. Pure: facts and a moment in, a decision with every check that was made out.

The same `decide` serves the engine, `explain` and rehearsals. Reason codes: docs/engine.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from leads.filters import found_by
from messaging.policy import Check, ContactFacts, Verdict, is_revoked, judge
from templates_app.merge import MissingVariable
from templates_app.variables import Surroundings, values_for
from templates_app.variants import Template

LATE_AFTER = timedelta(hours=48)
POSTPONED_TOO_LONG_AFTER = timedelta(days=14)
CLOSED_STAGES = ("ganado", "perdido")
CONTACTS = ("send_message", "make_call", "schedule_meeting")
# What keeps a channel from reaching this lead at all, so that a step's fallback channel takes its place.
FALLS_BACK = frozenset(
    {
        "no_address",
        "address_invalid",
        "unreachable",
        "treatment",
        "needs_template",
        "us_marketing",
        "no_consent",
        "one_channel_a_week",
    }
)


class LeadFacts(NamedTuple):
    """The columns of a lead that decisions and templates read; named as on Lead."""

    id: int
    broker_id: int
    name: str
    phone: str
    email: str
    telegram_chat_id: str
    lead_score: int
    pipeline_stage: str
    assigned_to_id: int | None
    treatment_type: str
    budget_amount: Decimal | None
    income_amount: Decimal | None
    debt_amount: Decimal | None
    dicom_status: str
    location: str
    language: str
    timezone: str
    last_inbound_at: datetime | None
    last_answered_at: datetime | None
    deleted_at: datetime | None
    metadata: dict[str, Any]
    unreachable: dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a version. `channel` is '' for a step that contacts nobody."""

    id: int
    number: int
    action: str
    delay: timedelta
    conditions: Mapping[str, Any]
    channel: str
    target_stage: str = ""
    template_id: int | None = None
    fallback_channel: str = ""
    fallback_template_id: int | None = None

    def ways(self) -> tuple[tuple[str, int | None], ...]:
        """(channel, template id) of each way to make this contact, the preferred one first."""
        preferred = (self.channel, self.template_id)
        return (
            (preferred, (self.fallback_channel, self.fallback_template_id)) if self.fallback_channel else (preferred,)
        )


# Not frozen, as the facts below: a batch makes thousands of them.
@dataclass(slots=True)
class Way:
    """One way to make a contact: the channel with what it says, to whom, and whether there is an account for it."""

    contact: ContactFacts
    around: Surroundings
    template_id: int | None
    template: Template | None
    has_account: bool
    plain_text: str = ""

    @property
    def channel(self) -> str:
        return self.contact.channel


@dataclass(slots=True)
class StepFacts:
    """Everything `decide` looks at. Moments are aware; `reached` are the stages entered since the enrolment."""

    log_id: int
    enrollment_id: int
    attempts: int
    planned_at: datetime
    due_at: datetime
    enrolled_at: datetime
    exit_on_reply: bool
    goal_stage: str
    step: Step
    lead: LeadFacts
    booked_at: datetime | None
    reached: frozenset[str]
    conditions: tuple[tuple[str, Any, bool], ...]
    human_contact_days: int
    ways: tuple[Way, ...] = ()
    cancellations: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    checks: tuple[Check, ...] = field(kw_only=True, default=())


@dataclass(frozen=True, slots=True)
class Act(Decision):
    """Do it now; a contact carries its text, what its variables became, why it is allowed, and which of the step's
    ways it takes."""

    way: int = 0
    subject: str = ""
    body: str = ""
    variables: tuple[str, ...] = ()
    basis: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skip(Decision):
    """The step is over; the enrolment goes on. `is_failure` where something is wrong rather than not wanted."""

    reason: str
    is_failure: bool = False


@dataclass(frozen=True, slots=True)
class Postpone(Decision):
    """Only the moment is wrong: look again at `until`; `channel` where it is another one's pace that it waits for."""

    until: datetime
    reason: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Exit(Decision):
    """The enrolment ends here."""

    reason: str


def decide(facts: StepFacts, now: datetime) -> Decision:
    """Ask in the order of docs/engine.md: has it ended, is it too late, do the conditions hold, is a person on it,
    and for a contact: is there something to say, somebody to say it with, and may we?"""
    checks: list[Check] = []
    for ask in (_ended, _lateness, _conditions, _person):
        decision = ask(facts, now, checks)
        if decision is not None:
            return decision
    if facts.step.action not in CONTACTS:
        return Act(checks=tuple(checks))
    return _contact(facts, now, checks)


def _ended(facts: StepFacts, now: datetime, checks: list[Check]) -> Decision | None:
    reason = exit_reason(facts)
    checks.append(Check("exits", not reason))
    return Exit(reason, checks=tuple(checks)) if reason else None


def exit_reason(facts: StepFacts) -> str:
    """Why the enrolment is over: what happened after it began, and states that always count. '' if it is not."""
    lead, since = facts.lead, facts.enrolled_at
    if lead.deleted_at is not None:
        return "deleted"
    if lead.treatment_type == "hold":
        return "hold"
    if facts.exit_on_reply and lead.last_inbound_at is not None and lead.last_inbound_at > since:
        return "replied"
    if facts.booked_at is not None:
        return "booked"
    if facts.goal_stage in facts.reached:
        return "goal_reached"
    return "closed" if facts.reached.intersection(CLOSED_STAGES) else ""


def _lateness(facts: StepFacts, now: datetime, checks: list[Check]) -> Decision | None:
    late = now - facts.due_at > LATE_AFTER
    postponed = now - facts.planned_at > POSTPONED_TOO_LONG_AFTER
    reason = "late" if late else "postponed_too_long" if postponed else ""
    checks.append(Check("in_time", not reason, {"planned_at": facts.planned_at.isoformat()}))
    return Skip(reason, checks=tuple(checks)) if reason else None


def _person(facts: StepFacts, now: datetime, checks: list[Check]) -> Decision | None:
    """A lead that an agent follows up gets no automation, and nobody is contacted while a person talks with them."""
    if facts.lead.treatment_type == "manual_follow_up":
        if facts.ways and is_revoked(facts.ways[0].contact):
            return Exit("opted_out", checks=tuple(checks))
        checks.append(Check("automation", False, {"treatment": "manual_follow_up"}))
        return Skip("handed_to_agent", checks=tuple(checks))
    answered_at = facts.lead.last_answered_at
    if facts.step.action in CONTACTS and answered_at is not None:
        until = answered_at + timedelta(days=facts.human_contact_days)
        checks.append(Check("human_in_contact", until <= now, {"last_answered_at": answered_at.isoformat()}))
        if until > now:
            return Postpone(until, "human_in_contact", checks=tuple(checks))
    return None


def _conditions(facts: StepFacts, now: datetime, checks: list[Check]) -> Decision | None:
    checks += [
        Check("condition", held, {"key": key, "value": value} | ({} if held else found_by(facts.lead, key)))
        for key, value, held in facts.conditions
    ]
    broken = next((key for key, _, held in facts.conditions if not held), "")
    return Skip(f"condition:{broken}", checks=tuple(checks)) if broken else None


def _contact(facts: StepFacts, now: datetime, checks: list[Check]) -> Decision:
    """By the step's own channel, or, where that one does not reach this lead at all, by its fallback; who opted out of
    the one is not written to over the other."""
    first = _by_way(facts, 0, now, checks)
    if len(facts.ways) == 1 or not isinstance(first, Skip | Postpone) or first.reason not in FALLS_BACK:
        return first
    if is_revoked(facts.ways[0].contact):
        return Exit("opted_out", checks=tuple(checks))
    checks.append(Check("fallback", True, {"channel": facts.ways[1].channel, "instead_of": facts.ways[0].channel}))
    second = _by_way(facts, 1, now, checks)
    return replace(first, checks=tuple(checks)) if isinstance(second, Skip) else second


def _by_way(facts: StepFacts, number: int, now: datetime, checks: list[Check]) -> Decision:
    way = facts.ways[number]
    fault = _missing_part(facts, way)
    checks.append(Check("ready", not fault))
    if fault:
        return Skip(fault, is_failure=fault != "no_agent", checks=tuple(checks))
    verdict = judge(way.contact, now)
    checks += verdict.checks
    return _refused(verdict, checks) or _written(facts, number, verdict.basis(), checks)


def _refused(verdict: Verdict, checks: list[Check]) -> Decision | None:
    if verdict.revoked:
        return Exit(verdict.reason, checks=tuple(checks))
    if verdict.until is not None:
        return Postpone(verdict.until, verdict.reason, checks=tuple(checks))
    return None if verdict.allowed else Skip(verdict.reason, checks=tuple(checks))


def _missing_part(facts: StepFacts, way: Way) -> str:
    if way.template_id is not None and (way.template is None or not way.template.is_active):
        return "template_inactive"
    if facts.step.action == "schedule_meeting" and facts.lead.assigned_to_id is None:
        return "no_agent"
    return "" if way.has_account else "no_account"


def _written(facts: StepFacts, number: int, basis: dict[str, Any], checks: list[Check]) -> Decision:
    """The contact with its text; a variable without a value stops it, it never goes out with a hole."""
    way = facts.ways[number]
    if way.template is None:
        return Act(number, body=way.plain_text, basis=basis, checks=tuple(checks))
    values = values_for(facts.lead, way.around, way.template.variables)
    try:
        subject, body = way.template.subject.render(values), way.template.body.render(values)
        variables = spoken(facts.lead, way)
    except MissingVariable as missing:
        checks.append(Check("variables", False, {"missing": missing.name}))
        return Skip(f"missing_variable:{missing.name}", checks=tuple(checks))
    return Act(number, subject, body, variables, basis, checks=tuple(checks))


def spoken(lead: LeadFacts, way: Way) -> tuple[str, ...]:
    """What the variables of a template become that the provider fills in itself; see messaging.base.Envelope. Raises
    MissingVariable."""
    if way.template is None or not way.template.provider_template_id:
        return ()
    return way.template.body.filled(values_for(lead, way.around, way.template.variables))
