"""The database goes away while a provider is asked: what became of the message is written when it is back."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from brokers.models import Broker
from leads.models import Appointment, Lead
from messaging.base import Envelope, Outcome
from messaging.models import Message
from messaging.outside import carry_on
from tests.building import DAY, NOW, a_broker, a_lead, a_user, at, book, counting_account
from tests.messaging.writing import boss, write
from tests.peers.counting import Counting, sends

pytestmark = pytest.mark.django_db(transaction=True)


class Cutting(Counting):
    """Every other session of the product ends while this provider thinks."""

    def send(self, envelope: Envelope) -> Outcome:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )
        connection.close()
        return super().send(envelope)


@pytest.fixture
def lead(tmp_path: Path, settings: LazySettings) -> Lead:
    settings.PROVIDERS = {**settings.PROVIDERS, "counting": f"{__name__}.Cutting"}
    broker: Broker = a_broker()
    counting_account(broker, tmp_path / "sends")
    return a_lead(broker, assigned_to=a_user(broker), phone="", email="")


def test_notice_that_was_sent_is_known_to_be(lead: Lead, tmp_path: Path) -> None:
    meeting = book(lead, NOW, starts_at=NOW + 2 * DAY)
    carry_on(clock=at(NOW))
    assert (len(sends(tmp_path / "sends")), Message.objects.get().status) == (1, "sent")
    assert Appointment.objects.get(pk=meeting.pk).notices["booked:0"]["state"] == "sent"


def test_message_of_a_person_that_was_sent_is_known_to_be(lead: Lead, tmp_path: Path) -> None:
    boss(lead.broker)
    assert write(lead).status == "sent"
    assert (len(sends(tmp_path / "sends")), Lead.objects.get().last_answered_at) == (1, NOW)
