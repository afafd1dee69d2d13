"""Leads choose, confirm, move and call off on the public page, by its forms alone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from brokers.models import Broker, User
from leads.actions import complete_appointment, delete_lead, propose_appointment
from leads.models import Appointment, Lead, StageTransition, Task
from tests.building import a_broker, a_calendar, a_lead, a_user, now_of

pytestmark = pytest.mark.django_db
# A Wednesday, noon in Santiago.
NOW = datetime(2026, 11, 4, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TEN = datetime(2026, 11, 5, 13, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The page looks at the machine's own."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def broker() -> Broker:
    return a_broker(language="en")


@pytest.fixture
def agent(broker: Broker) -> User:
    agent = a_user(broker, first_name="Carla", phone="+56222222222")
    a_calendar(agent)
    return agent


@pytest.fixture
def lead(broker: Broker, agent: User) -> Lead:
    return a_lead(broker, name="Ana", assigned_to=agent, now=NOW)


@pytest.fixture
def meeting(lead: Lead) -> Appointment:
    return propose_appointment(lead=lead, now=NOW)


def page(meeting: Appointment, **asked: str) -> str:
    response = Client().get(f"/book/{meeting.token}/", asked)
    assert response.status_code == 200
    return response.content.decode()


def press(meeting: Appointment, action: str, **fields: str) -> Any:
    return Client(enforce_csrf_checks=True).post(f"/book/{meeting.token}/", {"action": action} | fields)


def choose(meeting: Appointment, starts_at: datetime) -> Any:
    return press(meeting, "choose", slot=starts_at.isoformat())


def offered(html: str) -> list[str]:
    return re.findall(r"slot=([0-9TZ:-]+)", html)


def labels(html: str) -> list[str]:
    return re.findall(r'slot=[0-9TZ:-]+">\s*(\d\d:\d\d)', html)


def as_it_is(meeting: Appointment) -> Appointment:
    return Appointment.objects.get(pk=meeting.pk)


def test_free_times_are_those_of_the_next_days(meeting: Appointment) -> None:
    html = page(meeting)
    times = offered(html)
    # Two hours of notice, so the first one today is at 14:00.
    assert times[0] == "2026-11-04T17:00:00Z"
    assert len(times) == 4 + 4 * 9
    assert "All times are those of Santiago." in html


def test_later_days_are_a_page_on(meeting: Appointment) -> None:
    [first] = re.findall(r"from=([0-9-]+)", page(meeting))
    assert first == "2026-11-09"
    assert offered(page(meeting, **{"from": first}))[0] == "2026-11-09T12:00:00Z"


def test_times_are_shown_by_the_leads_clock_with_the_brokerages_beside_them(lead: Lead, meeting: Appointment) -> None:
    Lead.objects.filter(pk=lead.pk).update(timezone="Europe/Madrid")
    html = page(meeting)
    assert (offered(html)[0], labels(html)[0]) == ("2026-11-04T17:00:00Z", "18:00")
    assert "All times are those of Madrid." in html
    assert "The small ones are those of Santiago." in html
    assert '<span class="zone">14:00</span>' in html


@pytest.mark.parametrize(
    ("zone", "label"),
    [
        ("America/Santiago", "10:00"),
        ("America/Bogota", "08:00"),
        ("America/Mexico_City", "07:00"),
        ("Europe/Madrid", "14:00"),
        ("America/New_York", "08:00"),
    ],
)
def test_chosen_time_is_that_of_the_leads_zone(lead: Lead, meeting: Appointment, zone: str, label: str) -> None:
    Lead.objects.filter(pk=lead.pk).update(timezone=zone)
    assert f"Nov. 5, 2026, {label}" in page(meeting, slot="2026-11-05T13:00:00Z")
    choose(meeting, TEN)
    assert as_it_is(meeting).starts_at == TEN
    assert f"Nov. 5, 2026, {label}" in page(meeting)


def test_choosing_asks_once_more_and_changes_nothing(meeting: Appointment) -> None:
    html = page(meeting, slot="2026-11-05T13:00:00Z")
    assert "Book this time" in html
    assert 'name="slot" value="2026-11-05T13:00:00Z"' in html
    assert as_it_is(meeting).status == "proposed"


def test_chosen_time_is_booked_for_its_length_and_moves_the_lead_on(lead: Lead, meeting: Appointment) -> None:
    answer = choose(meeting, TEN)
    assert (answer.status_code, answer["Location"]) == (303, f"/book/{meeting.token}/?done=booked")
    booked = as_it_is(meeting)
    assert (booked.status, booked.starts_at, booked.ends_at) == ("scheduled", TEN, TEN + timedelta(minutes=45))
    assert (now_of(lead).pipeline_stage, now_of(lead).next_appointment_at) == ("agendado", TEN)
    assert StageTransition.objects.get(lead=lead, to_stage="agendado").cause == "auto"
    assert "It is booked. We will remind you." in page(meeting, done="booked")


def test_choosing_twice_books_once(lead: Lead, meeting: Appointment) -> None:
    assert [choose(meeting, TEN).status_code for _ in range(2)] == [303, 303]
    fresh = as_it_is(meeting)
    assert (now_of(lead).booking_count, fresh.sequence, fresh.booked_at) == (1, 0, NOW)


def test_second_click_does_not_say_that_it_was_moved(meeting: Appointment) -> None:
    choose(meeting, TEN)
    assert choose(meeting, TEN)["Location"] == f"/book/{meeting.token}/?done=booked"


def test_time_that_is_taken_is_refused_with_the_next_free_ones(
    broker: Broker, agent: User, meeting: Appointment
) -> None:
    other = propose_appointment(lead=a_lead(broker, assigned_to=agent, now=NOW), now=NOW)
    choose(other, TEN)
    answer = choose(meeting, TEN)
    html = answer.content.decode()
    assert (answer.status_code, as_it_is(meeting).status) == (409, "proposed")
    assert "That time has just been taken; choose another one." in html
    assert offered(html)[:3] == ["2026-11-05T14:00:00Z", "2026-11-05T15:00:00Z", "2026-11-05T16:00:00Z"]


@pytest.mark.parametrize(
    "starts_at",
    [
        NOW - DAY,
        NOW + HOUR,  # within the notice
        datetime(2026, 11, 5, 13, 7, tzinfo=UTC),
        datetime(2026, 11, 5, 5, tzinfo=UTC),
        NOW + 400 * DAY,
        datetime(9999, 12, 31, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
    ],
)
def test_time_that_was_never_offered_is_refused(meeting: Appointment, starts_at: datetime) -> None:
    assert (choose(meeting, starts_at).status_code, as_it_is(meeting).status) == (409, "proposed")


@pytest.mark.parametrize("slot", ["", "tomorrow", "2026-11-05T13:00:00", "\x00", "0001-01-01T00:00:00+14:00"])
def test_time_that_cannot_be_read_is_refused(meeting: Appointment, slot: str) -> None:
    assert press(meeting, "choose", slot=slot).status_code == 409
    assert Client().get(f"/book/{meeting.token}/", {"slot": slot, "from": slot}).status_code == 200


@pytest.mark.parametrize("first", ["9999-12-31", "0001-01-01", "2026-02-30"])
def test_day_that_is_far_away_shows_a_page(meeting: Appointment, first: str) -> None:
    assert Client().get(f"/book/{meeting.token}/", {"from": first}).status_code == 200


def test_moved_meeting_keeps_its_page_and_frees_its_time(broker: Broker, agent: User, meeting: Appointment) -> None:
    choose(meeting, TEN)
    assert "2026-11-05T13:00:00Z" in offered(page(meeting, change=""))  # it makes room for itself
    assert choose(meeting, TEN + HOUR)["Location"].endswith("?done=moved")
    moved = as_it_is(meeting)
    assert (moved.starts_at, moved.status, moved.sequence, moved.booked_at) == (TEN + HOUR, "scheduled", 1, NOW)
    other = propose_appointment(lead=a_lead(broker, assigned_to=agent, now=NOW), now=NOW)
    assert choose(other, TEN).status_code == 303


def test_meeting_is_confirmed_and_moving_it_asks_again(meeting: Appointment) -> None:
    choose(meeting, TEN)
    assert [press(meeting, "confirm").status_code for _ in range(2)] == [303, 303]
    assert as_it_is(meeting).status == "confirmed"
    assert "I will be there" not in page(meeting)
    choose(meeting, TEN + HOUR)
    assert as_it_is(meeting).status == "scheduled"


def test_calling_off_asks_first_and_tells_the_agent_once(lead: Lead, meeting: Appointment) -> None:
    choose(meeting, TEN)
    assert "Yes, call it off" in page(meeting, cancel="")
    assert as_it_is(meeting).status == "scheduled"
    assert [press(meeting, "cancel").status_code for _ in range(2)] == [303, 303]
    fresh = as_it_is(meeting)
    assert (fresh.status, fresh.sequence, now_of(lead).next_appointment_at) == ("cancelled", 1, None)
    task = Task.objects.get()
    assert (task.assignee, task.origin) == (lead.assigned_to, f"appointment:{meeting.pk}:cancelled")
    assert task.title == "Ana called off the meeting of 11/05/2026 10 a.m.: offer another time"


def test_meeting_that_was_called_off_may_be_booked_again(lead: Lead, meeting: Appointment) -> None:
    choose(meeting, TEN)
    press(meeting, "cancel")
    html = page(meeting)
    assert "This appointment was called off" in html
    assert "2026-11-05T13:00:00Z" in offered(html)
    choose(meeting, TEN + HOUR)
    fresh = as_it_is(meeting)
    assert (fresh.status, fresh.sequence, fresh.starts_at) == ("scheduled", 2, TEN + HOUR)
    assert now_of(lead).booking_count == 2


def test_meeting_that_has_begun_cannot_be_changed(meeting: Appointment, clock: time_machine.Traveller) -> None:
    choose(meeting, TEN)
    clock.move_to(TEN + timedelta(minutes=1))
    html = page(meeting, change="", cancel="")
    assert ("Choose another time" in html, offered(html)) == (False, [])
    answers = [press(meeting, "cancel"), press(meeting, "confirm"), choose(meeting, TEN + DAY)]
    assert [answer.status_code for answer in answers] == [409, 409, 409]
    assert as_it_is(meeting).status == "scheduled"


def test_meeting_that_is_over_says_so(meeting: Appointment, clock: time_machine.Traveller) -> None:
    choose(meeting, TEN)
    clock.move_to(TEN + HOUR)
    assert "This appointment is over" in page(meeting)
    complete_appointment(appointment=meeting, now=TEN + HOUR)
    assert "Call Carla at +56222222222" in page(meeting)
    assert choose(meeting, TEN + DAY).status_code == 409


def test_old_invitation_is_friendly_and_books_nothing(meeting: Appointment, clock: time_machine.Traveller) -> None:
    clock.move_to(NOW + 91 * DAY)
    assert "This invitation is too old to choose a time." in page(meeting)
    assert choose(meeting, TEN + 91 * DAY).status_code == 409
    assert as_it_is(meeting).status == "proposed"


def test_forged_link_is_friendly_and_books_nothing(meeting: Appointment) -> None:
    forged = meeting.token[:-1] + ("A" if meeting.token[-1] != "A" else "B")
    for answer in (Client().get(f"/book/{forged}/"), Client().post(f"/book/{forged}/", {"action": "cancel"})):
        assert (answer.status_code, b"<h1>" in answer.content) == (404, True)
    assert Client().get("/book/%00/").status_code == 404


def test_link_changes_no_other_meeting(broker: Broker, agent: User, meeting: Appointment) -> None:
    other = propose_appointment(lead=a_lead(broker, assigned_to=agent, now=NOW), now=NOW)
    choose(other, TEN)
    before = Appointment.objects.filter(pk=other.pk).values().get()
    fields = {"appointment": str(other.pk), "token": other.token, "id": str(other.pk)}
    press(meeting, "cancel", **fields)
    press(meeting, "choose", slot=(TEN + HOUR).isoformat(), **fields)
    assert Appointment.objects.filter(pk=other.pk).values().get() == before


@pytest.mark.parametrize("gone", ["lead", "brokerage"])
def test_link_of_who_is_gone_leads_nowhere(lead: Lead, meeting: Appointment, gone: str) -> None:
    if gone == "lead":
        delete_lead(lead=lead, now=NOW)
    else:
        Broker.objects.update(is_active=False)
    assert choose(meeting, TEN).status_code == 404


@pytest.mark.parametrize("why", ["no calendar", "no hours", "left", "nobody"])
def test_agent_who_cannot_be_booked_leaves_a_page_that_says_what_to_do(
    agent: User, meeting: Appointment, why: str
) -> None:
    if why == "no calendar":
        agent.calendar.delete()
    elif why == "no hours":
        agent.calendar.hours.all().delete()
    elif why == "left":
        User.objects.filter(pk=agent.pk).update(is_active=False)
    else:
        Appointment.objects.update(agent=None)
    html = page(meeting)
    assert "There are no free times to choose from just now." in html
    assert ("Call Carla" in html, "We will get in touch" in html) == (why != "nobody", why == "nobody")
    assert choose(meeting, TEN).status_code == 409


def test_unknown_button_is_refused(meeting: Appointment) -> None:
    assert press(meeting, "delete").status_code == 409


def test_page_asks_as_many_questions_with_many_meetings(
    broker: Broker, agent: User, meeting: Appointment, django_assert_num_queries: Any
) -> None:
    for number in range(6):
        other = propose_appointment(lead=a_lead(broker, assigned_to=agent, now=NOW), now=NOW)
        choose(other, TEN + number * HOUR)
    with django_assert_num_queries(4):  # the meeting, the calendar, its hours, what is booked
        page(meeting)
