"""How long leads wait for an answer and for the first sign from us: worked examples."""

import statistics
from datetime import timedelta
from typing import Any

import pytest

from brokers.models import Broker, User
from leads.actions import record_permission, routing_settings
from leads.figures import Scope, Spread, scope_for, scope_of
from leads.figures.history import lasting
from leads.models import Lead
from messaging.figures import QUICK, SOON, Waiting, first_touches, first_touches_at_work, response_times
from tests.building import NOW, a_broker, a_lead
from tests.figures import a_history, after, hours
from tests.leads.routing.offices import work_between
from tests.messages import a_message

pytestmark = pytest.mark.django_db


def scope(broker: Broker, **narrowing: Any) -> Scope:
    return scope_of(broker=broker, now=after(1000), **narrowing)


def asks(lead: Lead, at: float, **fields: Any) -> Any:
    return a_message(lead, direction="in", status="received", created_at=after(at), **{"sandbox": False} | fields)


def answers(lead: Lead, at: float, by: User | None = None, **fields: Any) -> Any:
    return a_message(lead, created_at=after(at), sent_by=by, **{"sandbox": False} | fields)


def waited(scope: Scope, who: str, **how: bool) -> tuple[int, int, Any]:
    found = next(one for one in response_times(scope, **how) if one.who == who)
    return found.asked, found.answered, found.took.median


def test_person_and_machine_are_told_apart(broker: Broker, lead: Lead, agent: User) -> None:
    asks(lead, 0)
    answers(lead, 1)
    answers(lead, 3, agent)
    assert waited(scope(broker), "anybody") == (1, 1, hours(1))
    assert waited(scope(broker), "person") == (1, 1, hours(3))


def test_what_a_lead_writes_before_an_answer_is_asked_once(broker: Broker, lead: Lead, agent: User) -> None:
    for at in (0, 1, 2):
        asks(lead, at)
    answers(lead, 5, agent)
    asks(lead, 6)
    assert waited(scope(broker), "person") == (2, 1, hours(5))


def test_machines_answer_does_not_end_the_wait_for_a_person(broker: Broker, lead: Lead, agent: User) -> None:
    asks(lead, 0)
    answers(lead, 1)
    asks(lead, 2)
    answers(lead, 7, agent)
    assert waited(scope(broker), "anybody") == (2, 2, hours(3))
    assert waited(scope(broker), "person") == (1, 1, hours(7))


def test_answer_that_reached_nobody_is_none(broker: Broker, lead: Lead, agent: User) -> None:
    """failures.md row 31."""
    asks(lead, 0)
    for status in ("failed", "unknown", "cancelled", "sending"):
        answers(lead, 1, agent, status=status)
    assert waited(scope(broker), "anybody") == (1, 0, None)


def test_answer_counts_from_when_the_provider_took_it(broker: Broker, lead: Lead, agent: User) -> None:
    asks(lead, 0)
    answers(lead, 1, agent, sent_at=after(2))
    assert waited(scope(broker), "person") == (1, 1, hours(2))


def test_automatic_messages_and_opt_outs_wait_for_nobody(broker: Broker, lead: Lead) -> None:
    """failures.md row 20."""
    asks(lead, 0, basis={"automatic": True})
    refusal = asks(lead, 1, body="BAJA")
    record_permission(
        lead=lead, broker=broker, kind="revoked", now=NOW, source="keyword", evidence={"message": refusal.pk}
    )
    assert waited(scope(broker), "anybody") == (0, 0, None)


def test_sandbox_is_counted_apart(broker: Broker, lead: Lead, agent: User) -> None:
    """failures.md row 31."""
    asks(lead, 0)
    answers(lead, 1, agent, sandbox=True)
    asks(lead, 2, sandbox=True)
    answers(lead, 5, agent, sandbox=True)
    assert waited(scope(broker), "person") == (1, 0, None)
    assert waited(scope(broker), "person", sandbox=True) == (1, 1, hours(3))


def test_period_is_about_when_they_asked(broker: Broker, lead: Lead, agent: User) -> None:
    asks(lead, 0)
    answers(lead, 100, agent)
    asks(lead, 101)
    answers(lead, 102, agent)
    day = NOW.date()
    assert waited(scope(broker, until=day.replace(day=5)), "person") == (1, 1, hours(100))


def test_quick_is_five_minutes_and_soon_an_hour(broker: Broker, agent: User) -> None:
    for minutes in (5, 6, 60, 61):
        one = a_lead(broker)
        asks(one, 0)
        answers(one, minutes / 60, agent)
    asks(a_lead(broker), 0)
    found = response_times(scope(broker))[0]
    assert (found.asked, found.answered, found.unanswered, found.quick, found.soon, found.share) == (5, 4, 1, 1, 3, 0.8)


def test_nobody_asked(broker: Broker) -> None:
    assert response_times(scope(broker)) == [Waiting("person"), Waiting("anybody")]
    assert (Waiting("person").share, Waiting("person").took) == (None, Spread())


def test_others_messages_count_nowhere(
    broker: Broker, lead: Lead, outsiders_lead: Lead, agent: User, colleague: User
) -> None:
    for one in (lead, outsiders_lead, a_history(broker, (0, "entrada"), assigned_to=colleague)):
        asks(one, 0)
    assert waited(scope(broker), "anybody")[0] == 2
    assert waited(scope_for(user=agent, now=after(9)), "anybody")[0] == 1


def test_first_touch_is_a_persons_and_any_sign_is_told_beside(broker: Broker) -> None:
    first, second, _untouched = (a_history(broker, (0, "entrada")) for _ in range(3))
    answers(first, 1)
    Lead.objects.filter(pk=first.pk).update(first_touched_at=after(4))
    Lead.objects.filter(pk=second.pk).update(first_touched_at=after(6))
    found = {one.who: (one.asked, one.answered, one.took.median) for one in first_touches(scope(broker))}
    assert found == {"person": (3, 2, hours(5)), "anybody": (3, 2, hours(3.5))}


def test_lead_that_was_touched_before_it_was_written_down_was_touched_at_once(broker: Broker) -> None:
    lead = a_history(broker, (5, "entrada"))
    Lead.objects.filter(pk=lead.pk).update(first_touched_at=after(0))
    assert [one.took.median for one in first_touches(scope(broker))] == [hours(0)] * 2


def test_first_touches_in_business_hours_are_those_of_plain_counting(broker: Broker) -> None:
    """Arrivals and touches over half a year, by day and by night, over a change of the clock."""
    settings = routing_settings(broker)
    waits = []
    for number in range(0, 24 * 170, 131):
        wait = timedelta(minutes=7 ** (number % 11) % 9000)
        lead = a_history(broker, (number, "entrada"))
        touched = lead.created_at + wait
        Lead.objects.filter(pk=lead.pk).update(first_touched_at=touched)
        waits.append(work_between(lead.created_at, touched, settings.hours, broker.timezone))
    a_history(broker, (0, "entrada"))
    found = first_touches_at_work(scope_of(broker=broker, now=after(24 * 200)))
    assert (found.asked, found.answered) == (len(waits) + 1, len(waits))
    assert found.took.median == lasting(statistics.median(wait.total_seconds() for wait in waits))
    assert (found.quick, found.soon) == tuple(sum(wait <= most for wait in waits) for most in (QUICK, SOON))
    assert 0 < found.quick < found.soon < len(waits)


def test_nobody_who_arrived_has_no_time_in_business_hours(broker: Broker) -> None:
    assert first_touches_at_work(scope(broker)) == Waiting("person_at_work")


def test_leads_taken_over_with_their_history_did_not_arrive(broker: Broker) -> None:
    a_history(broker, (0, "entrada", "migration"))
    a_history(a_broker("boreal"), (0, "entrada"))
    assert [one.asked for one in first_touches(scope(broker))] == [0, 0]
