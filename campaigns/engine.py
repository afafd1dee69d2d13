"""The engine: one pass fires the triggers, ends what is over, and carries out what is due, batch by batch.

The rows of the log are the queue. Any number of processes may run passes at once, on any number of machines; each row
is decided by exactly one of them. docs/engine.md tells the life of a step.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from brokers.models import Broker
from campaigns import triggers
from campaigns.correcting import correct_unsettled, settle_resent_calls
from campaigns.deciding import Dispatch, decide_batch, due_groups
from campaigns.division import Group, divide, next_slot
from campaigns.enrollment import Intake
from campaigns.exits import end_what_is_over
from campaigns.settling import settle, settle_calls, settle_expired
from leads.sweep import sweep
from messaging.base import Outcome
from messaging.clock import Clock
from messaging.dispatching import CANCELLED, dispatch_all
from messaging.outside import carry_on
from messaging.policy import CALL
from messaging.settling import until_written

logger = logging.getLogger(__name__)

# While a pass is busy with a long queue, what time brings besides steps is done so often.
TEND_EVERY = timedelta(seconds=10)
# How long one pass may wait for paced slots before it leaves the rest to the next.
TIME_LIMIT = timedelta(seconds=25)
SMALLEST_BATCH = 16


@dataclass(slots=True)
class Batch:
    """What one batch did: rows taken, and steps by what their log says."""

    taken: int = 0
    steps: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Pass:
    """What one pass did: leads taken in by campaign, steps by what their log says, batches, enrolments ended, and how
    much was told of meetings."""

    enrolled: dict[int, Intake] = field(default_factory=dict)
    steps: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    exited: int = 0
    taken: int = 0
    told: int = 0

    def add(self, batch: Batch) -> None:
        self.batches += bool(batch.taken)
        self.taken += batch.taken
        self.steps += batch.steps


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
    done.told = tend(broker_id=broker_id, clock=clock)
    _work_off(done, clock, broker_id, limit, should_stop, tends=True)
    return done


def work_off(*, clock: Clock, broker: Broker, limit: int | None = None) -> Pass:
    """What is due right now, without the triggers: the second half of `run_campaign`."""
    done = Pass()
    settle_due(broker_id=broker.pk, clock=clock)
    _work_off(done, clock, broker.pk, limit, lambda: False)
    return done


def tend(*, broker_id: int | None, clock: Clock) -> int:
    """What time brings besides steps: to leads (offers, clocks, mails), to what is under way, and to messages outside
    campaigns. How much was told of meetings."""
    sweep(now=clock.now(), broker_id=broker_id)
    settle_due(broker_id=broker_id, clock=clock)
    return carry_on(broker_id=broker_id, clock=clock)


def settle_due(*, broker_id: int | None, clock: Clock) -> None:
    """Calls that have ended, leases that ran out, and what was learnt of unknown outcomes, until none is left."""
    batch = settings.ENGINE_BATCH
    for verb in (settle_calls, settle_expired, settle_resent_calls, correct_unsettled):
        while verb(batch=batch, broker_id=broker_id, now=clock.now()) == batch:
            pass


def _work_off(
    done: Pass,
    clock: Clock,
    broker_id: int | None,
    limit: int | None,
    should_stop: Callable[[], bool],
    *,
    tends: bool = False,
) -> None:
    tended_at = clock.now()
    deadline = tended_at + TIME_LIMIT
    size = settings.ENGINE_BATCH
    known: dict[tuple[int, str], Group] = {}
    while not should_stop() and (limit is None or done.taken < limit):
        most = size if limit is None else min(size, limit - done.taken)
        batch = _batch(clock, broker_id, most, deadline, known)
        if batch is None:
            return
        done.add(batch)
        size = _next_size(size, batch)
        if tends and clock.now() - tended_at >= TEND_EVERY:
            done.told += tend(broker_id=broker_id, clock=clock)
            tended_at = clock.now()


def _next_size(size: int, batch: Batch) -> int:
    """What the senders did not get to in time is cancelled; the next batch is what they can do."""
    if batch.steps[CANCELLED]:
        return max(SMALLEST_BATCH, batch.taken - batch.steps[CANCELLED])
    return min(settings.ENGINE_BATCH, size * 2)


def _batch(
    clock: Clock, broker_id: int | None, size: int, deadline: datetime, known: dict[tuple[int, str], Group]
) -> Batch | None:
    """One batch of decide → dispatch → settle. None when there is nothing (more) to take in this pass."""
    now = clock.now()
    groups = due_groups(batch=size, broker_id=broker_id, now=now, known=list(known.values()))
    known |= {(group.campaign_id, group.channel): group for group in groups}
    if not divide(groups, size, now):
        slot = next_slot(groups, now)
        if slot is None or slot > deadline:
            return None
        clock.sleep_until(slot)
        return Batch()
    decided = decide_batch(groups=groups, size=size, now=now)
    outcomes = dispatch_all(decided.dispatches, clock)
    steps = _settled(outcomes, clock) + decided.counts
    if any(dispatch.envelope.channel == CALL for dispatch in decided.dispatches):
        settle_calls(batch=size, broker_id=broker_id, now=clock.now())
    # A batch in which nothing went forward ends the pass: what is due stays due.
    return Batch(decided.taken, steps) if decided.taken > steps[CANCELLED] else None


def _settled(outcomes: Sequence[tuple[Dispatch, Outcome]], clock: Clock) -> Counter[str]:
    return until_written(lambda: settle(outcomes, clock.now()), clock)
