from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from brokers.commands import Command as BaseCommand
from messaging.accounts import open_brokerage


class Command(BaseCommand):
    help = "Create a brokerage, ready to try everything on the sandbox."
    example = 'manage.py create_broker --name "Inmobiliaria Sur" --slug sur --country CL --timezone America/Santiago'

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--name", required=True)
        parser.add_argument("--slug", required=True, help="short name: small letters, digits, hyphens")
        parser.add_argument("--country", required=True, help="ISO code, such as CL; phones are read as from there")
        parser.add_argument("--timezone", required=True, help="such as America/Santiago")

    def perform(self, **options: Any) -> None:
        given = {key: options[key] for key in ("name", "slug", "country", "timezone")}
        broker = open_brokerage(now=datetime.now(UTC), **given)
        data = {"id": broker.pk, "slug": broker.slug, "currency": broker.currency, "language": broker.language}
        self.answer(data, f"Created brokerage {broker.name} (id {broker.pk}, {broker.slug}).", as_json=options["json"])
