"""Who writes to the bot: leads, strangers, and leads who come by their link. On the very path of Telegram's webhook."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext

from brokers.models import Broker, OutboxEvent
from leads.models import ContactPermission, Inquiry, Lead, StageTransition, Task
from messaging.links import StartLink, telegram_link
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.refusals import record_opt_out
from tests.messaging.adapter_contract import telegram_post
from tests.peers.telegram import TOKEN
from tests.together import together

pytestmark = pytest.mark.django_db
NewLead = Callable[..., Lead]
Write = Callable[..., None]


@pytest.fixture
def bot(broker: Broker, now: datetime) -> ChannelAccount:
    return ChannelAccount.objects.create(
        broker=broker, channel="telegram", provider="telegram", credentials={"token": TOKEN}, created_at=now
    )


@pytest.fixture
def write(bot: ChannelAccount) -> Write:
    numbers = iter(range(1, 1000))

    def update(text: str = "Hola", chat: int = 900, number: int = 0, **fields: Any) -> None:
        person = {"id": chat, "is_bot": False, "first_name": "Inés", "last_name": "Soto"}
        message = {"message_id": 7, "from": person, "chat": {"id": chat, "type": "private"}, "text": text}
        told(bot, {"update_id": number or next(numbers), "message": message | fields})

    return update


def told(bot: ChannelAccount, update: dict[str, Any]) -> None:
    url = reverse("messaging:webhook", args=["telegram", bot.webhook_token])
    assert Client().post(url, **telegram_post(bot, update)).status_code == 200


def start(lead: Lead) -> str:
    return f"/start {StartLink(lead.broker_id, lead.pk).payload()}"


def errors() -> list[str]:
    return [text.partition(":")[0] for text in WebhookEvent.objects.values_list("error", flat=True) if text]


def test_stranger_becomes_a_lead_who_arrives(write: Write, broker: Broker) -> None:
    write("¿Sigue disponible el depto 12-B?")
    lead = Lead.objects.get(broker=broker)
    assert (lead.name, lead.telegram_chat_id, lead.source) == ("Inés Soto", "900", "telegram")
    assert (lead.pipeline_stage, lead.inbound_count, lead.phone) == ("entrada", 1, "")
    assert StageTransition.objects.get(lead=lead).cause == "arrival"
    inquiry = Inquiry.objects.get(lead=lead)
    assert (inquiry.text, inquiry.source) == ("¿Sigue disponible el depto 12-B?", "telegram")
    assert [message.body for message in Message.objects.filter(lead=lead)] == ["¿Sigue disponible el depto 12-B?"]


def test_stranger_who_writes_twice_is_one_lead(write: Write, broker: Broker) -> None:
    write("Hola")
    write("¿Hay alguien?")
    lead = Lead.objects.get(broker=broker)
    assert (lead.inbound_count, lead.inquiries.count(), lead.messages.count()) == (2, 1, 2)


def test_stranger_is_a_lead_of_the_bots_brokerage_only(
    write: Write, broker: Broker, other_broker: Broker, new_lead: NewLead
) -> None:
    """failures.md row 33, for who writes to us."""
    theirs = new_lead(other_broker, telegram_chat_id="900")
    write("Hola")
    theirs.refresh_from_db()
    assert (Lead.objects.get(broker=broker).inbound_count, theirs.inbound_count) == (1, 0)


@pytest.mark.parametrize("text", ["STOP", "Baja.", "no más"])
def test_stranger_who_wants_nothing_is_no_lead(write: Write, text: str) -> None:
    """failures.md row 19: and the address is not written to when it becomes one."""
    write(text)
    rule = ContactPermission.objects.get()
    assert (rule.address, rule.kind, rule.channel, rule.wording) == ("900", "revoked", "*", text)
    assert (Lead.objects.count(), errors()) == (0, [])


def test_automatic_message_of_a_stranger_makes_no_lead(write: Write) -> None:
    """failures.md row 20."""
    write("Estoy fuera", is_from_offline=True)
    assert (Lead.objects.count(), errors()) == (0, ["lead_unknown"])


def test_automatic_message_of_a_lead_is_no_reply(write: Write, lead: Lead) -> None:
    """failures.md row 20."""
    write("Estoy fuera", chat=4711, is_from_offline=True)
    lead.refresh_from_db()
    assert (lead.inbound_count, Message.objects.get().basis) == (0, {"automatic": True})
    assert not OutboxEvent.objects.exists()


def test_what_is_no_text_is_kept_with_where_it_is(write: Write, lead: Lead) -> None:
    write("", chat=4711, photo=[{"file_id": "p1"}])
    message = Message.objects.get()
    with translation.override("es"):
        assert (message.body, message.basis) == (gettext("(an attachment)"), {"media": ["photo:p1"]})


def test_answer_is_told_to_whoever_shows_it_and_makes_no_task(write: Write, lead: Lead) -> None:
    write("Me interesa", chat=4711)
    event = OutboxEvent.objects.get()
    told_of = {"lead": lead.pk, "message": Message.objects.get().pk, "channel": "telegram"}
    assert (event.kind, event.payload) == ("message.received", told_of | {"assigned_to": lead.assigned_to_id})
    assert not Task.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_first_messages_at_once_are_one_lead(bot: ChannelAccount, write: Write, broker: Broker) -> None:
    """failures.md row 11: who comes second finds the lead of the first."""
    together(*[lambda number=number: write("Hola", number=number) for number in (501, 502, 503, 503)])
    lead = Lead.objects.get(broker=broker)
    assert (lead.inbound_count, lead.messages.count(), errors()) == (3, 3, [])


def test_link_gives_the_lead_their_chat(write: Write, broker: Broker, new_lead: NewLead) -> None:
    lead = new_lead(broker, telegram_chat_id="")
    write(start(lead))
    lead.refresh_from_db()
    assert (lead.telegram_chat_id, Lead.objects.count(), errors()) == ("900", 1, [])
    assert lead.field_sources["telegram_chat_id"]["by"] == "system"
    write("Ya estoy aquí")
    assert [message.lead_id for message in Message.objects.all()] == [lead.pk, lead.pk]


def test_following_a_link_is_no_reply(write: Write, broker: Broker, new_lead: NewLead) -> None:
    """The campaign that invited the lead goes on."""
    lead = new_lead(broker, telegram_chat_id="")
    for _number in range(2):
        write(start(lead))
    lead.refresh_from_db()
    assert (lead.inbound_count, lead.last_inbound_at) == (0, None)


def test_link_that_somebody_else_follows_gives_them_a_lead_of_their_own(write: Write, lead: Lead) -> None:
    """A link may be passed on: the chat of the lead stays, and a person is asked once."""
    for _number in range(2):
        write(start(lead))
    lead.refresh_from_db()
    newcomer = Lead.objects.get(telegram_chat_id="900")
    assert (lead.telegram_chat_id, newcomer.messages.count()) == ("4711", 2)
    task = Task.objects.get()
    assert (task.lead, task.assignee, task.origin) == (lead, lead.assigned_to, "telegram_link:900")
    assert "Inés Soto" in task.title


def test_chat_of_another_lead_stays_theirs(write: Write, broker: Broker, lead: Lead, new_lead: NewLead) -> None:
    """Nothing is lost: who wrote first keeps chat and conversation, and a person is asked whether the two are one."""
    richer = new_lead(broker, phone="+56987654329", telegram_chat_id="")
    write(start(richer), chat=4711)
    lead.refresh_from_db()
    richer.refresh_from_db()
    assert (lead.telegram_chat_id, richer.telegram_chat_id) == ("4711", "")
    assert (Message.objects.get().lead, Task.objects.get().lead) == (lead, richer)


def test_chat_that_reaches_nobody_gives_way_to_a_new_one(write: Write, lead: Lead) -> None:
    Lead.objects.filter(pk=lead.pk).update(unreachable={"telegram": "invalid_address"})
    write(start(lead))
    lead.refresh_from_db()
    assert (lead.telegram_chat_id, lead.unreachable) == ("900", {})


def test_link_of_another_brokerage_leads_nowhere(write: Write, other_broker: Broker, new_lead: NewLead) -> None:
    """failures.md row 33."""
    theirs = new_lead(other_broker, telegram_chat_id="")
    write(start(theirs))
    theirs.refresh_from_db()
    assert (theirs.telegram_chat_id, Lead.objects.exclude(pk=theirs.pk).get().telegram_chat_id) == ("", "900")


def test_link_of_a_lead_who_is_gone_leads_nowhere(write: Write, lead: Lead, now: datetime) -> None:
    Lead.objects.filter(pk=lead.pk).update(deleted_at=now)
    write(start(lead))
    assert Lead.objects.present().get().telegram_chat_id == "900"


def test_payload_of_somebody_elses_making_is_a_message_like_any_other(write: Write) -> None:
    write("/start portal_depto_12")
    assert (Inquiry.objects.get().text, errors()) == ("/start portal_depto_12", [])


def test_payload_is_what_telegram_takes_and_nobody_can_make(lead: Lead) -> None:
    payload = StartLink(2**40, 2**41).payload()
    assert (len(payload), StartLink.parse(payload)) == (43, StartLink(2**40, 2**41))
    assert payload.replace("_", "").replace("-", "").isalnum()
    for forged in (payload[:-2] + "AA", "B" + payload[1:], payload + "A", payload[:-1], "", "A" * 43, "ñ" * 43):
        with pytest.raises(ValueError):
            StartLink.parse(forged)


@pytest.mark.parametrize(
    ("name", "has_link"), [("@aurora_bot", True), ("aurora_bot", True), ("", False), ("a b", False)]
)
def test_link_needs_the_name_of_the_bot(name: str, has_link: bool) -> None:
    link = telegram_link(bot=name, broker_id=1, lead_id=2)
    assert link == (f"https://t.me/aurora_bot?start={StartLink(1, 2).payload()}" if has_link else "")


def block(bot: ChannelAccount, number: int = 600, chat: int = 4711, status: str = "kicked") -> None:
    whose = {"chat": {"id": chat, "type": "private"}, "from": {"id": chat, "first_name": "Ana"}}
    told(bot, {"update_id": number, "my_chat_member": whose | {"new_chat_member": {"status": status}}})


def test_blocking_the_bot_takes_the_permission_back_once(bot: ChannelAccount, lead: Lead) -> None:
    """failures.md row 19."""
    for number in (600, 600, 601):
        block(bot, number)
    rule = ContactPermission.objects.get()
    assert (rule.lead, rule.address, rule.channel, rule.purpose) == (lead, "4711", "telegram", "marketing")
    assert (rule.kind, rule.source) == ("revoked", "provider")
    lead.refresh_from_db()
    assert (lead.opted_out_at is not None, lead.inbound_count, errors()) == (True, 0, [])


def test_unblocking_the_bot_gives_nothing_back(bot: ChannelAccount, lead: Lead) -> None:
    block(bot)
    block(bot, 601, status="member")
    assert ContactPermission.objects.get().kind == "revoked"


def test_block_of_nobody_we_know_binds_too(bot: ChannelAccount, broker: Broker, new_lead: NewLead) -> None:
    block(bot, chat=900)
    rule = ContactPermission.objects.get()
    assert (rule.lead, rule.address, rule.broker) == (None, "900", broker)


def test_opt_out_is_recorded_anew_after_a_permission(bot: ChannelAccount, lead: Lead, now: datetime) -> None:
    block(bot)
    where = {"channel": "telegram", "address": "4711", "evidence": {}}
    assert not record_opt_out(broker=lead.broker, lead=lead, now=now, **where)
    later = datetime(2100, 1, 1, tzinfo=UTC)
    given = {"address": "4711", "channel": "telegram", "kind": "granted", "at": later}
    ContactPermission.objects.create(broker=lead.broker, lead=lead, **given)
    assert record_opt_out(broker=lead.broker, lead=lead, now=now, **where)


def test_group_is_no_lead(bot: ChannelAccount) -> None:
    told(bot, {"update_id": 1, "message": {"chat": {"id": -100, "type": "group"}, "text": "Hola"}})
    assert (Lead.objects.count(), WebhookEvent.objects.count()) == (0, 0)
