"""What a broker wants to know after a fortnight."""

from collections import Counter
from datetime import datetime
from typing import Any

from brokers.models import Broker
from campaigns.explain import explain
from campaigns.ledger import verify
from campaigns.models import Action, Campaign, CampaignLog, Enrollment, EnrollmentStatus, LogStatus
from campaigns.telling import as_text
from leads.models import Lead, Stage


def report(broker: Broker, now: datetime) -> dict[str, Any]:
    """The figures, as data."""
    by_stage = Counter(Lead.objects.present().filter(broker=broker).values_list("pipeline_stage", flat=True))
    campaigns = list(Campaign.objects.filter(broker=broker).order_by("id"))
    findings = list(verify())
    return {
        "leads_by_stage": {stage: by_stage[stage] for stage in Stage.values},
        "campaigns": [_figures(campaign) for campaign in campaigns],
        "explained": _explained(campaigns, now),
        "ledger": {
            "clean": not any(finding.count for finding in findings),
            "checked": len(findings),
            "violations": {finding.invariant: finding.count for finding in findings if finding.count},
        },
    }


def _figures(campaign: Campaign) -> dict[str, Any]:
    enrolled = Counter(Enrollment.objects.filter(campaign=campaign).values_list("status", flat=True))
    logs = CampaignLog.objects.filter(campaign=campaign)
    steps = Counter(logs.values_list("status", "reason"))
    moved = logs.filter(action=Action.UPDATE_STAGE, status=LogStatus.SENT).count()
    return {
        "id": campaign.pk,
        "name": campaign.name,
        "trigger": campaign.triggered_by,
        "enrolled": enrolled.total() - enrolled[EnrollmentStatus.HELD_OUT],
        "held_out": enrolled[EnrollmentStatus.HELD_OUT],
        "sent": _total(steps, LogStatus.SENT) - moved,
        "moved": moved,
        "failed": _reasons(steps, LogStatus.FAILED),
        "skipped": _reasons(steps, LogStatus.SKIPPED),
        "waiting": _total(steps, LogStatus.PENDING),
    }


def _total(steps: Counter[tuple[str, str]], status: str) -> int:
    return sum(count for (its, _reason), count in steps.items() if its == status)


def _reasons(steps: Counter[tuple[str, str]], status: str) -> dict[str, int]:
    found = {reason: count for (its, reason), count in steps.items() if its == status}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _explained(campaigns: list[Campaign], now: datetime) -> list[dict[str, Any]]:
    """Three decisions in full: one sent, one skipped, one that waits."""
    chosen = []
    for status in (LogStatus.SENT, LogStatus.SKIPPED, LogStatus.PENDING):
        log = (
            CampaignLog.objects.filter(campaign__in=campaigns, status=status, step_number__gte=2)
            .order_by("-id")
            .first()
        )
        if log is not None:
            campaign, lead = Campaign.objects.get(pk=log.campaign_id), Lead.objects.get(pk=log.lead_id)
            text = as_text(explain(campaign, lead, now))
            chosen.append({"campaign": campaign.name, "lead": str(lead), "text": text})
    return chosen


def report_text(data: dict[str, Any]) -> str:
    lines = ["Leads by stage"]
    lines += [f"  {Stage(stage).label:<26}{count:>6}" for stage, count in data["leads_by_stage"].items()]
    for figures in data["campaigns"]:
        lines += ["", *_campaign_lines(figures)]
    for story in data["explained"]:
        lines += ["", f"Why? {story['campaign']} · {story['lead']}", story["text"]]
    lines += ["", _ledger_line(data["ledger"])]
    return "\n".join(lines)


def _campaign_lines(figures: dict[str, Any]) -> list[str]:
    lines = [
        f"{figures['name']} ({figures['trigger']})",
        f"  enrolled {figures['enrolled']}, held out {figures['held_out']}, "
        f"sent {figures['sent']}, moved {figures['moved']}, "
        f"failed {sum(figures['failed'].values())}, skipped {sum(figures['skipped'].values())}, "
        f"waiting {figures['waiting']}",
    ]
    lines += [f"    failed   {count:>5}  {reason}" for reason, count in figures["failed"].items()]
    return lines + [f"    skipped  {count:>5}  {reason}" for reason, count in figures["skipped"].items()]


def _ledger_line(ledger: dict[str, Any]) -> str:
    if ledger["clean"]:
        return f"The ledger is clean: {ledger['checked']} invariants hold."
    broken = ", ".join(f"{name} ({count})" for name, count in ledger["violations"].items())
    return f"The ledger is NOT clean: {broken}. See manage.py verify_ledger."
