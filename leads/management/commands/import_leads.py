import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from brokers.actions import find_broker
from brokers.commands import Command as BaseCommand
from brokers.refusal import Refused
from leads.importer.headers import ALIASES, MappingError, parse_mapping
from leads.importer.writing import Report, import_leads

INTERRUPTED = 130  # what a shell expects after Ctrl-C


class Command(BaseCommand):
    help = (
        "Import a CSV of leads, from a spreadsheet, a portal, HubSpot or Meta. Encoding, separator and columns are\n"
        "found out. Importing a file again changes nothing. Refused lines go to FILE.errors.csv with their reason.\n\n"
        f"keys for --mapping: {', '.join(ALIASES)}, and the brokerage's own fields"
    )
    done: Report
    example = 'manage.py import_leads leads.csv --broker aurora --mapping phone="Tel. contacto" notes=Detalle'

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--broker", required=True, metavar="SLUG")
        parser.add_argument("--mapping", nargs="+", action="extend", default=[], metavar="key=column")
        parser.add_argument(
            "--history", action="store_true", help="honour the file's stages and dates, and fire no campaign"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen; write nothing")

    def perform(self, **options: Any) -> None:
        self.done = Report(options["file"].name)
        try:
            report = self._import(options)
        except KeyboardInterrupt:
            raise CommandError(_interrupted(self.done, options), returncode=INTERRUPTED) from None
        self.answer(_data(report, options), _text(report), as_json=options["json"])

    def _import(self, options: dict[str, Any]) -> Report:
        broker, path = find_broker(options["broker"]), options["file"]
        try:
            mapping = parse_mapping(options["mapping"])
        except MappingError as error:
            raise Refused("mapping_invalid", str(error)) from error
        size = path.stat().st_size if path.is_file() else 0
        with tqdm(total=size, unit="B", unit_scale=True, desc=path.name, disable=not sys.stderr.isatty()) as bar:

            def show(report: Report, bytes_read: int) -> None:
                self.done = report
                bar.update(bytes_read - bar.n)

            return import_leads(
                broker=broker,
                path=path,
                mapping=mapping,
                is_history=options["history"],
                is_dry_run=options["dry_run"],
                progress=show,
            )


def _interrupted(report: Report, options: dict[str, Any]) -> str:
    if options["dry_run"]:
        return "Interrupted; nothing was written."
    return f"Interrupted. {report.lines:,} lines are in and stay; run the same command again to go on."


def _data(report: Report, options: dict[str, Any]) -> dict[str, Any]:
    remarks = [
        {"key": key, "reason": reason, "lines": lines, "first_line": first}
        for (key, reason), (lines, first) in report.remarks.items()
    ]
    return {
        "file": report.file,
        "broker": options["broker"],
        "dry_run": report.is_dry_run,
        "known_file": report.is_known,
        **report.counts,
        "remarks": remarks,
        "errors_file": report.errors_file,
    }


def _text(report: Report) -> str:
    lines = [_headline(report)]
    lines += [f"  {count:>9,}  {meaning}" for count, meaning in _meanings(report) if count]
    lines += [
        f"  {key}: {reason} ({count:,} lines, first line {first})"
        for (key, reason), (count, first) in report.remarks.items()
    ]
    if report.errors_file:
        lines.append(f"The refused lines and why: {report.errors_file}")
    return "\n".join(lines)


def _headline(report: Report) -> str:
    if report.is_known:
        return f"{report.file} was imported before; nothing was changed. Its {report.lines:,} lines:"
    would = " would come out as follows; nothing was written" if report.is_dry_run else ""
    return f"{report.file}: {report.lines:,} lines{would}"


def _meanings(report: Report) -> list[tuple[int, str]]:
    return [
        (report.created, "created: new leads"),
        (report.updated, "updated: asked again, or filled what was empty, of leads known before"),
        (report.merged, "merged: asked again, of leads that this file made"),
        (report.unchanged, "unchanged: imported before"),
        (report.refused, "refused"),
        (
            report.duplicates,
            "of them possible duplicates: the same e-mail, another phone; two leads, both marked",
        ),
        (report.consents, "of them with a consent that was recorded with its proof"),
        (report.opt_outs, "of them with an opt-out that was recorded"),
    ]
