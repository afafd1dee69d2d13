"""What Twilio tells us, signed as Twilio signs it: late, twice, in any order, and what others say in its name."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from brokers.models import Broker
from leads.models import Lead
from messaging.base import Envelope
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.providers import adapter_for
from messaging.webhooks import webhook_url
from tests.peers.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    FORM,
    Callback,
    TwilioPeer,
    callback,
    post,
    signature,
    twilio_peer,
)

pytestmark = pytest.mark.django_db
PUBLIC = "https://crm.example.com"
Deliver = Callable[[Callback], int]
Write = Callable[..., Message]


@pytest.fixture
def peer(settings: LazySettings) -> Iterator[TwilioPeer]:
    settings.PUBLIC_URL = PUBLIC
    settings.SECURE_SSL_REDIRECT = False
    with twilio_peer() as peer:
        settings.TWILIO_API_URL = peer.url
        yield peer


@pytest.fixture
def account(broker: Broker, now: datetime) -> ChannelAccount:
    return ChannelAccount.objects.create(
        broker=broker,
        channel="whatsapp",
        provider="twilio_whatsapp",
        sender="+14155238886",
        credentials={"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN},
        created_at=now,
    )


@pytest.fixture
def written(account: ChannelAccount, lead: Lead, sent: Write, peer: TwilioPeer) -> tuple[Message, str]:
    """A message that Twilio has accepted, and its SID there; we do not know the answer yet."""
    message = sent("whatsapp", account=account, status="sending", sent_at=None, sandbox=False)
    letter = Envelope(message.pk, "k", "whatsapp", lead.phone, "", "Hola", "marketing", window_open=True)
    return message, adapter_for(account).send(letter).provider_id


@pytest.fixture
def deliver(client: Client) -> Deliver:
    """To the view, under another host than the one the world knows us by."""

    def send(call: Callback) -> int:
        path = call.url.removeprefix(PUBLIC)
        return client.post(path, call.body, content_type=FORM, headers=call.headers).status_code

    return send


def now_of(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["queued"], "sent"),
        (["sending"], "sent"),
        (["sent"], "sent"),
        (["delivered"], "delivered"),
        (["read"], "read"),
        (["undelivered"], "failed"),
        (["failed"], "failed"),
        (["canceled"], "failed"),
        (["queued", "sent", "delivered", "read"], "read"),
    ],
)
def test_status_arrives_at_its_message(
    written: tuple[Message, str], peer: TwilioPeer, deliver: Deliver, words: list[str], status: str
) -> None:
    message, sid = written
    assert [deliver(peer.status(sid, word)) for word in words] == [200] * len(words)
    assert (now_of(message).status, now_of(message).provider_id) == (status, sid)


@pytest.mark.parametrize("order", list(permutations(["sent", "delivered", "read"])))
def test_statuses_in_any_order_and_twice_end_at_the_furthest(
    written: tuple[Message, str], peer: TwilioPeer, deliver: Deliver, order: tuple[str, ...]
) -> None:
    """failures.md row 24."""
    message, sid = written
    for word in (*order, *order):
        assert deliver(peer.status(sid, word)) == 200
    assert now_of(message).status == "read"
    assert WebhookEvent.objects.count() == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (21610, "unsubscribed"),
        (63014, "blocked"),
        (63003, "invalid_address"),
        (63024, "invalid_address"),
        (63016, "needs_template"),
        (63049, "marketing_limit"),
        (12345, "twilio_12345"),
        (0, "undelivered"),
    ],
)
def test_failure_keeps_what_its_code_means(
    written: tuple[Message, str], peer: TwilioPeer, deliver: Deliver, error: int, code: str
) -> None:
    message, sid = written
    deliver(peer.status(sid, "undelivered", error))
    assert (now_of(message).status, now_of(message).error_code) == ("failed", code)


def test_unknown_outcome_is_corrected_by_the_callback(
    written: tuple[Message, str], peer: TwilioPeer, deliver: Deliver
) -> None:
    """failures.md row 4: the callback carries our own id, so it needs no answer that got lost."""
    message, sid = written
    Message.objects.filter(pk=message.pk).update(status="unknown", error_code="timeout")
    deliver(peer.status(sid, "queued"))
    assert (now_of(message).status, now_of(message).provider_id, now_of(message).error_code) == ("sent", sid, "")


def test_unknown_word_is_kept_and_ignored(written: tuple[Message, str], peer: TwilioPeer, deliver: Deliver) -> None:
    message, sid = written
    assert deliver(peer.status(sid, "teleported")) == 200
    assert (now_of(message).status, WebhookEvent.objects.get().error) == ("sending", "status_unknown: teleported")


def test_words_of_a_lead_arrive(account: ChannelAccount, lead: Lead, peer: TwilioPeer, deliver: Deliver) -> None:
    said = peer.inbound(webhook_url(account), Body="¿Sigue disponible?\nGracias")
    assert [deliver(said), deliver(said)] == [200, 200]
    message = Message.objects.get(direction="in")
    assert (message.lead, message.body, message.provider_id) == (lead, "¿Sigue disponible?\nGracias", "SM" + "a" * 32)
    lead.refresh_from_db()
    assert lead.inbound_count == 1


def test_media_and_name_are_kept_as_they_are_told(account: ChannelAccount, peer: TwilioPeer) -> None:
    links = {"NumMedia": "2", "MediaUrl0": "https://api.twilio.com/m0", "MediaUrl1": "https://api.twilio.com/m1"}
    [event] = adapter_for(account).parse(peer.inbound("", **links).form)
    assert (event.kind, event.name, event.media) == ("inbound", "Ana", (links["MediaUrl0"], links["MediaUrl1"]))
    assert event.raw["MediaUrl1"] == links["MediaUrl1"]


@pytest.mark.parametrize(
    ("sender", "phone"),
    [
        ("whatsapp:+5215512345678", "+525512345678"),
        ("whatsapp:+525512345678", "+525512345678"),
        ("whatsapp:+553187654321", "+5531987654321"),
        ("whatsapp:+5531987654321", "+5531987654321"),
        ("whatsapp:+553132654321", "+553132654321"),
        ("whatsapp:+56987654321", "+56987654321"),
    ],
)
def test_whatsapps_own_way_of_writing_numbers_is_undone(
    account: ChannelAccount, peer: TwilioPeer, sender: str, phone: str
) -> None:
    [event] = adapter_for(account).parse(peer.inbound("", From=sender).form)
    assert event.address == phone


@pytest.mark.parametrize("count", ["", "many", "-1", "9999999999"])
def test_nonsense_is_read_without_a_crash(account: ChannelAccount, count: str) -> None:
    adapter = adapter_for(account)
    [event] = adapter.parse({"From": "whatsapp:+56987654321", "NumMedia": count, "MessageSid": "SM1"})
    assert event.media == ()
    told: list[dict[str, Any]] = [{}, {"MessageStatus": "sent", "message": "x"}, {"ErrorCode": "many"}, {"To": None}]
    assert [event.message_id for payload in told for event in adapter.parse(payload)] == [None] * len(told)
    assert len({event.event_id for payload in told for event in adapter.parse(payload)}) == len(told)


def test_nobody_else_is_believed(
    written: tuple[Message, str], account: ChannelAccount, peer: TwilioPeer, deliver: Deliver
) -> None:
    """failures.md row 23: every way to say it wrongly."""
    message, sid = written
    right = peer.status(sid, "delivered")
    unsigned = right._replace(headers={})
    by_another = right._replace(headers={"X-Twilio-Signature": signature(right.url, right.form, "another token")})
    for_another_address = right._replace(
        headers={"X-Twilio-Signature": signature(right.url.replace(PUBLIC, "http://testserver"), right.form)}
    )
    changed = right._replace(form=right.form | {"MessageStatus": "read"})
    more = right._replace(form=right.form | {"ErrorCode": "21610"})
    of_another_message = right._replace(url=right.url.replace(f"message={message.pk}", "message=1"))
    by_nobody = right._replace(headers={"X-Twilio-Signature": signature(right.url, right.form, "")})
    wrong = [unsigned, by_another, for_another_address, changed, more, of_another_message, by_nobody]
    assert [deliver(call) for call in wrong] == [403] * len(wrong)
    account.credentials = {"account_sid": ACCOUNT_SID}
    account.save()
    assert [deliver(right), deliver(by_nobody)] == [403, 403]
    assert (now_of(message).status, WebhookEvent.objects.count()) == ("sending", 0)


def test_account_of_another_brokerage_is_not_believed(
    written: tuple[Message, str], other_broker: Broker, peer: TwilioPeer, deliver: Deliver, now: datetime
) -> None:
    """Rightly signed by their own token, at their own address, about our message."""
    message, sid = written
    theirs = ChannelAccount.objects.create(
        broker=other_broker,
        channel="whatsapp",
        provider="twilio_whatsapp",
        credentials={"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN},
        created_at=now,
    )
    url = f"{webhook_url(theirs)}?message={message.pk}"
    assert deliver(callback(url, peer.status(sid, "read").form)) == 200
    assert now_of(message).status == "sending"


def signed_json(url: str, body: bytes, signed: bytes) -> tuple[str, str]:
    """A JSON call's address and signature."""
    url = f"{url}?bodySHA256={hashlib.sha256(signed).hexdigest()}"
    return url, base64.b64encode(hmac.new(AUTH_TOKEN.encode(), url.encode(), hashlib.sha1).digest()).decode()


@pytest.mark.parametrize(
    ("signed", "status"), [(b'{"MessageStatus": "sent"}', 200), (b'{"MessageStatus": "read"}', 403), (b"\xff", 403)]
)
def test_json_is_believed_by_the_hash_in_its_address(
    account: ChannelAccount, peer: TwilioPeer, client: Client, signed: bytes, status: int
) -> None:
    body = b'{"MessageStatus": "sent"}'
    url, mark = signed_json(webhook_url(account), body, signed)
    path = url.removeprefix(PUBLIC)
    answer = client.post(path, body, content_type="application/json", headers={"X-Twilio-Signature": mark})
    assert answer.status_code == status


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_body_that_the_signature_does_not_cover_is_not_believed(
    account: ChannelAccount, peer: TwilioPeer, client: Client, content_type: str
) -> None:
    url = webhook_url(account)
    headers = {"X-Twilio-Signature": signature(url, {})}
    body = json.dumps({"MessageStatus": "read"})
    answer = client.post(url.removeprefix(PUBLIC), body, content_type=content_type, headers=headers)
    assert answer.status_code == 403


@pytest.mark.django_db(transaction=True)
def test_whole_way_over_the_wire(
    live_server: LiveServer, account: ChannelAccount, lead: Lead, sent: Write, peer: TwilioPeer, settings: LazySettings
) -> None:
    """Accepted, the answer lost, told twice and late by a server to a server."""
    settings.PUBLIC_URL = live_server.url
    peer.otherwise = "accept_then_cut"
    message = sent("whatsapp", account=account, status="unknown", sent_at=None, sandbox=False)
    letter = Envelope(message.pk, "k", "whatsapp", lead.phone, "", "Hola", "marketing", window_open=True)
    assert adapter_for(account).send(letter).kind == "unknown"
    [sid] = peer.messages
    calls = [peer.status(sid, word) for word in ("delivered", "sent", "delivered")]
    assert [post(call) for call in calls] == [200] * 3
    assert (now_of(message).status, now_of(message).provider_id) == ("delivered", sid)
