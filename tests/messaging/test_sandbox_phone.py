"""The sandbox's phone: who may look, what it shows, and how one answers as the lead."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client

from brokers.models import Broker, User
from leads.models import ContactPermission, Lead
from messaging.models import ChannelAccount, Message, WebhookEvent

Sent = Callable[..., Message]
Sandboxes = Callable[[str], ChannelAccount]
NewLead = Callable[..., Lead]
ENGLISH = {"HTTP_ACCEPT_LANGUAGE": "en"}


def as_(user: User) -> Client:
    client = Client(**ENGLISH)
    client.force_login(user)
    return client


def page(user: User, lead: Lead, channel: str = "") -> str:
    response = as_(user).get(f"/sandbox/{lead.pk}/", {"channel": channel})
    assert response.status_code == 200
    return response.content.decode()


def answer(user: User, lead: Lead, text: str = "Hola", channel: str = "telegram", form_id: object = None) -> str:
    data = {"text": text, "channel": channel, "form_id": str(form_id or uuid4())}
    response = as_(user).post(f"/sandbox/{lead.pk}/answer/", data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def real_email(broker: Broker, now: datetime) -> ChannelAccount:
    ChannelAccount.objects.filter(broker=broker, channel="email").update(is_default=False, is_active=False)
    return ChannelAccount.objects.create(
        broker=broker, channel="email", provider="smtp", sender="a@a.example", is_default=True, created_at=now
    )


@pytest.mark.parametrize("path", ["/sandbox/", "/sandbox/{lead}/", "/sandbox/{lead}/answer/"])
def test_nobody_looks_without_a_login(client: Client, lead: Lead, path: str) -> None:
    response = client.get(path.format(lead=lead.pk))
    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=/sandbox/")


@pytest.mark.parametrize(
    ("persona", "status"),
    [("admin", 200), ("agent", 200), ("colleague", 404), ("outsider", 404)],
)
def test_a_lead_that_one_may_not_see_does_not_exist(
    request: pytest.FixtureRequest, lead: Lead, persona: str, status: int
) -> None:
    client = as_(request.getfixturevalue(persona))
    form = {"text": "Hola", "channel": "telegram", "form_id": str(uuid4())}
    assert client.get(f"/sandbox/{lead.pk}/").status_code == status
    assert client.post(f"/sandbox/{lead.pk}/answer/", form).status_code == (302 if status == 200 else 404)
    assert Message.objects.count() == int(status == 200)


def test_a_deleted_lead_has_no_phone(admin: User, lead: Lead, now: datetime) -> None:
    Lead.objects.filter(pk=lead.pk).update(deleted_at=now)
    assert as_(admin).get(f"/sandbox/{lead.pk}/").status_code == 404


def test_answering_is_a_post(admin: User, lead: Lead) -> None:
    assert as_(admin).get(f"/sandbox/{lead.pk}/answer/").status_code == 405


def test_answering_needs_the_token_of_the_page(admin: User, lead: Lead) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.post(f"/sandbox/{lead.pk}/answer/", {"text": "Hola"}).status_code == 403


def test_list_shows_leads_that_got_something_the_newest_first(
    admin: User, broker: Broker, lead: Lead, sent: Sent, new_lead: NewLead, now: datetime
) -> None:
    silent = new_lead(broker, name="Nadie", phone="", telegram_chat_id="")
    other = new_lead(broker, name="Benjamín Rojas", phone="", telegram_chat_id="")
    sent(body="Hola Ana, ¿cómo está?")
    sent(created_at=now + timedelta(hours=1), lead=other)
    html = as_(admin).get("/sandbox/").content.decode()
    assert html.index("Benjamín Rojas") < html.index("Ana Pérez")
    assert "Hola Ana, ¿cómo está?" in html
    assert silent.name not in html


@pytest.mark.parametrize("persona", ["colleague", "outsider"])
def test_list_shows_only_what_one_may_see(request: pytest.FixtureRequest, sent: Sent, persona: str) -> None:
    sent()
    html = as_(request.getfixturevalue(persona)).get("/sandbox/").content.decode()
    assert "Ana Pérez" not in html
    assert "Nothing has been sent on the sandbox yet" in html


def test_pages_cost_the_same_for_one_lead_and_for_three(
    admin: User,
    broker: Broker,
    lead: Lead,
    sent: Sent,
    new_lead: NewLead,
    django_assert_num_queries: Callable,
) -> None:
    client = as_(admin)
    sent()
    for _round in range(2):
        with django_assert_num_queries(4):
            client.get("/sandbox/")
        with django_assert_num_queries(8):
            client.get(f"/sandbox/{lead.pk}/")
        for number in range(2):
            sent()
            sent(lead=new_lead(broker, phone="", telegram_chat_id=f"{_round}{number}"))


def test_phone_shows_each_channel_on_its_own(admin: User, lead: Lead, sent: Sent) -> None:
    sent("telegram", body="Por Telegram")
    sent("email", body="Por correo", subject="Su visita")
    telegram, email = page(admin, lead, "telegram"), page(admin, lead, "email")
    assert "Por Telegram" in telegram
    assert "Por correo" not in telegram
    assert "Su visita" in email
    assert "Por correo" in email


def test_phone_opens_on_the_channel_of_the_newest_message(admin: User, lead: Lead, sent: Sent, now: datetime) -> None:
    sent("email", body="Por correo", created_at=now + timedelta(hours=1))
    sent("telegram", body="Por Telegram")
    assert "Por correo" in page(admin, lead)
    assert "Por correo" in page(admin, lead, "pigeon")


def test_phone_shows_times_in_the_leads_zone(admin: User, lead: Lead, sent: Sent) -> None:
    Lead.objects.filter(pk=lead.pk).update(timezone="Asia/Tokyo")
    sent()
    html = page(admin, lead)
    assert ">00:00</time>" in html
    assert "Nov. 5, 2026" in html


def test_phone_links_addresses_and_shows_everything_else_as_text(admin: User, lead: Lead, sent: Sent) -> None:
    sent(body="<script>alert(1)</script> http://localhost:8000/book/x/")
    html = page(admin, lead)
    assert "<script>alert" not in html
    assert '<a href="http://localhost:8000/book/x/">' in html


@pytest.mark.parametrize("status", ["queued", "sending", "failed", "cancelled", "unknown"])
def test_phone_shows_nothing_that_did_not_arrive(admin: User, lead: Lead, sent: Sent, status: str) -> None:
    sent(status=status, body="Nunca llegó")
    assert "Nunca llegó" not in page(admin, lead, "telegram")


def test_phone_shows_calls_with_their_status(admin: User, lead: Lead, sent: Sent) -> None:
    sent("call", status="failed", error_code="busy", body="")
    html = page(admin, lead, "call")
    assert "Failed · busy" in html
    assert "<textarea" not in html


def test_phone_without_messages_says_so(admin: User, lead: Lead) -> None:
    assert "Nothing has arrived here yet." in page(admin, lead)


def test_phone_shows_nothing_of_real_accounts(admin: User, lead: Lead, sent: Sent, real_email: ChannelAccount) -> None:
    sent("telegram")
    Message.objects.update(sandbox=False, channel="email")
    html = page(admin, lead, "email")
    assert "Hola Ana" not in html
    assert "<textarea" not in html


def test_answer_takes_the_path_of_a_webhook(admin: User, lead: Lead, sent: Sent) -> None:
    sent()
    html = answer(admin, lead, "Sí, el jueves")
    lead.refresh_from_db()
    event = WebhookEvent.objects.get()
    assert "Sí, el jueves" in html
    assert event.payload["text"] == "Sí, el jueves"
    assert event.processed_at is not None
    assert Message.objects.get(direction="in").dedupe_key == f"in:{event.account_id}:{event.event_id}"
    assert lead.inbound_count == 1


@pytest.mark.parametrize(("channel", "address"), [("whatsapp", "+56987654321"), ("email", "ana@example.com")])
def test_answer_comes_from_the_leads_own_address(admin: User, lead: Lead, channel: str, address: str) -> None:
    answer(admin, lead, channel=channel)
    assert Message.objects.get().address == address


def test_answer_with_a_keyword_opts_out(admin: User, lead: Lead) -> None:
    answer(admin, lead, "BAJA")
    assert ContactPermission.objects.filter(lead=lead, kind="revoked").count() == 3


def test_second_click_sends_nothing_more(admin: User, lead: Lead) -> None:
    form_id = uuid4()
    answer(admin, lead, "Hola", form_id=form_id)
    answer(admin, lead, "Hola", form_id=form_id)
    assert Message.objects.count() == 1


def test_other_text_from_the_same_form_is_another_answer(admin: User, lead: Lead) -> None:
    """Somebody who went back in the browser writes into the old page."""
    form_id = uuid4()
    answer(admin, lead, "Hola", form_id=form_id)
    answer(admin, lead, "¿Sigue disponible?", form_id=form_id)
    assert Message.objects.count() == 2


def test_answer_of_a_shared_mailbox_is_that_of_the_phone_it_was_typed_on(
    admin: User, broker: Broker, lead: Lead, sent: Sent, new_lead: NewLead, now: datetime
) -> None:
    partner = new_lead(broker, phone="+56987654322", telegram_chat_id="")
    Lead.objects.filter(pk=partner.pk).update(last_contacted_at=now)
    sent("email")
    answer(admin, lead, channel="email")
    assert Message.objects.get(direction="in").lead == lead


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"text": "  "}, "Write something first."),
        ({"text": "\x00"}, "Write something first."),
        ({"channel": "pigeon"}, "This channel is not on the sandbox."),
        ({"channel": "a\x00"}, "This channel is not on the sandbox."),
        ({"channel": "call"}, "This channel is not on the sandbox."),
        ({"form_id": "x"}, "This form is too old; please write it again."),
    ],
)
def test_answer_that_cannot_be_taken_says_why(admin: User, lead: Lead, data: dict[str, str], message: str) -> None:
    form = {"text": "Hola", "channel": "telegram", "form_id": str(uuid4())} | data
    html = as_(admin).post(f"/sandbox/{lead.pk}/answer/", form, follow=True).content.decode()
    assert message in html
    assert not Message.objects.exists()


def test_answer_on_a_channel_without_an_address_is_refused(admin: User, lead: Lead) -> None:
    Lead.objects.filter(pk=lead.pk).update(telegram_chat_id="")
    assert "This lead has no address on this channel." in answer(admin, lead)
    assert not Message.objects.exists()


def test_answer_on_a_real_channel_is_refused(admin: User, lead: Lead, real_email: ChannelAccount) -> None:
    assert "This channel is not on the sandbox" in answer(admin, lead, channel="email")
    assert not Message.objects.exists()
