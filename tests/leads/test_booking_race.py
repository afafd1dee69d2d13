"""Fifty people who book the same time at once, over HTTP, at the server that the product runs on."""

import http.client
import re
from collections import Counter
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from leads.actions import propose_appointment
from leads.calendars import free_slots
from leads.models import Appointment, Lead
from tests.building import a_broker, a_calendar, a_lead, a_user
from tests.peers.gunicorn import serving_product
from tests.together import together

PEOPLE = 50


def posted(server: str, token: str, slot: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(server, timeout=60)
    try:
        body = urlencode({"action": "choose", "slot": slot})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/book/{token}/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_of_fifty_who_book_one_time_at_once_one_gets_it_and_the_others_the_next_free_ones(
    command_environment: dict[str, str],
) -> None:
    broker, now = a_broker(), timezone.now()
    agent = a_user(broker)
    a_calendar(agent)
    meetings = [propose_appointment(lead=a_lead(broker, assigned_to=agent, now=now), now=now) for _ in range(PEOPLE)]
    first, *others = free_slots(agents=[agent], start=now + timedelta(days=1), end=now + timedelta(days=5), now=now)
    slot = first.starts_at.isoformat()
    with serving_product(command_environment) as server:
        answers = together(*[lambda one=one: posted(server, one.token, slot) for one in meetings])
    assert Counter(status for status, _html in answers) == {303: 1, 409: PEOPLE - 1}
    [booked] = Appointment.objects.live()
    assert (booked.starts_at, booked.ends_at) == (first.starts_at, first.ends_at)
    next_ones = [f"{slot.starts_at:%Y-%m-%dT%H:%M:%SZ}" for slot in others[:3]]
    refused = [re.findall(r"slot=([0-9TZ:-]+)", html)[:3] for status, html in answers if status == 409]
    assert refused == [next_ones] * (PEOPLE - 1)
    assert Lead.objects.filter(booking_count=1).count() == Lead.objects.filter(pipeline_stage="agendado").count() == 1
