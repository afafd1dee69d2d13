"""Notes, tasks, meetings, hours and permissions in the admin."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from brokers.models import User
from leads.models import Appointment, ContactPermission, Lead, Note, Task
from tests.brokers.admin_pages import admin_url, errors, saved, signed_in
from tests.brokers.everything import Brokerage

pytestmark = pytest.mark.django_db
TOMORROW = {"starts_at_0": "2126-11-05", "starts_at_1": "10:00", "ends_at_0": "2126-11-05", "ends_at_1": "11:00"}


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def add(browser: Client, model: type[Model], **fields: Any) -> Any:
    return saved(browser, admin_url(model, "add"), **fields)


def lead_of(aurora: Brokerage) -> Lead:
    return Lead.objects.get(pk=aurora.lead.pk)


@pytest.mark.parametrize("lead", ["ana", "\x00", "1e400", "9" * 30])
def test_lead_that_is_no_number_is_refused_at_its_field(browser: Client, lead: str) -> None:
    answer = add(browser, Task, lead=lead, title="call", due_at_0="2126-11-05", due_at_1="10:00")
    assert list(errors(answer)) == ["lead"]


def test_task_is_given_to_the_leads_agent(browser: Client, aurora: Brokerage) -> None:
    answer = add(browser, Task, lead=aurora.lead.pk, title="call", due_at_0="2126-11-05", due_at_1="10:00")
    assert answer.status_code == 302
    task = Task.objects.get(title="call")
    assert (task.broker, task.assignee, task.origin) == (aurora.broker, aurora.agent, "admin")
    assert lead_of(aurora).next_task_at == task.due_at


def test_finished_task_is_no_next_action(browser: Client, aurora: Brokerage) -> None:
    url = admin_url(Task, "change", aurora.one(Task).pk)
    saved(browser, url, due_at_0="2126-11-05", due_at_1="10:00")
    assert lead_of(aurora).next_task_at is not None
    saved(browser, url, done_at_0="2126-11-05", done_at_1="10:00")
    assert lead_of(aurora).next_task_at is None


def test_note_carries_its_author(browser: Client, aurora: Brokerage) -> None:
    assert add(browser, Note, lead=aurora.lead.pk, text="likes gardens").status_code == 302
    note = Note.objects.get(text="likes gardens")
    assert (note.broker, note.lead, note.author) == (aurora.broker, aurora.lead, aurora.admin)
    assert browser.post(admin_url(Note, "change", note.pk), {"text": "x"}).status_code == 403


def test_meeting_is_booked_with_the_leads_agent(browser: Client, aurora: Brokerage) -> None:
    answer = add(browser, Appointment, lead=aurora.lead.pk, kind="office", location="Providencia", **TOMORROW)
    assert answer.status_code == 302
    meeting = Appointment.objects.get(kind="office")
    assert (meeting.agent, meeting.status, meeting.location) == (aurora.agent, "scheduled", "Providencia")
    assert lead_of(aurora).booking_count == 1


def test_meeting_without_a_time_is_proposed(browser: Client, aurora: Brokerage) -> None:
    add(browser, Appointment, lead=aurora.lead.pk, kind="video")
    assert Appointment.objects.get(kind="video").status == "proposed"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"ends_at_0": "", "ends_at_1": ""}, ("ends_at", "Give start and end, or neither to leave the time open.")),
        ({"ends_at_1": "09:00"}, ("starts_at", "A meeting must lie in the future and start before it ends.")),
    ],
)
def test_meeting_at_a_wrong_time_is_refused(
    browser: Client, aurora: Brokerage, fields: dict[str, str], fault: tuple[str, str]
) -> None:
    answer = add(browser, Appointment, lead=aurora.lead.pk, **(TOMORROW | fields))
    assert errors(answer) == {fault[0]: [fault[1]]}
    assert Appointment.objects.count() == 1


def test_meeting_at_a_taken_time_is_refused(browser: Client, aurora: Brokerage) -> None:
    add(browser, Appointment, lead=aurora.lead.pk, **TOMORROW)
    answer = add(browser, Appointment, lead=aurora.lead.pk, **TOMORROW)
    assert errors(answer) == {"starts_at": ["That time has just been taken; choose another one."]}


def test_meeting_without_an_agent_is_refused(browser: Client, aurora: Brokerage) -> None:
    Lead.objects.update(assigned_to=None)
    answer = add(browser, Appointment, lead=aurora.lead.pk, **TOMORROW)
    assert errors(answer) == {"lead": ["Nobody is assigned to this lead, so nobody can meet them."]}


def test_permission_taken_back_holds_for_every_address_of_the_lead(browser: Client, aurora: Brokerage) -> None:
    answer = add(browser, ContactPermission, lead=aurora.lead.pk, channel="*", kind="revoked", purpose="all")
    assert answer.status_code == 302
    rows = ContactPermission.objects.filter(kind="revoked", source="admin")
    assert set(rows.values_list("address", flat=True)) == {aurora.lead.phone, aurora.lead.email}
    assert rows[0].evidence == {"by": aurora.admin.username}
    assert lead_of(aurora).opted_out_at is not None


@pytest.mark.parametrize(
    ("typed", "channel", "stored"),
    [
        ("9 8765 4321", "whatsapp", "+56987654321"),
        ("9 8765 4321", "*", "+56987654321"),
        ("Ana@Example.com", "*", "ana@example.com"),
        ("12345", "telegram", "12345"),
        ("123456789012", "*", "123456789012"),
    ],
)
def test_suppressed_address_is_stored_as_it_is_looked_up(
    browser: Client, aurora: Brokerage, typed: str, channel: str, stored: str
) -> None:
    add(browser, ContactPermission, address=typed, channel=channel, kind="revoked", purpose="all")
    assert ContactPermission.objects.get(kind="revoked", source="admin").address == stored


def test_permission_of_nobody_is_refused(browser: Client) -> None:
    answer = add(browser, ContactPermission, channel="*", kind="revoked", purpose="all")
    assert errors(answer) == {"address": ["Choose a lead or give an address."]}


def test_suppressed_address_that_is_none_is_refused(browser: Client) -> None:
    answer = add(browser, ContactPermission, address="12", channel="call", kind="revoked", purpose="all")
    assert errors(answer) == {
        "address": ["phone='12' has 2 digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…)"]
    }


def test_operator_joins_no_two_brokerages(aurora: Brokerage) -> None:
    boreal = Brokerage("boreal")
    browser = signed_in(User.objects.create_superuser("operator"))
    task = {"title": "call", "due_at_0": "2126-11-05", "due_at_1": "10:00"}
    answer = add(browser, Task, broker=aurora.broker.pk, lead=boreal.lead.pk, **task)
    assert errors(answer) == {"lead": ["This belongs to another brokerage."]}
