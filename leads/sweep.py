"""What time does to leads: offers that nobody claimed, arrivals that nobody touched, tasks and mails that are due.

Called in every pass of the engine. With nothing to do it costs one statement over four partial indexes, however many
leads, rules and agents there are.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import InterfaceError, OperationalError, connection

from brokers.models import Broker
from leads.actions.reminding import BATCH as REMINDERS
from leads.actions.reminding import remind_of_tasks, reminds_up_to
from leads.actions.speed import BATCH as CLOCKS
from leads.actions.speed import end_due_clocks
from leads.actions.unclaimed import BATCH as OFFERS
from leads.actions.unclaimed import pass_on_unclaimed
from leads.notices import send_notices

logger = logging.getLogger(__name__)

DUE = """
SELECT DISTINCT 'offer' AS kind, broker_id FROM leads_offer WHERE closed_at IS NULL AND expires_at <= %(now)s
UNION ALL
SELECT DISTINCT 'clock', broker_id FROM leads_speedclock WHERE ended_at IS NULL AND due_at <= %(now)s
UNION ALL
SELECT DISTINCT 'task', broker_id FROM leads_task
WHERE done_at IS NULL AND (reminded_at IS NULL OR reminded_at < GREATEST(due_at, snoozed_until))
  AND GREATEST(due_at, snoozed_until) <= %(reminding)s
UNION ALL
SELECT 'mail', NULL WHERE EXISTS (SELECT FROM leads_notice WHERE due_at IS NOT NULL AND due_at <= %(now)s)
"""


def sweep(*, now: datetime, broker_id: int | None = None) -> None:
    """Do what is due, of one broker or of all; mails go out in any case. What fails for one broker, fails alone."""
    due = _due(now)
    wanted = {broker for kind, broker in due if broker is not None and broker_id in (None, broker)}
    brokers = {broker.pk: broker for broker in Broker.objects.filter(pk__in=wanted)} if wanted else {}
    for kind, pk in due:
        if kind == "offer" and pk in brokers:
            _until_done(pass_on_unclaimed, OFFERS, brokers[pk], now)
        if kind == "clock" and pk in brokers:
            _until_done(end_due_clocks, CLOCKS, brokers[pk], now)
        if kind == "task" and pk in brokers:
            _until_done(remind_of_tasks, REMINDERS, brokers[pk], now)
    if due:
        _send(now)


def _due(now: datetime) -> list[tuple[str, int | None]]:
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"now": now, "reminding": reminds_up_to(now)})
        return list(cursor.fetchall())


def _until_done(verb: Callable[..., int], batch: int, broker: Broker, now: datetime) -> None:
    """Whole batches leave the selection, so it ends."""
    try:
        while verb(broker=broker, now=now, batch=batch) == batch:
            pass
    except (OperationalError, InterfaceError):
        raise  # the database is away, which is nobody's fault
    except Exception:
        logger.exception("%s failed for %s", verb.__name__, broker)


def _send(now: datetime) -> None:
    try:
        send_notices(now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("Mails to users failed")
