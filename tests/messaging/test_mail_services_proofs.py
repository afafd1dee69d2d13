"""How each mail service proves who reports (failures.md row 23), and what it says, in its own words."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import LazySettings
from django.test import Client

from brokers.models import Broker
from brokers.refusal import Refused
from leads.models import Lead
from messaging.mail_table import SERVICES
from messaging.models import ChannelAccount, Message
from messaging.providers import adapter_for
from messaging.webhooks import webhook_url
from tests.peers.mail_service import as_json, basic
from tests.peers.web import Answer, Asked, serving

pytestmark = pytest.mark.django_db
SECRET, JSON, FORM = "embudo:a-long-random-word", "application/json", "application/x-www-form-urlencoded"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
Write = Callable[..., Message]


class Call(NamedTuple):
    """A call of the webhook, ready to be sent."""

    body: str | bytes
    kind: str = JSON
    headers: dict[str, str] = {}


def by_secret(told: Any, url: str, secret: str) -> Call:
    return Call(json.dumps(told), headers=basic(secret))


def by_mailgun(told: Any, url: str, secret: str) -> Call:
    mark = hmac.new(secret.encode(), b"1788000000t1", hashlib.sha256).hexdigest()
    return Call(json.dumps({"signature": {"timestamp": "1788000000", "token": "t1", "signature": mark}} | told))


def by_header(name: str) -> Callable[[Any, str, str], Call]:
    """HMAC-SHA256 of the body."""

    def sign(told: Any, url: str, secret: str) -> Call:
        body = json.dumps(told)
        return Call(body, headers={name: hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()})

    return sign


def by_mandrill(told: Any, url: str, secret: str) -> Call:
    form = {"mandrill_events": json.dumps(told)}
    text = url + "".join(name + form[name] for name in sorted(form))
    mark = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return Call(urlencode(form), FORM, {"X-Mandrill-Signature": mark})


def by_postal(told: Any, url: str, secret: str) -> Call:
    """With the private key; who has another one has another key."""
    body, key = json.dumps(told), RSA_KEY if secret == PUBLIC else rsa.generate_private_key(65537, 1024)
    mark = key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA1())
    return Call(body, headers={"X-Postal-Signature": base64.b64encode(mark).decode()})


def by_unisender(told: Any, url: str, secret: str) -> Call:
    text = json.dumps(told | {"auth": secret})
    return Call(text.replace(secret, hashlib.md5(text.encode()).hexdigest()))


PUBLIC = "".join(
    RSA_KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
    .splitlines()[1:-1]
)
# With what each proves its reports, and how.
PROOFS: dict[str, tuple[str, str, Callable[[Any, str, str], Call]]] = {
    "brevo": ("webhook_secret", SECRET, by_secret),
    "mailersend": ("signing_secret", "secret", by_header("Signature")),
    "mailgun": ("webhook_signing_key", "key", by_mailgun),
    "mailjet": ("webhook_secret", SECRET, by_secret),
    "mailtrap": ("tracking_secret", "secret", by_header("Mailtrap-Signature")),
    "mandrill": ("webhook_key", "key", by_mandrill),
    "postal": ("webhook_key", PUBLIC, by_postal),
    "postmark": ("webhook_secret", SECRET, by_secret),
    "resend": ("webhook_secret", SECRET, by_secret),
    "sendgrid": ("webhook_secret", SECRET, by_secret),
    "sparkpost": ("webhook_secret", SECRET, by_secret),
    "unisender_go": ("api_key", "the-key", by_unisender),
}
TO = "ana@example.com"


def _brevo(word: str, own: str) -> Any:
    return {"event": word, "email": TO, "message-id": "<1@brevo>", "X-Mailin-custom": json.dumps(metadata(own))}


def _mailersend(word: str, own: str) -> Any:
    email = {"message": {"id": "1"}, "recipient": {"email": TO}, "tags": [f"embudo_message-{own}"]}
    return {"type": f"activity.{word}", "data": {"type": word, "id": "e1", "email": email, "morph": MORPH.get(word)}}


def _mailgun(word: str, own: str) -> Any:
    data = {"event": word, "recipient": TO, "user-variables": metadata(own), "timestamp": 1788000000.5}
    return {"event-data": data | ({"severity": "permanent", "reason": "bounce"} if word == "failed" else {})}


def _mailjet(word: str, own: str) -> Any:
    name, _slash, kind = word.partition("/")
    told = {"event": name, "email": TO, "MessageID": 7, "time": 1788000000, "Payload": json.dumps(metadata(own))}
    return [told | ({"hard_bounce": kind == "hard", "error": "user unknown"} if kind else {})]


def _mailtrap(word: str, own: str) -> Any:
    told = {"event": word, "message_id": "1", "email": TO, "timestamp": 1788000000, "event_id": "e1"}
    return {"events": [told | {"custom_variables": metadata(own)}]}


def _mandrill(word: str, own: str) -> Any:
    return [{"event": word, "_id": "1", "ts": 1788000000, "msg": {"email": TO, "metadata": metadata(own), "tags": []}}]


def _postal(word: str, own: str) -> Any:
    message = {"id": 1, "to": TO, "tag": f"embudo_message-{own}", "direction": "outgoing"}
    payload = {"message": message, "status": word} if word != "bounce" else {"original_message": message, "bounce": {}}
    return {"event": "x", "timestamp": 1788000000, "uuid": "e1", "payload": payload}


def _postmark(word: str, own: str) -> Any:
    return {"RecordType": word, "MessageID": "1", "ID": 4, "Type": "HardBounce", "Email": TO, "Metadata": metadata(own)}


def _resend(word: str, own: str) -> Any:
    data = {"email_id": "1", "to": [TO], "headers": [{"name": "X-Metadata", "value": json.dumps(metadata(own))}]}
    bounce = {"bounce": {"message": "a bounce message", "type": "Permanent"}} if word == "bounced" else {}
    return {"type": f"email.{word}", "created_at": "2026-11-04T15:00:00.000Z", "data": data | bounce}


def _sendgrid(word: str, own: str) -> Any:
    name, _slash, kind = word.partition("/")
    told = {"event": name, "email": TO, "sg_event_id": "e1", "sg_message_id": "1", "timestamp": 1788000000}
    return [told | metadata(own) | ({"type": kind} if kind else {})]


def _sparkpost(word: str, own: str) -> Any:
    told = {"type": word, "event_id": "e1", "timestamp": "1788000000", "raw_rcpt_to": TO, "rcpt_meta": metadata(own)}
    return [{"msys": {"message_event": told | ({"bounce_class": "10"} if word == "bounce" else {})}}]


def _unisender(word: str, own: str) -> Any:
    told = {"event_name": "transactional_email_status", "email": TO, "status": word, "job_id": "1"}
    about = {"event_time": "2026-11-04 15:00:00", "metadata": metadata(own)}
    return told | about | ({"delivery_info": {"delivery_status": "err_user_unknown"}} if "bounced" in word else {})


def metadata(own: str) -> dict[str, str]:
    return {"embudo_message": own}


MORPH = {"hard_bounced": {"object": "recipient_bounce"}, "soft_bounced": {"object": "recipient_bounce"}}
REPORTS: dict[str, Callable[[str, str], Any]] = {
    "brevo": _brevo,
    "mailersend": _mailersend,
    "mailgun": _mailgun,
    "mailjet": _mailjet,
    "mailtrap": _mailtrap,
    "mandrill": _mandrill,
    "postal": _postal,
    "postmark": _postmark,
    "resend": _resend,
    "sendgrid": _sendgrid,
    "sparkpost": _sparkpost,
    "unisender_go": _unisender,
}
NOBODY, NO_MORE, SPAM = "failed invalid_address", "revoked unsubscribed", "revoked blocked"
# What each says of a mail that arrived, one that came back, and one that somebody objected to.
SAID: dict[str, dict[str, list[str]]] = {
    "brevo": {"delivered": ["delivered"], "hard_bounce": [NOBODY], "spam": ["delivered", SPAM]},
    "mailersend": {
        "delivered": ["delivered"],
        "hard_bounced": [NOBODY],
        "soft_bounced": ["failed bounced"],
        "unsubscribed": [NO_MORE],
    },
    "mailgun": {"delivered": ["delivered"], "failed": [NOBODY], "complained": ["delivered", SPAM]},
    "mailjet": {
        "sent": ["delivered"],
        "bounce/hard": [NOBODY],
        "bounce/soft": ["failed bounced"],
        "spam": ["delivered", SPAM],
        "unsub": [NO_MORE],
    },
    "mailtrap": {"delivery": ["delivered"], "bounce": [NOBODY], "soft bounce": [], "unsubscribe": [NO_MORE]},
    "mandrill": {
        "send": ["sent"],
        "hard_bounce": [NOBODY],
        "soft_bounce": ["failed bounced"],
        "spam": ["delivered", SPAM],
        "unsub": [NO_MORE],
    },
    "postal": {"Sent": ["delivered"], "SoftFail": [], "HardFail": ["failed failed"], "bounce": ["failed bounced"]},
    "postmark": {"Delivery": ["delivered"], "Bounce": [NOBODY]},
    "resend": {"delivered": ["delivered"], "bounced": [NOBODY], "complained": ["delivered", SPAM]},
    "sendgrid": {
        "delivered": ["delivered"],
        "bounce/bounce": [NOBODY],
        "bounce/blocked": ["failed bounced"],
        "spamreport": ["delivered", SPAM],
        "unsubscribe": [NO_MORE],
    },
    "sparkpost": {"delivery": ["delivered"], "bounce": [NOBODY], "list_unsubscribe": [NO_MORE]},
    "unisender_go": {
        "delivered": ["delivered"],
        "soft_bounced": [],
        "hard_bounced": [NOBODY],
        "spam": ["delivered", SPAM],
    },
}
every_report = pytest.mark.parametrize(("service", "word"), [(one, word) for one in SAID for word in SAID[one]])
every_proof = pytest.mark.parametrize("service", sorted(PROOFS))


@pytest.fixture
def account(broker: Broker, now: datetime, service: str) -> ChannelAccount:
    name, secret, _sign = PROOFS.get(service, ("secret_key", "x", by_secret))
    told: dict[str, Any] = {"provider": "anymail", "service": service, "credentials": {name: secret}}
    return ChannelAccount.objects.create(broker=broker, channel="email", created_at=now, **told)


@pytest.fixture
def post(client: Client, settings: LazySettings, account: ChannelAccount) -> Callable[[Call], int]:
    path = webhook_url(account).removeprefix(settings.PUBLIC_URL)
    return lambda call: client.post(path, call.body, content_type=call.kind, headers=call.headers).status_code


def signed(account: ChannelAccount, told: Any, secret: str | None = None) -> Call:
    _name, right, sign = PROOFS[account.service]
    return sign(told, webhook_url(account), right if secret is None else secret)


def test_every_service_that_reports_proves_it() -> None:
    assert set(SERVICES) - set(PROOFS) == {"scaleway"}
    assert set(PROOFS) == set(REPORTS) == set(SAID)


@every_report
def test_report_is_told_in_our_words(
    account: ChannelAccount, post: Callable[[Call], int], sent: Write, service: str, word: str
) -> None:
    message = sent("email", account=account, status="sending", sent_at=None, sandbox=False)
    told = REPORTS[service](word, str(message.pk))
    assert post(signed(account, told)) == 200
    events = [event for row in account.events.all()[:1] for event in adapter_for(account).parse(row.payload)]
    assert [f"{event.status or event.kind} {event.code}".strip() for event in events] == SAID[service][word]
    assert {(event.message_id, event.address) for event in events} <= {(message.pk, TO)}


@every_proof
def test_nobody_without_the_proof_is_believed(account: ChannelAccount, post: Callable[[Call], int]) -> None:
    told = REPORTS[account.service](next(iter(SAID[account.service])), "1")
    right, wrong = signed(account, told), signed(account, told, "other")
    naked = right._replace(headers={}, body=json.dumps(told), kind=JSON)
    assert [post(call) for call in (wrong, naked)] == [403, 403]
    assert post(right) == 200
    account.credentials = {}
    account.save()
    assert [post(call) for call in (right, wrong, naked, signed(account, told, ""))] == [403] * 4


@every_proof
def test_service_that_may_be_believed_is_connected_and_no_other(account: ChannelAccount) -> None:
    assert "https://crm.example.com/x/" in adapter_for(account).connect("https://crm.example.com/x/")
    account.credentials = {}
    with pytest.raises(Refused) as refused:
        adapter_for(account).connect("https://crm.example.com/x/")
    assert refused.value.reason == "not_configured"


@pytest.mark.parametrize("service", ["scaleway"])
def test_service_without_any_proof_cannot_report(account: ChannelAccount, post: Callable[[Call], int]) -> None:
    with pytest.raises(Refused):
        adapter_for(account).connect("https://crm.example.com/x/")
    assert post(Call("{}", headers=basic(SECRET))) == 403


@every_proof
@pytest.mark.parametrize("told", [[], {}, "x", 7, None, {"event": 7}, [7], {"data": []}, {"events": [7]}])
def test_nonsense_is_no_bug_of_ours(account: ChannelAccount, post: Callable[[Call], int], told: Any) -> None:
    if account.service in ("mailgun", "unisender_go") and not isinstance(told, dict):
        told = {"x": told}
    assert post(signed(account, told)) in (200, 400)


ANSWER = "From: Ana <ana@example.com>\r\nMessage-ID: <a@mail.example>\r\nSubject: Re\r\n\r\nSi\r\n"
RECEIVED: dict[str, Any] = {
    "mailjet": {"Headers": {"From": "Ana <ana@example.com>", "Message-ID": "<a>"}, "Sender": TO, "Text-part": "Si"},
    "mandrill": [{"event": "inbound", "ts": 1, "msg": {"raw_msg": ANSWER, "email": "hola@aurora.example"}}],
    "postal": {"id": 1, "rcpt_to": "hola@aurora.example", "mail_from": TO, "message": ANSWER, "base64": False},
}


@pytest.mark.parametrize("service", sorted(RECEIVED))
def test_answer_of_a_lead_comes_by_the_same_door(
    account: ChannelAccount, post: Callable[[Call], int], lead: Lead, service: str
) -> None:
    assert post(signed(account, RECEIVED[service])) == 200
    assert [(row.lead, row.body) for row in Message.objects.filter(direction="in")] == [(lead, "Si")]


@pytest.mark.parametrize("service", ["sendgrid"])
def test_answer_comes_by_sendgrid_as_a_form(
    account: ChannelAccount, client: Client, settings: LazySettings, lead: Lead
) -> None:
    path = webhook_url(account).removeprefix(settings.PUBLIC_URL)
    form = {"email": ANSWER, "envelope": json.dumps({"from": TO, "to": ["hola@aurora.example"]})}
    assert [client.post(path, form, headers=basic(one)).status_code for one in (SECRET, "a:b")] == [200, 403]
    assert [(row.lead, row.body) for row in Message.objects.filter(direction="in")] == [(lead, "Si")]


@pytest.mark.parametrize("service", ["mailersend", "mailtrap"])
def test_secret_for_reports_opens_no_other_door(account: ChannelAccount, post: Callable[[Call], int]) -> None:
    """Received mail has a secret of its own there."""
    inbound = {"mailersend": {"type": "inbound.message", "data": {"raw": ANSWER}}}
    told = inbound.get(account.service, {"events": [{"event": "inbound.message_received"}]})
    account.credentials = {"inbound_secret": "another"}
    account.save()
    assert post(signed(account, told, "secret")) == 403


@pytest.mark.parametrize("service", ["mailersend"])
def test_answer_comes_by_mailersend(account: ChannelAccount, post: Callable[[Call], int], lead: Lead) -> None:
    account.credentials = {"signing_secret": "secret", "inbound_secret": "another"}
    account.save()
    told = {"type": "inbound.message", "data": {"id": "1", "raw": ANSWER, "sender": {"email": TO}}}
    assert post(signed(account, told, "another")) == 200
    assert [(row.lead, row.body) for row in Message.objects.filter(direction="in")] == [(lead, "Si")]


@pytest.fixture
def resends(account: ChannelAccount) -> Iterator[list[Asked]]:
    """Resend only announces what came in; its text is asked for, by the account's key."""
    asked: list[Asked] = []
    mail = {"from": "Ana <ana@example.com>", "to": ["hola@aurora.example"], "subject": "Re", "text": "Si"}
    more = {"message_id": "<a@mail.example>", "attachments": [{"filename": "plano.pdf", "download_url": "http://x/"}]}

    def answer(request: Asked) -> Answer:
        asked.append(request)
        return as_json(200, mail | more)

    with serving(answer) as web:
        account.credentials |= {"api_key": "k", "api_url": web.url}
        account.save()
        yield asked


@pytest.mark.parametrize("service", ["resend"])
def test_answer_that_resend_announces_is_fetched_without_what_is_attached(
    account: ChannelAccount, post: Callable[[Call], int], lead: Lead, resends: list[Asked]
) -> None:
    told = {"type": "email.received", "created_at": "2026-11-04T15:00:00.000Z", "data": {"email_id": "../7"}}
    assert post(signed(account, told)) == 200
    [asked] = resends
    assert (asked.path, asked.headers["Authorization"]) == ("/emails/receiving/..%2F7", "Bearer k")
    assert [(row.lead, row.body) for row in Message.objects.filter(direction="in")] == [(lead, "Si")]
