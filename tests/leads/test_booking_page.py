"""The public page of an appointment, opened by its link."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client

from brokers.actions import create_broker
from brokers.models import Broker, User
from leads.actions import book_appointment, create_lead, propose_appointment
from leads.links import booking_url
from leads.models import Appointment, Lead
from leads.zones import local_zone

NOW = datetime(2026, 11, 4, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The page looks at the machine's own."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def broker(db: None) -> Broker:
    return create_broker(
        name="Inmobiliaria Aurora", slug="aurora", country="CL", timezone="America/Santiago", language="en", now=NOW
    )


@pytest.fixture
def lead(broker: Broker) -> Lead:
    agent = User.objects.create(username="carla", first_name="Carla", last_name="Soto", broker=broker)
    return create_lead(broker=broker, now=NOW, name="Ana Pérez", phone="+56987654321", assigned_to=agent)


@pytest.fixture
def appointment(lead: Lead) -> Appointment:
    return propose_appointment(lead=lead, now=NOW)


def page(appointment: Appointment) -> str:
    response = Client().get(f"/book/{appointment.token}/")
    assert response.status_code == 200
    return response.content.decode()


def test_url_stands_on_the_public_address(settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    assert booking_url("abc-1_2") == "https://crm.example.com/book/abc-1_2/"


def test_page_without_free_times_says_who_will_get_in_touch(appointment: Appointment) -> None:
    html = page(appointment)
    assert "Inmobiliaria Aurora" in html
    assert "Carla Soto will get in touch with you to agree on the time." in html
    assert "Proposed" in html


def test_fixed_appointment_shows_its_time_in_the_leads_zone(appointment: Appointment) -> None:
    starts_at = NOW + timedelta(days=1)
    book_appointment(appointment=appointment, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1), now=NOW)
    html = page(appointment)
    assert "Thursday, Nov. 5, 2026, 12:00" in html
    assert "will get in touch" not in html


def test_page_speaks_the_leads_language(lead: Lead, appointment: Appointment) -> None:
    Lead.objects.filter(pk=lead.pk).update(language="es")
    assert '<html lang="es">' in page(appointment)


def test_page_can_be_switched_to_another_language_and_stays_in_it(client: Client, appointment: Appointment) -> None:
    address = f"/book/{appointment.token}/"
    switched = client.get(f"{address}?lang=es&from=2026-11-09").content.decode()
    assert '<html lang="es">' in switched
    assert 'href="?lang=en&amp;from=2026-11-09"' in switched
    links = re.findall(rf'(?:href|action)="{re.escape(address)}\?([^"]*)"', switched)
    assert (len(links) > 0, {link.partition("&amp;")[0] for link in links}) == (True, {"lang=es"})
    answer = client.post(f"{address}?lang=es", {"action": "nothing"})
    assert '<html lang="es">' in answer.content.decode()
    assert '<html lang="en">' in client.get(f"{address}?lang=xx").content.decode()


def test_unknown_token_is_not_found(client: Client, appointment: Appointment) -> None:
    response = client.get(f"/book/{appointment.token}x/")
    assert response.status_code == 404
    assert b"<h1>" in response.content


def test_appointment_of_a_deleted_lead_is_not_found(client: Client, lead: Lead, appointment: Appointment) -> None:
    Lead.objects.filter(pk=lead.pk).update(deleted_at=NOW)
    assert client.get(f"/book/{appointment.token}/").status_code == 404


def test_page_shows_no_address_of_the_lead(appointment: Appointment) -> None:
    assert "+56987654321" not in page(appointment)


@pytest.mark.parametrize(
    ("own", "phone", "zone"),
    [
        ("Asia/Tokyo", "+525512345678", "Asia/Tokyo"),
        ("", "+525512345678", "America/Mexico_City"),
        ("", "+34612345678", "America/Santiago"),
        ("", "", "America/Santiago"),
    ],
)
def test_local_zone_is_the_leads_else_the_numbers_else_the_brokers(own: str, phone: str, zone: str) -> None:
    """A Spanish mobile number may lie in two zones, so it says nothing."""
    assert local_zone(lead_timezone=own, phone=phone, broker_timezone="America/Santiago") == zone


def test_fixed_appointment_shows_its_time_where_the_number_is(lead: Lead, appointment: Appointment) -> None:
    Lead.objects.filter(pk=lead.pk).update(phone="+525512345678")
    starts_at = NOW + timedelta(days=1)
    book_appointment(appointment=appointment, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1), now=NOW)
    assert "Thursday, Nov. 5, 2026, 09:00" in page(appointment)
