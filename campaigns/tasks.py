"""Thin doors for Celery: it is only the clock and the extra hands; the rows are the queue.

A task takes batches, never one step, and nothing waits in the message broker: a message that runs twice or never
changes nothing but the moment.
"""

from celery import shared_task

from campaigns.engine import run, settle_due
from campaigns.exits import end_what_is_over
from leads.sweep import sweep as sweep_leads
from messaging.clock import SystemClock


@shared_task(ignore_result=True, expires=60)
def run_pass() -> None:
    """One pass over everything: triggers, endings and what is due."""
    run(clock=SystemClock())


@shared_task(ignore_result=True, expires=60)
def sweep() -> None:
    """Ends what is over and settles what nobody came back for, also while every pass is busy with a long queue."""
    clock = SystemClock()
    sweep_leads(now=clock.now())
    end_what_is_over(broker_id=None, clock=clock)
    settle_due(broker_id=None, clock=clock)
