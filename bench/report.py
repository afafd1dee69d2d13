"""Runs the suites, prints their table and keeps what each said last in results.json; a quick look is not kept."""

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from django.conf import settings
from django.db import connection

from bench import churn, enrolment, figures, idle, importing, ledger, memory, processes, scores, steps, telegram
from bench.counting import PROVIDERS
from bench.database import fresh_database
from bench.measuring import Line

# One line a suite: the word on the command line, and the function of a scale (1, or 0.1 with --quick).
SUITES: dict[str, Callable[[float], list[Line]]] = {
    "enrolment": enrolment.measure,
    "steps": steps.measure,
    "processes": processes.measure,
    "churn": churn.measure,
    "idle": idle.measure,
    "memory": memory.measure,
    "import": importing.measure,
    "ledger": ledger.measure,
    "scores": scores.measure,
    "telegram": telegram.measure,
    "figures": figures.measure,
}
RESULTS = Path(__file__).with_name("results.json")
HEADER = ("what", "rows", "seconds", "rows/s", "value", "goal", "met")


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parse(arguments)
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDERS}
    lines: list[Line] = []
    for name in chosen.suites or SUITES:
        print(f"{name} …", flush=True)
        began = perf_counter()
        with fresh_database():
            found = SUITES[name](0.1 if chosen.quick else 1.0)
            database = _postgres_version()
        print(f"{name} took {perf_counter() - began:.0f} seconds", flush=True)
        lines += found
        if not chosen.quick:
            record(RESULTS, name, found, database)
    print(_table([HEADER, *map(_cells, lines)]))


def record(path: Path, suite: str, lines: Sequence[Line], database: str) -> None:
    """What the other suites said last stays."""
    known = json.loads(path.read_text(encoding="utf-8"))["suites"] if path.exists() else {}
    known[suite] = {
        "cores": os.cpu_count(),
        "versions": _versions(database),
        "lines": [_as_json(line) for line in lines],
    }
    kept = {name: known[name] for name in SUITES if name in known}
    path.write_text(json.dumps({"suites": kept}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="The hot paths beside their physical floors.")
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], metavar="suite", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows; good for a look, not for a record")
    return parser.parse_args(arguments)


def _postgres_version() -> str:
    major, minor = divmod(connection.pg_version, 10_000)
    return f"{major}.{minor}"


def _versions(database: str) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "django": version("django"),
        "psycopg": version("psycopg"),
        "postgresql": database,
    }


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.what,
        f"{line.rows:,}" if line.rows is not None else "",
        f"{line.seconds:.2f}" if line.seconds is not None else "",
        f"{line.per_second:,.0f}" if line.per_second else "",
        f"{line.value:.2f}" if line.value is not None else "",
        str(line.goal or ""),
        {True: "yes", False: "NO", None: ""}[line.is_met],
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _as_json(line: Line) -> dict[str, Any]:
    """Seconds stay out: they belong to one machine and one day."""
    return {
        "what": line.what,
        "rows": line.rows,
        "value": None if line.value is None else round(line.value, 3),
        "goal": str(line.goal) if line.goal else None,
        "met": line.is_met,
    }
