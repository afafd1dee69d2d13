import sys
from dataclasses import asdict
from typing import Any

from brokers.commands import Command as BaseCommand
from campaigns.ledger import Finding, verify


class Command(BaseCommand):
    help = "Check every invariant of the engine over the whole database; exits with 1 and the rows that break one."
    example = "manage.py verify_ledger --json"

    def perform(self, **options: Any) -> None:
        findings = list(verify())
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


def _text(findings: list[Finding], broken: list[Finding]) -> str:
    if not broken:
        return f"The ledger is clean: {len(findings)} invariants hold."
    lines = []
    for finding in broken:
        lines.append(f"{finding.invariant}: {finding.count}")
        lines += [f"  {row.table} {row.row_id}: {row.detail}" for row in finding.rows]
    return "\n".join(lines)
