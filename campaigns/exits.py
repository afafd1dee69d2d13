"""Enrolments that are over although their next step is not due: replied, booked, closed, opted out."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from campaigns import sql
from campaigns.models import LogStatus
from messaging.clock import Clock


def end_what_is_over(*, broker_id: int | None, clock: Clock) -> int:
    """End the enrolments of leads that something happened to since the last pass; how many ended."""
    [(oldest,)] = sql.rows(sql.OLDEST_SWEEP, {"broker": broker_id})
    touched = [lead_id for (lead_id,) in sql.rows(sql.TOUCHED, {"broker": broker_id, "oldest": oldest})]
    ended = 0
    for start in range(0, len(touched), settings.ENGINE_BATCH):
        with transaction.atomic():
            ended += end_enrolments_of(touched[start : start + settings.ENGINE_BATCH], clock.now())
    return ended


def end_enrolments_of(leads: Sequence[int], now: datetime) -> int:
    """End what is over for these leads: the waiting row is skipped with the reason; one in flight settles first."""
    over = sql.rows(sql.EXITS, {"leads": list(leads)})
    sql.finish(
        [sql.Ending(log_id, LogStatus.SKIPPED, reason, "", True, None, None, "", "", None) for log_id, reason in over],
        now,
    )
    return len(over)
