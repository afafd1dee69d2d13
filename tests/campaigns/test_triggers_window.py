"""No event is missed between two passes, and none counts twice (failures.md row 25)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.models import Broker
from campaigns.models import Campaign, Enrollment, Sweep
from campaigns.triggers import OVERLAP, fire
from leads.actions import create_lead, edit_lead
from tests.building import DAY, HOUR, NOW, a_broker, a_campaign, a_lead, some_leads

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SCORE: dict[str, Any] = {"triggered_by": "lead_score", "trigger_condition": {"score_min": 20}}
BIRTH: dict[str, Any] = {"triggered_by": "stage_change", "trigger_condition": {"stage": "entrada"}}
SILENCE: dict[str, Any] = {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 1}}


def a_waiting_campaign(broker: Broker, **settings: Any) -> Campaign:
    """Activated when the leads of the test were there already."""
    return a_campaign(broker, now=NOW + MINUTE, **settings)


def sweep(now: datetime, **how: Any) -> int:
    return sum(intake.enrolled for intake in fire(now=now, is_virtual=True, **how).values())


def swept_to(broker: Broker) -> datetime:
    return Sweep.objects.get(broker=broker).swept_to


@pytest.mark.django_db
def test_event_between_two_passes_is_found_by_the_next(broker: Broker) -> None:
    """failures.md row 25."""
    leads = some_leads(broker, 4)
    campaign = a_waiting_campaign(broker, **SCORE)
    for number, lead in enumerate(leads, start=2):
        edit_lead(lead=lead, now=NOW + number * MINUTE - SECOND, by=None, location="Ñuñoa")
        assert sweep(NOW + number * MINUTE) == 1
    assert campaign.enrollments.count() == 4


@pytest.mark.django_db
def test_event_that_is_committed_late_is_found_within_the_overlap(broker: Broker) -> None:
    """Its stamp is older than the last pass (failures.md row 25)."""
    lead = a_lead(broker)
    a_waiting_campaign(broker, **SCORE)
    assert sweep(NOW + HOUR) == 0
    edit_lead(lead=lead, now=NOW + HOUR - OVERLAP, by=None, location="Ñuñoa")
    assert sweep(NOW + HOUR + SECOND) == 1


@pytest.mark.django_db
def test_overlap_takes_nobody_in_twice(broker: Broker) -> None:
    """Also where leads may enter again: an event that is older than the entry is no new one."""
    lead = a_lead(broker)
    campaign = a_waiting_campaign(broker, **SCORE, reentry_after_days=1)
    edit_lead(lead=lead, now=NOW + HOUR, by=None, location="Ñuñoa")
    for number in range(12):
        sweep(NOW + HOUR + number * MINUTE)
        Enrollment.objects.update(status="completed", finished_at=NOW - 9 * DAY)
    assert campaign.enrollments.count() == 1


@pytest.mark.django_db
def test_event_of_the_future_waits_for_its_pass(broker: Broker) -> None:
    lead = a_lead(broker)
    a_waiting_campaign(broker, **SCORE)
    edit_lead(lead=lead, now=NOW + 2 * HOUR, by=None, location="Ñuñoa")
    assert [sweep(NOW + hours * HOUR) for hours in (1, 2, 3)] == [0, 1, 0]


@pytest.mark.django_db
def test_watermark_never_runs_backwards(broker: Broker) -> None:
    sweep(NOW + DAY)
    sweep(NOW)
    assert swept_to(broker) == NOW + DAY


@pytest.mark.django_db
def test_pass_over_one_brokerage_moves_only_its_watermark(broker: Broker) -> None:
    other = a_broker("boreal")
    sweep(NOW)
    sweep(NOW + DAY, broker_id=broker.pk)
    assert (swept_to(broker), swept_to(other)) == (NOW + DAY, NOW)


@pytest.mark.django_db
def test_pass_over_one_brokerage_takes_only_its_leads_in(broker: Broker) -> None:
    other = a_broker("boreal")
    for owner in (broker, other):
        a_waiting_campaign(owner, **BIRTH)
        a_lead(owner, now=NOW + HOUR)
    assert [sweep(NOW + HOUR, broker_id=broker.pk), sweep(NOW + HOUR), sweep(NOW + HOUR)] == [1, 1, 0]


def is_somebody_waiting() -> bool:
    """Whether a connection to this database waits for another's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
            "cardinality(pg_blocking_pids(pid)) > 0"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_passes_that_end_at_once_lock_the_watermarks_in_one_order() -> None:
    """Otherwise one over all and one over a single brokerage could wait for each other; as they lie, they would."""
    brokers = [a_broker(f"broker-{number}") for number in range(3)]
    for broker in reversed(brokers):
        Sweep.objects.create(broker=broker, swept_to=NOW)
    _first, second, third = brokers
    pass_over_all = Thread(target=lambda: (fire(now=NOW + HOUR, is_virtual=True), connection.close()))
    with transaction.atomic():
        Sweep.objects.select_for_update(no_key=True).get(broker=second)
        pass_over_all.start()
        wait_until(is_somebody_waiting)
        free = Sweep.objects.select_for_update(no_key=True, skip_locked=True).exclude(broker=second)
        assert [sweep.broker for sweep in free] == [third]
    pass_over_all.join(20)
    assert set(Sweep.objects.values_list("swept_to", flat=True)) == {NOW + HOUR}


def wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


gaps = st.lists(st.integers(1, 3 * 60), min_size=1, max_size=8)


@pytest.mark.django_db
@pytest.mark.parametrize("trigger", [SCORE, BIRTH, SILENCE])
@given(gaps, st.lists(st.integers(1, 600), min_size=1, max_size=5))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_the_passes_fall_each_event_enrols_once(
    db: None, trigger: dict[str, Any], passes: list[int], births: list[int]
) -> None:
    """Passes and arrivals at any minutes; at the end every lead is in once, by whichever trigger."""
    broker = a_broker(f"broker-{Broker.objects.count()}")
    campaign: Campaign = a_waiting_campaign(broker, **trigger)
    todo = [(NOW + minute * MINUTE, "birth") for minute in births]
    at = NOW
    for gap in passes:
        at += gap * MINUTE
        todo.append((at, "pass"))
    leads = []
    for moment, what in sorted(todo):
        if what == "birth":
            leads.append(a_lead(broker, now=moment, location="Ñuñoa"))
        else:
            sweep(moment)
    sweep(NOW + 2 * DAY)
    assert sorted(campaign.enrollments.values_list("lead", flat=True)) == [lead.pk for lead in leads]


@contextmanager
def somebody_writing(broker: Broker) -> Iterator[None]:
    """Within it a lead has arrived over another connection, and is not committed."""
    written, go_on = Event(), Event()

    def arrive() -> None:
        with transaction.atomic():
            create_lead(broker=broker, now=datetime.now(UTC), name="Ana", phone="+56987654321")
            written.set()
            go_on.wait(20)
        connection.close()

    thread = Thread(target=arrive)
    thread.start()
    try:
        assert written.wait(20)
        yield
    finally:
        go_on.set()
        thread.join(20)


@pytest.mark.django_db(transaction=True)
def test_watermark_does_not_pass_a_transaction_that_is_still_writing() -> None:
    """What it wrote earlier is found however late it commits (failures.md row 25)."""
    broker = a_broker()
    campaign = a_campaign(broker, now=datetime.now(UTC), **BIRTH)
    in_an_hour = datetime.now(UTC) + HOUR
    with somebody_writing(broker):
        fire(now=in_an_hour)
        assert swept_to(broker) < datetime.now(UTC)
    assert campaign.enrollments.count() == 0
    fire(now=in_an_hour)
    assert (campaign.enrollments.count(), swept_to(broker)) == (1, in_an_hour)
