"""A reply is inbound, from the lead, and not automatic (failures.md row 30)."""

from typing import Any
from uuid import uuid4

import pytest

from brokers.models import Broker
from leads.models import Lead
from messaging.base import Event
from messaging.clock import VirtualClock
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message
from messaging.phone import answer_as_lead
from tests.building import (
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    enroll,
    enrolment_of,
    log_of,
    message_step,
    now_of,
    run,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(broker: Broker, clock: VirtualClock) -> Lead:
    """Got a message on Telegram and one by e-mail; the third is due in two hours."""
    person = a_lead(broker, email="ana@example.com", telegram_chat_id="4711")
    steps = [message_step(broker), message_step(broker, channel="email"), message_step(broker, delay_hours=48)]
    enroll(a_campaign(broker, *steps), person)
    run(clock, passes=3)
    return person


def hear(lead: Lead, channel: str, now: Any, **event: Any) -> None:
    account = ChannelAccount.objects.get(broker=lead.broker, channel=channel)
    told = Event(**{"event_id": str(uuid4()), "kind": "inbound", "text": "Hola"} | event)
    receive_event(account=account, event=told, payload={}, now=now)


def outcome(lead: Lead, clock: VirtualClock) -> tuple[str, str, int]:
    clock.advance(HOUR)
    run(clock)
    entry = enrolment_of(lead)
    return entry.status, entry.exit_reason, now_of(lead).inbound_count


def test_answer_of_the_lead_ends_the_campaign(lead: Lead, clock: VirtualClock) -> None:
    """failures.md row 30: on the very path of a real webhook."""
    answer_as_lead(lead=lead, channel="telegram", text="Me interesa", form_id=uuid4(), now=clock.now())
    assert outcome(lead, clock) == ("exited", "replied", 1)
    assert log_of(lead, 3).reason == "replied"


@pytest.mark.parametrize(
    "event",
    [
        {"is_automatic": True},
        {"raw": {"headers": {"Auto-Submitted": "auto-replied"}}},
        {"raw": {"headers": {"Precedence": "bulk"}}},
    ],
)
def test_vacation_reply_is_no_reply(lead: Lead, clock: VirtualClock, event: dict[str, Any]) -> None:
    """failures.md rows 20 and 30."""
    hear(lead, "email", clock.now(), address="ana@example.com", **event)
    assert outcome(lead, clock) == ("active", "", 0)


def test_our_own_message_that_comes_back_is_no_reply(lead: Lead, clock: VirtualClock) -> None:
    """failures.md row 30: an echo carries the id of what we sent."""
    ours = Message.objects.get(lead=lead, channel="telegram")
    hear(lead, "telegram", clock.now(), address="4711", provider_id=ours.provider_id)
    assert outcome(lead, clock) == ("active", "", 0)


def test_messages_we_send_are_no_reply(lead: Lead) -> None:
    """failures.md row 30."""
    fresh = now_of(lead)
    assert (Message.objects.filter(lead=lead, direction="out").count(), fresh.last_inbound_at) == (2, None)


def test_status_of_our_message_is_no_reply(lead: Lead, clock: VirtualClock) -> None:
    ours = Message.objects.get(lead=lead, channel="telegram")
    hear(lead, "telegram", clock.now(), kind="status", message_id=ours.pk, status="read")
    assert outcome(lead, clock) == ("active", "", 0)
    assert Message.objects.get(pk=ours.pk).read_at is not None


def test_message_of_somebody_else_is_no_reply(lead: Lead, clock: VirtualClock) -> None:
    hear(lead, "telegram", clock.now(), address="999")
    assert outcome(lead, clock) == ("active", "", 0)


def test_answer_that_is_delivered_twice_counts_once(lead: Lead, clock: VirtualClock) -> None:
    for _ in range(2):
        hear(lead, "telegram", clock.now(), address="4711", event_id="e1")
    assert outcome(lead, clock) == ("exited", "replied", 1)


def test_opt_out_by_keyword_ends_every_campaign_on_every_channel(lead: Lead, clock: VirtualClock) -> None:
    """failures.md row 19."""
    other = a_campaign(lead.broker, message_step(lead.broker, channel="email", delay_hours=48), exit_on_reply=False)
    enroll(other, lead, now=NOW)
    hear(lead, "telegram", clock.now(), address="4711", text="BAJA")
    run(clock, passes=60)
    assert log_of(lead, campaign=other).reason == "opted_out"
    assert Message.objects.filter(lead=lead, direction="out").count() == 2
