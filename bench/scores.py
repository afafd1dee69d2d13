"""All scores anew beside bare SQL that writes the same rows.

The night comes twice: in one round everybody has been silent for long, in the next nobody has, so that each time every
score changes. The floor gets its values ready made and writes them in batches of the same size.
"""

import json
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from bench.database import tidy
from bench.measuring import Contestant, Goal, Line, compete, line_of, times_as_long
from bench.people import DAY, NOW, a_brokerage
from bench.weighing import resident_mb
from brokers.models import Broker
from leads.actions import recalculate_scores
from leads.actions.recalculating import BATCH, Recalculation
from leads.models import Lead

LEADS = 100_000
ROUNDS = 4
SILENCE = -5
TABLES = ("leads_lead", "leads_scorechange")

READ = "SELECT id, lead_score, score_components, status FROM leads_lead WHERE broker_id = %s ORDER BY id"
WRITE = """
UPDATE leads_lead d SET lead_score = n.score, score_components = n.components::jsonb, status = n.status,
                        updated_at = %(now)s
FROM unnest(%(lead)s::bigint[], %(score)s::int[], %(components)s::text[], %(status)s::text[])
     AS n (id, score, components, status)
WHERE d.id = n.id
"""
NOTE = """
INSERT INTO leads_scorechange (broker_id, lead_id, from_score, to_score, at, cause)
SELECT %(broker)s, id, before, score, %(now)s, 'nightly'
FROM unnest(%(lead)s::bigint[], %(before)s::int[], %(score)s::int[]) AS n (id, before, score)
"""


def measure(scale: float) -> list[Line]:
    count = int(LEADS * scale)
    ours, theirs = a_brokerage("ours", count), a_brokerage("theirs", count)
    for broker in (ours, theirs):
        night(broker, moment(1))
    statements = statements_of_a_batch(ours)
    grown = mb_more(ours)
    floor = Floor(theirs)
    timings = compete(
        [
            Contestant("recalculation", partial(by_verb, ours, count), lambda number: tidy(*TABLES)),
            Contestant("floor", floor.run, floor.prepare),
            Contestant("nothing new", partial(nothing_new, ours, count), lambda number: tidy(*TABLES)),
        ],
        ROUNDS,
    )
    verb, bare, idle = (timings[name] for name in ("recalculation", "floor", "nothing new"))
    return [
        line_of("scores: recalculate_scores, every score changes", verb, times_as_long(verb, bare), Goal("≤", 2.5)),
        line_of("scores: the same rows by bare SQL", bare),
        line_of("scores: recalculate_scores, nothing changes", idle, times_as_long(idle, bare), Goal("≤", 1.5)),
        Line("scores: statements a batch of 1,000", value=statements, goal=Goal("≤", 15)),
        Line("scores: MB more at most in two nights", rows=2 * count, value=grown, goal=Goal("≤", 20)),
    ]


def moment(number: int) -> datetime:
    """Of each second night on, everybody has been silent."""
    return NOW + 400 * DAY * (1 if number % 2 == 0 else -1)


def night(broker: Broker, now: datetime) -> Recalculation:
    return recalculate_scores(broker=broker, clock=lambda: now)


def by_verb(broker: Broker, count: int, number: int) -> int:
    done = night(broker, moment(number))
    assert (done.leads, done.scores) == (count, count), done
    return done.leads


def nothing_new(broker: Broker, count: int, number: int) -> int:
    is_silent = Lead.objects.filter(broker=broker, score_components__has_key="silent").exists()
    done = night(broker, moment(0 if is_silent else 1))
    assert (done.leads, done.scores, done.moved) == (count, 0, 0), done
    return done.leads


def mb_more(broker: Broker) -> float:
    """Looked at after each batch, before the floor holds its rows in the same process."""
    before, seen = resident_mb(), []
    for number in (0, 1):
        recalculate_scores(
            broker=broker, clock=partial(moment, number), progress=lambda done: seen.append(resident_mb())
        )
    return max(seen) - before


def statements_of_a_batch(broker: Broker) -> int:
    newest = list(Lead.objects.filter(broker=broker).order_by("id").values_list("id", flat=True)[: 2 * BATCH])
    counts = []
    for leads in (newest[:BATCH], newest):
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            recalculate_scores(broker=broker, lead_ids=leads, clock=lambda: moment(0))
            transaction.set_rollback(True)
        counts.append(len(queries))
    return counts[1] - counts[0]


class Floor:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.batches: list[dict[str, Any]] = []

    def prepare(self, number: int) -> None:
        tidy(*TABLES)
        with connection.cursor() as cursor:
            cursor.execute(READ, [self.broker.pk])
            rows = [_toggled(*row) for row in cursor.fetchall()]
        names = ("lead", "before", "score", "components", "status")
        common = {"broker": self.broker.pk, "now": moment(number)}
        self.batches = [
            dict(zip(names, map(list, zip(*rows[at : at + BATCH], strict=True)), strict=True)) | common
            for at in range(0, len(rows), BATCH)
        ]

    def run(self, number: int) -> int:
        for columns in self.batches:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(WRITE, columns)
                cursor.execute(NOTE, columns)
        return sum(len(columns["lead"]) for columns in self.batches)


def _toggled(lead: int, score: int, components: str, status: str) -> tuple[Any, ...]:
    """The same lead on the other night."""
    parts = json.loads(components)
    if not parts.pop("silent", 0):
        parts["silent"] = SILENCE
    after = sum(parts.values())
    return lead, score, after, json.dumps(parts), "cold" if after <= 20 else "warm"
