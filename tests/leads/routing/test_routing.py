"""Leads that arrive, by whichever way, go to agents by the broker's rules."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker, OutboxEvent, User
from leads.actions import create_lead, preview_routing, routing_settings
from leads.importer.writing import import_leads
from leads.models import Absence, Assignment, Lead, Notice, RoutingAgent, RoutingRule, Task, WorkingHours
from leads.routing import Given, Left
from messaging.base import Event
from messaging.inbound import receive_event
from messaging.models import ChannelAccount
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, broken, some_leads
from tests.leads.routing.offices import a_rule, history, set_routing, shares, some_agents, who_has

pytestmark = pytest.mark.django_db
HEADER = "Nombre;Teléfono;Correo;Comuna;Presupuesto"


def a_file(folder: Path, count: int, first: int = 0, area: str = "Ñuñoa") -> Path:
    path = folder / f"leads{first}.csv"
    lines = [f"Ana {n};+5691{n:07d};ana{n}@example.com;{area};" for n in range(first, first + count)]
    path.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    return path


def taken_in(broker: Broker, path: Path, **how: Any) -> None:
    import_leads(broker=broker, path=path, clock=lambda: NOW, **how)


def test_arrivals_take_turns(broker: Broker) -> None:
    broker.language = "en"
    rule = a_rule(broker, *some_agents(broker, 3), name="todos")
    leads = some_leads(broker, 7)
    assert shares(broker) == {"Agent 1": 3, "Agent 2": 2, "Agent 3": 2}
    first = Assignment.objects.get(lead=leads[0])
    assert (first.cause, first.rule, first.by, first.at) == ("rule", rule.name, None, NOW)
    assert (first.to_user, first.reason) == (leads[0].assigned_to, "in turn")


def test_arrivals_follow_the_weights(broker: Broker) -> None:
    a_rule(broker, *some_agents(broker, 3), weights=(5, 3, 2), strategy="weighted")
    some_leads(broker, 20)
    assert shares(broker) == {"Agent 1": 10, "Agent 2": 6, "Agent 3": 4}


def test_arrivals_go_to_whoever_has_fewest_open_leads(broker: Broker) -> None:
    busy, idle = some_agents(broker, 2)
    for stage in ("entrada", "perdido", "entrada", "entrada"):
        a_lead(broker, assigned_to=busy, stage=stage)
    for stage in ("ganado", "perdido", "referidos", "perfilamiento"):
        a_lead(broker, assigned_to=idle, stage=stage)
    a_rule(broker, busy, idle, strategy="least_loaded")
    assert [who_has(lead) for lead in some_leads(broker, 4)] == [idle, idle, busy, idle]


def test_lead_that_comes_with_an_agent_is_not_routed(broker: Broker, colleague: User) -> None:
    [agent] = some_agents(broker, 1)
    a_rule(broker, agent)
    assert history(a_lead(broker, assigned_to=colleague)) == [(None, colleague, "arrival", "")]


def test_stranger_who_writes_is_routed(broker: Broker) -> None:
    [agent] = some_agents(broker, 1)
    a_rule(broker, agent, conditions={"source": ["telegram"]})
    bot = ChannelAccount.objects.create(broker=broker, channel="telegram", provider="telegram", created_at=NOW)
    event = Event(kind="inbound", event_id="1", address="900", text="Hola", name="Inés")
    receive_event(account=bot, event=event, payload={}, now=NOW)
    assert history(Lead.objects.get(name="Inés"))[0][1:3] == (agent, "rule")


CONDITIONS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"location_any": ["Ñuñoa", "Macul"]}, {"location": "ñuñoa centro"}, {"location": "Maipú"}),
    ({"budget_min": 100, "budget_max": 200}, {"budget_amount": Decimal(150)}, {"budget_amount": Decimal(201)}),
    ({"budget_min": 100}, {"budget_amount": Decimal(100)}, {"budget_amount": None}),
    ({"source": ["portal"]}, {"source": "portal"}, {"source": "web"}),
    ({"language": ["en"]}, {"language": "en"}, {"language": "es"}),
    ({"property_type": ["casa"]}, {"metadata": {"property_type": "Casa"}}, {"metadata": {}}),
    ({"tags_any": ["vip"], "has_email": True}, {"tags": ["vip"]}, {"tags": ["vip"], "email": ""}),
]


@pytest.mark.parametrize(("conditions", "fits", "fails"), CONDITIONS)
def test_first_rule_whose_conditions_hold_decides(
    broker: Broker, conditions: dict[str, Any], fits: dict[str, Any], fails: dict[str, Any]
) -> None:
    special, usual = some_agents(broker, 2)
    a_rule(broker, special, conditions=conditions)
    a_rule(broker, usual)
    assert [who_has(a_lead(broker, **fields)) for fields in (fits, fails)] == [special, usual]


def test_rules_are_asked_in_their_order_and_only_active_ones(broker: Broker) -> None:
    late, early, off = some_agents(broker, 3)
    a_rule(broker, late, position=2)
    a_rule(broker, early, position=1)
    a_rule(broker, off, position=0, is_active=False)
    assert who_has(a_lead(broker)) == early


def test_rule_that_makes_no_sense_any_more_holds_for_nobody(broker: Broker) -> None:
    one, two = some_agents(broker, 2)
    a_rule(broker, one, conditions={"shoe_size": 42})
    a_rule(broker, two)
    assert who_has(a_lead(broker)) == two


def test_rules_of_another_brokerage_are_nobodys_business(broker: Broker, other_broker: Broker) -> None:
    """failures.md row 33."""
    a_rule(other_broker, *some_agents(other_broker, 2))
    assert who_has(a_lead(broker)) is None


def test_agent_on_vacation_is_passed_over_and_said_so(broker: Broker) -> None:
    broker.language = "en"
    one, two = some_agents(broker, 2)
    a_rule(broker, one, two)
    Absence.objects.create(broker=broker, agent=one, starts_at=NOW, ends_at=NOW + DAY)
    assert [who_has(lead) for lead in some_leads(broker, 2)] == [two, two]
    assert Assignment.objects.latest("id").reason == "in turn; passed over: Agent 1 (absent)"
    assert who_has(a_lead(broker, now=NOW + DAY)) == one


MORNING = {"wed": ["09:00", "12:00"]}


@pytest.mark.parametrize(("hour", "expected"), [(-1, 0), (0, 1), (24 * 7 - 3, 0), (24 * 7 - 4, 1)])
def test_agent_gets_leads_in_their_working_hours_only(broker: Broker, hour: int, expected: int) -> None:
    """NOW is noon on a Wednesday in Santiago; a week later, the hour from 8 to 9 and that from 9 to 10."""
    agents = some_agents(broker, 2)
    for agent in agents:
        hours: dict[str, Any] = MORNING if agent == agents[0] else {"wed": ["00:00", "23:59"]}
        WorkingHours.objects.create(broker=broker, agent=agent, hours=hours)
    a_rule(broker, agents[0], at_work_only=True)
    a_rule(broker, agents[1], at_work_only=True)
    assert who_has(a_lead(broker, now=NOW + hour * HOUR)) == agents[expected]


@pytest.mark.parametrize(("closed", "expected"), [(True, None), (False, 0)])
def test_public_holidays_of_the_brokerage_are_free_whatever_hours_an_agent_has(
    broker: Broker, closed: bool, expected: int | None
) -> None:
    """21 May is a holiday in Chile; in 2026 a Thursday."""
    set_routing(broker, closed_on_holidays=closed)
    agents = some_agents(broker, 1)
    WorkingHours.objects.create(broker=broker, agent=agents[0], hours={"thu": ["00:00", "23:59"]})
    a_rule(broker, agents[0], at_work_only=True)
    lead = a_lead(broker, now=datetime(2026, 5, 21, 15, tzinfo=UTC))
    assert who_has(lead) == (None if expected is None else agents[expected])


def test_agents_without_hours_work_in_those_of_the_brokerage(broker: Broker) -> None:
    [agent] = some_agents(broker, 1)
    a_rule(broker, agent, at_work_only=True)
    night = NOW + 12 * HOUR
    assert [who_has(a_lead(broker, now=moment)) for moment in (NOW, night)] == [agent, None]


def test_most_open_leads_are_never_exceeded(broker: Broker) -> None:
    a_rule(broker, *some_agents(broker, 2), max_open=3)
    some_leads(broker, 9)
    assert shares(broker) == {"Agent 1": 3, "Agent 2": 3, "": 3}


def test_default_agent_who_is_absent_gets_nothing_and_the_admin_is_told(broker: Broker, admin: User) -> None:
    boss = a_user(broker, "boss", first_name="Boss")
    set_routing(broker, default_agent=boss)
    Absence.objects.create(broker=broker, agent=boss, starts_at=NOW - DAY, ends_at=NOW + DAY)
    lead = a_lead(broker)
    assert (who_has(lead), Task.objects.get(lead=lead).assignee) == (None, admin)
    assert who_has(a_lead(broker, now=NOW + DAY)) == boss


def test_default_agent_gets_what_no_rule_takes(broker: Broker) -> None:
    one, boss = some_agents(broker, 2)
    set_routing(broker, default_agent=boss)
    a_rule(broker, one, conditions={"source": ["portal"]}, name="portal")
    assert who_has(a_lead(broker, source="web")) == boss
    one.is_active = False
    one.save()
    assert history(a_lead(broker, source="portal")) == [(None, boss, "rule", "portal")]


def test_lead_without_an_agent_is_told_to_the_broker_admin(broker: Broker, admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(email="admin@example.com")
    a_rule(broker, conditions={"source": ["web"]}, if_nobody="leave")
    lead = a_lead(broker, source="web")
    task = Task.objects.get()
    assert (task.lead, task.assignee, task.origin, task.due_at) == (lead, admin, f"unrouted:{lead.pk}", NOW)
    assert Lead.objects.get(pk=lead.pk).next_task_at == NOW
    event = OutboxEvent.objects.get()
    assert (event.kind, event.payload) == ("lead.unrouted", {"leads": [lead.pk]})
    assert (Notice.objects.get().user, Assignment.objects.count()) == (admin, 0)


def test_brokerage_without_rules_assigns_nobody_and_tells_nobody(broker: Broker, admin: User) -> None:
    lead = a_lead(broker)
    assert (who_has(lead), Task.objects.count(), Assignment.objects.count()) == (None, 0, 0)


def statements(broker: Broker, path: Path) -> int:
    with CaptureQueriesContext(connection) as asked:
        taken_in(broker, path)
    return len(asked)


def test_file_of_leads_is_routed_like_arrivals(broker: Broker, tmp_path: Path) -> None:
    a_rule(broker, *some_agents(broker, 3), weights=(2, 1, 1), strategy="weighted")
    taken_in(broker, a_file(tmp_path, 40), batch_size=7)
    assert shares(broker) == {"Agent 1": 20, "Agent 2": 10, "Agent 3": 10}
    assert (Assignment.objects.filter(cause="rule").count(), broken()) == (40, {})


@pytest.mark.parametrize("strategy", ["weighted", "least_loaded", "first_to_claim"])
def test_file_of_any_length_takes_the_same_statements(broker: Broker, tmp_path: Path, strategy: str) -> None:
    a_rule(broker, *some_agents(broker, 3), strategy=strategy, max_open=10_000)
    few, many = a_file(tmp_path, 3), a_file(tmp_path, 300, first=1000)
    assert statements(broker, few) == statements(broker, many)


def test_leads_of_a_file_that_were_known_keep_their_agent(broker: Broker, tmp_path: Path, colleague: User) -> None:
    lead = a_lead(broker, phone="+56910000000", assigned_to=colleague)
    a_rule(broker, *some_agents(broker, 1))
    taken_in(broker, a_file(tmp_path, 2))
    assert (who_has(lead), shares(broker)["Agent 1"]) == (colleague, 1)


def test_history_that_is_taken_over_is_not_routed(broker: Broker, tmp_path: Path) -> None:
    a_rule(broker, *some_agents(broker, 1))
    taken_in(broker, a_file(tmp_path, 2), is_history=True)
    assert (shares(broker), Assignment.objects.count()) == ({"": 2}, 0)


def test_file_that_finds_nobody_tells_the_broker_admin_once(broker: Broker, tmp_path: Path, admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(email="admin@example.com")
    a_rule(broker, if_nobody="leave")
    taken_in(broker, a_file(tmp_path, 30))
    assert (Task.objects.count(), Notice.objects.count()) == (1, 1)
    assert len(OutboxEvent.objects.get().payload["leads"]) == 30


def test_arrival_takes_as_many_statements_whatever_there_is(broker: Broker) -> None:
    counts = []
    for agents in (1, 12):
        rule = a_rule(broker, strategy="least_loaded")
        for number in range(agents):
            agent = a_user(broker, f"a{agents}-{number}")
            RoutingAgent.objects.create(broker=broker, rule=rule, agent=agent)
        some_leads(broker, agents)
        with CaptureQueriesContext(connection) as asked:
            create_lead(broker=broker, now=NOW, name="Ana")
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_turns_are_kept_in_rows(broker: Broker) -> None:
    agents = some_agents(broker, 3)
    a_rule(broker, *agents)
    first = a_lead(broker)
    assert [seat.lag for seat in RoutingAgent.objects.order_by("id")] == [-2, 1, 1]
    assert Counter(who_has(lead) for lead in [first, *some_leads(broker, 2)]) == dict.fromkeys(agents, 1)


def test_preview_says_who_would_get_leads_and_writes_nothing(broker: Broker) -> None:
    leads = some_leads(broker, 3)
    agents = some_agents(broker, 2)
    a_rule(broker, agents[0], conditions={"source": ["portal"]})
    draft = a_rule(broker, *agents, is_active=False)
    settings = routing_settings(broker)
    before = list(RoutingAgent.objects.values())
    plain = preview_routing(settings=settings, leads=leads, now=NOW)
    with_draft = preview_routing(settings=settings, leads=leads, now=NOW, also=draft)
    assert [isinstance(plain[lead.pk], Left) for lead in leads] == [True] * 3
    given = [with_draft[lead.pk] for lead in leads]
    assert [one.agent.id for one in given if isinstance(one, Given)] == [agents[0].pk, agents[1].pk, agents[0].pk]
    assert (list(RoutingAgent.objects.values()), Assignment.objects.count()) == (before, 0)


def test_settings_are_the_defaults_where_a_brokerage_has_none() -> None:
    broker = a_broker()
    broker.routing_settings.delete()
    settings = routing_settings(Broker.objects.get(pk=broker.pk))
    assert (settings.touch_within_minutes, settings.default_agent, settings.hours.holidays) == (5, None, ("CL",))
    assert RoutingRule.objects.count() == 0
