import json
from argparse import ArgumentParser
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from brokers.commands import Command as BaseCommand
from brokers.refusal import Refused
from campaigns.engine import work_off
from campaigns.enrollment import chosen_leads, enroll_leads
from campaigns.models import Campaign, Trigger
from leads.filters import LeadFilter
from leads.models import Lead
from messaging.clock import SystemClock


class Command(BaseCommand):
    help = "Enrol leads in an active campaign by hand, then carry out what is due."
    example = """manage.py run_campaign 7 --filter '{"score_min": 40}' --dry-run"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("campaign", type=int, help="the campaign's id")
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument("--leads", help="ids, separated by commas: 1,2,3")
        chosen.add_argument("--filter", help="""a condition as JSON: '{"score_min": 40}'""")
        chosen.add_argument("--all", action="store_true", help="every lead of the brokerage")
        parser.add_argument("--dry-run", action="store_true", help="say how many would enter; change nothing")

    def perform(self, **options: Any) -> None:
        now = datetime.now(UTC)
        campaign = Campaign.objects.select_related("broker").filter(pk=options["campaign"]).first()
        if campaign is None:
            raise Refused("campaign_unknown", f"campaign={options['campaign']} does not exist")
        leads = _chosen(campaign, options, now)
        with transaction.atomic() if options["dry_run"] else nullcontext():
            intake = enroll_leads(campaign=campaign, leads=leads, trigger=Trigger.MANUAL, now=now)
            if options["dry_run"]:
                transaction.set_rollback(True)
        steps = {} if options["dry_run"] else dict(work_off(clock=SystemClock(), broker=campaign.broker).steps)
        data = {
            "dry_run": options["dry_run"],
            "candidates": intake.candidates,
            "enrolled": intake.enrolled,
            "held_out": intake.held_out,
            "left_out": intake.left_out,
            "steps": steps,
        }
        self.answer(data, _text(campaign, data), as_json=options["json"])


def _chosen(campaign: Campaign, options: dict[str, Any], now: datetime) -> Any:
    leads = Lead.objects.present().filter(broker=campaign.broker_id)
    if options["all"]:
        return leads
    if options["leads"] is not None:
        return chosen_leads(campaign, _ids(options["leads"]))
    condition = _condition(options["filter"])
    if not condition:
        raise Refused("filter_invalid", f"filter={options['filter']!r} would be everybody; if that is meant, use --all")
    return LeadFilter.apply(leads, condition, now=now)


def _ids(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not part.isdecimal()]
    if wrong or not parts:
        raise Refused("leads_invalid", f"leads={text!r} is not allowed; use ids separated by commas, such as 1,2,3")
    return [int(part) for part in parts]


def _condition(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(
            "filter_invalid",
            f"filter={text!r} is no JSON ({error}); use one such as "
            """'{"score_min": 40}'""",
        ) from error


def _text(campaign: Campaign, data: dict[str, Any]) -> str:
    would = "would be " if data["dry_run"] else ""
    lines = [
        f"{campaign.name}: {data['enrolled']} of {data['candidates']} leads {would}enrolled, "
        f"{data['held_out']} held out, {data['left_out']} left out (in already, may not enter again, or no room)."
    ]
    return "\n".join(lines + [f"  {count} {what}" for what, count in sorted(data["steps"].items()) if count])
