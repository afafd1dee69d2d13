"""The claim on a queue that has been worked off for long, beside the same queue in fresh tables.

A step leaves dead rows and dead index entries behind: it is born pending, handed out and finished, and its successor
is born. Bare SQL does that day by day with the engine's own claim and two commits a batch, and nobody tidies up but
PostgreSQL's own autovacuum, which has hardly a minute for what it otherwise has 25 days for. Then both queues are
worked off for a day in turns, and what the engine does to claim a batch is timed.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from time import perf_counter
from typing import Any

from django.db import transaction

from bench.database import tidy
from bench.floor import LEASE, SETTLE, samples
from bench.measuring import Goal, Line, Timing, line_of, times_as_long
from bench.people import DAY, NOW
from bench.steps import HOT, REST, by_engine, under_way
from bench.twins import make_fresh, on_twins
from brokers.models import Broker
from campaigns import sql
from campaigns.deciding import due_groups
from campaigns.division import Group, divide

QUEUE = 20_000
DAYS = 25
# Shares of a day's queue, each claimed at once.
BATCHES = 20
STAMP = """
UPDATE campaigns_campaignlog
SET message_id = id, dispatched_at = %(now)s, lease_until = %(lease)s, attempts = 1, response = %(response)s::jsonb
WHERE id = ANY(%(ids)b::bigint[])
"""
_LEADS, _FINISH = SETTLE[1:]


def measure(scale: float) -> list[Line]:
    size = int(QUEUE * scale) // BATCHES
    warm, broker = under_way("warm", size), under_way("worn", size * BATCHES)
    by_engine(warm, 0)
    response = samples(warm)["telegram"][-1]
    tidy(*HOT, *REST)
    work_off = partial(_work_off, broker, size, response)
    for day in range(DAYS):
        work_off(day, {"worn": Timing()})
    make_fresh(campaigns_campaignlog=f"broker_id = {broker.pk} AND status = 'pending'", leads_lead="true")
    timings = {"fresh": Timing(), "worn": Timing()}
    work_off(DAYS, timings)
    fresh, worn = timings["fresh"], timings["worn"]
    return [
        line_of("churn: claim a batch of a fresh queue", fresh),
        line_of(f"churn: after {DAYS * size * BATCHES:,} steps", worn, times_as_long(worn, fresh), Goal("≤", 2)),
    ]


def _work_off(broker: Broker, size: int, response: str, day: int, timings: dict[str, Timing]) -> None:
    """All that is due on this day, on the tables of each timing in turns."""
    now = NOW + day * DAY
    stamps = {"now": now, "lease": now + LEASE, "next": now + DAY, "response": response}
    known: dict[str, list[Group]] = {name: [] for name in timings}
    for number in range(BATCHES):
        for name in sorted(timings, reverse=bool(number % 2)):
            with _tables(name):
                _one_batch(broker, size, stamps, known[name], timings[name])


def _tables(name: str) -> AbstractContextManager[None]:
    return on_twins("fresh") if name == "fresh" else nullcontext()


def _one_batch(broker: Broker, size: int, stamps: dict[str, Any], known: list[Group], timing: Timing) -> None:
    with transaction.atomic():
        ids = _timed_claim(broker, size, stamps, known, timing)
        sql.run(STAMP, stamps | {"ids": ids})
    with transaction.atomic():
        for statement in (_LEADS, _FINISH):
            sql.run(statement, stamps | {"ids": ids})


def _timed_claim(
    broker: Broker, size: int, stamps: dict[str, Any], known: list[Group], timing: Timing
) -> Sequence[int]:
    began = perf_counter()
    groups = due_groups(batch=size, broker_id=broker.pk, now=stamps["now"], known=known)
    known[:] = groups
    quotas = divide(groups, size, stamps["now"])
    params = {
        "campaigns": [quota.campaign_id for quota in quotas],
        "channels": [quota.channel for quota in quotas],
        "quotas": [quota.rows for quota in quotas],
        "oldest": [quota.oldest for quota in quotas],
    }
    taken = sql.rows(sql.CLAIM, params | {"now": stamps["now"]})
    timing.seconds.append(perf_counter() - began)
    timing.rows.append(len(taken))
    assert len(taken) == size, f"{len(taken)} instead of {size} claimed"
    return [log_id for log_id, _lead in taken]
