"""What the pipeline's history says, in SQL: the moves that count. Definitions: docs/figures.md."""

from datetime import timedelta
from typing import Any, NamedTuple, Self

from leads.figures.scope import Scope

# NOT IN is one look into a hash whatever the planner expects; an anti-join becomes a loop where it expects few rows.
# A correction back to where a lead had come from takes a move back: neither of the two happened. Any other correction
# is a move like all others. A migration (`is_seen` is false) tells where a lead stood, not when it came there.
MOVES = """
chosen AS ({leads}), taken_back AS (
    SELECT t.id, p.id AS before
    FROM leads_stagetransition t JOIN chosen c ON c.id = t.lead_id
    CROSS JOIN LATERAL (
        SELECT x.id, x.cause, x.from_stage FROM leads_stagetransition x
        WHERE x.lead_id = t.lead_id AND x.at <= t.at AND (x.at, x.id) < (t.at, t.id)
        ORDER BY x.at DESC, x.id DESC LIMIT 1
    ) p
    WHERE t.broker_id = %(broker)s AND t.cause = 'correction' AND t.at <= %(now)s
      AND p.cause <> 'correction' AND p.from_stage = t.to_stage
), struck AS (
    SELECT id FROM taken_back UNION ALL SELECT before FROM taken_back
), moves AS (
    SELECT t.id, t.lead_id, t.to_stage, t.at, t.cause, t.cause <> 'migration' AS is_seen
    FROM leads_stagetransition t JOIN chosen c ON c.id = t.lead_id
    WHERE t.broker_id = %(broker)s AND t.at <= %(now)s AND t.id NOT IN (SELECT id FROM struck)
)"""

# Leads that were taken over with their history: when they came, and what became of them, happened elsewhere.
TAKEN_OVER = """
taken_over AS (
    SELECT lead_id FROM leads_stagetransition
    WHERE broker_id = %(broker)s AND from_stage = '' AND cause = 'migration'
)"""

PERIOD = "{0} >= %(begin)s AND {0} < %(end)s"


def in_period(column: str) -> str:
    return PERIOD.format(column)


class Spread(NamedTuple):
    """How long something took, in whole seconds: half of them no longer than `median`, nine in ten than `p90`."""

    median: timedelta | None = None
    p90: timedelta | None = None

    @classmethod
    def of(cls, seconds: list[float] | None) -> Self:
        return cls(*map(lasting, seconds)) if seconds else cls()


UNKNOWN = Spread()


def measured(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose last column holds percentiles, with these as a Spread."""
    return *row[:-1], Spread.of(row[-1])


SPREAD = "percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM {0}))"


def spread(interval: str) -> str:
    return SPREAD.format(interval)


def lasting(seconds: float) -> timedelta:
    return timedelta(seconds=round(seconds))


def share(part: int, whole: int) -> float | None:
    """Between 0 and 1; of nothing there is no share."""
    return part / whole if whole else None


def filled(statement: str, scope: Scope, *, deleted: bool = False, **params: Any) -> tuple[str, dict[str, Any]]:
    """A statement with the leads of the scope in its place, and its parameters."""
    leads, named = scope.unmerged() if deleted else scope.present()
    return statement.replace("{leads}", leads), scope.moments | named | params
