"""The true funnel: of those who entered one stage, how many reached another, and how fast; and by source."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from leads.figures.history import MOVES, TAKEN_OVER, Spread, filled, in_period, measured, share, spread
from leads.figures.scope import Scope
from leads.models import Stage
from leads.statements import fetched


@dataclass(frozen=True, slots=True)
class Passage:
    """From one stage to another. `entered` are leads, each once; `too_young` ones had not their days yet, and count
    nowhere else."""

    from_stage: str
    to_stage: str
    entered: int
    too_young: int
    reached: int
    took: Spread

    @property
    def share(self) -> float | None:
        return share(self.reached, self.entered)


@dataclass(frozen=True, slots=True)
class SourceConversion:
    """Leads that arrived from a source, and how many of them reached the goal."""

    source: str
    arrived: int
    too_young: int
    reached: int
    took: Spread

    @property
    def share(self) -> float | None:
        return share(self.reached, self.arrived)


def _next(stage: str) -> str:
    return f"min(at) FILTER (WHERE to_stage = '{stage}') OVER later AS to_{stage}"


def _reached(stage: str) -> str:
    known = f"FILTER (WHERE NOT is_young AND to_{stage} <= until)"
    return f"count(*) {known}, {spread(f'to_{stage} - at')} {known}"


# Each move with the next one into every stage, in one pass from the newest: joining moves with moves takes twice as
# long. `within` is null for "whenever": then nobody is too young.
FUNNEL = f"""
WITH {MOVES}, followed AS (
    SELECT lead_id, to_stage, at, id, {", ".join(map(_next, Stage.values))}
    FROM moves WHERE is_seen
    WINDOW later AS (PARTITION BY lead_id ORDER BY at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), entered AS (
    SELECT DISTINCT ON (lead_id, to_stage) *, coalesce(at > %(now)s - %(within)s::interval, false) AS is_young,
           coalesce(at + %(within)s::interval, 'infinity') AS until
    FROM followed WHERE {in_period("at")}
    ORDER BY lead_id, to_stage, at, id
)
SELECT to_stage, count(*) FILTER (WHERE NOT is_young), count(*) FILTER (WHERE is_young),
       {", ".join(map(_reached, Stage.values))}
FROM entered GROUP BY to_stage
"""

SOURCES = f"""
WITH {MOVES}, {TAKEN_OVER}, arrived AS (
    SELECT c.id, c.source, c.created_at, coalesce(c.created_at > %(now)s - %(within)s::interval, false) AS is_young
    FROM chosen c
    WHERE {in_period("c.created_at")} AND c.created_at <= %(now)s
      AND NOT EXISTS (SELECT FROM taken_over o WHERE o.lead_id = c.id)
), reached AS (
    SELECT lead_id, min(at) AS at FROM moves WHERE is_seen AND to_stage = %(goal)s GROUP BY lead_id
), told AS (
    SELECT a.source, a.is_young, r.at - a.created_at AS took
    FROM arrived a LEFT JOIN reached r ON r.lead_id = a.id AND NOT a.is_young
     AND (%(within)s::interval IS NULL OR r.at <= a.created_at + %(within)s::interval)
)
SELECT source, count(*) FILTER (WHERE NOT is_young), count(*) FILTER (WHERE is_young), count(took), {spread("took")}
FROM told GROUP BY source ORDER BY count(*) DESC, source
"""


def funnel(scope: Scope, *, within_days: int | None = None) -> list[Passage]:
    """Every ordered pair of different stages, in the order of the pipeline. One query."""
    rows = fetched(*filled(FUNNEL, scope, within=_interval(within_days)))
    told = {stage: _passages(stage, *counts) for stage, *counts in rows}
    return [passage for stage in Stage.values for passage in told.get(stage) or _passages(stage, 0, 0)]


def _passages(start: str, entered: int, too_young: int, *reached: Any) -> list[Passage]:
    """From one stage to each other one; `reached` are a count and its percentiles for every stage."""
    counts = dict(zip(Stage.values, zip(reached[::2], reached[1::2], strict=True), strict=False))
    nobody = 0, None
    return [
        Passage(start, to, entered, too_young, *measured(counts.get(to, nobody))) for to in Stage.values if to != start
    ]


def conversion_by_source(
    scope: Scope, *, goal: str = Stage.GANADO, within_days: int | None = None
) -> list[SourceConversion]:
    """Leads that arrived in the period by their own source, the largest first. One query."""
    rows = fetched(*filled(SOURCES, scope, goal=goal, within=_interval(within_days)))
    return [SourceConversion(*measured(row)) for row in rows]


def _interval(days: int | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)
