"""What a lead was told of a meeting stands on its page in the admin, in words."""

import pytest
from django.utils import translation

from brokers.models import Broker, Role
from campaigns import engine
from leads.actions import record_permission
from leads.models import Appointment
from messaging.appointment_told import told_lines
from messaging.clock import VirtualClock
from tests.brokers.admin_pages import admin_url, signed_in
from tests.building import DAY, NOW, a_broker, a_lead, a_user, book

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker()


def lines(row: Appointment, language: str = "en") -> list[str]:
    with translation.override(language):
        return told_lines(Appointment.objects.get(pk=row.pk))


def test_what_was_sent_is_told_with_its_moment(broker: Broker) -> None:
    meeting = book(a_lead(broker, assigned_to=a_user(broker)), NOW, starts_at=NOW + 3 * DAY)
    assert lines(meeting) == []
    engine.run(clock=VirtualClock(NOW))
    assert [line.split(",")[0] for line in lines(meeting)] == ["Confirmation: sent", "Invitation by mail: sent"]
    assert lines(meeting, "es")[0].startswith("Confirmación: enviado")


def test_what_was_left_out_says_why(broker: Broker) -> None:
    lead = a_lead(broker, assigned_to=a_user(broker))
    record_permission(broker=broker, lead=lead, kind="revoked", purpose="all", source="test", now=NOW)
    meeting = book(lead, NOW, starts_at=NOW + 3 * DAY)
    engine.run(clock=VirtualClock(NOW))
    [first, *_others] = lines(meeting)
    assert (first.startswith("Confirmation: left out"), first.endswith("The lead asked not to be contacted.")) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"state": "waiting", "reason": "paced"}, "Reminder 24 hours before: waits · The account sends others first."),
        (
            {"state": "unknown", "reason": "outcome_unknown"},
            "Reminder 24 hours before: nobody knows whether it was sent",
        ),
        ({"state": "failed", "reason": "30008"}, "Reminder 24 hours before: failed · The provider said: 30008"),
    ],
)
def test_states_and_reasons_are_sentences(said: dict[str, str], expected: str) -> None:
    with translation.override("en"):
        assert told_lines(Appointment(notices={"reminder_24h:1": said})) == [expected]


def test_page_of_a_meeting_shows_it(broker: Broker) -> None:
    meeting = book(a_lead(broker, assigned_to=a_user(broker)), NOW, starts_at=NOW + 3 * DAY)
    engine.run(clock=VirtualClock(NOW))
    browser = signed_in(a_user(broker, "boss", role=Role.ADMIN, is_staff=True))
    page = browser.get(admin_url(Appointment, "change", meeting.pk)).content.decode()
    assert "<li>Confirmation: sent" in page
