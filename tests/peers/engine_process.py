"""What an engine does in a process of its own; jobs of tests/peers/forking.py."""

import os
import time
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction

from campaigns import triggers
from campaigns.deciding import decide_batch, due_groups
from campaigns.engine import run
from campaigns.models import CampaignLog
from campaigns.settling import settle
from messaging.base import Envelope, Outcome, OutcomeKind
from messaging.clock import SystemClock
from tests.peers.counting import Counting

LATENCY = 0.03


class Distant(Counting):
    """The counting provider, whose every answer takes a moment."""

    def send(self, envelope: Envelope) -> Outcome:
        outcome = super().send(envelope)
        time.sleep(LATENCY)
        return outcome


def warm(*, broker: int, now: str) -> None:
    """What a process loads once, before the others are forked from it; nothing of it is kept, and nobody is asked."""
    moment = datetime.fromisoformat(now)
    with transaction.atomic():
        triggers.fire(now=moment, broker_id=broker, is_virtual=True)
        groups = due_groups(batch=100, broker_id=broker, now=moment)
        decided = decide_batch(groups=groups, size=100, now=moment)
        settle([(dispatch, Outcome(OutcomeKind.REFUSED)) for dispatch in decided.dispatches], moment)
        transaction.set_rollback(True)


def run_for_ever() -> None:
    """Pass after pass, until somebody kills it. Its connection bears its number, see `has_transaction`."""
    connection.settings_dict["OPTIONS"]["application_name"] = _name(os.getpid())
    _wire()
    while True:
        run(clock=SystemClock())


def run_out() -> None:
    """Passes until nothing is due."""
    _wire()
    while CampaignLog.objects.waiting().filter(due_at__lte=datetime.now(UTC)).exists():
        run(clock=SystemClock())


def _wire() -> None:
    settings.PROVIDERS = {**settings.PROVIDERS, "counting": f"{__name__}.Distant"}


def has_transaction(pid: int) -> bool:
    """Whether that engine is within a transaction right now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND xact_start IS NOT NULL", [_name(pid)]
        )
        return bool(cursor.fetchone()[0])


def _name(pid: int) -> str:
    return f"engine {pid}"
