"""The engine's pass does what time does to leads; with nothing to do it asks once, whatever there is."""

import re

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker, Role
from campaigns import engine
from campaigns.tasks import sweep as sweep_task
from leads.models import Notice, Offer, SpeedClock, Task
from leads.sweep import DUE, sweep
from messaging.clock import VirtualClock
from tests.building import HOUR, NOW, a_broker, a_lead, a_user
from tests.leads.routing.offices import an_offered_lead, some_agents, who_has
from tests.many import copies

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    broker = a_broker(touch_within_minutes=5)
    a_user(broker, "boss", role=Role.ADMIN, email="boss@example.com")
    return broker


def test_pass_of_the_engine_escalates_passes_on_and_sends_mail(broker: Broker) -> None:
    [agent] = some_agents(broker, 1)
    lead = an_offered_lead(broker, agent)
    engine.run(clock=VirtualClock(NOW + HOUR))
    assert (who_has(lead), Task.objects.get().lead) == (agent, lead)
    assert [(letter.to, letter.subject) for letter in mail.outbox] == [(["boss@example.com"], mail.outbox[0].subject)]
    assert Notice.objects.get().sent_at == NOW + HOUR


def test_task_of_the_clock_does_the_same(broker: Broker) -> None:
    """Beside a pass that is busy with a long queue."""
    lead = a_lead(broker)
    sweep_task()
    assert (SpeedClock.objects.get().outcome, Task.objects.get().lead) == ("escalated", lead)


def test_pass_over_one_brokerage_leaves_the_others(broker: Broker) -> None:
    other = a_broker("boreal", touch_within_minutes=5)
    for owner in (broker, other):
        a_lead(owner)
    engine.run(clock=VirtualClock(NOW + HOUR), broker=other)
    assert [task.broker for task in Task.objects.all()] == [other]


def test_what_fails_for_one_brokerage_fails_alone(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """failures.md row 5: hours that cannot be read any more, put there past their check."""
    poisoned = a_broker("boreal", touch_within_minutes=5)
    offered = an_offered_lead(poisoned, *some_agents(poisoned, 1))
    poisoned.routing_settings.__class__.objects.filter(broker=poisoned).update(business_hours={"someday": 1})
    lead = a_lead(broker)
    engine.run(clock=VirtualClock(NOW + HOUR))
    assert ("pass_on_unclaimed failed for Boreal" in caplog.text, who_has(offered)) == (True, None)
    assert set(Task.objects.values_list("lead", flat=True)) == {lead.pk, offered.pk}


def test_idle_sweep_asks_once(broker: Broker) -> None:
    an_offered_lead(broker, *some_agents(broker, 2))
    with CaptureQueriesContext(connection) as asked:
        sweep(now=NOW)
    assert len(asked) == 1


def test_idle_sweep_reads_partial_indexes_only(broker: Broker) -> None:
    """failures.md row 16: they hold what still runs, and not what was settled long ago."""
    an_offered_lead(broker, *some_agents(broker, 1))
    copies(Offer.objects.get(), 2_000, closed_at="o.offered_at", outcome="'taken'")
    copies(SpeedClock.objects.get(), 2_000, ended_at="o.started_at", outcome="'touched'")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # the tables of a test are too small to be worth an index
        cursor.execute(f"EXPLAIN {DUE}", {"now": NOW, "reminding": NOW})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    used = set(re.findall(r"idx_\w+", plan))
    partial = {"idx_offer_due", "idx_clock_due", "idx_task_reminder", "idx_mail_due"}
    assert ("Seq Scan" in plan, used) == (False, partial), plan
