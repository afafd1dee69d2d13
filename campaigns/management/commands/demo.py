import secrets
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from tqdm import tqdm

from brokers.commands import Command as BaseCommand
from brokers.models import Broker
from campaigns.demo.play import DAYS, play_fortnight, prepare_leads
from campaigns.demo.report import report, report_text
from campaigns.demo.seed import SLUG, found_aurora, start_campaigns
from leads.importer.writing import import_leads
from messaging.clock import VirtualClock

LEADS_FILE = settings.BASE_DIR / "examples" / "leads.csv"
LOGINS_FILE = settings.VAR_DIR / "demo-logins.txt"


class Command(BaseCommand):
    help = "Found the demo brokerage, import its leads, play a fortnight of its campaigns, and report."
    example = "manage.py demo --json"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--once", action="store_true", help="if the brokerage exists already, only show the logins")
        parser.add_argument("--file", type=Path, default=LEADS_FILE, help="the leads to import")

    def perform(self, **options: Any) -> None:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        broker = Broker.objects.filter(slug=SLUG).first()
        if broker is not None and options["once"]:
            self.stdout.write(_logins())
            return
        data = report(broker or self._play(options["file"], now), now)
        self.answer(data, "\n".join([report_text(data), "", _logins()]), as_json=options["json"])
        if not data["ledger"]["clean"]:
            sys.exit(1)

    def _play(self, file: Path, now: datetime) -> Broker:
        """The fortnight that ends now."""
        start = now - timedelta(days=DAYS)
        clock = VirtualClock(start)
        aurora = found_aurora(start, password=secrets.token_urlsafe(9))
        _keep_logins(aurora.password)
        campaigns = start_campaigns(aurora, start)
        counts = import_leads(path=file, broker=aurora.broker, by=aurora.admin, clock=clock.now).counts
        self.stderr.write(f"Imported {file.name}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        prepare_leads(aurora, clock.now())
        with tqdm(total=DAYS * 24, desc="a fortnight, hour by hour", disable=None) as bar:
            play_fortnight(aurora, campaigns[-1], clock, tick=bar.update)
        return aurora.broker


def _logins() -> str:
    return LOGINS_FILE.read_text() if LOGINS_FILE.exists() else ""


def _keep_logins(password: str) -> None:
    """Readable by this user only; `make up` shows them again."""
    lines = [f"  {name:<10} {password}   {what}" for name, what in LOGINS.items()]
    LOGINS_FILE.touch(mode=0o600)
    LOGINS_FILE.write_text("\n".join([f"Sign in at {settings.PUBLIC_URL}/", *lines]) + "\n")


LOGINS = {
    "operador": "operator of the platform",
    "aurora": "broker admin of Inmobiliaria Aurora",
    "camila": "agent",
    "diego": "agent",
}
