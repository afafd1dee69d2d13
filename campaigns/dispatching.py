"""The second third of a batch: hand the committed contacts to their providers. No transaction is open here."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import lru_cache
from math import isfinite

from django.conf import settings

from campaigns.clock import Clock
from campaigns.deciding import CANCELLED, Dispatch
from messaging.base import Adapter, Outcome, OutcomeKind
from messaging.models import ChannelAccount
from messaging.providers import adapter_for

logger = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(days=1).total_seconds()
# Nobody was asked: the row goes back and is decided anew.
TOO_LATE = Outcome(OutcomeKind.REFUSED_FOR_NOW, code=CANCELLED)

_adapters: dict[int, tuple[str, Adapter]] = {}
_adapters_lock = threading.Lock()


def dispatch_all(
    dispatches: Sequence[Dispatch], *, decided_at: datetime, clock: Clock
) -> list[tuple[Dispatch, Outcome]]:
    """Send each once, many at a time, in the order of their slots; one outcome for each, whatever happens."""
    if not dispatches:
        return []
    queue = deque(sorted(dispatches, key=lambda dispatch: dispatch.slot_at))
    outcomes: list[tuple[Dispatch, Outcome]] = []

    def work() -> None:
        while True:
            try:
                dispatch = queue.popleft()
            except IndexError:
                return
            if dispatch.slot_at - decided_at <= STALE_AFTER:
                clock.sleep_until(dispatch.slot_at)
            is_stale = max(clock.now(), dispatch.slot_at) - decided_at > STALE_AFTER
            outcomes.append((dispatch, TOO_LATE if is_stale else _send(dispatch)))

    workers = min(settings.SENDER_THREADS, len(dispatches))
    wait([_threads().submit(work) for _n in range(workers)])
    return outcomes


def _send(dispatch: Dispatch) -> Outcome:
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
    pause = outcome.retry_after
    return Outcome(
        kind=outcome.kind,
        provider_id=outcome.provider_id.replace("\x00", "")[:255],
        code=outcome.code.replace("\x00", "")[:60],
        error=outcome.error.replace("\x00", "")[:2000],
        retry_after=min(pause, LONGEST_PAUSE) if pause is not None and isfinite(pause) and pause > 0 else None,
        delivered=outcome.delivered,
    )


def adapter(account: ChannelAccount) -> Adapter:
    """One adapter an account as long as the account stays as it is, so that connections are reused."""
    state = repr((account.provider, account.credentials, account.sender, account.name))
    with _adapters_lock:
        known = _adapters.get(account.pk)
        if known is None or known[0] != state:
            known = _adapters[account.pk] = (state, adapter_for(account))
        return known[1]


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.SENDER_THREADS, thread_name_prefix="sender")
