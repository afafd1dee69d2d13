"""The one door through which the engine learns the time."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """`is_virtual` says that moments of the database's own clock mean nothing to this one."""

    is_virtual: bool

    def now(self) -> datetime: ...

    def sleep_until(self, moment: datetime) -> None: ...


class SystemClock:
    """The time of the machine, in UTC."""

    is_virtual = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep_until(self, moment: datetime) -> None:
        time.sleep(max(0.0, (moment - self.now()).total_seconds()))


class VirtualClock:
    """A time that stands still until somebody sleeps; used by the demo, rehearsals and tests. Thread-safe."""

    is_virtual = True

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def sleep_until(self, moment: datetime) -> None:
        with self._lock:
            self._now = max(self._now, moment)

    def advance(self, step: timedelta) -> None:
        self.sleep_until(self._now + step)
