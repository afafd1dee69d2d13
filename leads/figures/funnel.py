"""The true funnel: of those who entered one stage, how many reached another, and how fast; and by source."""

from dataclasses import dataclass
from datetime import timedelta

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


# `within` is null for "whenever": then nobody is too young.
FUNNEL = f"""
WITH {MOVES}, entered AS (
    SELECT DISTINCT ON (lead_id, to_stage) lead_id, to_stage AS stage, at, id,
           coalesce(at > %(now)s - %(within)s::interval, false) AS is_young
    FROM moves WHERE is_seen AND {in_period("at")}
    ORDER BY lead_id, to_stage, at, id
), reached AS (
    SELECT e.stage, m.to_stage, min(m.at) - e.at AS took
    FROM entered e JOIN moves m ON m.lead_id = e.lead_id AND m.to_stage <> e.stage AND (m.at, m.id) > (e.at, e.id)
    WHERE m.is_seen AND NOT e.is_young AND (%(within)s::interval IS NULL OR m.at <= e.at + %(within)s::interval)
    GROUP BY e.lead_id, e.stage, e.at, m.to_stage
)
SELECT stage, NULL, count(*) FILTER (WHERE NOT is_young), count(*) FILTER (WHERE is_young), NULL
FROM entered GROUP BY stage
UNION ALL
SELECT stage, to_stage, count(*), 0, {spread("took")} FROM reached GROUP BY stage, to_stage
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
    entered = {stage: (old, young) for stage, to, old, young, _took in rows if to is None}
    reached = {(stage, to): (count, Spread.of(took)) for stage, to, count, _young, took in rows if to is not None}
    return [
        Passage(start, to, *entered.get(start, (0, 0)), *reached.get((start, to), (0, Spread())))
        for start in Stage.values
        for to in Stage.values
        if start != to
    ]


def conversion_by_source(
    scope: Scope, *, goal: str = Stage.GANADO, within_days: int | None = None
) -> list[SourceConversion]:
    """Leads that arrived in the period by their own source, the largest first. One query."""
    rows = fetched(*filled(SOURCES, scope, goal=goal, within=_interval(within_days)))
    return [SourceConversion(*measured(row)) for row in rows]


def _interval(days: int | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)
