"""How a batch is shared: between brokers, then their groups, within what accounts may send."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.division import Group, divide, next_slot, share

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def group(campaign: int, due: int, **changes: Any) -> Group:
    known = {"broker_id": 1, "channel": "telegram", "account_id": 1, "rate": None, "next_slot_at": None}
    return Group(campaign_id=campaign, due=due, **known | changes)


def quotas(*groups: Group, size: int = 100) -> dict[int, int]:
    return {quota.campaign_id: quota.rows for quota in divide(groups, size, NOW)}


@pytest.mark.parametrize(
    ("demand", "size", "shares"),
    [
        ({}, 10, {}),
        ({1: 5}, 10, {1: 5}),
        ({1: 50}, 10, {1: 10}),
        ({1: 50, 2: 50}, 10, {1: 5, 2: 5}),
        ({1: 2, 2: 50}, 10, {1: 2, 2: 8}),
        ({1: 1, 2: 3, 3: 99}, 12, {1: 1, 2: 3, 3: 8}),
    ],
)
def test_share_is_even_and_leftovers_go_to_who_wants_more(
    demand: dict[int, int], size: int, shares: dict[int, int]
) -> None:
    assert share(demand, size) == shares


demands = st.dictionaries(st.integers(0, 9), st.integers(1, 50), max_size=8)


@given(demands, st.integers(0, 200))
@settings(max_examples=300)
def test_share_gives_out_all_there_is_and_no_more_than_wanted(demand: dict[int, int], size: int) -> None:
    shares = share(demand, size)
    assert sum(shares.values()) == min(size, sum(demand.values()))
    assert all(0 <= shares[key] <= demand[key] for key in demand)


@given(demands, st.integers(0, 200))
@settings(max_examples=300)
def test_share_of_who_wants_more_is_never_smaller(demand: dict[int, int], size: int) -> None:
    shares = share(demand, size)
    unsatisfied = [shares[key] for key in demand if shares[key] < demand[key]]
    assert not unsatisfied or max(shares.values(), default=0) <= min(unsatisfied) + 1


def test_division_is_between_brokers_first() -> None:
    groups = [group(n, 100) for n in range(9)] + [group(9, 100, broker_id=2, account_id=2)]
    shared = quotas(*groups)
    assert (sum(shared[n] for n in range(9)), shared[9]) == (50, 50)


def test_division_leaves_nobody_without_who_wants_something() -> None:
    assert quotas(group(1, 1000), group(2, 1), size=10) == {1: 9, 2: 1}


def test_division_leaves_out_groups_that_get_nothing() -> None:
    assert divide([group(1, 0), group(2, 3)], 10, NOW) == divide([group(2, 3)], 10, NOW)


@pytest.mark.parametrize(
    ("rate", "ahead", "rows"),
    [
        (None, None, 50),
        ("10", None, 10),
        ("10", -3600.0, 10),
        ("10", 0.5, 5),
        ("10", 0.95, 0),
        ("10", 1.0, 0),
        ("10", 60.0, 0),
        ("0.2", None, 1),
        ("0.2", 0.1, 0),
        ("1000", None, 50),
    ],
)
def test_division_gives_an_account_what_it_may_send_in_a_second(
    rate: str | None, ahead: float | None, rows: int
) -> None:
    slot = None if ahead is None else NOW + ahead * SECOND
    limited = group(1, 50, rate=rate and Decimal(rate), next_slot_at=slot)
    assert quotas(limited).get(1, 0) == rows


def test_division_shares_an_account_between_its_campaigns() -> None:
    groups = [group(n, 50, rate=Decimal(10)) for n in range(3)]
    assert sum(quotas(*groups).values()) == 10


def test_division_of_steps_that_contact_nobody_is_not_limited() -> None:
    stage = group(1, 50, channel="", account_id=None)
    limited = group(2, 50, rate=Decimal(1))
    assert quotas(stage, limited) == {1: 50, 2: 1}


def test_account_that_must_wait_gets_nothing_although_it_has_no_rate() -> None:
    """What `retry_after` of a provider asked for binds accounts without a rate too."""
    assert quotas(group(1, 50, next_slot_at=NOW + 30 * SECOND)) == {}


def test_next_slot_is_the_earliest_that_is_waited_for() -> None:
    moments = [NOW - SECOND, None, NOW + 9 * SECOND, NOW + 4 * SECOND]
    assert next_slot([group(n, 1, next_slot_at=at) for n, at in enumerate(moments)], NOW) == NOW + 4 * SECOND


def test_next_slot_is_none_where_nobody_waits() -> None:
    assert next_slot([group(1, 1), group(2, 1, next_slot_at=NOW)], NOW) is None


groups = st.lists(
    st.builds(
        Group,
        broker_id=st.integers(1, 3),
        campaign_id=st.integers(1, 10**6),
        channel=st.just("telegram"),
        account_id=st.integers(1, 4),
        rate=st.just(Decimal(7)),
        next_slot_at=st.none() | st.integers(-5, 5).map(lambda n: NOW + n * SECOND / 4),
        due=st.integers(0, 40),
    ),
    max_size=10,
    unique_by=lambda one: one.campaign_id,
)


@given(groups, st.integers(1, 100))
@settings(max_examples=300)
def test_division_never_exceeds_batch_demand_or_rate(found: list[Group], size: int) -> None:
    shared = {quota.campaign_id: quota.rows for quota in divide(found, size, NOW)}
    by_account: dict[int | None, int] = defaultdict(int)
    for one in found:
        by_account[one.account_id] += shared.get(one.campaign_id, 0)
        assert shared.get(one.campaign_id, 0) <= one.due
    assert sum(shared.values()) <= size
    assert max(by_account.values(), default=0) <= 7
