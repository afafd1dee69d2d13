"""How a batch is divided: between brokers first, then between their groups, within what accounts may send. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from math import floor, inf
from typing import NamedTuple


class Group(NamedTuple):
    """The due rows of one campaign on one channel, the `oldest` first, in the order of priority; `rate` None is
    unlimited."""

    broker_id: int
    campaign_id: int
    channel: str
    account_id: int | None
    rate: Decimal | None
    next_slot_at: datetime | None
    due: int
    priority: int = 0
    oldest: datetime | None = None


class Quota(NamedTuple):
    campaign_id: int
    channel: str
    rows: int
    oldest: datetime | None = None


def divide(groups: Sequence[Group], size: int, now: datetime) -> list[Quota]:
    """Shares of at most `size` rows in all. A broker with little to do leaves the rest to the others, and no account
    gets more than it may send within the next second."""
    allowance = {group.account_id: _second_worth(group, now) for group in groups}
    demand: dict[int, dict[int, int]] = defaultdict(dict)
    for position, group in enumerate(groups):
        wanted = int(min(group.due, allowance[group.account_id]))
        allowance[group.account_id] -= wanted
        if wanted:
            demand[group.broker_id][position] = wanted
    by_broker = share({broker: sum(wanted.values()) for broker, wanted in demand.items()}, size)
    by_group = {
        position: rows
        for broker, wanted in demand.items()
        for position, rows in share(wanted, by_broker[broker]).items()
    }
    return [
        Quota(group.campaign_id, group.channel, by_group[position], group.oldest)
        for position, group in enumerate(groups)
        if by_group.get(position)
    ]


def share(demand: Mapping[int, int], size: int) -> dict[int, int]:
    """Divide `size` evenly; what one does not want goes to those who want more (max-min fairness)."""
    shares: dict[int, int] = {}
    left, waiting = size, len(demand)
    for key, wanted in sorted(demand.items(), key=lambda item: item[1]):
        shares[key] = min(wanted, -(-left // waiting))
        left -= shares[key]
        waiting -= 1
    return shares


def next_slot(groups: Sequence[Group], now: datetime) -> datetime | None:
    """The earliest moment at which an account that is waited for is free again."""
    return min(
        (group.next_slot_at for group in groups if group.next_slot_at and group.next_slot_at > now), default=None
    )


def _second_worth(group: Group, now: datetime) -> float:
    """How many its account may send within the next second. Without a rate as many as there are, unless the provider
    asked for a pause."""
    ahead = max(0.0, (group.next_slot_at - now).total_seconds()) if group.next_slot_at else 0.0
    if group.rate is None:
        return inf if ahead == 0.0 else 0
    if ahead >= 1.0:
        return 0
    return max(floor(float(group.rate) * (1.0 - ahead)), 1 if ahead == 0.0 else 0)
