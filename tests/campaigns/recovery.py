"""What an engine finds that comes later, when the leases of the dead are over, and what it makes of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Min
from django.test import override_settings

from campaigns import engine
from campaigns.models import CampaignLog
from messaging.clock import VirtualClock
from tests.peers.counting import PROVIDER, end_calls

PATIENCE = 60
PASSES = 300
# Sooner than the lease of a call is over.
SOON = timedelta(minutes=15)


@contextmanager
def counting_wired() -> Iterator[None]:
    """The counting provider, for a fixture that lives longer than a test."""
    with override_settings(PROVIDERS={**settings.PROVIDERS, **PROVIDER}):
        yield


def wait_for_the_dead() -> None:
    """Until the database has noticed who was killed, and given up their transactions and locks."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            [others] = cursor.fetchone()
        if not others:
            return
        time.sleep(0.01)
    raise AssertionError("the database still works for somebody who was killed")


def recover(file: Path, start: datetime) -> None:
    """Passes until nothing is pending; calls end in between.

    The next pass comes when the next row is due; while calls are under way, or an account must wait, soon.
    """
    clock = VirtualClock(start)
    for _ in range(PASSES):
        end_calls(file, clock.now())
        engine.run(clock=clock)
        next_due = CampaignLog.objects.waiting().aggregate(at=Min("due_at"))["at"]
        is_in_flight = CampaignLog.objects.in_flight().exists()
        if next_due is None and not is_in_flight:
            return
        soon = clock.now() + SOON
        clock.sleep_until(soon if is_in_flight else max(soon, next_due))
    raise AssertionError("the recovery does not end")
