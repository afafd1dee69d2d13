from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from brokers.actions import find_broker
from brokers.commands import Command as BaseCommand
from brokers.models import Broker, Platform
from campaigns.actions import go_on_platform, go_on_sending, stop_platform, stop_sending


class Command(BaseCommand):
    help = "The kill switch: stop all sending, of a brokerage or of the whole platform, and let it go on."
    example = "manage.py sending stop --broker aurora"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("what", choices=("stop", "go-on", "status"), help="status only says what is stopped")
        parser.add_argument("--broker", metavar="SLUG", help="only this brokerage; without it the whole platform")

    def perform(self, **options: Any) -> None:
        now = datetime.now(UTC)
        broker = find_broker(options["broker"]) if options["broker"] else None
        if options["what"] == "stop":
            stop_platform(now=now) if broker is None else stop_sending(broker=broker, now=now)
        elif options["what"] == "go-on":
            go_on_platform(now=now) if broker is None else go_on_sending(broker=broker, now=now)
        data = _status()
        self.answer(data, _text(data), as_json=options["json"])


def _status() -> dict[str, Any]:
    stopped = Broker.objects.filter(sending_paused_at__isnull=False).order_by("slug")
    return {
        "platform": Platform.objects.values_list("sending_paused_at", flat=True).first(),
        "brokers": dict(stopped.values_list("slug", "sending_paused_at")),
    }


def _text(data: dict[str, Any]) -> str:
    lines = [f"{slug}: stopped since {at:%Y-%m-%d %H:%M %Z}" for slug, at in data["brokers"].items()]
    if data["platform"]:
        lines.insert(0, f"The platform: stopped since {data['platform']:%Y-%m-%d %H:%M %Z}")
    return "\n".join(lines) or "Nothing is stopped."
