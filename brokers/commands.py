"""What all management commands share: help with an example, refusals as one clear line, `--json`."""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from brokers.refusal import Refused


class Command(BaseCommand):
    """A door for the command line. Subclasses set `help` and `example`, parse, and call one verb in `perform`."""

    example = ""
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs.setdefault("formatter_class", RawDescriptionHelpFormatter)
        kwargs.setdefault("epilog", f"example:\n  {self.example}")
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine output: one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """People at a terminal read English, whatever language a brokerage has."""
        try:
            with translation.override("en"):
                self.perform(**options)
        except Refused as refused:
            lines = "".join(f"\n  - {fault}" for fault in refused.faults)
            raise CommandError(f"{refused.reason}:{lines}" if lines else str(refused)) from refused

    def perform(self, **options: Any) -> None:
        raise NotImplementedError

    def answer(self, data: dict[str, Any], text: str, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(data, default=str, ensure_ascii=False) if as_json else text)
