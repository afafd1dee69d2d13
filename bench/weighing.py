"""What a batch asks of the database, and how much memory this process holds."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection

from bench.database import execute, value
from campaigns.engine import Pass


@dataclass(slots=True)
class Cost:
    """Statements, and what they said, and commits; those that only read, outside a transaction, are no commits."""

    statements: float = 0
    commits: float = 0
    said: list[str] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        self.said.append(sql)
        self.commits -= not context["connection"].in_atomic_block
        return execute(sql, params, many, context)


def cost_of_a_batch(one_pass: Callable[[], Pass]) -> Cost:
    """What a pass costs beyond the same pass again, when nothing is due any more, by batch."""
    busy, done = counted(one_pass)
    idle, _nothing = counted(one_pass)
    return Cost((busy.statements - idle.statements) / done.batches, (busy.commits - idle.commits) / done.batches)


def counted(one_pass: Callable[[], Pass]) -> tuple[Cost, Pass]:
    """What it costs in all."""
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


@dataclass(slots=True)
class Read:
    """Rows of large tables: those that sequential scans went through, and those that indexes led to."""

    scanned: int = 0
    found: int = 0


@contextmanager
def rows_read(least: int) -> Iterator[Read]:
    """What this process reads within it from tables of so many rows or more, as PostgreSQL counts it."""
    read, before = Read(), _rows_read(least)
    yield read
    after = _rows_read(least)
    read.scanned, read.found = after[0] - before[0], after[1] - before[1]


def _rows_read(least: int) -> tuple[int, int]:
    execute("SELECT pg_stat_force_next_flush()")
    large = f"FROM pg_stat_user_tables WHERE n_live_tup >= {least}"
    return value(f"SELECT sum(seq_tup_read)::bigint {large}"), value(f"SELECT sum(idx_tup_fetch)::bigint {large}")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000
