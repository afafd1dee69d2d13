"""Calendar files and feeds, read by a parser, and held to the sentences of RFC 5545."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
import time_machine
from django.test import Client
from django.utils import translation

from brokers.models import Broker, User
from leads import ics
from leads.actions import (
    cancel_appointment,
    delete_lead,
    edit_lead,
    move_appointment,
    propose_appointment,
    renew_feed,
    revoke_feed,
)
from leads.models import Appointment, Calendar, Lead
from tests.building import a_broker, a_calendar, a_lead, a_user, book

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 4, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STARTS = NOW + DAY


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def broker() -> Broker:
    return a_broker(name="Corretaje Ñuñoa; hijos, y más", language="en")


@pytest.fixture
def agent(broker: Broker) -> User:
    return a_user(broker, first_name="Carla")


@pytest.fixture
def lead(broker: Broker, agent: User) -> Lead:
    return a_lead(broker, name="Ana “la Ñata” Pérez, de Núñez", email="ana@example.com", assigned_to=agent)


@pytest.fixture
def calendar(agent: User) -> Calendar:
    return renew_feed(calendar=a_calendar(agent))


def parsed(content: bytes) -> icalendar.Calendar:
    """By a strict reader; lines are folded to 75 octets and end in CRLF."""
    assert content.endswith(b"END:VCALENDAR\r\n")
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    found = icalendar.Calendar.from_ical(content)
    assert isinstance(found, icalendar.Calendar)
    assert [found.errors, *(event.errors for event in found.events)] == [[]] * (1 + len(found.events))
    for event in found.events:
        assert {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"} <= set(event)
        assert event.start < event.end
    return found


def only(content: bytes) -> icalendar.Event:
    [event] = parsed(content).events
    return event


def invited(meeting: Appointment, method: str = ics.REQUEST) -> bytes:
    fresh = Appointment.objects.select_related("lead", "broker").get(pk=meeting.pk)
    with translation.override("en"):
        return ics.invitation(fresh, method=method, organizer="hola@aurora.example", organizer_name="Aurora: Ñuñoa")


def read(address: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    answer = Client().get(address, headers=headers)
    return answer.status_code, answer.content, dict(answer.headers)


def test_invitation_names_when_who_and_from_whom(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    content = invited(meeting)
    event = only(content)
    assert (event.start, event.end) == (STARTS, STARTS + HOUR)
    assert str(event["organizer"]) == "mailto:hola@aurora.example"
    assert str(event["attendee"]) == "mailto:ana@example.com"
    assert str(event["summary"]) == "Visit with Corretaje Ñuñoa; hijos, y más"
    assert (str(parsed(content)["method"]), str(event["status"])) == ("REQUEST", "CONFIRMED")
    assert parsed(content)["version"] == "2.0"


@pytest.mark.parametrize(
    "starts_at",
    [
        datetime(2027, 4, 4, 2, 30, tzinfo=UTC),  # before and after the clocks of Santiago go back
        datetime(2027, 4, 4, 3, 30, tzinfo=UTC),
        datetime(2027, 9, 5, 4, 30, tzinfo=UTC),
    ],
)
def test_moments_are_right_around_a_change_of_the_clock(lead: Lead, starts_at: datetime) -> None:
    event = only(invited(book(lead, NOW, starts_at=starts_at)))
    assert (event.start, event.end - event.start) == (starts_at, HOUR)


def test_uid_stays_and_sequence_grows_with_every_change(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    files = [invited(meeting)]
    move_appointment(appointment=meeting, starts_at=STARTS + DAY, ends_at=STARTS + DAY + HOUR, now=NOW + HOUR)
    files.append(invited(meeting))
    cancel_appointment(appointment=meeting, now=NOW + 2 * HOUR)
    files.append(invited(meeting, ics.CANCEL))
    events = [only(content) for content in files]
    assert len({str(event["uid"]) for event in events}) == 1
    assert [int(event["sequence"]) for event in events] == [0, 1, 2]
    assert [event["dtstamp"].dt for event in events] == [NOW + n * HOUR for n in (0, 1, 2)]
    assert [str(event["status"]) for event in events] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    assert str(parsed(files[2])["method"]) == "CANCEL"


def test_what_people_wrote_cannot_become_a_line_of_its_own(lead: Lead) -> None:
    Lead.objects.update(name="Ana\r\nATTENDEE:mailto:eve@example.com")
    meeting = book(lead, NOW, starts_at=STARTS)
    Appointment.objects.update(location="Here\nEND:VEVENT\nBEGIN:VEVENT, there; \\ and back")
    event = only(invited(meeting))
    assert str(event["attendee"]) == "mailto:ana@example.com"
    assert str(event["location"]) == "Here\nEND:VEVENT\nBEGIN:VEVENT, there; \\ and back"


def test_page_has_the_file_for_who_booked(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    status, content, headers = read(f"/book/{meeting.token}/appointment.ics")
    assert (status, only(content).start) == (200, STARTS)
    assert headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert headers["Content-Disposition"] == 'attachment; filename="appointment.ics"'
    assert b"mailto" not in content


def test_there_is_no_file_of_what_is_not_booked(lead: Lead) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    assert read(f"/book/{meeting.token}/appointment.ics")[0] == 404
    assert read("/book/forged/appointment.ics")[0] == 404


def test_feed_has_the_agents_own_live_meetings(broker: Broker, lead: Lead, calendar: Calendar) -> None:
    mine = [book(lead, NOW, starts_at=STARTS + n * DAY) for n in range(3)]
    cancel_appointment(appointment=mine[1], now=NOW)
    propose_appointment(lead=lead, now=NOW)
    book(a_lead(broker, assigned_to=a_user(broker, "diego")), NOW, starts_at=STARTS)
    gone = a_lead(broker, assigned_to=lead.assigned_to)
    book(gone, NOW, starts_at=STARTS + 5 * DAY)
    delete_lead(lead=gone, now=NOW)
    status, content, _headers = read(f"/calendar/{calendar.feed_token}.ics")
    events = parsed(content).events
    assert (status, [event.start for event in events]) == (200, [STARTS, STARTS + 2 * DAY])


def test_feed_tells_whom_to_meet_and_how_to_call_them_and_no_more(lead: Lead, calendar: Calendar) -> None:
    known = {"income_amount": 1_234_567, "location": "Secret", "notes": "Secret", "metadata": {"a": "Secret"}}
    edit_lead(lead=lead, now=NOW, by=None, **known)
    meeting = book(lead, NOW, starts_at=STARTS)
    content = read(f"/calendar/{calendar.feed_token}.ics")[1]
    event = only(content)
    assert (str(event["summary"]), str(event["description"])) == (f"Visit: {lead.name}", lead.phone)
    secrets = (b"Secret", b"1234567", b"ana@example.com", meeting.token.encode(), lead.telegram_chat_id.encode())
    assert [secret for secret in secrets if secret in content] == []


def test_feed_without_meetings_is_a_calendar(calendar: Calendar) -> None:
    assert parsed(read(f"/calendar/{calendar.feed_token}.ics")[1]).events == []


def test_feed_that_did_not_change_is_not_sent_again(lead: Lead, calendar: Calendar) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    address = f"/calendar/{calendar.feed_token}.ics"
    _status, _content, headers = read(address)
    assert headers["Cache-Control"] == "private, max-age=300"
    assert read(address, if_none_match=headers["ETag"])[:2] == (304, b"")
    cancel_appointment(appointment=meeting, now=NOW)
    assert read(address, if_none_match=headers["ETag"])[0] == 200


def test_feed_is_revoked_and_renewed(calendar: Calendar) -> None:
    address = f"/calendar/{calendar.feed_token}.ics"
    renewed = renew_feed(calendar=calendar)
    assert [read(address)[0], read(f"/calendar/{renewed.feed_token}.ics")[0]] == [404, 200]
    revoke_feed(calendar=calendar)
    assert read(f"/calendar/{renewed.feed_token}.ics")[0] == 404


@pytest.mark.parametrize("token", ["", "x", "None", "%00"])
def test_feed_of_a_guess_is_none(calendar: Calendar, token: str) -> None:
    """Also while calendars have none."""
    revoke_feed(calendar=calendar)
    assert read(f"/calendar/{token}.ics")[0] == 404


def test_feed_of_who_left_is_none(agent: User, calendar: Calendar) -> None:
    User.objects.filter(pk=agent.pk).update(is_active=False)
    assert read(f"/calendar/{calendar.feed_token}.ics")[0] == 404


def test_feed_can_only_be_looked_at(calendar: Calendar) -> None:
    assert Client().post(f"/calendar/{calendar.feed_token}.ics").status_code == 405
