"""When an account may send: its paced slots, shared by all processes, and the pauses that its provider asks for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from messaging import sql
from messaging.models import ChannelAccount
from messaging.pacing import PACED_FOR

SECOND = timedelta(seconds=1)


class Slot(NamedTuple):
    """The moment of a slot, or, where none is given, the moment at which to ask again."""

    is_given: bool
    at: datetime


def is_paced(account: ChannelAccount, now: datetime) -> bool:
    return account.rate is not None or (account.next_slot_at is not None and account.next_slot_at > now)


def slots_of(
    wanted: Counter[int], now: datetime, *, ahead: timedelta = SECOND, process: int | None = None
) -> dict[int, list[Slot]]:
    """As many slots as wanted of each account, those that lie no further `ahead` given, for all processes.

    `process` takes the accounts over, unless another one sends for them; without it (a person's one message) a slot is
    given all the same.
    """
    if not wanted:
        return {}
    params: dict[str, Any] = {"accounts": list(wanted), "counts": list(wanted.values()), "now": now, "ahead": ahead}
    params |= {"me": process, "paced_until": now + PACED_FOR}
    slots: dict[int, list[Slot]] = {}
    for account, start, rate, given, free_at in sql.rows(sql.RESERVE_SLOTS, params):
        moments = [start + timedelta(seconds=n / rate) if rate else now for n in range(given)]
        waiting = [Slot(False, max(free_at or start, now))] * (wanted[account] - given)
        slots[account] = [Slot(True, moment) for moment in moments] + waiting
    return slots


def slots_for(accounts: Sequence[ChannelAccount], now: datetime, *, process: int) -> list[Slot]:
    """One for each message of a batch, by its account, in their order."""
    slots = slots_of(Counter(account.pk for account in accounts if is_paced(account, now)), now, process=process)
    return [slots[account.pk].pop(0) if account.pk in slots else Slot(True, now) for account in accounts]


def slot_of(account: ChannelAccount, now: datetime, *, ahead: timedelta = SECOND) -> Slot:
    """One slot of one account."""
    return (
        slots_of(Counter([account.pk]), now, ahead=ahead)[account.pk][0] if is_paced(account, now) else Slot(True, now)
    )


def hold_accounts(pauses: Mapping[int, float], now: datetime) -> None:
    """A provider that asks for a pause (seconds, by account) gets it, from all processes: no slot comes earlier."""
    if pauses:
        until = [now + timedelta(seconds=seconds) for seconds in pauses.values()]
        sql.run(sql.HOLD_ACCOUNTS, {"accounts": list(pauses), "until": until})
