from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.utils import translation

from brokers.commands import Command as BaseCommand
from brokers.models import Broker, User
from brokers.refusal import Refused
from campaigns.figures_report import figures_report
from campaigns.figures_told import report_text
from leads.figures import scope_of

# A hundred years of days: more than any lead takes, and far from the ends of what a date can hold.
LONGEST = 36_500


class Command(BaseCommand):
    help = "Print a brokerage's figures: funnel, time in stage, answers, sources, campaigns (docs/figures.md)."
    example = (
        "manage.py figures --broker aurora --language es\n"
        "  manage.py figures --broker aurora --from 2026-03-01 --to 2026-04-01 --agent camila --json"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--broker", required=True, metavar="SLUG", help="the brokerage's short name")
        parser.add_argument("--from", dest="since", type=_day, metavar="DAY", help="first day that counts")
        parser.add_argument("--to", dest="until", type=_day, metavar="DAY", help="first day that does not")
        parser.add_argument("--agent", metavar="USERNAME", help="the leads that are this agent's now")
        parser.add_argument("--source", help="the leads that came from there")
        parser.add_argument(
            "--within", type=int, metavar="DAYS", help="time to reach a stage; else whenever, 30 days for campaigns"
        )
        parser.add_argument("--sandbox", action="store_true", help="what was played on the sandbox, not what was real")
        parser.add_argument("--language", choices=[code for code, _name in settings.LANGUAGES], default="en")

    def perform(self, **options: Any) -> None:
        broker = _broker(options["broker"])
        narrowing = {name: options[name] for name in ("source", "since", "until")}
        scope = scope_of(broker=broker, now=datetime.now(UTC), agent=_agent(broker, options["agent"]), **narrowing)
        if options["within"] is not None and not 1 <= options["within"] <= LONGEST:
            raise Refused("within_invalid", f"within={options['within']}: use whole days, 1 to {LONGEST}")
        report = figures_report(scope, within_days=options["within"], sandbox=options["sandbox"])
        with translation.override(options["language"]):
            self.answer(report.as_json(), report_text(report), as_json=options["json"])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not allowed; use a day such as 2026-03-01") from None


def _broker(slug: str) -> Broker:
    broker = Broker.objects.filter(slug=slug).first()
    if broker is None:
        raise Refused("broker_unknown", f"broker={slug} does not exist")
    return broker


def _agent(broker: Broker, username: str | None) -> User | None:
    if username is None:
        return None
    agent = User.objects.filter(broker=broker, username=username).first()
    if agent is None:
        raise Refused("agent_unknown", f"agent={username} does not work at {broker}")
    return agent
