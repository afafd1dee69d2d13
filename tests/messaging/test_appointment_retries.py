"""Notices that cannot go out for a while: a worker that was too late, an account at fault, one that breaks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from django.conf import LazySettings

from brokers.models import Broker, User
from leads.models import Appointment, Lead
from messaging.models import ChannelAccount, Message
from messaging.outside import carry_on
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_template, a_user, at, book, counting_account
from tests.peers.counting import PROVIDER

pytestmark = pytest.mark.django_db
STARTS = NOW + 2 * DAY
QUARTER = timedelta(minutes=15)
Hold = Callable[[datetime], None]


@pytest.fixture
def broker() -> Broker:
    return a_broker(language="en")


@pytest.fixture
def agent(broker: Broker) -> User:
    return a_user(broker)


@pytest.fixture
def sent_file(tmp_path: Path, settings: LazySettings) -> Path:
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}
    settings.SENDER_THREADS = 1
    return tmp_path / "sends"


@pytest.fixture
def lead(broker: Broker, agent: User, sent_file: Path) -> Lead:
    counting_account(broker, sent_file, script={"*42": ["temporary:60"]})
    return a_lead(broker, assigned_to=agent, phone="", email="", telegram_chat_id="4711")


@pytest.fixture
def held_pass(broker: Broker, agent: User) -> Hold:
    """A pass in which somebody is told first, about whom the provider asks for a pause: the rest of the line waits."""
    numbers = count(1)

    def pass_by(moment: datetime) -> None:
        number = next(numbers)
        first = a_lead(broker, assigned_to=agent, phone="", email="", telegram_chat_id=f"{number}42")
        book(first, NOW - DAY, starts_at=STARTS + number * 2 * HOUR)
        carry_on(clock=at(moment))
        Appointment.objects.filter(lead=first).update(notice_due_at=None)

    return pass_by


def state(meeting: Appointment, kind: str = "booked:0") -> tuple[str, str]:
    said = Appointment.objects.get(pk=meeting.pk).notices[kind]
    return said["state"], said.get("reason", "")


def test_notice_that_never_reached_its_provider_uses_up_no_attempt(lead: Lead, held_pass: Hold) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    for number in range(7):
        held_pass(NOW + number * QUARTER)
    assert list(Message.objects.filter(lead=lead).values_list("status", flat=True)) == ["cancelled"] * 7
    assert state(meeting) == ("waiting", "cancelled")
    carry_on(clock=at(NOW + 2 * HOUR))
    assert (Message.objects.filter(lead=lead, status="sent").count(), state(meeting)) == (1, ("sent", ""))


def test_worker_that_is_late_again_tries_after_a_pause(lead: Lead, held_pass: Hold) -> None:
    book(lead, NOW, starts_at=STARTS)
    for _ in range(4):
        held_pass(NOW)
        ChannelAccount.objects.update(next_slot_at=None)
    assert Message.objects.filter(lead=lead).count() == 2


def test_notice_that_is_late_for_ever_ends_with_its_point(lead: Lead, held_pass: Hold) -> None:
    meeting = book(lead, NOW, starts_at=NOW + QUARTER)
    for moment in (NOW, NOW + QUARTER / 2, NOW + QUARTER - timedelta(seconds=1)):
        held_pass(moment)
    assert (state(meeting), Appointment.objects.get(pk=meeting.pk).notice_due_at) == (("skipped", "cancelled"), None)


def test_notice_waits_for_the_repair_of_its_account(broker: Broker, agent: User) -> None:
    ChannelAccount.objects.filter(channel="telegram").update(is_default=False)
    account = {"channel": "telegram", "provider": "telegram", "is_default": True, "created_at": NOW}
    ChannelAccount.objects.create(broker=broker, **account)
    meeting = book(a_lead(broker, assigned_to=agent, phone="", email=""), NOW, starts_at=STARTS)
    for number in range(8):
        carry_on(clock=at(NOW + number * HOUR / 2))
    assert state(meeting) == ("waiting", "not_configured")
    assert Message.objects.filter(error_code="not_configured").count() == 8


def test_notice_that_cannot_be_written_harms_nobody_else(broker: Broker, agent: User) -> None:
    """failures.md row 5: its calendar file cannot be made."""
    broken = book(a_lead(broker, assigned_to=agent), NOW, starts_at=STARTS)
    Appointment.objects.filter(pk=broken.pk).update(meeting_url="https://meet.example/\n")
    sound = book(a_lead(broker, assigned_to=agent), NOW, starts_at=STARTS + 2 * HOUR)
    carry_on(clock=at(NOW))
    assert (state(sound), state(broken), state(broken, "invitation:0")) == (
        ("sent", ""),
        ("sent", ""),
        ("waiting", "internal_error"),
    )
    Appointment.objects.filter(pk=broken.pk).update(meeting_url="")
    carry_on(clock=at(NOW + HOUR))
    assert state(broken, "invitation:0") == ("sent", "")


def test_long_subject_of_a_template_is_cut(broker: Broker, agent: User) -> None:
    template = {"name": "appointment_booked", "channel": "email", "purpose": "transactional"}
    a_template(broker, "{{property_type}}", subject="{{property_type}}", **template)
    lead = a_lead(broker, assigned_to=agent, phone="", telegram_chat_id="", metadata={"property_type": "x" * 900})
    book(lead, NOW, starts_at=STARTS)
    carry_on(clock=at(NOW))
    assert [len(subject) for subject in Message.objects.values_list("subject", flat=True)] == [400]
