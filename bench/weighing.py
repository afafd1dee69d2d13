"""What a batch asks of the database, and how much memory this process holds."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from bench.database import execute, value
from campaigns.engine import Pass


@dataclass(slots=True)
class Cost:
    """Statements and commits; those that only read, outside a transaction, are no commits."""

    statements: float = 0
    commits: float = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        self.commits -= not context["connection"].in_atomic_block
        return execute(sql, params, many, context)


def cost_of_a_batch(one_pass: Callable[[], Pass]) -> Cost:
    """What a pass costs beyond the same pass again, when nothing is due any more, by batch."""
    busy, done = _counted(one_pass)
    idle, _nothing = _counted(one_pass)
    return Cost((busy.statements - idle.statements) / done.batches, (busy.commits - idle.commits) / done.batches)


def _counted(one_pass: Callable[[], Pass]) -> tuple[Cost, Pass]:
    cost = Cost()
    before = _transactions()
    with connection.execute_wrapper(cost):
        done = one_pass()
    cost.commits += _transactions() - before
    return cost, done


def _transactions() -> int:
    """Those that PostgreSQL has counted so far in this database, the autocommitted ones too."""
    execute("SELECT pg_stat_force_next_flush()")
    return value("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000
