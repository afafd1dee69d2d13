from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from brokers.actions import find_broker
from brokers.commands import Command as BaseCommand
from leads.actions import recalculate_scores
from leads.actions.recalculating import Recalculation
from leads.models import Lead


class Command(BaseCommand):
    help = (
        "Score and qualify every lead anew, move on those whom the table of auto-advance moves on, and forget\n"
        "appointments whose time has passed. Doing it again changes nothing; Celery's beat does it every night."
    )
    example = "manage.py recalculate_scores --broker aurora --dry-run"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--broker", metavar="SLUG", help="of this brokerage only")
        parser.add_argument("--dry-run", action="store_true", help="say what would change; write nothing")

    def perform(self, **options: Any) -> None:
        broker = find_broker(options["broker"]) if options["broker"] else None
        leads = Lead.objects.present()
        total = (leads.filter(broker=broker) if broker else leads).count()
        with tqdm(total=total, unit=" leads", disable=None) as bar:
            report = recalculate_scores(broker=broker, is_dry_run=options["dry_run"], progress=bar.update)
        self.answer(_data(report), _text(report), as_json=options["json"])


def _data(report: Recalculation) -> dict[str, Any]:
    moves = [{"from": before, "to": after, "leads": count} for (before, after), count in sorted(report.moves.items())]
    return {
        "dry_run": report.is_dry_run,
        "leads": report.leads,
        "scores": report.scores,
        "statuses": report.statuses,
        "qualifications": report.qualifications,
        "moved": report.moved,
        "moves": moves,
    }


def _text(report: Recalculation) -> str:
    would = "would change; nothing was written" if report.is_dry_run else "changed"
    lines = [
        f"{report.leads:,} leads: {report.scores:,} scores, {report.statuses:,} statuses and "
        f"{report.qualifications:,} qualifications {would}; {report.moved:,} leads move on by themselves."
    ]
    lines += [f"  {before} → {after}: {count:,}" for (before, after), count in sorted(report.moves.items())]
    return "\n".join(lines)
