"""All scores anew: batch by batch, a transaction and a constant number of statements each, in the memory of one."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from brokers.models import Broker
from brokers.rules import BrokerRules
from leads.actions.moves import Move, write_stages, write_steps
from leads.actions.standing import CLOSED, is_backwards
from leads.scoring import INVALID_ADDRESS, ScoreFacts
from leads.standing import Meetings, Outcome, assess, path_of

BATCH = 1_000
NIGHTLY = "nightly"

# What Python takes for nothing said.
_SAID = """coalesce(metadata -> '{key}', 'null') <> ALL (ARRAY['null', '""', '0', 'false', '[]', '{{}}']::jsonb[])"""

# One batch of a brokerage's leads, in the order of their ids; from `name` on the fields of ScoreFacts.
READ = f"""
SELECT id, lead_score, score_components, status, qualification, treatment_type, next_appointment_at,
       name, phone, email, location, CASE WHEN {_SAID.format(key="timeline")} THEN 'x' ELSE '' END,
       budget_amount IS NOT NULL OR {_SAID.format(key="budget")},
       income_amount, debt_amount, dicom_status, inbound_count, quick_reply_count, long_call_count, booking_count,
       call_score, pipeline_stage, opted_out_at IS NOT NULL,
       jsonb_path_exists(unreachable, '$.* ? (@ == "{INVALID_ADDRESS}")'), last_activity_at
FROM leads_lead
WHERE broker_id = %(broker)s AND deleted_at IS NULL AND id > %(after)s
  AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s))
ORDER BY id LIMIT %(size)s
"""
LOCKED = " FOR NO KEY UPDATE"

MEETINGS = """
SELECT lead_id, bool_or(status <> 'completed'), bool_or(status = 'completed'),
       min(starts_at) FILTER (WHERE status <> 'completed' AND starts_at >= %(now)s)
FROM leads_appointment
WHERE lead_id = ANY(%(leads)s) AND status IN ('scheduled', 'confirmed', 'completed')
GROUP BY lead_id
"""
LATEST_MOVES = """
SELECT wanted.id, newest.from_stage, newest.to_stage, newest.cause
FROM unnest(%(leads)s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT from_stage, to_stage, cause FROM leads_stagetransition
    WHERE lead_id = wanted.id ORDER BY id DESC LIMIT 1
) newest
"""

WRITE = """
UPDATE leads_lead lead
SET lead_score = new.score, score_components = new.components::jsonb, status = new.status,
    qualification = new.qualification, next_appointment_at = new.next_at, updated_at = %(now)s
FROM unnest(%(lead)s::bigint[], %(score)s::int[], %(components)s::text[], %(status)s::text[],
            %(qualification)s::text[], %(next_at)s::timestamptz[])
     AS new (id, score, components, status, qualification, next_at)
WHERE lead.id = new.id
"""
WRITE_CHANGES = """
INSERT INTO leads_scorechange (broker_id, lead_id, from_score, to_score, at, cause)
SELECT %(broker)s, id, before, score, %(now)s, %(cause)s
FROM unnest(%(lead)s::bigint[], %(before)s::int[], %(score)s::int[]) AS new (id, before, score)
WHERE before <> score
"""


class _Row(NamedTuple):
    """A lead as it stands, and what is known of it."""

    id: int
    score: int
    components: dict[str, int]
    status: str
    qualification: str
    treatment: str
    next_at: datetime | None
    facts: ScoreFacts

    @property
    def may_advance(self) -> bool:
        return self.treatment != "hold" and self.facts.stage not in CLOSED


class _New(NamedTuple):
    """What a lead comes to."""

    row: _Row
    outcome: Outcome
    next_at: datetime | None

    @property
    def is_other(self) -> bool:
        row, new = self.row, self.outcome
        before = (row.score, row.components, row.status, row.qualification, row.next_at)
        return before != (new.score, new.components, new.status, new.qualification, self.next_at)


@dataclass(slots=True)
class Recalculation:
    """What became of the leads that were looked at: how many changed in what, and which moved where."""

    is_dry_run: bool = False
    leads: int = 0
    scores: int = 0
    statuses: int = 0
    qualifications: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def moved(self) -> int:
        return sum(self.moves.values())

    def add(self, batch: Sequence[_New]) -> None:
        self.leads += len(batch)
        for row, outcome, _next_at in batch:
            self.scores += row.score != outcome.score
            self.statuses += row.status != outcome.status
            self.qualifications += row.qualification != outcome.qualification
            if outcome.steps:
                self.moves[row.facts.stage, outcome.stage] += 1


def utc_now() -> datetime:
    return datetime.now(UTC)


def recalculate_scores(
    *,
    broker: Broker | None = None,
    lead_ids: Sequence[int] | None = None,
    is_dry_run: bool = False,
    cause: str = NIGHTLY,
    clock: Callable[[], datetime] = utc_now,
    batch_size: int = BATCH,
    progress: Callable[[int], object] | None = None,
) -> Recalculation:
    """Score, qualify and advance every lead, or those of one broker, or these; each batch with a fresh moment of
    `clock`. Leads are read under their locks, so that nothing is lost that is said meanwhile. Doing it again changes
    nothing; what was finished stays when it is interrupted."""
    report = Recalculation(is_dry_run)
    brokers = [broker.pk] if broker else list(Broker.objects.order_by("id").values_list("id", flat=True))
    for one in brokers:
        for batch in _batches(one, lead_ids, is_dry_run, cause, clock, batch_size):
            report.add(batch)
            if progress:
                progress(len(batch))
    return report


def would_change(*, broker: Broker, rules: BrokerRules, now: datetime, most: int) -> Recalculation:
    """What other rules would change among the `most` newest leads of a broker, beside the rules that it has now."""
    report, after = Recalculation(is_dry_run=True), _newest_from(broker, most)
    while rows := _read(broker, after, None, BATCH):
        after, before = rows[-1].id, _outcomes(rows, broker.rules, now)
        report.add([_as_if(old, new) for old, new in zip(before, _outcomes(rows, rules, now), strict=True)])
    return report


def _as_if(old: _New, new: _New) -> _New:
    """The same lead, had it been recalculated by the rules of now a moment ago."""
    was, comes = old.outcome, new.outcome
    row = old.row._replace(
        score=was.score,
        status=was.status,
        qualification=was.qualification,
        facts=replace(old.row.facts, stage=was.stage),
    )
    return _New(row, comes if comes.stage != was.stage else replace(comes, steps=()), new.next_at)


def _newest_from(broker: Broker, most: int) -> int:
    """The id after which the `most` newest leads come."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leads_lead WHERE broker_id = %s AND deleted_at IS NULL ORDER BY id DESC OFFSET %s LIMIT 1",
            [broker.pk, most],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _batches(
    broker_id: int,
    lead_ids: Sequence[int] | None,
    is_dry_run: bool,
    cause: str,
    clock: Callable[[], datetime],
    size: int,
) -> Iterator[list[_New]]:
    after = 0
    while True:
        with transaction.atomic():
            now, broker = clock(), Broker.objects.get(pk=broker_id)  # whose rules may change meanwhile
            rows = _read(broker, after, lead_ids, size, is_locked=not is_dry_run)
            batch = _outcomes(rows, broker.rules, now)
            if not is_dry_run:
                _write(batch, broker_id, now, cause)
        if not rows:
            return
        after = rows[-1].id
        yield batch


def _read(broker: Broker, after: int, ids: Sequence[int] | None, size: int, *, is_locked: bool = False) -> list[_Row]:
    params = {"broker": broker.pk, "after": after, "ids": list(ids) if ids is not None else None, "size": size}
    return [
        _Row(lead, score, json.loads(components), *columns[:4], ScoreFacts(*columns[4:]))  # type: ignore[call-arg]
        for lead, score, components, *columns in _rows(READ + LOCKED * is_locked, params)
    ]


def _outcomes(rows: Sequence[_Row], rules: BrokerRules, now: datetime) -> list[_New]:
    """What each comes to; whom a person took back stays."""
    if not rows:
        return []
    found = _rows(MEETINGS, {"leads": [row.id for row in rows], "now": now})
    meetings = {lead: (Meetings(is_booked, was_visited), next_at) for lead, is_booked, was_visited, next_at in found}
    news = [_new(row, rules, now, *meetings.get(row.id, (Meetings(), None))) for row in rows]
    moving = [new.row.id for new in news if new.outcome.steps]
    staying = {lead for lead, *move in _rows(LATEST_MOVES, {"leads": moving}) if is_backwards(*move)} if moving else ()
    return [
        new._replace(outcome=assess(new.row.facts, rules, now, meetings=Meetings(), advances=False))
        if new.row.id in staying
        else new
        for new in news
    ]


def _new(row: _Row, rules: BrokerRules, now: datetime, meetings: Meetings, next_at: datetime | None) -> _New:
    """An appointment whose time has passed is no next one any more."""
    has_passed = row.next_at is not None and row.next_at < now
    outcome = assess(row.facts, rules, now, meetings=meetings, advances=row.may_advance)
    return _New(row, outcome, next_at if has_passed else row.next_at)


def _write(batch: Sequence[_New], broker_id: int, now: datetime, cause: str) -> None:
    others = [new for new in batch if new.is_other]
    if others:
        columns: dict[str, Any] = {
            "lead": [new.row.id for new in others],
            "before": [new.row.score for new in others],
            "score": [new.outcome.score for new in others],
            "components": [json.dumps(new.outcome.components) for new in others],
            "status": [new.outcome.status for new in others],
            "qualification": [new.outcome.qualification for new in others],
            "next_at": [new.next_at for new in others],
        }
        with connection.cursor() as cursor:
            cursor.execute(WRITE, {**columns, "now": now})
            cursor.execute(WRITE_CHANGES, {**columns, "broker": broker_id, "now": now, "cause": cause})
    moves = [Move(row.id, *step) for row, outcome, _next_at in batch for step in path_of(outcome, row.facts.stage)]
    write_steps(moves, broker_id=broker_id, now=now)
    write_stages(moves, now=now)


def _rows(statement: str, params: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        found: list[Any] = cursor.fetchall()
        return found
