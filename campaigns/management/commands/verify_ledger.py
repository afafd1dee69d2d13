import sys
from argparse import ArgumentParser
from dataclasses import asdict
from textwrap import shorten
from typing import Any

from tqdm import tqdm

from brokers.commands import Command as BaseCommand
from campaigns.ledger import Finding, invariants, readings


class Command(BaseCommand):
    help = "Check every invariant of the engine over the whole database; exits with 1 and the rows that break one."
    example = "manage.py verify_ledger --json\n  manage.py verify_ledger --only caps_hold --only sent_means_accepted"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            choices=invariants(),
            metavar="INVARIANT",
            help="check this one, and others that are given the same way",
        )

    def perform(self, **options: Any) -> None:
        findings = _checked(options["only"])
        broken = [finding for finding in findings if finding.count]
        data = {
            "clean": not broken,
            "checked": len(findings),
            "violations": [asdict(row) for finding in broken for row in finding.rows],
            "counts": {finding.invariant: finding.count for finding in broken},
        }
        self.answer(data, _text(findings, broken), as_json=options["json"])
        if broken:
            sys.exit(1)


def _checked(only: list[str]) -> list[Finding]:
    """All findings, while a bar at the terminal names what is being checked."""
    findings: list[Finding] = []
    with tqdm(readings(only), disable=None) as bar:
        for one in bar:
            names = [name for name in one.invariants if name in only or not only]
            bar.set_description_str(shorten(" ".join(names), 60, placeholder=" …"))
            findings += one.read(names)
    return findings


def _text(findings: list[Finding], broken: list[Finding]) -> str:
    if not broken:
        return f"The ledger is clean: {len(findings)} invariants hold."
    lines = []
    for finding in broken:
        lines.append(f"{finding.invariant}: {finding.count}")
        lines += [f"  {row.table} {row.row_id}: {row.detail}" for row in finding.rows]
        if finding.count > len(finding.rows):
            lines.append(f"  … and {finding.count - len(finding.rows)} more")
    return "\n".join(lines)
