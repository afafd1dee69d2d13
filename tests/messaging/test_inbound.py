"""What a lead wrote, from the provider's event to the lead."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction

from brokers.models import Broker
from leads.models import Lead, ScoreChange
from messaging.base import Event
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.sandbox import Sandbox

Sandboxes = Callable[[str], ChannelAccount]
Sent = Callable[..., Message]
NewLead = Callable[..., Lead]


def receive(
    account: ChannelAccount, now: datetime, text: str = "Hola", event_id: str = "e1", **fields: object
) -> WebhookEvent:
    values = {"kind": "inbound", "address": "4711", "text": text} | fields
    event = Event(event_id=event_id, **values)  # type: ignore[arg-type]
    return receive_event(account=account, event=event, payload={"text": text}, now=now)


def test_reply_is_stored_and_stamps_the_lead(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    before = lead.lead_score
    event = receive(sandbox("telegram"), now, "Hola, me interesa", provider_id="m-77")
    lead.refresh_from_db()
    message = Message.objects.get()
    assert (event.processed_at, event.error, event.payload) == (now, "", {"text": "Hola, me interesa"})
    assert (message.direction, message.status, message.channel) == ("in", "received", "telegram")
    assert (message.body, message.address, message.provider_id) == ("Hola, me interesa", "4711", "m-77")
    assert (message.broker_id, message.lead_id, message.sandbox) == (lead.broker_id, lead.pk, True)
    assert (message.created_at, message.received_at) == (now, now)
    assert message.dedupe_key == f"in:{event.account_id}:e1"
    assert (lead.inbound_count, lead.last_inbound_at, lead.last_activity_at) == (1, now, now)
    assert lead.lead_score == before + 4


def test_repeated_event_changes_nothing(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    """failures.md row 24: the provider delivers twice; another text under the same id is still the same event."""
    receive(sandbox("telegram"), now)
    receive(sandbox("telegram"), now + timedelta(hours=1), "Otra cosa")
    lead.refresh_from_db()
    assert [message.body for message in Message.objects.all()] == ["Hola"]
    assert (lead.inbound_count, lead.last_inbound_at) == (1, now)
    assert WebhookEvent.objects.count() == 1


def test_same_event_id_at_two_accounts_is_two_events(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    receive(sandbox("telegram"), now)
    receive(sandbox("whatsapp"), now, address=lead.phone)
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("telegram", "4711"),
        ("whatsapp", "+56987654321"),
        ("call", "+56987654321"),
        ("email", " Ana@Example.com "),
    ],
)
def test_lead_is_found_by_the_address_of_the_channel(
    sandbox: Sandboxes, lead: Lead, now: datetime, channel: str, address: str
) -> None:
    receive(sandbox(channel), now, address=address)
    assert Message.objects.get().lead == lead


def test_two_brokers_with_equal_leads_stay_apart(
    sandbox: Sandboxes, lead: Lead, other_broker: Broker, new_lead: NewLead, now: datetime
) -> None:
    """failures.md row 33, for replies: the account says whose lead it is."""
    twin = new_lead(other_broker)
    receive(sandbox("whatsapp"), now, address="+56987654321")
    lead.refresh_from_db()
    twin.refresh_from_db()
    assert (lead.inbound_count, twin.inbound_count) == (1, 0)
    assert Message.objects.get().broker_id == lead.broker_id


def test_stranger_is_kept_for_later(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    event = receive(sandbox("telegram"), now, address="999")
    assert event.processed_at is None
    assert event.error.startswith("lead_unknown: ")
    assert not Message.objects.exists()


def test_stranger_who_became_a_lead_is_heard_at_the_next_delivery(
    sandbox: Sandboxes, broker: Broker, new_lead: NewLead, now: datetime
) -> None:
    receive(sandbox("telegram"), now)
    lead = new_lead(broker)
    event = receive(sandbox("telegram"), now)
    assert (event.processed_at, event.error) == (now, "")
    assert Message.objects.get().lead == lead


@pytest.mark.parametrize("address", ["", "  "])
def test_event_without_an_address_belongs_to_nobody(
    sandbox: Sandboxes, broker: Broker, new_lead: NewLead, now: datetime, address: str
) -> None:
    new_lead(broker, telegram_chat_id="")
    assert receive(sandbox("telegram"), now, address=address).error.startswith("lead_unknown")


def test_deleted_lead_is_not_found(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    Lead.objects.filter(pk=lead.pk).update(deleted_at=now)
    assert receive(sandbox("telegram"), now).error.startswith("lead_unknown")


def test_shared_mailbox_goes_to_the_one_contacted_last(
    sandbox: Sandboxes, broker: Broker, lead: Lead, new_lead: NewLead, now: datetime
) -> None:
    partner = new_lead(broker, phone="+56987654322", telegram_chat_id="")
    Lead.objects.filter(pk=lead.pk).update(last_contacted_at=now)
    receive(sandbox("email"), now, address="ana@example.com")
    assert Message.objects.get().lead == lead
    Lead.objects.filter(pk=partner.pk).update(last_contacted_at=now + timedelta(hours=1))
    receive(sandbox("email"), now, event_id="e2", address="ana@example.com")
    assert Message.objects.get(dedupe_key__endswith="e2").lead == partner


def test_shared_mailbox_goes_to_the_one_whose_message_is_answered(
    sandbox: Sandboxes, broker: Broker, lead: Lead, sent: Sent, new_lead: NewLead, now: datetime
) -> None:
    partner = new_lead(broker, phone="+56987654322", telegram_chat_id="")
    Lead.objects.filter(pk=partner.pk).update(last_contacted_at=now)
    receive(sandbox("email"), now, address="ana@example.com", message_id=sent("email").pk)
    assert Message.objects.get(direction="in").lead == lead


def test_naming_a_message_of_another_address_is_not_believed(
    sandbox: Sandboxes, broker: Broker, lead: Lead, sent: Sent, new_lead: NewLead, now: datetime
) -> None:
    other = new_lead(broker, phone="+56987654322", telegram_chat_id="", email="b@example.com")
    receive(sandbox("email"), now, address="b@example.com", message_id=sent("email").pk)
    assert Message.objects.get(direction="in").lead == other


@pytest.mark.parametrize(("minutes", "quick"), [(5, 1), (6, 0)])
def test_answer_within_five_minutes_is_quick(
    sandbox: Sandboxes, lead: Lead, sent: Sent, now: datetime, minutes: int, quick: int
) -> None:
    sent(sent_at=now - timedelta(days=1), created_at=now - timedelta(days=1))
    sent(sent_at=now, created_at=now)
    receive(sandbox("telegram"), now + timedelta(minutes=minutes))
    lead.refresh_from_db()
    assert lead.quick_reply_count == quick


def test_message_that_never_went_out_is_not_answered(sandbox: Sandboxes, lead: Lead, sent: Sent, now: datetime) -> None:
    sent(status="failed", sent_at=None)
    sent(channel="call")
    receive(sandbox("telegram"), now)
    lead.refresh_from_db()
    assert lead.quick_reply_count == 0


def test_own_message_that_comes_back_is_no_reply(sandbox: Sandboxes, lead: Lead, sent: Sent, now: datetime) -> None:
    """failures.md row 30."""
    sent("email", provider_id="<embudo-1@aurora.example>")
    event = receive(sandbox("email"), now, address="ana@example.com", provider_id="<embudo-1@aurora.example>")
    lead.refresh_from_db()
    assert (event.processed_at, lead.inbound_count) == (now, 0)
    assert not Message.objects.filter(direction="in").exists()


def test_texts_that_a_database_cannot_hold_are_cleaned(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    event = Event(event_id="m" * 900, kind="inbound", address="4711", text="a\x00b", provider_id="p" * 900)
    payload = {"text": "a\x00b", "deep": [{"k\x00": "v\x00"}, 1, None]}
    first = receive_event(account=sandbox("telegram"), event=event, payload=payload, now=now)
    second = receive_event(account=sandbox("telegram"), event=event, payload=payload, now=now)
    assert first == second
    assert first.payload == {"text": "ab", "deep": [{"k": "v"}, 1, None]}
    assert Message.objects.get().body == "ab"


def test_own_bug_is_noted_and_raised_so_that_the_provider_tries_again(
    sandbox: Sandboxes, lead: Lead, now: datetime
) -> None:
    with pytest.raises(AttributeError):
        receive(sandbox("telegram"), now, raw={"headers": 5})
    event = WebhookEvent.objects.get()
    assert event.processed_at is None
    assert event.error.startswith("AttributeError: ")
    assert not Message.objects.exists()
    receive(sandbox("telegram"), now)
    event.refresh_from_db()
    assert (event.processed_at, event.error) == (now, "")


def test_sandbox_speaks_the_same_words(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    payload = {"event_id": "e1", "address": "4711", "text": "Hola", "answers": None}
    [event] = Sandbox(sandbox("telegram")).parse(payload)
    receive_event(account=sandbox("telegram"), event=event, payload=payload, now=now)
    assert Message.objects.get().body == "Hola"


def test_statements_of_a_reply_do_not_grow_with_the_conversation(
    sandbox: Sandboxes, lead: Lead, sent: Sent, now: datetime, django_assert_max_num_queries: Callable
) -> None:
    for _number in range(20):
        sent()
    with django_assert_max_num_queries(32):  # savepoints of the nested verbs included
        receive(sandbox("telegram"), now)


@pytest.mark.django_db(transaction=True)
def test_one_event_delivered_four_times_at_once_is_applied_once(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    account = sandbox("telegram")

    def deliver(_number: int) -> None:
        try:
            receive(account, now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, range(4)))
    lead.refresh_from_db()
    assert (Message.objects.count(), lead.inbound_count) == (1, 1)
    assert ScoreChange.objects.filter(lead=lead, cause="message").count() == 1


@pytest.mark.django_db(transaction=True)
def test_lead_is_locked_before_anything_else(sandbox: Sandboxes, lead: Lead, now: datetime) -> None:
    """Whoever holds the lead is waited for; whoever inserts a row that refers to it is not held up."""
    account = sandbox("telegram")

    def deliver() -> None:
        try:
            receive(account, now)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Lead.objects.select_for_update(no_key=True).get(pk=lead.pk)
            waiting = pool.submit(deliver)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.4)
            assert not Message.objects.exists()
        waiting.result(timeout=10)
    assert Message.objects.count() == 1
