"""Hand committed messages to their providers: the second third of a batch, or one that a person wrote. No transaction
is open here."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Generic, TypeVar

from django.conf import settings

from messaging.base import Adapter, Envelope, Outcome, OutcomeKind
from messaging.clock import Clock
from messaging.models import ChannelAccount
from messaging.pacing import turn_of
from messaging.providers import adapter_for

logger = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=5)
# Those five seconds, and the longest that a provider's adapter may take for one message.
SEND_LEASE = timedelta(minutes=5)
# The code of a contact that its worker was too late for; no provider was asked.
CANCELLED = "cancelled"
# The longest that a whole account stands still, and that one recipient is left alone.
LONGEST_PAUSE = timedelta(days=1).total_seconds()
LONGEST_REST = timedelta(days=7).total_seconds()
# Nobody was asked: the row goes back and is decided anew.
TOO_LATE = Outcome(OutcomeKind.REFUSED_FOR_NOW, code=CANCELLED)


@dataclass(frozen=True, slots=True)
class Sending:
    """A committed message to a lead: what to send, over which account, not before `slot_at`."""

    lead_id: int
    account: ChannelAccount
    envelope: Envelope
    slot_at: datetime


S = TypeVar("S", bound=Sending)

_adapters: dict[int, tuple[ChannelAccount, str, Adapter]] = {}
_adapters_lock = threading.Lock()


def dispatch_all(dispatches: Sequence[S], clock: Clock) -> list[tuple[S, Outcome]]:
    """Send each once, many at a time, in the order of their slots; one outcome for each, whatever happens.

    The five seconds count from here, where the decision has just been committed: until then its leads were locked.
    """
    if not dispatches:
        return []
    line = _Line(dispatches, settings.SENDER_THREADS)
    decided_at = clock.now()
    outcomes: list[tuple[S, Outcome]] = []

    def work() -> None:
        while (dispatch := line.take()) is not None:
            clock.sleep_until(dispatch.slot_at)
            with _turn(dispatch.account, clock):
                is_stale = clock.now() - decided_at > STALE_AFTER or line.is_held(dispatch)
                outcome = TOO_LATE if is_stale else _send(dispatch)
            outcomes.append((dispatch, outcome))
            line.done(dispatch, outcome)

    wait([_threads().submit(work) for _n in range(min(settings.SENDER_THREADS, len(dispatches)))])
    return outcomes


class _Line(Generic[S]):
    """Contacts waiting to be sent, in turn by account: a provider that takes its time delays only its own account,
    which never holds more than its share of the threads."""

    def __init__(self, dispatches: Sequence[S], threads: int) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, deque[S]] = {}
        for dispatch in sorted(dispatches, key=lambda dispatch: dispatch.slot_at):
            self._waiting.setdefault(dispatch.account.pk, deque()).append(dispatch)
        self._share = max(1, threads // len(self._waiting))
        self._under_way = dict.fromkeys(self._waiting, 0)
        self._held: set[int] = set()

    def take(self) -> S | None:
        """The next one of the account that has the fewest under way; None when every account is at its share: who is
        sending for it goes on with it."""
        with self._lock:
            free = [pk for pk, line in self._waiting.items() if line and self._under_way[pk] < self._share]
            if not free:
                return None
            account = min(free, key=self._under_way.__getitem__)
            self._under_way[account] += 1
            return self._waiting[account].popleft()

    def done(self, dispatch: Sending, outcome: Outcome) -> None:
        with self._lock:
            self._under_way[dispatch.account.pk] -= 1
            if outcome.retry_after:
                self._held.add(dispatch.account.pk)

    def is_held(self, dispatch: Sending) -> bool:
        """Whether the provider asked for a pause meanwhile: the rest of this account's line waits for its end."""
        return dispatch.account.pk in self._held


def _turn(account: ChannelAccount, clock: Clock) -> AbstractContextManager[None]:
    """On a virtual clock nothing is late, and its slots alone keep the rate."""
    return nullcontext() if clock.is_virtual else turn_of(account)


def _send(dispatch: Sending) -> Outcome:
    """A failure of our own adapter is an outcome nobody can know; it must not take others with it."""
    try:
        return _sound(adapter(dispatch.account).send(dispatch.envelope))
    except Exception:
        logger.exception(
            "Message %s: the adapter of %s failed", dispatch.envelope.message_id, dispatch.account.provider
        )
        return Outcome(OutcomeKind.UNKNOWN, code="adapter_error", error="the adapter failed")


def _sound(outcome: Outcome) -> Outcome:
    """What a provider said in a form that can be stored: its words are its own, and one of them breaks no batch."""
    return Outcome(
        kind=outcome.kind,
        provider_id=outcome.provider_id.replace("\x00", "")[:255],
        code=outcome.code.replace("\x00", "")[:60],
        error=outcome.error.replace("\x00", "")[:2000],
        retry_after=_sound_pause(outcome.retry_after, LONGEST_PAUSE),
        delivered=outcome.delivered,
        again_after=_sound_pause(outcome.again_after, LONGEST_REST),
    )


def _sound_pause(seconds: float | None, longest: float) -> float | None:
    return min(seconds, longest) if seconds is not None and isfinite(seconds) and seconds > 0 else None


def adapter(account: ChannelAccount) -> Adapter:
    """One adapter an account as long as the account stays as it is, so that connections are reused."""
    known = _adapters.get(account.pk)
    if known is not None and known[0] is account:
        return known[2]
    state = repr((account.provider, account.service, account.credentials, account.sender, account.name))
    with _adapters_lock:
        known = _adapters.get(account.pk)
        is_same = known is not None and known[1] == state
        known = _adapters[account.pk] = (account, state, known[2] if known and is_same else adapter_for(account))
        return known[2]


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.SENDER_THREADS, thread_name_prefix="sender")
