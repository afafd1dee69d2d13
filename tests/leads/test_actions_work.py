"""Tasks and appointments."""

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import book_appointment, create_task, propose_appointment
from leads.models import Appointment, Lead
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, book, now_of
from tests.together import together

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker, assigned_to=a_user(broker))


def test_task_is_the_agents_and_the_leads_next_action(lead: Lead) -> None:
    task = create_task(lead=lead, title="Llamar", due_at=NOW + DAY, now=NOW, origin="log:3")
    assert (task.assignee, task.broker, task.done_at) == (lead.assigned_to, lead.broker, None)
    assert (now_of(lead).next_task_at, now_of(lead).next_action_at) == (NOW + DAY, NOW + DAY)


def test_next_action_is_the_nearest(lead: Lead) -> None:
    for days in (3, 1, 2):
        create_task(lead=lead, title="Llamar", due_at=NOW + days * DAY, now=NOW)
    book(lead, NOW, starts_at=NOW + DAY / 2)
    fresh = now_of(lead)
    assert (fresh.next_task_at, fresh.next_appointment_at) == (NOW + DAY, NOW + DAY / 2)
    assert fresh.next_action_at == NOW + DAY / 2


def test_proposed_meeting_is_open_and_has_a_token(lead: Lead) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    assert (meeting.status, meeting.agent, meeting.starts_at, len(meeting.token) >= 32) == (
        "proposed",
        lead.assigned_to,
        None,
        True,
    )
    assert propose_appointment(lead=lead, now=NOW).token != meeting.token


def test_meeting_needs_an_agent(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        propose_appointment(lead=a_lead(broker), now=NOW)
    assert (refused.value.reason, Appointment.objects.count()) == ("no_agent", 0)


def test_booking_fixes_the_time_and_counts(lead: Lead) -> None:
    meeting = book(lead, NOW + HOUR, starts_at=NOW + DAY)
    assert (meeting.status, meeting.starts_at, meeting.ends_at) == ("scheduled", NOW + DAY, NOW + DAY + HOUR)
    assert meeting.booked_at == NOW + HOUR
    fresh = now_of(lead)
    assert (fresh.booking_count, fresh.next_appointment_at, fresh.last_activity_at) == (1, NOW + DAY, NOW + HOUR)
    assert fresh.score_components["booking"] == 5


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [(NOW, NOW + HOUR), (NOW - HOUR, NOW + HOUR), (NOW + DAY, NOW + DAY), (NOW + DAY, NOW + HOUR)],
)
def test_time_must_lie_ahead_and_begin_before_it_ends(lead: Lead, starts_at: datetime, ends_at: datetime) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    with pytest.raises(Refused) as refused:
        book_appointment(appointment=meeting, starts_at=starts_at, ends_at=ends_at, now=NOW)
    assert (refused.value.reason, Appointment.objects.get().status) == ("time_invalid", "proposed")


def test_meeting_is_booked_once(lead: Lead) -> None:
    meeting = book(lead, NOW)
    with pytest.raises(Refused) as refused:
        book_appointment(appointment=meeting, starts_at=NOW + DAY, ends_at=NOW + 2 * DAY, now=NOW)
    assert (refused.value.reason, now_of(lead).booking_count) == ("not_open", 1)


def test_time_of_an_agent_is_taken_once(broker: Broker, lead: Lead) -> None:
    book(lead, NOW, starts_at=NOW + DAY)
    other = a_lead(broker, assigned_to=lead.assigned_to)
    with pytest.raises(Refused) as refused:
        book(other, NOW, starts_at=NOW + DAY + HOUR / 2)
    assert (refused.value.reason, now_of(other).booking_count) == ("slot_taken", 0)


def test_times_that_touch_do_not_overlap(broker: Broker, lead: Lead) -> None:
    book(lead, NOW, starts_at=NOW + DAY)
    other = a_lead(broker, assigned_to=lead.assigned_to)
    assert book(other, NOW, starts_at=NOW + DAY + HOUR).status == "scheduled"


def test_time_of_another_agent_is_free(broker: Broker, lead: Lead) -> None:
    book(lead, NOW, starts_at=NOW + DAY)
    other = a_lead(broker, assigned_to=a_user(broker, "diego"))
    assert book(other, NOW, starts_at=NOW + DAY).status == "scheduled"


def test_live_meeting_without_agent_or_time_is_refused_by_the_database(lead: Lead) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    for changes in ({"status": "scheduled"}, {"status": "confirmed", "agent": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Appointment.objects.filter(pk=meeting.pk).update(**changes)
    assert Appointment.objects.get().status == "proposed"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_book_one_time_at_once_one_gets_it() -> None:
    broker = a_broker()
    agent = a_user(broker)
    leads = [a_lead(broker, assigned_to=agent) for _ in range(2)]

    def booked(lead: Lead) -> str:
        return book(lead, NOW, starts_at=NOW + DAY).status

    said = together(*[lambda lead=lead: booked(lead) for lead in leads])
    assert sorted(said) == ["scheduled", "slot_taken"]
    assert Appointment.objects.filter(status="scheduled").count() == 1
