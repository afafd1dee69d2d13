"""What every pass of the engine does for messages outside campaigns: of people, and of meetings."""

from typing import NamedTuple

from django.conf import settings

from messaging import sql
from messaging.appointments import tell_leads
from messaging.clock import Clock
from messaging.dispatching import SEND_LEASE
from messaging.outgoing import settle_unfinished


class _Due(NamedTuple):
    """The row of messaging.sql.DUE_OUTSIDE."""

    unfinished: bool
    notices: bool


def carry_on(*, clock: Clock, broker_id: int | None = None) -> int:
    """Write off what nobody came back for, then tell of meetings what is due; how many messages were handed to their
    providers. With nothing to do it costs one statement."""
    now = clock.now()
    params = {"now": now, "begun_before": now - SEND_LEASE, "broker": broker_id}
    due = _Due(*sql.rows(sql.DUE_OUTSIDE, params)[0])
    batch = settings.ENGINE_BATCH
    while due.unfinished and settle_unfinished(batch=batch, broker_id=broker_id, now=clock.now()) == batch:
        pass
    return tell_leads(clock=clock, broker_id=broker_id) if due.notices else 0
