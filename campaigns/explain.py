"""Why a lead is, or is not, in a campaign; why each step went as it did; and what the next one waits for.

The answers come from the same `decide`, the same filters and the stored evidence as the engine's own.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from brokers.models import Platform
from brokers.refusal import Refused
from campaigns.decisions import Act, Decision, Exit, Postpone, Skip, decide
from campaigns.enrollment import is_held_out
from campaigns.facts import load
from campaigns.models import Campaign, CampaignLog, CampaignStatus, Enrollment, EnrollmentStatus, LogStatus, Trigger
from campaigns.reasons import CHECKS, explained, remedy
from campaigns.triggers import Window, became
from leads.filters import LeadFilter
from leads.models import Lead
from messaging.policy import Check


@dataclass(frozen=True, slots=True)
class StepStory:
    """One row of the log: what became of it, and the checks that were made."""

    step: int
    action: str
    status: str
    reason: str
    planned_at: datetime
    due_at: datetime
    executed_at: datetime | None
    checks: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NextDecision:
    """What the engine would decide about the pending step at the moment that was asked for."""

    outcome: str
    reason: str
    until: datetime | None
    checks: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One enrolment of the lead."""

    entry: int
    version: int
    status: str
    exit_reason: str
    trigger: str
    evidence: dict[str, Any]
    enrolled_at: datetime
    sandbox: bool
    steps: list[StepStory]
    next: NextDecision | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`entries` tell what happened; `obstacles` what keeps the lead from entering (again) now."""

    campaign_id: int
    lead_id: int
    at: datetime
    entries: list[Entry] = field(default_factory=list)
    obstacles: list[Check] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def explain(campaign: Campaign, lead: Lead, now: datetime) -> Explanation:
    """Raises Refused `lead_unknown` for a lead of another brokerage."""
    if lead.broker_id != campaign.broker_id:
        raise Refused("lead_unknown", f"lead={lead.pk} is no lead of this campaign's brokerage")
    enrolments = list(Enrollment.objects.filter(campaign=campaign, lead=lead).order_by("entry", "sandbox"))
    return Explanation(
        campaign_id=campaign.pk,
        lead_id=lead.pk,
        at=now,
        entries=[_entry(campaign, row, now) for row in enrolments],
        obstacles=list(_entering(campaign, lead, enrolments, now)),
    )


def _entry(campaign: Campaign, row: Enrollment, now: datetime) -> Entry:
    logs = list(CampaignLog.objects.filter(enrollment=row).order_by("step_number"))
    return Entry(
        entry=row.entry,
        version=row.version,
        status=row.status,
        exit_reason=row.exit_reason,
        trigger=row.trigger,
        evidence=row.evidence,
        enrolled_at=row.enrolled_at,
        sandbox=row.sandbox,
        steps=[_story(log) for log in logs],
        next=next((_next(campaign, log, now) for log in logs if log.status == LogStatus.PENDING), None),
    )


def _story(log: CampaignLog) -> StepStory:
    return StepStory(
        step=log.step_number,
        action=log.action,
        status=log.status,
        reason=log.reason,
        planned_at=log.planned_at,
        due_at=log.due_at,
        executed_at=log.executed_at,
        checks=log.response.get("checks", []),
    )


def _next(campaign: Campaign, log: CampaignLog, now: datetime) -> NextDecision | None:
    if log.dispatched_at is not None:
        return NextDecision("in_flight", "", log.lease_until, [])
    reason = _standstill(campaign)
    if reason:
        return NextDecision("waits", reason, None, [])
    due = load([log.pk], max(now, log.due_at))
    return _described(decide(due[0].facts, max(now, log.due_at)), log.due_at, now) if due else None


def _standstill(campaign: Campaign) -> str:
    """Why nothing at all is decided for this campaign; '' when it runs."""
    if campaign.status != CampaignStatus.ACTIVE:
        return "campaign_paused"
    if not campaign.broker.is_active:
        return "broker_inactive"
    if Platform.objects.filter(sending_paused_at__isnull=False).exists():
        return "platform_stopped"
    return "sending_stopped" if campaign.broker.sending_paused_at else ""


def _described(decision: Decision, due_at: datetime, now: datetime) -> NextDecision:
    checks = [check.as_json() for check in decision.checks]
    if isinstance(decision, Postpone):
        return NextDecision("postpone", decision.reason, decision.until, checks)
    if isinstance(decision, Skip | Exit):
        return NextDecision(type(decision).__name__.lower(), decision.reason, None, checks)
    assert isinstance(decision, Act)
    return NextDecision("act", "", due_at if due_at > now else None, checks)


def _entering(campaign: Campaign, lead: Lead, enrolments: list[Enrollment], now: datetime) -> Iterator[Check]:
    """What stands between this lead and (another) entry; every question is answered, not only the first."""
    yield Check("campaign_active", campaign.status == CampaignStatus.ACTIVE, {"status": campaign.status})
    yield Check("lead_present", lead.deleted_at is None)
    yield _reentry(campaign, enrolments, now)
    room = campaign.max_contacts is None or campaign.enrolled_count < campaign.max_contacts
    yield Check("room", room, {"enrolled": campaign.enrolled_count, "max_contacts": campaign.max_contacts})
    held = is_held_out(campaign.pk, lead.pk, campaign.holdout_percent)
    yield Check("not_held_out", not held, {"percent": campaign.holdout_percent})
    if campaign.triggered_by != Trigger.MANUAL:
        yield from _trigger(campaign, lead, now)


def _reentry(campaign: Campaign, enrolments: list[Enrollment], now: datetime) -> Check:
    """An entry that runs blocks; a finished one does until the re-entry days are over, or for ever."""
    last = enrolments[-1] if enrolments else None
    if last is None:
        return Check("may_enter", True, {"entries": 0})
    values = {"entries": len(enrolments), "reentry_after_days": campaign.reentry_after_days}
    if last.status == EnrollmentStatus.ACTIVE or campaign.reentry_after_days is None:
        return Check("may_enter", False, values)
    free_at = (last.finished_at or last.enrolled_at) + timedelta(days=campaign.reentry_after_days)
    return Check("may_enter", free_at <= now, values | {"free_at": free_at.isoformat()})


def _trigger(campaign: Campaign, lead: Lead, now: datetime) -> Iterator[Check]:
    this_lead = Lead.objects.filter(pk=lead.pk)
    for clause in LeadFilter.clauses(campaign.trigger_condition, now=now):
        yield Check("trigger", this_lead.filter(clause.q).exists(), {"key": clause.key, "value": clause.value})
    since = campaign.collects_from
    happened = since is not None and became(campaign, Window(since, now))[0].filter(pk=lead.pk).exists()
    yield Check("became_true", happened, {"since": since.isoformat() if since else None})


def as_text(explanation: Explanation) -> str:
    """The explanation in sentences, in the active language."""
    lines = [line for entry in explanation.entries for line in _entry_lines(entry)]
    if not explanation.entries:
        lines.append(_("The lead was never in this campaign."))
    lines.append(_("Could it enter now?"))
    lines += [f"  {_check_line(check.as_json())}" for check in explanation.obstacles]
    return "\n".join(lines)


def _entry_lines(entry: Entry) -> Iterator[str]:
    yield _("Entry %(entry)s, %(at)s, by %(trigger)s: %(status)s%(why)s") % {
        "entry": entry.entry,
        "at": f"{entry.enrolled_at:%Y-%m-%d %H:%M %Z}",
        "trigger": Trigger(entry.trigger).label,
        "status": EnrollmentStatus(entry.status).label,
        "why": f" – {explained(entry.exit_reason)}" if entry.exit_reason else "",
    }
    for story in entry.steps:
        yield from _story_lines(story)
    if entry.next is not None:
        yield from _next_lines(entry.next)


def _story_lines(story: StepStory) -> Iterator[str]:
    at = story.executed_at or story.due_at
    status = LogStatus(story.status).label
    yield f"  {story.step}. {story.action}: {status}, {at:%Y-%m-%d %H:%M %Z}"
    if story.reason:
        yield f"     {explained(story.reason)} {remedy(story.reason)}"
    yield from (f"     {_check_line(check)}" for check in story.checks)


def _next_lines(decision: NextDecision) -> Iterator[str]:
    outcomes = {
        "act": _("it would go out"),
        "in_flight": _("it is with the provider"),
        "waits": _("it waits"),
        "postpone": _("it would be postponed"),
        "skip": _("it would be skipped"),
        "exit": _("the enrolment would end"),
    }
    until = f", {decision.until:%Y-%m-%d %H:%M %Z}" if decision.until else ""
    yield f"  → {outcomes[decision.outcome]}{until}"
    if decision.reason:
        yield f"     {explained(decision.reason)} {remedy(decision.reason)}"
    yield from (f"     {_check_line(check)}" for check in decision.checks)


def _check_line(check: dict[str, Any]) -> str:
    values = ", ".join(f"{key}={value}" for key, value in check.items() if key not in ("check", "passed"))
    label = CHECKS.get(check["check"], check["check"])
    return f"{'✓' if check['passed'] else '✗'} {label}{f' ({values})' if values else ''}"
