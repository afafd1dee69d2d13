"""From the invitation that a campaign sends to the meeting: chosen on the page, it ends every campaign that was entered
before it, and its lead is told."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client

from brokers.models import Broker, User
from campaigns import engine
from campaigns.tasks import run_pass, sweep
from leads.models import Appointment, Lead, SpeedClock
from messaging.clock import SystemClock, VirtualClock
from messaging.models import ChannelAccount, Message
from messaging.outside import carry_on
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_calendar,
    a_campaign,
    a_free_broker,
    a_lead,
    a_user,
    at,
    book,
    broken,
    enroll,
    enrolment_of,
    logs,
    message_step,
    now_of,
    run,
    sent_bodies,
    some_leads,
)

pytestmark = pytest.mark.django_db
MEETING = {"action": "schedule_meeting"}


@pytest.fixture(autouse=True)
def machine() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def agent(free_broker: Broker) -> User:
    agent = a_user(free_broker)
    a_calendar(agent)
    return agent


@pytest.fixture
def lead(free_broker: Broker, agent: User) -> Lead:
    return a_lead(free_broker, assigned_to=agent, email="")


def book_by_link(body: str) -> str:
    """As the lead does: open the link, follow the first time, press the button. The path of the page."""
    [path] = re.findall(r"http://localhost:8000(/book/\S+/)", body)
    browser = Client()
    slot = re.findall(r"slot=([0-9TZ:-]+)", browser.get(path).content.decode())[0]
    assert browser.get(path, {"slot": slot}).status_code == 200
    assert browser.post(path, {"action": "choose", "slot": slot}).status_code == 303
    return path


def test_booking_from_the_invitation_ends_every_campaign_entered_before(
    free_broker: Broker, clock: VirtualClock, lead: Lead, machine: time_machine.Traveller
) -> None:
    inviting = a_campaign(free_broker, MEETING, message_step(free_broker, "¿Viene?", delay_hours=24))
    other = a_campaign(free_broker, message_step(free_broker, "Otra", delay_hours=48))
    for campaign in (inviting, other):
        enroll(campaign, lead)
    run(clock)
    [invitation] = sent_bodies(lead)
    clock.advance(HOUR)
    machine.move_to(clock.now())
    book_by_link(invitation)
    later = a_campaign(free_broker, message_step(free_broker, "Nos vemos", delay_hours=1), now=clock.now() + HOUR)
    clock.advance(HOUR)
    enroll(later, lead, now=clock.now())
    run(clock, passes=80)
    assert logs(campaign=inviting) == [(1, "sent", ""), (2, "skipped", "booked")]
    assert logs(campaign=other) == [(1, "skipped", "booked")]
    assert logs(campaign=later) == [(1, "sent", "")]
    ended = [enrolment_of(lead, campaign=campaign) for campaign in (inviting, other)]
    assert [(entry.status, entry.exit_reason) for entry in ended] == [("exited", "booked")] * 2
    assert (now_of(lead).pipeline_stage, broken()) == ("agendado", {})


def test_stage_trigger_sees_the_booking(
    free_broker: Broker, clock: VirtualClock, lead: Lead, machine: time_machine.Traveller
) -> None:
    enroll(a_campaign(free_broker, MEETING), lead)
    trigger = {"triggered_by": "stage_change", "trigger_condition": {"stage": "agendado"}}
    booked = a_campaign(free_broker, message_step(free_broker, "Gracias por agendar"), **trigger)
    run(clock)
    clock.advance(HOUR)
    machine.move_to(clock.now())
    book_by_link(sent_bodies(lead)[0])
    clock.advance(timedelta(minutes=1))
    run(clock, passes=2)
    assert enrolment_of(lead, campaign=booked).status == "completed"
    assert "Gracias por agendar" in sent_bodies(lead)


def test_meeting_is_told_of_while_a_long_queue_is_worked_off(
    free_broker: Broker, clock: VirtualClock, lead: Lead
) -> None:
    """One pass of twenty seconds, in whose course a reminder is due."""
    meeting = book(lead, NOW - HOUR, starts_at=NOW + DAY + timedelta(seconds=5))
    carry_on(clock=at(NOW - HOUR))
    ChannelAccount.objects.filter(channel="telegram").update(rate=1)
    enroll(a_campaign(free_broker), *some_leads(free_broker, 20))
    run(clock)
    keys = list(Message.objects.order_by("id").values_list("dedupe_key", flat=True))
    told = [number for number, key in enumerate(keys) if key.startswith(f"appointment:{meeting.pk}:reminder_24h")]
    assert (len(keys), len(told)) == (22, 1)
    assert 1 < told[0] < 21


DOORS: dict[str, Callable[[], Any]] = {
    "engine": lambda: engine.run(clock=SystemClock()),
    "command": lambda: call_command("run_campaigns"),
    "task of a pass": run_pass,
    "task of a sweep": sweep,
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_every_door_of_the_engine_tells_of_meetings_and_does_what_time_does_to_leads(door: Callable[[], Any]) -> None:
    broker = a_free_broker("puntual", touch_within_minutes=5)
    book(a_lead(broker, assigned_to=a_user(broker), email=""), NOW - HOUR)
    waiting = a_lead(broker, now=NOW - HOUR)
    door()
    assert [message.dedupe_key.split(":")[2] for message in Message.objects.all()] == ["booked"]
    assert SpeedClock.objects.get(lead=waiting).outcome == "escalated"


def test_engine_confirms_and_reminds_on_the_channel_of_the_invitation(
    free_broker: Broker, clock: VirtualClock, lead: Lead, machine: time_machine.Traveller
) -> None:
    enroll(a_campaign(free_broker, MEETING), lead)
    run(clock)
    clock.advance(HOUR)
    machine.move_to(clock.now())
    book_by_link(sent_bodies(lead)[0])
    meeting = Appointment.objects.get()
    assert meeting.starts_at is not None
    starts_at = meeting.starts_at + 2 * DAY
    Appointment.objects.update(starts_at=starts_at, ends_at=starts_at + HOUR)
    run(clock, passes=100, every=HOUR / 2)
    told = Message.objects.filter(dedupe_key__startswith="appointment:").order_by("id")
    kinds = [(key.split(":")[2], channel) for key, channel in told.values_list("dedupe_key", "channel")]
    assert kinds == [("booked", "telegram"), ("reminder_24h", "telegram"), ("reminder_1h", "telegram")]
    assert broken() == {}
