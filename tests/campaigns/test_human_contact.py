"""Campaigns keep quiet for some days where a person has written (docs/engine.md), and take up again after that."""

from pathlib import Path
from uuid import uuid4

import pytest

from brokers.models import Broker
from campaigns.models import CampaignLog
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.dispatching import SEND_LEASE
from messaging.models import Message
from messaging.writing import write_message
from tests.building import (
    DAY,
    HOUR,
    a_campaign,
    a_lead,
    a_user,
    broken,
    counting_account,
    enroll,
    log_of,
    logs,
    message_step,
    now_of,
    run,
    sent_bodies,
)

pytestmark = pytest.mark.django_db


def under_way(broker: Broker, clock: VirtualClock) -> Lead:
    """The second of two steps is due in a day."""
    agent = a_user(broker)
    lead = a_lead(broker, assigned_to=agent)
    enroll(a_campaign(broker, message_step(broker, "uno"), message_step(broker, "dos", delay_hours=24)), lead)
    run(clock)
    return lead


def write(lead: Lead, clock: VirtualClock, text: str = "Le escribo yo") -> Message:
    agent = now_of(lead).assigned_to
    assert agent is not None
    return write_message(lead=lead, channel="telegram", by=agent, clock=clock, form_id=uuid4(), text=text)


def test_agent_writes_and_the_next_step_waits_three_days(broker: Broker, clock: VirtualClock) -> None:
    lead = under_way(broker, clock)
    clock.advance(22 * HOUR)
    write(lead, clock)
    wrote_at = clock.now()
    clock.advance(2 * HOUR)
    run(clock)
    waiting = log_of(lead, 2)
    assert (waiting.status, waiting.reason, waiting.due_at) == ("pending", "human_in_contact", wrote_at + 3 * DAY)
    clock.sleep_until(wrote_at + 3 * DAY)
    run(clock, passes=2, every=DAY)  # the first of them on a Sunday
    assert (sent_bodies(lead), broken()) == (["uno", "Le escribo yo", "dos"], {})


@pytest.mark.parametrize("word", ["refuse", "temporary"])
def test_message_that_reached_nobody_keeps_no_campaign_waiting(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str
) -> None:
    lead = under_way(broker, clock)
    account = counting_account(broker, sent_file, otherwise=word)
    write(lead, clock)
    account.is_active = False
    account.save()
    clock.advance(DAY)
    run(clock)
    assert logs() == [(1, "sent", ""), (2, "sent", "")]


def test_persons_message_counts_against_no_cap(broker: Broker, clock: VirtualClock) -> None:
    Broker.objects.update(cap_24h=1, human_contact_days=0)
    lead = a_lead(broker, assigned_to=a_user(broker))
    write(lead, clock)
    write(lead, clock, "y esto")
    enroll(a_campaign(broker), lead)
    run(clock)
    assert (log_of(lead).status, broken()) == ("sent", {})


def test_pass_of_the_engine_says_what_nobody_knows(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 2: a process that died between its commit and its outcome."""
    lead = under_way(broker, clock)
    row = write(lead, clock)
    Message.objects.filter(pk=row.pk).update(
        status="sending", sending_at=clock.now(), sent_at=None, delivered_at=None, provider_id=""
    )
    run(clock)
    assert Message.objects.get(pk=row.pk).status == "sending"
    clock.advance(SEND_LEASE)
    run(clock)
    assert Message.objects.get(pk=row.pk).status == "unknown"
    assert (broken(), CampaignLog.objects.unsettled().count()) == ({}, 0)


def test_what_a_person_wrote_is_no_reply_of_the_lead(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 30: it ends no campaign that ends on replies."""
    lead = under_way(broker, clock)
    write(lead, clock)
    assert (now_of(lead).last_inbound_at, now_of(lead).inbound_count) == (None, 0)
    run(clock, passes=5, every=DAY)
    assert logs() == [(1, "sent", ""), (2, "sent", "")]
