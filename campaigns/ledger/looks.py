"""Reading tables, and the questions that are asked of each row meanwhile."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db import transaction

from campaigns import sql

# Of each invariant all violations are counted and that many shown.
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that breaks an invariant."""

    invariant: str
    table: str
    row_id: int
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant with the number of rows that break it, and the first of them."""

    invariant: str
    count: int
    rows: list[Violation]


class Broken(NamedTuple):
    """When a row breaks an invariant, and what is wrong with it then: two expressions of SQL."""

    when: str
    says: str


@dataclass(frozen=True, slots=True)
class Look:
    """One statement. `source` stands after FROM, `row` is the id of the row of `table` that a violation names, and
    `broken` are the questions by invariant. A LEFT JOIN to a key costs nothing while no question needs it."""

    table: str
    row: str
    source: str
    broken: Mapping[str, Broken]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is checked in one go: `read` takes the invariants that are asked for, of those that it answers."""

    invariants: tuple[str, ...]
    read: Callable[[Collection[str]], Iterable[Finding]]


# One process with memory enough for its hash tables. More of them would take the cores from whoever works meanwhile,
# and what they share, a container's 64 MB of /dev/shm cannot hold.
SETTINGS = """
SELECT set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', '0', true),
       set_config('jit', 'off', true)
"""
# All conditions are asked of every row at once; which of them it was, only of the few that broke one.
STATEMENT = """
SELECT invariant, id, detail, total
FROM (SELECT asked.invariant, {row} AS id, asked.detail,
             count(*) OVER (PARTITION BY asked.invariant) AS total,
             row_number() OVER (PARTITION BY asked.invariant ORDER BY {row}) AS position
      FROM {source}
      CROSS JOIN LATERAL (VALUES {questions}) AS asked(invariant, is_broken, detail)
      WHERE ({conditions}) AND asked.is_broken) found
WHERE position <= {shown}
ORDER BY invariant, id
"""


def reading(*looks: Look) -> Reading:
    """These looks in one go. The same invariant may be asked of several tables."""
    names = tuple(dict.fromkeys(name for look in looks for name in look.broken))
    return Reading(names, lambda asked: _read(looks, asked))


@transaction.atomic
def _read(looks: Collection[Look], asked: Collection[str]) -> list[Finding]:
    sql.rows(SETTINGS, {})
    found = {name: Finding(name, 0, []) for look in looks for name in look.broken if name in asked}
    for look in looks:
        if not found.keys().isdisjoint(look.broken):
            _add(found, look)
    return list(found.values())


def _add(found: dict[str, Finding], look: Look) -> None:
    totals: dict[str, int] = {}
    for name, row_id, detail, total in sql.rows(statement(look, found), {}):
        totals[name] = total
        if len(found[name].rows) < SHOWN:
            found[name].rows.append(Violation(name, look.table, row_id, detail))
    for name, total in totals.items():
        found[name] = Finding(name, found[name].count + total, found[name].rows)


def statement(look: Look, names: Collection[str]) -> str:
    """The look with those of its questions that are named."""
    asked = {name: broken for name, broken in look.broken.items() if name in names}
    return STATEMENT.format(
        row=look.row,
        source=look.source,
        questions=", ".join(f"('{name}', {broken.when}, {broken.says})" for name, broken in asked.items()),
        conditions=" OR ".join(f"({broken.when})" for broken in asked.values()),
        shown=SHOWN,
    )


def family(lead: str) -> str:
    """After WITH: `family`, the leads that were one with this lead at some time, by merges that stand or not."""
    return f"""RECURSIVE family (id) AS (
        SELECT {lead} UNION
        SELECT CASE WHEN r.into_id = f.id THEN r.gone_id ELSE r.into_id END
        FROM family f JOIN leads_mergerecord r ON f.id IN (r.into_id, r.gone_id))"""


def listed(words: Iterable[str]) -> str:
    """Words as what stands between the brackets of IN ()."""
    return ", ".join(f"'{word}'" for word in words)
