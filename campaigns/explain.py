"""Why a lead is, or is not, in a campaign; why each step went as it did; and what the next one waits for.

The answers come from the same `decide`, the same filters and the stored evidence as the engine's own. `as_text` in
campaigns.telling puts them in sentences.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from brokers.models import Platform
from brokers.refusal import Refused
from campaigns.decisions import Act, Decision, Postpone, Skip, decide
from campaigns.enrollment import is_held_out
from campaigns.facts import Due, load
from campaigns.models import Campaign, CampaignLog, CampaignStatus, Enrollment, EnrollmentStatus, LogStatus, Trigger
from campaigns.triggers import Window, became
from leads.filters import LeadFilter, found_by
from leads.models import Lead
from messaging.policy import Check
from messaging.slots import is_paced

# More postponements in a row than this are foreseen by nobody.
FORESIGHT = 20


@dataclass(frozen=True, slots=True)
class StepStory:
    """One row of the log: what became of it, and the checks that were made."""

    step: int
    action: str
    channel: str
    status: str
    reason: str
    planned_at: datetime
    due_at: datetime
    executed_at: datetime | None
    checks: list[dict[str, Any]]
    said: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NextDecision:
    """What the engine would decide about the pending step at the moment that was asked for.

    `until` is when it would look again; `first_at` the first moment at which the step could be carried out if nothing
    but the time changes (None: never); `to_change` are the reason codes of what would have to change for that.
    """

    outcome: str
    reason: str
    until: datetime | None
    checks: list[dict[str, Any]]
    first_at: datetime | None = None
    to_change: list[str] = field(default_factory=list)


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
    """`entries` tell what happened; `obstacles` what keeps the lead from entering (again) now, `may_enter_at` the first
    moment at which nothing does if only time goes by (None: something else must change). `timezone` is the broker's."""

    campaign_id: int
    lead_id: int
    at: datetime
    timezone: str
    entries: list[Entry] = field(default_factory=list)
    obstacles: list[Check] = field(default_factory=list)
    may_enter_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"obstacles": [check.as_json() for check in self.obstacles]}


def explain(campaign: Campaign, lead: Lead, now: datetime) -> Explanation:
    """Raises Refused `lead_unknown` for a lead of another brokerage."""
    if lead.broker_id != campaign.broker_id:
        raise Refused("lead_unknown", f"lead={lead.pk} is no lead of this campaign's brokerage")
    enrolments = list(Enrollment.objects.filter(campaign=campaign, lead=lead).order_by("entry", "sandbox"))
    obstacles = list(_entering(campaign, lead, enrolments, now))
    return Explanation(
        campaign_id=campaign.pk,
        lead_id=lead.pk,
        at=now,
        timezone=campaign.broker.timezone,
        entries=[_entry(campaign, row, now) for row in enrolments],
        obstacles=obstacles,
        may_enter_at=_may_enter_at(obstacles, now),
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
        channel=log.channel,
        status=log.status,
        reason=log.reason,
        planned_at=log.planned_at,
        due_at=log.due_at,
        executed_at=log.executed_at,
        checks=log.response.get("checks", []),
        said=log.response.get("said", []),
    )


def _next(campaign: Campaign, log: CampaignLog, now: datetime) -> NextDecision:
    if log.dispatched_at is not None:
        return NextDecision("in_flight", "", log.lease_until, [])
    moment = max(now, log.due_at)
    due = load([log.pk], moment)
    if not due:
        return NextDecision("waits", "internal_error", None, [], None, ["internal_error"])
    decision = decide(due[0].facts, moment)
    following = _described(decision, log.due_at, now)
    reason = _standstill(campaign)
    if reason:
        return NextDecision("waits", reason, None, following.checks, None, [reason, *following.to_change])
    first_at, obstacle = _first_moment(log, due[0], decision, moment)
    return NextDecision(
        following.outcome, following.reason, following.until, following.checks, first_at, [obstacle] if obstacle else []
    )


def _first_moment(log: CampaignLog, due: Due, decision: Decision, moment: datetime) -> tuple[datetime | None, str]:
    """When the step is carried out if nothing happens but that time goes by; else what stands in its way for good."""
    for _round in range(FORESIGHT):
        if not isinstance(decision, Postpone):
            break
        moment = decision.until
        found = load([log.pk], moment)
        if not found:
            return None, "internal_error"
        due, decision = found[0], decide(found[0].facts, moment)
    if isinstance(decision, Act):
        return _slot(due, decision, moment), ""
    return None, getattr(decision, "reason", "")


def _slot(due: Due, act: Act, moment: datetime) -> datetime:
    account = due.accounts[act.way] if due.accounts else None
    is_waited_for = account is not None and account.next_slot_at is not None and is_paced(account, moment)
    return max(moment, account.next_slot_at) if account and account.next_slot_at and is_waited_for else moment


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
    if isinstance(decision, Act):
        return NextDecision("act", "", due_at if due_at > now else None, checks)
    outcome, reason = "skip" if isinstance(decision, Skip) else "exit", getattr(decision, "reason", "")
    return NextDecision(outcome, reason, None, checks, None, [reason])


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


def _may_enter_at(obstacles: list[Check], now: datetime) -> datetime | None:
    """Only the re-entry rule gives way to time alone; a trigger asks for something to happen."""
    missing = [check for check in obstacles if not check.passed]
    if not missing:
        return now
    free_at = missing[0].values.get("free_at") if len(missing) == 1 else None
    return datetime.fromisoformat(free_at) if free_at else None


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
    """The trigger's condition clause by clause, and whether it came true while the campaign was looking."""
    this_lead = Lead.objects.filter(pk=lead.pk)
    since = campaign.collects_from
    try:
        for clause in LeadFilter.clauses(campaign.trigger_condition, now=now):
            values = {"key": clause.key, "value": clause.value} | found_by(lead, clause.key)
            yield Check("trigger", this_lead.filter(clause.q).exists(), values)
        happened = since is not None and became(campaign, Window(since, now))[0].filter(pk=lead.pk).exists()
    except Refused as refused:
        yield Check("trigger", False, {"error": str(refused)})
        return
    yield Check("became_true", happened, {"since": since.isoformat() if since else None})
