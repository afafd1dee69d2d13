import sys
from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from brokers.actions import find_broker
from brokers.commands import Command as BaseCommand
from leads.models import Lead
from voice.rebuilding import Rebuilt, rebuild_lead_facts


class Command(BaseCommand):
    help = (
        "Compare what stands on the leads (counts of messages and calls, their moments, next appointment and task)\n"
        "with the rows that it came from. Exits with 1 when anything has drifted and was not mended."
    )
    example = "manage.py rebuild_lead_facts --broker aurora --fix"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--broker", metavar="SLUG", help="of this brokerage only")
        parser.add_argument("--fix", action="store_true", help="write what the rows say, and score those leads anew")

    def perform(self, **options: Any) -> None:
        broker = find_broker(options["broker"]) if options["broker"] else None
        leads = Lead.objects.present()
        total = (leads.filter(broker=broker) if broker else leads).count()
        with tqdm(total=total, unit=" leads", disable=None) as bar:
            report = rebuild_lead_facts(broker=broker, fixes=options["fix"], progress=bar.update)
        self.answer(_data(report), _text(report), as_json=options["json"])
        if report.drifted and not report.is_fixed:
            sys.exit(1)


def _data(report: Rebuilt) -> dict[str, Any]:
    return {
        "fixed": report.is_fixed,
        "leads": report.leads,
        "drifted": report.drifted,
        "columns": dict(sorted(report.columns.items())),
        "examples": [drift._asdict() for drift in report.examples],
    }


def _text(report: Rebuilt) -> str:
    if not report.drifted:
        return f"{report.leads:,} leads: every fact is what the rows say."
    then = "mended" if report.is_fixed else "nothing was written; --fix mends them"
    lines = [f"{report.leads:,} leads, {report.drifted:,} of them have drifted ({then}):"]
    lines += [f"  {count:>9,}  {column}" for column, count in report.columns.most_common()]
    lines += [
        f"  lead {one.lead_id}: {one.column} is {one.stored}, the rows say {one.expected}" for one in report.examples
    ]
    return "\n".join(lines)
