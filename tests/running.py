"""A clock that goes as fast as the machine's, from a moment of ours: contact hours stay those of the test."""

import time
from datetime import datetime, timedelta


class RunningClock:
    is_virtual = False

    def __init__(self, start: datetime) -> None:
        self._start, self._began = start, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def sleep_until(self, moment: datetime) -> None:
        time.sleep(max(0.0, (moment - self.now()).total_seconds()))
