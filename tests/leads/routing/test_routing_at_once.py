"""Several at once, in threads with connections of their own: one winner, fair turns, no limit exceeded."""

from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from brokers.models import Broker, User
from leads.actions import assign_lead, claim_lead
from leads.actions.speed import end_due_clocks
from leads.actions.unclaimed import pass_on_unclaimed
from leads.importer.writing import import_leads
from leads.models import Assignment, Lead, Task
from tests.building import DAY, NOW, a_broker, a_lead, broken, now_of, some_leads
from tests.leads.routing.offices import a_rule, an_offered_lead, outcomes, shares, some_agents
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def arrivals(broker: Broker, count: int) -> None:
    for _ in range(count):
        a_lead(Broker.objects.get(pk=broker.pk))


@pytest.mark.parametrize("strategy", ["round_robin", "least_loaded"])
def test_fifty_arrivals_at_once_give_five_agents_ten_each(strategy: str) -> None:
    broker = a_broker()
    a_rule(broker, *some_agents(broker, 5), strategy=strategy)
    together(*[lambda: arrivals(broker, 5)] * 10)
    assert shares(broker) == {f"Agent {number}": 10 for number in range(1, 6)}
    assert broken() == {}


def test_arrivals_at_once_keep_the_most_open_leads() -> None:
    broker = a_broker()
    a_rule(broker, *some_agents(broker, 2), max_open=4)
    together(*[lambda: arrivals(broker, 2)] * 6)
    assert shares(broker) == {"Agent 1": 4, "Agent 2": 4, "": 4}


def test_file_and_arrivals_at_once_share_turns(tmp_path: Path) -> None:
    broker = a_broker()
    a_rule(broker, *some_agents(broker, 4))
    path = tmp_path / "leads.csv"
    lines = [f"Ana {n};+5691{n:07d}" for n in range(40)]
    path.write_text("\n".join(["Nombre;Teléfono", *lines, ""]), encoding="utf-8")
    together(
        lambda: import_leads(broker=broker, path=path, clock=lambda: NOW, batch_size=6),
        *[lambda: arrivals(broker, 5)] * 4,
    )
    assert shares(broker) == {f"Agent {number}": 15 for number in range(1, 5)}


def test_claims_at_once_keep_the_most_open_leads() -> None:
    broker = a_broker()
    [agent] = some_agents(broker, 1)
    leads = [an_offered_lead(broker, agent, max_open=2), *[a_lead(broker) for _ in range(5)]]
    said = together(*[lambda lead=lead: claim_lead(lead=lead, by=agent, now=NOW) for lead in leads])
    assert Counter(str(one) for one in said)["full"] == 4
    assert shares(broker) == {"Agent 1": 2, "": 4}


def test_of_several_who_claim_one_gets_it() -> None:
    broker = a_broker()
    agents = some_agents(broker, 4)
    for _ in range(5):
        lead = an_offered_lead(broker, *agents)
        answers = together(*[partial(claim_lead, lead=lead, by=agent, now=NOW) for agent in agents])
        assert Counter(isinstance(answer, Lead) or answer for answer in answers) == {True: 1, "claimed": 3}
        winner = next(agent for agent, answer in zip(agents, answers, strict=True) if isinstance(answer, Lead))
        assert (now_of(lead).assigned_to, Assignment.objects.get(lead=lead).to_user) == (winner, winner)
        assert Counter(outcomes(lead).values()) == {"claimed": 1, "taken": 3}


def test_claim_and_the_end_of_its_time_have_one_winner() -> None:
    broker = a_broker()
    one, two = some_agents(broker, 2)
    soon, late = NOW + timedelta(minutes=9), NOW + timedelta(minutes=10)
    for _ in range(5):
        lead = an_offered_lead(broker, one, two)
        together(
            partial(claim_lead, lead=lead, by=two, now=soon),
            lambda: pass_on_unclaimed(broker=broker, now=late),
            lambda: pass_on_unclaimed(broker=broker, now=late),
        )
        pass_on_unclaimed(broker=broker, now=late)  # whoever was busy with it left it to this
        assert Assignment.objects.filter(lead=lead).count() == 1
        assert set(outcomes(lead).values()) in ({"claimed", "taken"}, {"expired"})
    assert broken() == {}


def test_several_sweeps_escalate_each_lead_once() -> None:
    """failures.md row 27."""
    broker = a_broker(touch_within_minutes=5)
    leads = some_leads(broker, 12)
    sweeps = [lambda: end_due_clocks(broker=broker, now=NOW + DAY, batch=5)] * 4
    for _ in range(3):
        together(*sweeps)
    assert Counter(Task.objects.values_list("lead_id", flat=True)) == {lead.pk: 1 for lead in leads}


def test_people_arrivals_and_sweeps_at_once_wait_for_nobody_for_ever() -> None:
    broker = a_broker(touch_within_minutes=5)
    agents: list[User] = some_agents(broker, 3)
    a_rule(broker, *agents, strategy="first_to_claim")
    leads = some_leads(broker, 12)
    later = NOW + timedelta(minutes=30)

    def people() -> None:
        for number, lead in enumerate(leads):
            assign_lead(lead=lead, to=agents[number % 3], now=later, cause="person")

    def sweep() -> None:
        for _ in range(4):
            pass_on_unclaimed(broker=broker, now=later, batch=3)
            end_due_clocks(broker=broker, now=later, batch=3)

    together(people, sweep, sweep, lambda: arrivals(broker, 4))
    sweep()
    assert (Lead.objects.filter(assigned_to=None).count(), broken()) == (0, {})
