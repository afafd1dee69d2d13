"""Thin doors for Celery: it is only the clock and the extra hands; the rows are the queue.

A task takes batches, never one step, and nothing waits in the message broker: a message that runs twice or never
changes nothing but the moment.
"""

from celery import shared_task

from campaigns.engine import run, tend
from campaigns.exits import end_what_is_over
from messaging.clock import SystemClock


@shared_task(ignore_result=True, expires=60)
def run_pass() -> None:
    """One pass over everything: triggers, endings and what is due."""
    run(clock=SystemClock())


@shared_task(ignore_result=True, expires=60)
def sweep() -> None:
    """Ends what is over and does what time brings besides steps, also while every pass is busy with a long queue."""
    clock = SystemClock()
    end_what_is_over(broker_id=None, clock=clock)
    tend(broker_id=None, clock=clock)
