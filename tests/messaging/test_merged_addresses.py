"""Messages, links and chats of a merged lead lead to the one who was kept."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client

from brokers.models import Broker
from leads.actions import merge_leads, propose_appointment, unmerge_leads
from leads.consents import CHANNELS
from leads.links import booking_url
from leads.models import ContactPermission, Inquiry, Lead
from messaging.base import Event
from messaging.inbound import receive_event
from messaging.links import StartLink
from messaging.models import ChannelAccount, Message
from messaging.preferences import choices_of, turn_off_everything
from messaging.unsubscribe import Link, preferences_url, unsubscribe_url
from tests.building import a_lead, a_user, now_of
from tests.messages import a_message

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
Pair = tuple[Lead, Lead]


@pytest.fixture
def pair(broker: Broker, now: datetime) -> Pair:
    """The one that was kept, and the one that is part of it now; each has addresses of their own."""
    into, gone = a_lead(broker, now=now), a_lead(broker, now=now)
    merge_leads(into=into, from_=gone, now=now)
    return into, gone


@pytest.fixture
def bot(broker: Broker, now: datetime) -> ChannelAccount:
    return ChannelAccount.objects.create(broker=broker, channel="telegram", provider="telegram", created_at=now)


def hear(account: ChannelAccount, now: datetime, address: str, text: str = "Hola", **fields: str) -> None:
    event = Event(event_id=f"e{now.timestamp()}{text}", kind="inbound", address=address, text=text, **fields)  # type: ignore[arg-type]
    assert receive_event(account=account, event=event, payload={}, now=now).error == ""


@pytest.mark.parametrize(
    ("channel", "column"), [("telegram", "telegram_chat_id"), ("whatsapp", "phone"), ("email", "email")]
)
def test_message_from_the_old_address_is_the_kept_ones(
    pair: Pair, sandbox: Callable[[str], ChannelAccount], now: datetime, channel: str, column: str
) -> None:
    into, gone = pair
    hear(sandbox(channel), now, getattr(gone, column))
    assert list(Message.objects.values_list("lead", flat=True)) == [into.pk]
    assert now_of(into).inbound_count == 1


def test_opt_out_from_the_old_address_binds_the_kept_one(pair: Pair, bot: ChannelAccount, now: datetime) -> None:
    """failures.md row 19."""
    into, gone = pair
    hear(bot, now, gone.telegram_chat_id, "STOP")
    said = set(ContactPermission.objects.filter(lead=into, kind="revoked").values_list("address", flat=True))
    assert {gone.telegram_chat_id, into.telegram_chat_id, into.phone, into.email} == said


def test_unsubscribe_link_of_a_merged_lead_binds_the_kept_one(client: Client, pair: Pair) -> None:
    into, gone = pair
    url = unsubscribe_url(broker_id=gone.broker_id, lead_id=gone.pk, channel="email", address=gone.email)
    client.post(urlsplit(url).path, {"List-Unsubscribe": "One-Click"})
    assert now_of(into).opted_out_at is not None
    said = ContactPermission.objects.filter(lead=into, kind="revoked").values_list("address", flat=True)
    assert {gone.email, into.email} <= set(said)


@pytest.mark.parametrize("choice", [{"everything": "appointments"}, {"everything": "nothing"}, {"email": "nothing"}])
def test_preferences_link_of_a_merged_lead_binds_the_kept_one(
    client: Client, pair: Pair, choice: dict[str, str]
) -> None:
    """failures.md row 19."""
    into, gone = pair
    url = preferences_url(broker_id=gone.broker_id, lead_id=gone.pk, channel="email", address=gone.email)
    assert client.post(urlsplit(url).path, choice).status_code == 200
    assert now_of(into).opted_out_at is not None
    said = ContactPermission.objects.filter(lead=into, kind="revoked").values_list("address", flat=True)
    assert {gone.email, into.email} <= set(said)


def test_preferences_link_of_a_merged_lead_shows_what_the_kept_one_chose(pair: Pair) -> None:
    into, _gone = pair
    mine, old = (Link(lead.broker_id, lead.pk, "email", lead.email) for lead in pair)
    turn_off_everything(link=mine, level="nothing", now=now_of(into).created_at)
    assert {choice.channel: choice.level for choice in choices_of(old)} == dict.fromkeys(CHANNELS, "nothing")


def test_preferences_link_of_a_merged_lead_speaks_the_kept_ones_language(client: Client, pair: Pair) -> None:
    into, gone = pair
    Lead.objects.filter(pk=into.pk).update(language="en")
    url = preferences_url(broker_id=gone.broker_id, lead_id=gone.pk, channel="email", address=gone.email)
    assert "What may" in client.get(urlsplit(url).path).content.decode()


def test_start_link_of_a_merged_lead_leads_to_the_kept_one(pair: Pair, bot: ChannelAccount, now: datetime) -> None:
    into, gone = pair
    Lead.objects.filter(pk=into.pk).update(telegram_chat_id="")
    payload = StartLink(gone.broker_id, gone.pk).payload()
    hear(bot, now, "4242", start=payload)
    assert (now_of(into).telegram_chat_id, Message.objects.get().lead_id) == ("4242", into.pk)


def test_start_link_from_the_old_chat_asks_nobody_whether_they_are_one(
    pair: Pair, bot: ChannelAccount, now: datetime
) -> None:
    into, gone = pair
    hear(bot, now, gone.telegram_chat_id, start=StartLink(into.broker_id, into.pk).payload())
    assert (into.tasks.count(), Message.objects.get().lead_id) == (0, into.pk)


def test_booking_link_of_a_merged_lead_still_opens(client: Client, broker: Broker, now: datetime) -> None:
    agent = a_user(broker)
    into, gone = a_lead(broker, now=now), a_lead(broker, now=now, assigned_to=agent)
    meeting = propose_appointment(lead=gone, now=now)
    merge_leads(into=into, from_=gone, now=now)
    page = client.get(urlsplit(booking_url(meeting.token)).path)
    assert (page.status_code, page.context["appointment"].lead) == (200, into)


def test_undo_gives_the_address_back(pair: Pair, bot: ChannelAccount, now: datetime) -> None:
    into, gone = pair
    unmerge_leads(record=into.merges.get(), now=now)
    hear(bot, now, gone.telegram_chat_id)
    assert Message.objects.get().lead_id == gone.pk
    assert into.other_addresses.count() == 0


# Who is known and comes again.


def test_known_lead_who_follows_a_link_has_arrived(broker: Broker, bot: ChannelAccount, now: datetime) -> None:
    lead = a_lead(broker, now=now)
    link = StartLink(lead.broker_id, lead.pk).payload()
    hear(bot, now + HOUR, lead.telegram_chat_id, "/start", start=link)
    assert (Inquiry.objects.get(lead=lead).source, now_of(lead).last_inquiry_at) == ("telegram", now + HOUR)


@pytest.mark.parametrize(("days", "inquiries"), [(6, 0), (8, 1)])
def test_known_lead_who_writes_after_a_week_of_silence_comes_anew(
    broker: Broker, bot: ChannelAccount, now: datetime, days: int, inquiries: int
) -> None:
    lead = a_lead(broker, now=now)
    hear(bot, now + timedelta(days=days), lead.telegram_chat_id)
    assert Inquiry.objects.filter(lead=lead).count() == inquiries


def test_an_answer_is_no_arrival(broker: Broker, bot: ChannelAccount, now: datetime) -> None:
    lead = a_lead(broker, now=now)
    a_message(lead, created_at=now + timedelta(days=8))
    Lead.objects.filter(pk=lead.pk).update(last_contacted_at=now + timedelta(days=8))
    hear(bot, now + timedelta(days=9), lead.telegram_chat_id)
    assert Inquiry.objects.filter(lead=lead).count() == 0
