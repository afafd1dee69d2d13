"""How long leads stay in a stage, and which have stood there too long."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leads.figures.history import MOVES, UNKNOWN, Spread, filled, in_period, lasting, spread
from leads.figures.scope import Scope
from leads.models import Lead, Stage
from leads.models.lead import OPEN_STAGES
from leads.statements import fetched, named

# A limit is learnt from the stays that ended in so many days, when there were so many.
LEARNT_FROM_DAYS, LEARNT_FROM_STAYS = 180, 20


@dataclass(frozen=True, slots=True)
class StageTime:
    """`ended` stays ended in the period; `open` ones lasted still at its end (or now), `so_far` is their age then."""

    stage: str
    ended: int = 0
    lasted: Spread = UNKNOWN
    p75: timedelta | None = None
    open: int = 0
    so_far: Spread = UNKNOWN
    longest_open: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Stagnation:
    """Of the leads `here`, so many stand still for longer than `limit`: the brokerage's own, else what is usual.

    `limit` is None while nothing is known of the stage; then nobody stands still.
    """

    stage: str
    limit: timedelta | None
    is_own_limit: bool
    here: int
    stagnant: int


@dataclass(frozen=True, slots=True)
class StagnantLead:
    lead_id: int
    name: str
    stage: str
    stage_entered_at: datetime
    last_activity_at: datetime


# A stage that a lead only passed through, on its way by its facts to a later one, is no stay.
STAYS = """passed AS (
    SELECT to_stage AS stage, at, is_seen, lead(at) OVER (PARTITION BY lead_id ORDER BY at, id) AS ended_at FROM moves
), stays AS (
    SELECT * FROM passed WHERE ended_at IS DISTINCT FROM at
)"""

TIMES = f"""
WITH {MOVES}, {STAYS}, told AS (
    SELECT stage, {in_period("ended_at")} AS is_ended, ended_at - at AS lasted, %(as_of)s - at AS so_far,
           at < %(end)s AND (ended_at IS NULL OR ended_at >= %(end)s) AS is_open
    FROM stays WHERE is_seen
)
SELECT stage, count(*) FILTER (WHERE is_ended), {spread("lasted")} FILTER (WHERE is_ended),
       percentile_cont(0.75) WITHIN GROUP (ORDER BY extract(epoch FROM lasted)) FILTER (WHERE is_ended),
       count(*) FILTER (WHERE is_open), {spread("so_far")} FILTER (WHERE is_open),
       extract(epoch FROM max(so_far) FILTER (WHERE is_open))
FROM told GROUP BY stage
"""

# What is usual is learnt from the whole brokerage, whoever asks; `asked` are the leads of the scope.
STAGNANT = f"""
WITH {MOVES}, {STAYS}, usual AS (
    SELECT stage, percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - at)) AS seconds
    FROM stays WHERE is_seen AND ended_at > %(now)s - %(learnt_from)s::interval
    GROUP BY stage HAVING count(*) >= %(learnt_at_least)s
), own AS (
    SELECT key AS stage, value::int * 86400.0 AS seconds FROM jsonb_each_text(%(own)s::jsonb)
), limits AS (
    SELECT stage, coalesce(own.seconds, usual.seconds) AS seconds, own.seconds IS NOT NULL AS is_own
    FROM unnest(%(stages)s::text[]) AS known(stage) LEFT JOIN own USING (stage) LEFT JOIN usual USING (stage)
), standing AS (
    SELECT k.stage, k.seconds, k.is_own, a.*,
           coalesce(greatest(a.stage_entered_at, a.last_activity_at) < %(now)s - k.seconds * interval '1 second', false)
           AS is_stagnant
    FROM limits k LEFT JOIN ({{asked}}) a ON a.pipeline_stage = k.stage
)"""
COUNT = """
SELECT stage, seconds, is_own, count(id), count(id) FILTER (WHERE is_stagnant)
FROM standing GROUP BY stage, seconds, is_own
"""
LIST = """
SELECT id, name, stage, stage_entered_at, last_activity_at FROM standing
WHERE is_stagnant ORDER BY greatest(stage_entered_at, last_activity_at), id LIMIT %(limit)s
"""


def time_in_stage(scope: Scope) -> list[StageTime]:
    """Every stage, in the order of the pipeline. One query."""
    told = {row[0]: _stage_time(*row) for row in fetched(*filled(TIMES, scope))}
    return [told.get(stage, StageTime(stage)) for stage in Stage.values]


def _stage_time(stage: str, ended: int, lasted: Any, p75: Any, here: int, so_far: Any, longest: Any) -> StageTime:
    return StageTime(
        stage,
        ended,
        Spread.of(lasted),
        lasting(p75) if ended else None,
        here,
        Spread.of(so_far),
        lasting(longest) if here else None,
    )


def stagnation(scope: Scope) -> list[Stagnation]:
    """Every open stage, in the order of the pipeline, as it is now, whatever the period. One query."""
    rows = fetched(*_standing(scope, COUNT))
    told = {
        stage: Stagnation(stage, None if seconds is None else lasting(seconds), is_own, *counts)
        for stage, seconds, is_own, *counts in rows
    }
    return [told[stage] for stage in Stage.values if stage in told]


def stagnant_leads(scope: Scope, *, limit: int = 100) -> list[StagnantLead]:
    """The leads that stand still, the longest first. One query."""
    return [StagnantLead(*row) for row in fetched(*_standing(scope, LIST, limit=limit))]


def _standing(scope: Scope, what: str, **params: Any) -> tuple[str, dict[str, Any]]:
    everybody = Scope(scope.broker, Lead.objects.filter(broker=scope.broker), None, None, scope.now)
    asked, named_params = named(
        scope.leads.present()
        .exclude(treatment_type="hold")
        .order_by()
        .values("id", "name", "pipeline_stage", "stage_entered_at", "last_activity_at"),
        "a",
    )
    return filled(
        (STAGNANT + what).replace("{asked}", asked),
        everybody,
        own=json.dumps(scope.broker.stage_limits),
        stages=list(map(str, OPEN_STAGES)),
        learnt_from=timedelta(days=LEARNT_FROM_DAYS),
        learnt_at_least=LEARNT_FROM_STAYS,
        **named_params,
        **params,
    )
