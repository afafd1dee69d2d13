"""A brokerage with agents and rules, a line each."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from brokers.models import Broker, User
from brokers.rules import ContactWindow
from leads.hours import spans
from leads.models import Assignment, Lead, Offer, RoutingAgent, RoutingRule, RoutingSettings
from tests.building import NOW, a_lead, a_user, now_of


def some_agents(broker: Broker, count: int) -> list[User]:
    return [a_user(broker, f"agent{number}", first_name=f"Agent {number}") for number in range(1, count + 1)]


def a_rule(broker: Broker, *agents: User, weights: tuple[int, ...] = (), **values: Any) -> RoutingRule:
    """At any hour, unless told otherwise; `max_open` is everybody's."""
    max_open = values.pop("max_open", None)
    position = RoutingRule.objects.filter(broker=broker).count() + 1
    known = {"name": f"rule {position}", "position": position, "at_work_only": False, "created_at": NOW}
    rule = RoutingRule.objects.create(broker=broker, **known | values)
    for number, agent in enumerate(agents):
        weight = weights[number] if weights else 1
        RoutingAgent.objects.create(broker=broker, rule=rule, agent=agent, weight=weight, max_open=max_open)
    return rule


def set_routing(broker: Broker, **values: Any) -> None:
    assert RoutingSettings.objects.filter(broker=broker).update(**values) == 1


def who_has(lead: Lead) -> User | None:
    return now_of(lead).assigned_to


def shares(broker: Broker) -> Counter[str]:
    """How many leads each agent has, by their first name; '' is nobody."""
    names = Lead.objects.filter(broker=broker).values_list("assigned_to__first_name", flat=True)
    return Counter(name or "" for name in names)


def history(lead: Lead) -> list[tuple[User | None, User | None, str, str]]:
    """(from, to, cause, rule) of every assignment, the first one first."""
    rows = Assignment.objects.filter(lead=lead).select_related("from_user", "to_user").order_by("id")
    return [(row.from_user, row.to_user, row.cause, row.rule) for row in rows]


def outcomes(lead: Lead) -> dict[str, str]:
    """What became of each agent's offer, by their first name; '' is open."""
    return dict(Offer.objects.filter(lead=lead).order_by("id").values_list("agent__first_name", "outcome"))


def an_offered_lead(broker: Broker, *agents: User, **rule: Any) -> Lead:
    a_rule(broker, *agents, strategy="first_to_claim", **rule)
    return a_lead(broker)


def work_between(since: datetime, until: datetime, hours: ContactWindow, zone: str) -> timedelta:
    """How much time of work lies between two instants; none when `until` is not later."""
    if until <= since:
        return timedelta()
    overlaps = (
        min(span.closes, until) - max(span.opens, since)
        for span in spans(since, until, hours, zone)
        if span.opens < until and span.closes > since
    )
    return sum(overlaps, timedelta())
