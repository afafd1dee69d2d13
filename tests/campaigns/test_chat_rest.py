"""Telegram takes about one message a second for a chat: what campaigns, a person and meetings want to say to one lead
at the same moment goes there one after the other, whoever sends it. By the machine's own seconds."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connection

from brokers.models import Broker, User
from campaigns import engine
from campaigns.deciding import decide_batch, due_groups
from campaigns.models import CampaignLog
from campaigns.settling import settle
from leads.models import Appointment, Lead
from messaging.clock import VirtualClock
from messaging.dispatching import SEND_LEASE, dispatch_all
from messaging.models import ChannelAccount, Message
from messaging.writing import write_message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_free_broker,
    a_lead,
    a_user,
    an_admin,
    book,
    broken,
    counting_account,
    enroll,
    logs,
    message_step,
    run,
    some_leads,
)
from tests.peers.telegram import TOKEN, TelegramPeer, telegram_peer
from tests.running import RunningClock
from tests.together import together

SECOND = timedelta(seconds=1)


@pytest.fixture
def peer(settings: LazySettings) -> Iterator[TelegramPeer]:
    """It counts a chat's seconds as Telegram does."""
    with telegram_peer(per_chat=1.0) as serving:
        settings.TELEGRAM_API_URL = serving.url
        yield serving


def a_bot(broker: Broker) -> ChannelAccount:
    ChannelAccount.objects.filter(broker=broker, channel="telegram").update(is_default=False)
    account: ChannelAccount = ChannelAccount.objects.create(
        broker=broker,
        channel="telegram",
        provider="telegram",
        credentials={"token": TOKEN},
        is_default=True,
        created_at=NOW,
    )
    return account


def say(lead: Lead, by: User, text: str, clock: Any) -> Message:
    return write_message(lead=lead, channel="telegram", by=by, clock=clock, form_id=uuid4(), text=text)


def run_out(clock: Any) -> None:
    """Passes until nothing waits."""
    while CampaignLog.objects.waiting().exists():
        engine.run(clock=clock)


def told(chat_of: Lead, peer: TelegramPeer) -> list[str]:
    return sorted(one.text for one in peer.accepted if one.chat == chat_of.telegram_chat_id)


@pytest.mark.django_db
def test_two_campaigns_wait_for_each_other_at_a_chat(peer: TelegramPeer, free_broker: Broker) -> None:
    a_bot(free_broker)
    leads = some_leads(free_broker, 3)
    for text in ("uno", "dos"):
        enroll(a_campaign(free_broker, message_step(free_broker, text)), *leads)
    run_out(RunningClock(NOW))
    assert [told(lead, peer) for lead in leads] == [["dos", "uno"]] * 3
    assert (peer.too_soon, Message.objects.filter(status="failed").count(), broken()) == (0, 0, {})


@pytest.mark.django_db
def test_campaign_waits_for_what_a_person_has_just_written(peer: TelegramPeer, free_broker: Broker) -> None:
    Broker.objects.update(human_contact_days=0)
    a_bot(free_broker)
    lead, admin, clock = a_lead(free_broker), an_admin(free_broker), RunningClock(NOW)
    say(lead, admin, "Le escribo yo", clock)
    enroll(a_campaign(free_broker, message_step(free_broker, "campaña")), lead)
    run_out(clock)
    assert (told(lead, peer), peer.too_soon) == (["Le escribo yo", "campaña"], 0)


@pytest.mark.django_db
def test_person_waits_for_what_a_campaign_has_just_sent(peer: TelegramPeer, free_broker: Broker) -> None:
    a_bot(free_broker)
    lead, admin, clock = a_lead(free_broker), an_admin(free_broker), RunningClock(NOW)
    enroll(a_campaign(free_broker, message_step(free_broker, "campaña")), lead)
    run_out(clock)
    assert [say(lead, admin, text, clock).status for text in ("Hola", "¿Sigue?")] == ["sent", "sent"]
    assert (told(lead, peer), peer.too_soon) == (["Hola", "campaña", "¿Sigue?"], 0)


def confirmations(lead: Lead, peer: TelegramPeer) -> list[bool]:
    """Of each message to this lead, in their order, whether it confirms a meeting."""
    return ["appointment" in one.text for one in peer.accepted if one.chat == lead.telegram_chat_id]


def book_twice(broker: Broker) -> Lead:
    """A lead with nothing but a chat, and two meetings to tell of."""
    Broker.objects.update(language="en")
    lead = a_lead(broker, phone="", email="", assigned_to=a_user(broker))
    for days in (2, 3):
        book(lead, NOW, starts_at=NOW + days * DAY)
    return lead


@pytest.mark.django_db
def test_notices_of_two_meetings_wait_for_each_other(peer: TelegramPeer, free_broker: Broker) -> None:
    a_bot(free_broker)
    lead, clock = book_twice(free_broker), RunningClock(NOW)
    while Appointment.objects.filter(notice_due_at__lt=NOW + HOUR).exists():
        engine.run(clock=clock)
    assert (confirmations(lead, peer), peer.too_soon) == ([True, True], 0)


@pytest.mark.django_db
def test_campaign_and_notice_wait_for_each_other(peer: TelegramPeer, free_broker: Broker) -> None:
    a_bot(free_broker)
    enroll(a_campaign(free_broker), lead := a_lead(free_broker, phone="", email="", assigned_to=a_user(free_broker)))
    clock = RunningClock(NOW)
    run_out(clock)
    Broker.objects.update(language="en")
    book(lead, clock.now(), starts_at=NOW + 2 * DAY)
    while Appointment.objects.filter(notice_due_at__lt=NOW + HOUR).exists():
        engine.run(clock=clock)
    enroll(a_campaign(free_broker), lead, now=clock.now())
    run_out(clock)
    assert (confirmations(lead, peer), peer.too_soon) == ([False, True, False], 0)


@pytest.mark.django_db(transaction=True)
def test_nobody_comes_too_soon_when_all_come_at_once(peer: TelegramPeer, settings: LazySettings) -> None:
    """Two engines and a person, each with a connection of its own; the peer thinks long enough for them to meet."""
    peer.latency = 0.3
    broker = a_free_broker("libre", human_contact_days=0)
    a_bot(broker)
    lead, admin, clock = a_lead(broker), an_admin(broker), RunningClock(NOW)
    for text in ("uno", "dos", "tres"):
        enroll(a_campaign(broker, message_step(broker, text)), lead)
    together(lambda: run_out(clock), lambda: run_out(clock), lambda: say(lead, admin, "yo", clock))
    assert (told(lead, peer), peer.too_soon) == (["dos", "tres", "uno", "yo"], 0)
    assert broken() == {}


@pytest.mark.django_db
def test_what_is_under_way_keeps_others_from_its_chat(
    peer: TelegramPeer, free_broker: Broker, clock: VirtualClock
) -> None:
    """Nobody knows at which moment it is sent, so others wait for its outcome, and a second more."""
    a_bot(free_broker)
    lead = a_lead(free_broker)
    enroll(a_campaign(free_broker), lead)
    decided = decide_batch(groups=due_groups(batch=9, broker_id=None, now=NOW), size=9, now=NOW)
    enroll(a_campaign(free_broker), lead)
    run(clock, passes=3, every=SECOND)
    assert [(status, reason) for _step, status, reason in logs()] == [("pending", ""), ("pending", "chat_busy")]
    settle(dispatch_all(decided.dispatches, clock), clock.now())
    clock.advance(SECOND)
    peer.per_chat = 0  # the clock of the test is quicker than its own
    run(clock)
    assert logs() == [(1, "sent", ""), (1, "sent", "")]


@pytest.mark.django_db
def test_chat_is_free_when_the_lease_of_a_dead_worker_is_over(
    peer: TelegramPeer, free_broker: Broker, clock: VirtualClock
) -> None:
    a_bot(free_broker)
    lead = a_lead(free_broker)
    enroll(a_campaign(free_broker), lead)
    decide_batch(groups=due_groups(batch=9, broker_id=None, now=NOW), size=9, now=NOW)
    enroll(a_campaign(free_broker), lead)
    clock.advance(SEND_LEASE)
    run(clock)
    assert logs() == [(1, "failed", "outcome_unknown"), (1, "sent", "")]


@pytest.mark.django_db
def test_other_providers_know_no_such_limit(free_broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(free_broker, sent_file)
    lead = a_lead(free_broker)
    for _campaign in range(2):
        enroll(a_campaign(free_broker), lead)
    run(clock)
    assert logs() == [(1, "sent", "")] * 2


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 40])
def test_batch_asks_once_for_all_its_chats(
    peer: TelegramPeer, free_broker: Broker, clock: VirtualClock, count: int
) -> None:
    """One statement, by the index of a lead's conversation."""
    a_bot(free_broker)
    enroll(a_campaign(free_broker), *some_leads(free_broker, count))
    asked: list[str] = []

    def notice(execute: Any, statement: str, *rest: Any) -> Any:
        if "least(sent_at, failed_at, unknown_at)" in statement:
            asked.append(statement)
        return execute(statement, *rest)

    with connection.execute_wrapper(notice):
        decided = decide_batch(groups=due_groups(batch=99, broker_id=None, now=NOW), size=99, now=NOW)
    assert (len(asked), decided.taken) == (1, count)
