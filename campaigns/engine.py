"""The engine: one pass fires the triggers, ends what is over, and carries out what is due, batch by batch.

The rows of the log are the queue. Any number of processes may run passes at once, on any number of machines; each row
is decided by exactly one of them. docs/engine.md tells the life of a step.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from brokers.models import Broker
from campaigns import sql, triggers
from campaigns.clock import Clock
from campaigns.deciding import decide_batch, due_groups
from campaigns.dispatching import dispatch_all
from campaigns.division import divide, next_slot
from campaigns.enrollment import Intake
from campaigns.models import LogStatus
from campaigns.settling import settle, settle_calls, settle_expired

# How long one pass may wait for paced slots before it leaves the rest to the next.
TIME_LIMIT = timedelta(seconds=25)


@dataclass(slots=True)
class Pass:
    """What one pass did: leads taken in by campaign, steps by what their log says, batches, enrolments ended."""

    enrolled: dict[int, Intake] = field(default_factory=dict)
    steps: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    exited: int = 0
    taken: int = 0


def run(
    *,
    clock: Clock,
    broker: Broker | None = None,
    limit: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Pass:
    """One pass over everything, or over one broker. `limit` bounds how many steps are taken in all.

    With due steps but no free slot it sleeps to the next slot, within its time limit. `should_stop` is asked between
    batches: the batch in hand is always finished.
    """
    broker_id = broker.pk if broker else None
    done = Pass()
    now = clock.now()
    # Endings first: they look back to the watermark, which the triggers move on.
    done.exited = end_what_is_over(broker_id=broker_id, clock=clock)
    done.enrolled = triggers.fire(now=now, broker_id=broker_id, is_virtual=clock.is_virtual)
    settle_due(broker_id=broker_id, clock=clock)
    _work_off(done, clock, broker_id, limit, should_stop)
    return done


def work_off(*, clock: Clock, broker: Broker, limit: int | None = None) -> Pass:
    """What is due right now, without the triggers: the second half of `run_campaign`."""
    done = Pass()
    settle_due(broker_id=broker.pk, clock=clock)
    _work_off(done, clock, broker.pk, limit, lambda: False)
    return done


def end_what_is_over(*, broker_id: int | None, clock: Clock) -> int:
    """End the enrolments whose lead replied, booked, closed or opted out since the last pass; how many ended."""
    touched = [lead_id for (lead_id,) in sql.rows(sql.TOUCHED, {"broker": broker_id})]
    size = settings.ENGINE_BATCH
    return sum(_end(touched[start : start + size], clock) for start in range(0, len(touched), size))


@transaction.atomic
def _end(lead_ids: Sequence[int], clock: Clock) -> int:
    over = sql.rows(sql.EXITS, {"leads": lead_ids})
    sql.finish(
        [sql.Ending(log_id, LogStatus.SKIPPED, reason, "", True, None, None, "", "", None) for log_id, reason in over],
        clock.now(),
    )
    return len(over)


def settle_due(*, broker_id: int | None, clock: Clock) -> None:
    """Calls that have ended and leases that ran out, until none is left."""
    batch = settings.ENGINE_BATCH
    while settle_calls(batch=batch, broker_id=broker_id, now=clock.now()) == batch:
        pass
    while settle_expired(batch=batch, broker_id=broker_id, now=clock.now()) == batch:
        pass


def _work_off(
    done: Pass, clock: Clock, broker_id: int | None, limit: int | None, should_stop: Callable[[], bool]
) -> None:
    deadline = clock.now() + TIME_LIMIT
    while not should_stop() and (limit is None or done.taken < limit):
        size = settings.ENGINE_BATCH if limit is None else min(settings.ENGINE_BATCH, limit - done.taken)
        if not _batch(done, clock, broker_id, size, deadline):
            return


def _batch(done: Pass, clock: Clock, broker_id: int | None, size: int, deadline: object) -> bool:
    """One batch of decide → dispatch → settle. False when there is nothing (more) to take in this pass."""
    now = clock.now()
    groups = due_groups(batch=size, broker_id=broker_id, now=now)
    if not divide(groups, size, now):
        slot = next_slot(groups, now)
        if slot is None or slot > deadline:  # type: ignore[operator]
            return False
        clock.sleep_until(slot)
        return True
    decided = decide_batch(groups=groups, size=size, now=now)
    outcomes = dispatch_all(decided.dispatches, decided_at=now, clock=clock)
    done.steps += settle(outcomes, clock.now()) + decided.counts
    done.batches += 1
    done.taken += decided.taken
    if any(dispatch.envelope.channel == "call" for dispatch in decided.dispatches):
        settle_calls(batch=size, broker_id=broker_id, now=clock.now())
    return decided.taken > 0
