"""No account sends more than its rate, however late some of its sends are.

The slots of `ChannelAccount.next_slot_at` divide the time; but who is late with them bunches with who comes next. So
one process at a time sends for an account that has a rate (`paced_by`, until `paced_until`), and keeps it by places.
"""

import heapq
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from decimal import Decimal
from math import floor

from messaging.models import ChannelAccount

# As long after it last took slots a process alone sends for an account that has a rate: the five seconds within which
# its contacts leave, the second in which the provider counts them, and two for the way.
PACED_FOR = timedelta(seconds=8)

_me = secrets.randbits(62)
_paces: dict[int, "Pace"] = {}
_paces_lock = threading.Lock()


class Pace:
    """As many places as the account may send in a second (in five, when it may send one in five).

    A place is free again a second after its send has *ended*: nobody here knows at which moment between its beginning
    and its end the provider counted it, so this alone keeps every window of a second, wherever it begins.
    """

    def __init__(self, rate: Decimal) -> None:
        places = max(1, floor(rate))
        self.rate = rate
        self._rests = float(places / rate)
        self._free_at = [0.0] * places
        self._changed = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Begins when a place is free."""
        with self._changed:
            while not self._free_at:
                self._changed.wait()
            free_at = heapq.heappop(self._free_at)
        time.sleep(max(0.0, free_at - time.monotonic()))
        try:
            yield
        finally:
            with self._changed:
                heapq.heappush(self._free_at, time.monotonic() + self._rests)
                self._changed.notify()


def me() -> int:
    """This process, as accounts know it."""
    return _me


def _become_another() -> None:
    global _me
    _me = secrets.randbits(62)


os.register_at_fork(after_in_child=_become_another)


def turn_of(account: ChannelAccount) -> AbstractContextManager[None]:
    """A context in which one message of this account may be sent."""
    if account.rate is None:
        return nullcontext()
    with _paces_lock:
        pace = _paces.get(account.pk)
        if pace is None or pace.rate != account.rate:
            pace = _paces[account.pk] = Pace(account.rate)
    return pace.turn()
