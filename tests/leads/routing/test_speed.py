"""Speed to lead: who is not touched by a person in time is escalated once, and how long everybody waited."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker, OutboxEvent, Role, User
from leads.actions import claim_lead, delete_lead, routing_settings
from leads.actions.speed import end_due_clocks, start_clock
from leads.actions.unclaimed import pass_on_unclaimed
from leads.importer.writing import import_leads
from leads.models import Lead, Notice, SpeedClock, Task
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, broken, now_of, some_leads
from tests.leads.routing.offices import a_rule, history, outcomes, set_routing, some_agents, who_has

pytestmark = pytest.mark.django_db
LIMIT = timedelta(minutes=5)


@pytest.fixture
def broker() -> Broker:
    return a_broker(touch_within_minutes=5)


@pytest.fixture
def boss(broker: Broker) -> User:
    return a_user(broker, "boss", role=Role.ADMIN, email="boss@example.com")


def sweep(broker: Broker, *, after: timedelta = LIMIT, batch: int = 100) -> int:
    return end_due_clocks(broker=broker, now=NOW + after, batch=batch)


def clock_of(lead: Lead) -> SpeedClock:
    return SpeedClock.objects.filter(lead=lead).latest("id")


def touch(lead: Lead, after: timedelta, **columns: Any) -> None:
    """As whoever writes a person's message stamps it."""
    Lead.objects.filter(pk=lead.pk).update(**{"first_touched_at": NOW + after} | columns)


def test_arrival_starts_a_clock_in_business_hours(broker: Broker) -> None:
    """NOW is noon on a Wednesday in Santiago; closed from seven in the evening to nine."""
    day, evening = a_lead(broker), a_lead(broker, now=NOW + 7 * HOUR - timedelta(minutes=2))
    assert (clock_of(day).started_at, clock_of(day).due_at) == (NOW, NOW + LIMIT)
    assert clock_of(evening).due_at == NOW + 21 * HOUR + timedelta(minutes=3)


@pytest.mark.parametrize("minutes", [None, 30])
def test_limit_is_the_brokers_own_or_off(broker: Broker, minutes: int | None) -> None:
    set_routing(broker, touch_within_minutes=minutes)
    a_lead(broker)
    due = list(SpeedClock.objects.values_list("due_at", flat=True))
    assert due == ([NOW + timedelta(minutes=minutes)] if minutes else [])


def test_leads_of_a_file_start_no_clock(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("Nombre;Teléfono\nAna;+56987654321\n", encoding="utf-8")
    import_leads(broker=broker, path=path, clock=lambda: NOW)
    assert (Lead.objects.count(), SpeedClock.objects.count()) == (1, 0)


def test_lead_that_nobody_touched_is_escalated_once(broker: Broker, boss: User) -> None:
    """failures.md row 27."""
    lead = a_lead(broker, assigned_to=some_agents(broker, 1)[0])
    assert sweep(broker, after=LIMIT - timedelta(seconds=1)) == 0
    assert [sweep(broker), sweep(broker), sweep(broker, after=DAY)] == [1, 0, 0]
    clock = clock_of(lead)
    assert (clock.outcome, clock.ended_at) == ("escalated", NOW + LIMIT)
    task = Task.objects.get()
    assert (task.lead, task.assignee, task.origin) == (lead, boss, f"speed:{clock.pk}")
    assert now_of(lead).next_task_at == NOW + LIMIT
    event = OutboxEvent.objects.get()
    assert (event.kind, event.payload["lead"], event.payload["assigned_to"]) == (
        "lead.escalated",
        lead.pk,
        lead.assigned_to_id,
    )
    notice = Notice.objects.get()
    assert (notice.user, notice.due_at, f"/leads/lead/{lead.pk}/" in notice.body) == (boss, NOW + LIMIT, True)


TOUCHED: list[Callable[[Lead], Any]] = [
    lambda lead: touch(lead, timedelta(0)),
    lambda lead: touch(lead, LIMIT),
    lambda lead: touch(lead, -DAY, last_answered_at=NOW + LIMIT),
]
GONE: list[Callable[[Lead], Any]] = [
    lambda lead: delete_lead(lead=lead, now=NOW),
    lambda lead: Lead.objects.filter(pk=lead.pk).update(treatment_type="hold"),
    lambda lead: Lead.objects.filter(pk=lead.pk).update(pipeline_stage="perdido", stage_entered_at=NOW),
]
OFF: list[Callable[[Lead], Any]] = [
    lambda lead: set_routing(lead.broker, touch_within_minutes=None),
    lambda lead: Broker.objects.update(is_active=False),
]


@pytest.mark.parametrize(
    ("happens", "outcome"),
    [
        *((one, "touched") for one in TOUCHED),
        *((one, "gone") for one in GONE),
        *((one, "off") for one in OFF),
        (lambda lead: touch(lead, -DAY), "escalated"),
        # Who was lost before, and asked again.
        (
            lambda lead: Lead.objects.filter(pk=lead.pk).update(pipeline_stage="perdido", stage_entered_at=NOW - DAY),
            "escalated",
        ),
        (lambda lead: Lead.objects.filter(pk=lead.pk).update(last_contacted_at=NOW), "escalated"),
    ],
)
def test_clock_ends_as_what_happened(broker: Broker, boss: User, happens: Callable[[Lead], Any], outcome: str) -> None:
    """What campaigns send (`last_contacted_at`) is no human touch, nor is one from before the arrival."""
    lead = a_lead(broker)
    happens(lead)
    assert end_due_clocks(broker=Broker.objects.get(), now=NOW + LIMIT) == 1
    assert (clock_of(lead).outcome, Task.objects.count()) == (outcome, int(outcome == "escalated"))


def test_who_asks_again_after_a_touch_is_a_new_arrival(broker: Broker, boss: User) -> None:
    lead, settings = a_lead(broker), routing_settings(broker)
    start_clock(lead=lead, settings=settings, now=NOW + timedelta(minutes=1))
    assert SpeedClock.objects.count() == 1  # it runs already, from the first time
    touch(lead, timedelta(minutes=2))
    sweep(broker)
    start_clock(lead=lead, settings=settings, now=NOW + DAY)
    sweep(broker, after=DAY + LIMIT)
    assert list(SpeedClock.objects.order_by("id").values_list("outcome", flat=True)) == ["touched", "escalated"]


def test_every_broker_admin_gets_one_mail_for_all(broker: Broker, boss: User) -> None:
    a_user(broker, "second", role=Role.ADMIN, email="second@example.com")
    a_user(broker, "gone", role=Role.ADMIN, email="gone@example.com", is_active=False)
    a_user(broker, "mute", role=Role.ADMIN)
    some_leads(broker, 3)
    sweep(broker)
    assert sorted(notice.user.email for notice in Notice.objects.all()) == ["boss@example.com", "second@example.com"]
    assert (Task.objects.filter(assignee=boss).count(), OutboxEvent.objects.count()) == (3, 3)


def test_escalated_lead_may_go_to_somebody_else(broker: Broker, boss: User) -> None:
    set_routing(broker, reassigns=True)
    one, two = some_agents(broker, 2)
    a_rule(broker, one, two, name="todos")
    lead, other = a_lead(broker), a_lead(broker)
    sweep(broker)
    assert history(lead)[1:] == [(one, two, "escalation", "todos")]
    assert history(other)[1:] == [(two, one, "escalation", "todos")]
    assert ({task.assignee for task in Task.objects.all()}, broken()) == ({boss}, {})


def test_escalated_lead_stays_where_it_is_when_nobody_else_is_there(broker: Broker, boss: User) -> None:
    set_routing(broker, reassigns=True)
    [one] = some_agents(broker, 1)
    a_rule(broker, one)
    lead = a_lead(broker)
    sweep(broker)
    assert (who_has(lead), Task.objects.count()) == (one, 1)


def test_without_a_broker_admin_the_escalation_is_kept_all_the_same(broker: Broker) -> None:
    lead = a_lead(broker)
    sweep(broker)
    assert (Task.objects.get(lead=lead).assignee, clock_of(lead).outcome) == (None, "escalated")


def test_crash_before_the_end_leaves_it_due_and_nothing_behind(broker: Broker, boss: User) -> None:
    """failures.md row 2: clock, task, event, mail and the new agent are one transaction."""
    set_routing(broker, reassigns=True)
    a_rule(broker, *some_agents(broker, 2))
    lead = a_lead(broker)
    with transaction.atomic():
        sweep(broker)
        transaction.set_rollback(True)
    assert (Task.objects.count(), Notice.objects.count(), len(history(lead)), clock_of(lead).outcome) == (0, 0, 1, "")
    assert [sweep(broker), sweep(broker)] == [1, 0]
    assert (Task.objects.count(), Notice.objects.count(), len(history(lead))) == (1, 1, 2)


def test_batches_escalate_everybody_with_the_same_statements(broker: Broker, boss: User) -> None:
    """failures.md row 15."""
    set_routing(broker, reassigns=True)
    a_rule(broker, *some_agents(broker, 2))
    counts = []
    for count in (1, 20):
        some_leads(broker, count)
        with CaptureQueriesContext(connection) as asked:
            assert sweep(broker, batch=20) == count
        counts.append(len(asked))
    assert counts[0] == counts[1]
    some_leads(broker, 5)
    assert [sweep(broker, batch=2) for _ in range(4)] == [2, 2, 1, 0]
    assert Task.objects.count() == 26


def test_escalated_lead_may_be_offered_to_others_who_may_claim_it(broker: Broker, boss: User) -> None:
    """Until somebody else claims it, it stays with whoever has it."""
    set_routing(broker, reassigns=True)
    one, two = some_agents(broker, 2)
    a_rule(broker, one, two, strategy="first_to_claim")
    lead = a_lead(broker, assigned_to=one)
    sweep(broker)
    assert (who_has(lead), outcomes(lead)) == (one, {"Agent 2": ""})
    claim_lead(lead=lead, by=two, now=NOW + LIMIT)
    assert history(lead)[1:] == [(one, two, "claim", "rule 1")]


def test_escalated_lead_that_nobody_claims_goes_to_somebody_else(broker: Broker, boss: User) -> None:
    set_routing(broker, reassigns=True)
    one, two = some_agents(broker, 2)
    a_rule(broker, one, two, strategy="first_to_claim")
    lead = a_lead(broker, assigned_to=one)
    sweep(broker)
    pass_on_unclaimed(broker=broker, now=NOW + HOUR)
    assert history(lead)[1:] == [(one, two, "fallback", "rule 1")]


def test_escalated_lead_that_may_be_claimed_still_is_offered_once(broker: Broker, boss: User) -> None:
    """Five minutes until the first touch, ten to claim: what the settings are unless told otherwise."""
    set_routing(broker, reassigns=True)
    a_rule(broker, *some_agents(broker, 2), strategy="first_to_claim")
    lead = a_lead(broker)
    sweep(broker)
    assert (clock_of(lead).outcome, outcomes(lead)) == ("escalated", {"Agent 1": "", "Agent 2": ""})
