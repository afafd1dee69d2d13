"""Engines in processes of their own that share an account's rate; jobs of tests/peers/forking.py."""

import time
from datetime import datetime, timedelta

from campaigns.engine import run
from campaigns.models import CampaignLog


class SharedClock:
    """A moment of ours that goes on as the machine's clock does, the same in every process."""

    is_virtual = False

    def __init__(self, start: datetime, epoch: float) -> None:
        self._start, self._epoch = start, epoch

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.time() - self._epoch)

    def sleep_until(self, moment: datetime) -> None:
        time.sleep(max(0.0, (moment - self.now()).total_seconds()))


def run_out(*, start: str, epoch: float) -> None:
    """Passes until nothing waits."""
    clock = SharedClock(datetime.fromisoformat(start), epoch)
    while CampaignLog.objects.waiting().exists():
        run(clock=clock)
