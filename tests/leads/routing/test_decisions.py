"""Who gets a lead, decided over values: no database here."""

from datetime import timedelta
from typing import Any

import pytest

from leads.routing import (
    ABSENT,
    FULL,
    HAD_IT,
    INACTIVE,
    NOT_AT_WORK,
    Agent,
    Decision,
    Given,
    Left,
    Offered,
    Office,
    Rule,
    Seat,
    route,
    route_unclaimed,
)
from tests.building import NOW

ONE, TWO, THREE = Agent(1, "Uno"), Agent(2, "Dos"), Agent(3, "Tres")
BOSS = Agent(9, "Jefa")


def a_rule(*agents: Agent, strategy: str = "round_robin", **values: Any) -> Rule:
    max_open = values.pop("max_open", None)
    return Rule("r", strategy, tuple(Seat(agent, max_open=max_open) for agent in agents), **values)


def summary(decision: Decision) -> Any:
    if isinstance(decision, Given):
        return decision.agent.id
    return [agent.id for agent in decision.agents] if isinstance(decision, Offered) else None


@pytest.mark.parametrize(
    ("agent", "values", "why"),
    [
        (Agent(1, is_active=False), {}, INACTIVE),
        (Agent(1, is_absent=True), {}, ABSENT),
        (Agent(1, is_at_work=False), {}, NOT_AT_WORK),
        (Agent(1), {"max_open": 3}, FULL),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.parametrize("strategy", ["round_robin", "weighted", "least_loaded", "first_to_claim"])
def test_who_cannot_take_a_lead_is_passed_over(agent: Agent, values: dict[str, Any], why: str, strategy: str) -> None:
    office = Office(NOW, open_leads={1: 3, 2: 2})
    decision = route([a_rule(agent, TWO, strategy=strategy, **values)], office)
    assert summary(decision) == ([2] if strategy == "first_to_claim" else 2)
    if isinstance(decision, Given):
        assert [(over.agent, over.why) for over in decision.passed_over] == [(agent, why)]


def test_who_had_it_does_not_get_it_again() -> None:
    decision = route([a_rule(ONE, TWO)], Office(NOW), without=[1])
    assert isinstance(decision, Given)
    assert (decision.agent, decision.passed_over) == (TWO, ((ONE, HAD_IT),))


def test_at_any_hour_who_is_absent_is_still_passed_over() -> None:
    home, away = Agent(1, is_at_work=False), Agent(2, is_absent=True, is_at_work=False)
    rule = a_rule(home, away, at_work_only=False)
    office = Office(NOW)
    assert [summary(route([rule], office)) for _ in range(3)] == [1, 1, 1]


def test_limit_of_open_leads_counts_what_was_given_in_between() -> None:
    office, rule = Office(NOW, open_leads={1: 1}), a_rule(ONE, TWO, max_open=2)
    assert [summary(route([rule], office)) for _ in range(4)] == [1, 2, 2, None]


def test_least_loaded_goes_to_whoever_has_fewest() -> None:
    office, rule = Office(NOW, open_leads={1: 4, 2: 2, 3: 5}), a_rule(ONE, TWO, THREE, strategy="least_loaded")
    assert [summary(route([rule], office)) for _ in range(5)] == [2, 2, 1, 2, 1]


def test_offer_goes_to_all_who_are_available_with_a_time_limit() -> None:
    rule = a_rule(ONE, Agent(2, is_absent=True), THREE, strategy="first_to_claim", claim_within=timedelta(minutes=7))
    assert route([rule], Office(NOW)) == Offered((ONE, THREE), rule, NOW + timedelta(minutes=7))


NOBODY_HERE = Agent(1, is_active=False)


@pytest.mark.parametrize(
    ("if_nobody", "boss", "expected"),
    [
        ("next_rule", None, 2),
        ("default_agent", BOSS, 9),
        ("default_agent", None, None),
        ("default_agent", Agent(9, is_active=False), None),
        ("leave", BOSS, None),
    ],
)
def test_rule_says_what_happens_when_nobody_is_available(
    if_nobody: str, boss: Agent | None, expected: int | None
) -> None:
    rules = [a_rule(NOBODY_HERE, if_nobody=if_nobody), a_rule(TWO)]
    assert summary(route(rules, Office(NOW, boss))) == expected


@pytest.mark.parametrize("rules", [[], [a_rule(NOBODY_HERE)]], ids=["none holds", "the last has nobody"])
def test_default_agent_gets_what_no_rule_takes(rules: list[Rule]) -> None:
    assert summary(route(rules, Office(NOW, BOSS))) == 9
    assert isinstance(route(rules, Office(NOW)), Left)


def test_default_agent_who_had_it_does_not_get_it_again() -> None:
    assert isinstance(route([], Office(NOW, BOSS), without=[9]), Left)


@pytest.mark.parametrize(("fallback", "expected"), [("round_robin", 1), ("least_loaded", 2)])
def test_unclaimed_lead_is_given_by_the_fallback(fallback: str, expected: int) -> None:
    rule = a_rule(ONE, TWO, strategy="first_to_claim", fallback=fallback)
    decision = route_unclaimed(rule, Office(NOW, open_leads={1: 5, 2: 1}))
    assert decision is not None
    assert summary(decision) == expected


def test_unclaimed_lead_of_a_rule_without_agents_goes_on_to_the_next() -> None:
    assert route_unclaimed(a_rule(NOBODY_HERE, strategy="first_to_claim"), Office(NOW, BOSS)) is None
    ending = a_rule(NOBODY_HERE, strategy="first_to_claim", if_nobody="default_agent")
    decision = route_unclaimed(ending, Office(NOW, BOSS))
    assert decision is not None
    assert summary(decision) == 9
