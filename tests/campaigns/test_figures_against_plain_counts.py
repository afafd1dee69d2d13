"""Whatever happened to whomever, SQL finds what plain loops count, in a brokerage beside one with the same leads.

`HYPOTHESIS_EXAMPLES=2000 HYPOTHESIS_SEED=7` makes up as many other histories instead of the suite's few.
"""

import os
from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from brokers.models import User
from campaigns.figures import conversion_by_campaign, hold_out
from campaigns.models import Campaign
from leads.figures import Scope, conversion_by_source, funnel, scope_for, scope_of, stagnation, time_in_stage
from messaging.figures import first_touches, response_times
from tests.building import NOW, a_broker
from tests.figures import after
from tests.plain import counting
from tests.plain.counting import Asked
from tests.plain.world import GOALS, SOURCES, TELLING, Person, people, settle

EXAMPLES, SEED = os.environ.get("HYPOTHESIS_EXAMPLES"), os.environ.get("HYPOTHESIS_SEED")
PROFILE = settings(
    max_examples=int(EXAMPLES or 40),
    derandomize=SEED is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
DAY = 24
LIMITS = {"entrada": 1, "agendado": 2}
# NOW is noon where the brokerages are: their days begin twelve hours later.
PERIODS = [(None, None), (None, None), (1, None), (None, 2), (1, 2), (0, 1)]

asked_for = st.builds(
    lambda period, **what: (period, what),
    st.sampled_from(PERIODS),
    agent=st.sampled_from([None, None, None, 0, 1]),
    source=st.sampled_from([None, None, None, None, *SOURCES]),
    within=st.sampled_from([None, DAY]),
    sandbox=st.booleans(),
)


def plainly(period: tuple[int | None, int | None], **what: Any) -> Asked:
    bounds = zip(("begin", "end"), period, strict=True)
    return Asked(**{name: day * DAY - 12 for name, day in bounds if day is not None}, **what)


def scoped(agents: list[User], period: tuple[int | None, int | None], asked: Asked) -> Scope:
    days = [None if day is None else NOW.date() + timedelta(days=day) for day in period]
    narrowing = {"since": days[0], "until": days[1], "source": asked.source, "now": after(TELLING)}
    if asked.agent is None:
        return scope_of(broker=agents[0].broker, **narrowing)
    return scope_for(user=agents[asked.agent], **narrowing)


def flat(found: list[Any]) -> list[tuple[Any, ...]]:
    """Dataclasses as tuples, but for the spreads in them."""
    return [tuple(getattr(one, name) for name in one.__slots__) for one in found]


def check(world: list[Person], agents: list[User], period: Any, asked: Asked) -> None:
    scope, days = scoped(agents, period, asked), asked.within and asked.within // DAY
    side = {"sandbox": asked.sandbox}
    scope.broker.stage_limits = LIMITS
    assert flat(funnel(scope, within_days=days)) == counting.funnel(world, asked)
    for goal in ("ganado", "agendado"):
        found = conversion_by_source(scope, goal=goal, within_days=days)
        assert set(flat(found)) == counting.sources(world, asked, goal)
    assert flat(time_in_stage(scope)) == counting.stays(world, asked)
    stood = [(one.stage, one.here, one.stagnant) for one in stagnation(scope)]
    assert stood == counting.stagnant(world, asked, LIMITS)
    assert flat(response_times(scope, **side)) == counting.responses(world, asked)
    assert flat(first_touches(scope, **side)) == counting.touches(world, asked)


def check_campaigns(world: list[Person], agents: list[User], period: Any, asked: Asked) -> None:
    asked = replace(asked, within=DAY)
    scope = scoped(agents, period, asked)
    how: dict[str, Any] = {"within_days": 1, "sandbox": asked.sandbox}
    told = [row[1:] for row in flat(conversion_by_campaign(scope, **how))]
    assert told == counting.campaigns(world, asked)
    for number, campaign in enumerate(Campaign.objects.filter(broker=scope.broker).order_by("pk")):
        for goal in (None, "ganado"):
            found = hold_out(scope, campaign, goal=goal, **how)
            arms = (*astuple(found.treated), *astuple(found.held_out), found.too_young, found.beside)
            assert arms == counting.arms(world, asked, number, goal or GOALS[number] or "agendado")


@pytest.mark.timeout(600)
@pytest.mark.django_db
@pytest.mark.parametrize("checked", [check, check_campaigns])
def test_figures_are_what_plain_loops_count(checked: Callable[..., None]) -> None:
    brokers = [a_broker("aurora"), a_broker("boreal")]

    @PROFILE
    @seed(int(SEED or 0))
    @given(people(), st.lists(asked_for, min_size=3, max_size=3))
    def compare(world: list[Person], questions: list[Any]) -> None:
        with transaction.atomic():
            agents, _others = (settle(broker, world) for broker in brokers)
            for period, what in questions:
                checked(world, agents, period, plainly(period, **what))
            transaction.set_rollback(True)

    compare()
