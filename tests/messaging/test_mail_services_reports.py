"""What mail services report: each in its own words and with its own proof, and what others say in its name."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from brokers.models import Broker
from brokers.refusal import Refused
from leads.models import Lead
from messaging.mail_reports import without_quote
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.providers import adapter_for
from messaging.webhooks import webhook_url
from tests.peers.mail_service import basic

pytestmark = pytest.mark.django_db
SECRET, KEY = "embudo:a-long-random-word", "signing-key"
Write = Callable[..., Message]
Accounts = Callable[[str], ChannelAccount]
Deliver = Callable[..., int]


@pytest.fixture
def accounts(broker: Broker, now: datetime) -> Accounts:
    def make(service: str) -> ChannelAccount:
        proof = {"webhook_signing_key": KEY} if service == "mailgun" else {"webhook_secret": SECRET}
        values: dict[str, Any] = {"broker": broker, "channel": "email", "provider": "anymail", "created_at": now}
        return ChannelAccount.objects.create(sender="hola@aurora.example", service=service, credentials=proof, **values)

    return make


@pytest.fixture
def deliver(client: Client, settings: LazySettings) -> Deliver:
    def send(account: ChannelAccount, body: Any, secret: str = SECRET) -> int:
        path = webhook_url(account).removeprefix(settings.PUBLIC_URL)
        headers = {} if account.service == "mailgun" else basic(secret)
        return client.post(path, json.dumps(body), content_type="application/json", headers=headers).status_code

    return send


def signed(body: dict[str, Any], token: str = "t1", key: str = KEY) -> dict[str, Any]:
    """As Mailgun signs."""
    mark = hmac.new(key.encode(), f"1788000000{token}".encode(), hashlib.sha256).hexdigest()
    return {"signature": {"timestamp": "1788000000", "token": token, "signature": mark}} | body


def postmark(kind: str, own_id: int, **fields: Any) -> dict[str, Any]:
    known = {"MessageID": "pm-1", "Email": "ana@example.com", "Metadata": {"embudo_message": str(own_id)}}
    return {"RecordType": kind} | known | fields


def mailgun(word: str, own_id: int, **fields: Any) -> dict[str, Any]:
    data = {"event": word, "recipient": "ana@example.com", "user-variables": {"embudo_message": str(own_id)}}
    return signed({"event-data": data | {"timestamp": 1788000000.5} | fields})


def brevo(word: str, own_id: int) -> dict[str, Any]:
    mark = json.dumps({"embudo_message": str(own_id)})
    return {"event": word, "email": "ana@example.com", "message-id": "<b1@brevo>", "X-Mailin-custom": mark}


def sparkpost(word: str, own_id: int, **fields: Any) -> list[dict[str, Any]]:
    data = {"type": word, "event_id": "s1", "timestamp": "1788000000", "raw_rcpt_to": "ana@example.com"}
    return [{"msys": {"message_event": data | {"rcpt_meta": {"embudo_message": str(own_id)}} | fields}}, {"msys": {}}]


BAD, NO_MORE, SPAM = "failed invalid_address", "revoked unsubscribed", "revoked blocked"
# What each report says, in our words: of the mail, and of the person.
REPORTS: list[tuple[str, Callable[[int], Any], list[str]]] = [
    ("postmark", lambda n: postmark("Delivery", n, DeliveredAt="2026-11-04T15:00:00Z"), ["delivered"]),
    ("postmark", lambda n: postmark("Open", n), ["delivered"]),
    ("postmark", lambda n: postmark("Bounce", n, ID=4, Type="HardBounce"), [BAD]),
    ("postmark", lambda n: postmark("Bounce", n, ID=4, Type="SoftBounce"), ["failed bounced"]),
    ("postmark", lambda n: postmark("Bounce", n, ID=4, Type="BadEmailAddress"), [BAD]),
    ("postmark", lambda n: postmark("SpamComplaint", n, ID=4, Type="SpamComplaint"), ["delivered", SPAM]),
    (
        "postmark",
        lambda n: postmark("SubscriptionChange", n, SuppressSending=True, SuppressionReason="ManualSuppression"),
        [NO_MORE],
    ),
    ("mailgun", lambda n: mailgun("delivered", n), ["delivered"]),
    ("mailgun", lambda n: mailgun("failed", n, severity="permanent", reason="bounce"), [BAD]),
    ("mailgun", lambda n: mailgun("failed", n, severity="permanent", reason="generic"), ["failed bounced"]),
    (
        "mailgun",
        lambda n: mailgun("failed", n, severity="permanent", reason="suppress-unsubscribe"),
        ["failed unsubscribed", NO_MORE],
    ),
    ("mailgun", lambda n: mailgun("complained", n), ["delivered", SPAM]),
    ("mailgun", lambda n: mailgun("unsubscribed", n), [NO_MORE]),
    ("brevo", lambda n: brevo("request", n), ["sent"]),
    ("brevo", lambda n: brevo("delivered", n), ["delivered"]),
    ("brevo", lambda n: brevo("hard_bounce", n), [BAD]),
    ("brevo", lambda n: brevo("soft_bounce", n), ["failed bounced"]),
    ("brevo", lambda n: brevo("blocked", n), ["failed rejected"]),
    ("brevo", lambda n: brevo("spam", n), ["delivered", SPAM]),
    ("brevo", lambda n: brevo("unsubscribe", n), [NO_MORE]),
    ("sparkpost", lambda n: sparkpost("delivery", n), ["delivered"]),
    ("sparkpost", lambda n: sparkpost("bounce", n, bounce_class="10"), [BAD]),
    ("sparkpost", lambda n: sparkpost("bounce", n, bounce_class="22"), ["failed bounced"]),
    ("sparkpost", lambda n: sparkpost("spam_complaint", n), ["delivered", SPAM]),
    ("sparkpost", lambda n: sparkpost("list_unsubscribe", n), [NO_MORE]),
]


@pytest.mark.parametrize(("provider", "report", "words"), REPORTS)
def test_report_arrives_at_its_message_once(
    accounts: Accounts, deliver: Deliver, sent: Write, provider: str, report: Callable[[int], Any], words: list[str]
) -> None:
    """failures.md row 24: the second delivery is the same event."""
    account = accounts(provider)
    message = sent("email", account=account, status="sending", sent_at=None, sandbox=False)
    told = report(message.pk)
    assert [deliver(account, told), deliver(account, told)] == [200, 200]
    events = adapter_for(account).parse(WebhookEvent.objects.first().payload)  # type: ignore[union-attr]
    assert [f"{event.status or event.kind} {event.code}".strip() for event in events] == words
    assert {(event.message_id, event.address) for event in events} == {(message.pk, "ana@example.com")}
    assert WebhookEvent.objects.count() == len(words)
    message.refresh_from_db()
    status = words[0] if words[0].split()[0] != "revoked" else "sending"
    assert f"{message.status} {message.error_code}".strip() == status


@pytest.mark.parametrize(
    ("provider", "report"),
    [
        ("postmark", postmark("Bounce", 1, ID=4, Type="Transient")),
        ("postmark", postmark("Bounce", 1, ID=4, Type="AutoResponder")),
        ("mailgun", mailgun("failed", 1, severity="temporary", reason="generic")),
        ("brevo", brevo("deferred", 1)),
        ("sparkpost", sparkpost("delay", 1)),
    ],
)
def test_no_news_is_no_event(accounts: Accounts, deliver: Deliver, provider: str, report: Any) -> None:
    """failures.md row 20: an automatic reply least of all."""
    assert deliver(accounts(provider), report) == 200
    assert WebhookEvent.objects.count() == 0


@pytest.mark.parametrize("provider", ["postmark", "mailgun", "brevo", "sparkpost"])
@pytest.mark.parametrize("body", [[], {}, "x", 7, None, {"event": 7}, {"RecordType": []}, [{"msys": 1}], {"items": 3}])
def test_nonsense_is_no_bug_of_ours(accounts: Accounts, deliver: Deliver, provider: str, body: Any) -> None:
    body = signed(body) if provider == "mailgun" and isinstance(body, dict) else body
    assert deliver(accounts(provider), body) in (200, 400, 403)


def test_unknown_word_is_kept_and_ignored(accounts: Accounts, deliver: Deliver) -> None:
    assert deliver(accounts("postmark"), postmark("Teleported", 1)) == 200
    assert WebhookEvent.objects.get().error == "status_unknown: unknown"


@pytest.mark.parametrize("provider", ["postmark", "brevo", "sparkpost"])
@pytest.mark.parametrize("secret", ["", ":", "embudo:", "embudo:other", SECRET + "x"])
def test_nobody_without_the_secret_is_believed(
    accounts: Accounts, deliver: Deliver, provider: str, secret: str
) -> None:
    """failures.md row 23."""
    account = accounts(provider)
    assert deliver(account, postmark("Delivery", 1), secret=secret) == 403
    account.credentials = {}
    account.save()
    assert [deliver(account, postmark("Delivery", 1), secret=s) for s in (secret, SECRET)] == [403, 403]


def test_nobody_without_mailguns_key_is_believed(accounts: Accounts, deliver: Deliver) -> None:
    """failures.md row 23."""
    account = accounts("mailgun")
    right = mailgun("delivered", 1)
    assert deliver(account, right) == 200
    by_another, by_nobody = right | signed({}, key="other"), right | signed({}, key="")
    later = right | {"signature": right["signature"] | {"timestamp": "1788000001"}}
    unsigned = {"event-data": right["event-data"]}
    empty = right | {"signature": {"timestamp": "", "token": "", "signature": ""}}
    assert [deliver(account, call) for call in (by_another, later, unsigned, empty)] == [403] * 4
    account.credentials = {}
    account.save()
    assert [deliver(account, call) for call in (right, by_nobody)] == [403, 403]


def test_account_without_a_secret_is_not_connected(accounts: Accounts) -> None:
    account = accounts("postmark")
    assert "https://crm.example.com/x/" in adapter_for(account).connect("https://crm.example.com/x/")
    account.credentials = {}
    with pytest.raises(Refused):
        adapter_for(account).connect("https://crm.example.com/x/")


def answered(own_id: int, **headers: str) -> dict[str, Any]:
    """An answer as Postmark passes it on."""
    known = {
        "Message-ID": "<a1@mail.example>",
        "In-Reply-To": f"<embudo-{own_id}.step-3-1-1@aurora.example>",
        **headers,
    }
    return {
        "FromFull": {"Email": "Ana@Example.com", "Name": "Ana Pérez"},
        "ToFull": [{"Email": "hola@aurora.example", "Name": ""}],
        "Subject": "Re: Su visita",
        "MessageID": "in-1",
        "TextBody": "Sí, el lunes\n\nEl mié, 4 nov 2026, Aurora escribió:\n> Hola",
        "StrippedTextReply": "Sí, el lunes",
        "Headers": [{"Name": name, "Value": value} for name, value in known.items()],
        "Attachments": [{"Name": "plano.pdf", "Content": "QQ==", "ContentType": "application/pdf"}],
    }


def test_answer_of_a_lead_arrives(accounts: Accounts, deliver: Deliver, lead: Lead, sent: Write) -> None:
    account = accounts("postmark")
    message = sent("email", account=account, sandbox=False)
    assert [deliver(account, answered(message.pk)), deliver(account, answered(message.pk))] == [200, 200]
    reply = Message.objects.get(direction="in")
    assert (reply.lead, reply.body, reply.provider_id) == (lead, "Sí, el lunes", "<a1@mail.example>")
    [event] = adapter_for(account).parse(WebhookEvent.objects.get().payload)
    assert (event.message_id, event.name, event.raw["attachments"]) == (message.pk, "Ana Pérez", ["plano.pdf"])


@pytest.mark.parametrize(
    "headers", [{"Auto-Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"X-Autoreply": "yes"}]
)
def test_automatic_answer_is_no_answer(
    accounts: Accounts, deliver: Deliver, lead: Lead, headers: dict[str, str]
) -> None:
    """failures.md rows 20 and 30."""
    assert deliver(accounts("postmark"), answered(0, **headers)) == 200
    lead.refresh_from_db()
    assert (lead.inbound_count, Message.objects.get(direction="in").basis) == (0, {"automatic": True})


def test_mail_from_nobody_is_a_bounce(accounts: Accounts, deliver: Deliver, lead: Lead) -> None:
    body = answered(0)
    body["Headers"] = [{"Name": "Return-Path", "Value": "<>"}, *body["Headers"]]
    assert deliver(accounts("postmark"), body) == 200
    lead.refresh_from_db()
    assert lead.inbound_count == 0


def test_answer_arrives_by_mailgun(accounts: Accounts, client: Client, lead: Lead, settings: LazySettings) -> None:
    """As a form, with the signature among its fields."""
    account = accounts("mailgun")
    headers = [["From", "Ana <ana@example.com>"], ["Message-Id", "<m1@mail.example>"], ["Subject", "Re: Su visita"]]
    form = signed({})["signature"] | {
        "sender": "ana@example.com",
        "recipient": "hola@aurora.example",
        "message-headers": json.dumps(headers),
        "body-plain": "Sí",
        "stripped-text": "Sí",
    }
    path = webhook_url(account).removeprefix(settings.PUBLIC_URL)
    assert client.post(path, form).status_code == 200
    assert client.post(path, form | {"token": "other"}).status_code == 403
    assert [(row.lead, row.body) for row in Message.objects.filter(direction="in")] == [(lead, "Sí")]


def test_answer_arrives_by_brevo(accounts: Accounts, deliver: Deliver, lead: Lead) -> None:
    """Without fetching what was attached."""
    headers = {"From": "Ana <ana@example.com>", "Message-ID": "<b1@mail.example>", "Received": ["a", "b"]}
    attached = {"Name": "plano.pdf", "ContentType": "application/pdf", "DownloadToken": "x"}
    item = {"Uuid": ["u1"], "Headers": headers, "RawTextBody": "Sí\n> Hola", "Attachments": [attached]}
    assert deliver(accounts("brevo"), {"items": [item]}) == 200
    assert [(row.lead, row.body) for row in Message.objects.filter(direction="in")] == [(lead, "Sí")]


def test_answer_arrives_by_sparkpost(accounts: Accounts, deliver: Deliver, lead: Lead) -> None:
    mail = "From: Ana <ana@example.com>\r\nMessage-ID: <s1@mail.example>\r\nSubject: Re\r\n\r\nSi\r\n"
    content = {"email_rfc822": mail, "email_rfc822_is_base64": False}
    relay = {"protocol": "smtp", "content": content, "msg_from": "ana@example.com", "rcpt_to": "hola@aurora.example"}
    assert deliver(accounts("sparkpost"), [{"msys": {"relay_message": relay}}]) == 200
    assert [(row.lead, row.body) for row in Message.objects.filter(direction="in")] == [(lead, "Si")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("STOP\n\nEl mié, 4 nov 2026 a las 12:00, Aurora escribió:\n> Hola", "STOP"),
        ("stop\r\n\r\nOn Wed, Nov 4, 2026 at 12:00 PM Aurora wrote:\r\n> Hola", "stop"),
        ("Baja\n-----Mensaje original-----\nDe: Aurora", "Baja"),
        ("Sí\n> a\n> b", "Sí"),
        ("> nur zitiert", "> nur zitiert"),
        ("El lunes\nOn time", "El lunes\nOn time"),
    ],
)
def test_answer_is_what_stands_before_the_quote(text: str, said: str) -> None:
    assert without_quote(text) == said


def test_moment_of_a_report_is_kept(accounts: Accounts) -> None:
    payload = {"events": [{**NO_REPORT, "at": "2026-11-04T15:00:00+00:00"}]}
    [event] = adapter_for(accounts("postmark")).parse(payload)
    assert event.at == datetime(2026, 11, 4, 15, tzinfo=UTC)


NO_REPORT = {
    "type": "delivered",
    "event_id": "",
    "message_id": "",
    "own_id": "99999999999999999999",
    "recipient": "",
    "reject_reason": "",
    "words": "",
    "raw": {},
}
