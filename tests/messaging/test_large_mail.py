"""Mails that are much longer than a report, and reports that come late: heard all the same, through the real door."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from leads.actions import edit_lead
from leads.models import ContactPermission, Lead
from messaging.models import ChannelAccount, Message, WebhookEvent
from messaging.webhooks import webhook_url
from tests.peers.mail_service import basic

pytestmark = pytest.mark.django_db
SECRET, KEY = "embudo:a-long-random-word", "signing-key"
PHOTO = b"\xff\xd8" + b"photo" * 1_000_000
Accounts = Callable[[str], ChannelAccount]


@pytest.fixture
def accounts(lead: Lead, now: datetime) -> Accounts:
    def make(service: str) -> ChannelAccount:
        proof = {"webhook_signing_key": KEY} if service == "mailgun" else {"webhook_secret": SECRET}
        values: dict[str, Any] = {"broker": lead.broker, "channel": "email", "provider": "anymail", "created_at": now}
        return ChannelAccount.objects.create(sender="hola@aurora.example", service=service, credentials=proof, **values)

    return make


class Counted(BytesIO):
    """A body that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


def path_of(account: ChannelAccount, settings: LazySettings) -> str:
    return webhook_url(account).removeprefix(settings.PUBLIC_URL)


def postmark_mail(text: str, photo: bytes) -> dict[str, Any]:
    attached = {"Name": "casa.jpg", "Content": base64.b64encode(photo).decode(), "ContentType": "image/jpeg"}
    return {
        "FromFull": {"Email": "ana@example.com", "Name": "Ana"},
        "ToFull": [{"Email": "hola@aurora.example", "Name": ""}],
        "Subject": "Re: Su visita",
        "MessageID": "in-1",
        "TextBody": text,
        "Headers": [{"Name": "Message-ID", "Value": "<a1@mail.example>"}],
        "Attachments": [attached],
    }


def tell_postmark(
    account: ChannelAccount, settings: LazySettings, body: Mapping[str, Any], secret: str = SECRET
) -> Any:
    data = json.dumps(body).encode()
    stream = Counted(data)
    answer = Client().generic(
        "POST",
        path_of(account, settings),
        b"",
        headers=basic(secret),
        **{"wsgi.input": stream, "CONTENT_LENGTH": str(len(data)), "CONTENT_TYPE": "application/json"},
    )
    return answer.status_code, stream.taken


def mailgun_form(key: str = KEY, **fields: Any) -> dict[str, Any]:
    mark = hmac.new(key.encode(), b"1788000000t1", hashlib.sha256).hexdigest()
    headers = [["From", "Ana <ana@example.com>"], ["Message-Id", "<m1@mail.example>"], ["Subject", "Re"]]
    return {
        "timestamp": "1788000000",
        "token": "t1",
        "signature": mark,
        "sender": "ana@example.com",
        "recipient": "hola@aurora.example",
        "message-headers": json.dumps(headers),
        "body-plain": "STOP",
        "stripped-text": "STOP",
        "attachment-count": "1",
        "attachment-1": SimpleUploadedFile("casa.jpg", PHOTO, "image/jpeg"),
    } | fields


def opt_outs() -> set[tuple[str, str, str]]:
    return set(ContactPermission.objects.values_list("address", "kind", "source"))


EVERYWHERE = {(address, "revoked", "keyword") for address in ("+56987654321", "4711", "ana@example.com")}


def test_opt_out_with_a_large_attachment_is_heard(accounts: Accounts, settings: LazySettings) -> None:
    """failures.md row 19: five megabytes of photo below it do not lose a STOP."""
    account = accounts("postmark")
    status, _taken = tell_postmark(account, settings, postmark_mail("STOP", PHOTO))
    assert (status, opt_outs()) == (200, EVERYWHERE)


def test_of_a_large_mail_only_text_and_names_are_kept(accounts: Accounts, settings: LazySettings) -> None:
    account = accounts("postmark")
    tell_postmark(account, settings, postmark_mail("una novela " * 100_000, PHOTO))
    payload = WebhookEvent.objects.get().payload
    assert payload["events"][0]["attachments"] == ["casa.jpg"]
    assert len(json.dumps(payload)) < 250_000
    assert len(Message.objects.get().body) == 200_000


@pytest.mark.parametrize("secret", ["", "embudo:other"])
def test_unsigned_large_mail_is_not_even_read(accounts: Accounts, settings: LazySettings, secret: str) -> None:
    """failures.md row 23."""
    answer = tell_postmark(accounts("postmark"), settings, postmark_mail("STOP", PHOTO), secret)
    assert answer == (403, 0)
    assert not WebhookEvent.objects.exists()


def test_mail_beyond_the_limit_is_refused_unread(accounts: Accounts, settings: LazySettings) -> None:
    settings.INBOUND_MAIL_BYTES = 2_000_000
    assert tell_postmark(accounts("postmark"), settings, postmark_mail("STOP", PHOTO)) == (413, 0)


def test_opt_out_with_a_large_attachment_is_heard_by_mailgun(accounts: Accounts, settings: LazySettings) -> None:
    """As a form, whose signature stands among its fields."""
    account = accounts("mailgun")
    assert Client().post(path_of(account, settings), mailgun_form()).status_code == 200
    assert opt_outs() == EVERYWHERE
    assert WebhookEvent.objects.get().payload["events"][0]["attachments"] == ["casa.jpg"]


def test_large_form_with_another_key_is_not_believed(accounts: Accounts, settings: LazySettings) -> None:
    """failures.md row 23."""
    account = accounts("mailgun")
    assert Client().post(path_of(account, settings), mailgun_form("other")).status_code == 403
    assert not ContactPermission.objects.exists()


def test_form_with_more_text_than_is_read_is_too_long(accounts: Accounts, settings: LazySettings) -> None:
    form = mailgun_form(**{"body-html": "x" * 3_000_000})
    assert Client().post(path_of(accounts("mailgun"), settings), form).status_code == 413


def test_long_report_in_json_is_refused_where_its_signature_stands_in_it(
    accounts: Accounts, settings: LazySettings
) -> None:
    body = json.dumps({"signature": {}, "event-data": {"x": "x" * 3_000_000}})
    answer = Client().post(path_of(accounts("mailgun"), settings), body, content_type="application/json")
    assert answer.status_code == 413


def bounce(kind: str, message: Message) -> dict[str, Any]:
    known = {"ID": 4, "Email": message.address, "MessageID": "pm-1", "Metadata": {"embudo_message": str(message.pk)}}
    return {"RecordType": "Bounce", "Type": kind} | known


@pytest.mark.parametrize("before", ["delivered", "read", "failed"])
def test_late_hard_bounce_is_heeded_although_the_status_stays(
    accounts: Accounts, settings: LazySettings, lead: Lead, sent: Callable[..., Message], before: str
) -> None:
    account = accounts("postmark")
    message = sent("email", account=account, status=before, sandbox=False, address=lead.email)
    assert tell_postmark(account, settings, bounce("HardBounce", message))[0] == 200
    lead.refresh_from_db()
    message.refresh_from_db()
    assert (message.status, lead.unreachable) == (before, {"email": "invalid_address"})


def test_late_soft_bounce_says_nothing_of_the_address(
    accounts: Accounts, settings: LazySettings, lead: Lead, sent: Callable[..., Message]
) -> None:
    account = accounts("postmark")
    message = sent("email", account=account, status="delivered", sandbox=False, address=lead.email)
    tell_postmark(account, settings, bounce("SoftBounce", message))
    lead.refresh_from_db()
    assert lead.unreachable == {}


def test_bounce_of_an_address_that_changed_meanwhile_leaves_the_new_one_alone(
    accounts: Accounts, settings: LazySettings, lead: Lead, sent: Callable[..., Message], now: datetime
) -> None:
    account = accounts("postmark")
    message = sent("email", account=account, status="delivered", sandbox=False, address=lead.email)
    edit_lead(lead=lead, now=now, by=None, email="ana.nueva@example.com")
    tell_postmark(account, settings, bounce("HardBounce", message))
    lead.refresh_from_db()
    assert lead.unreachable == {}


def test_late_complaint_takes_the_permission_back(
    accounts: Accounts, settings: LazySettings, lead: Lead, sent: Callable[..., Message]
) -> None:
    """failures.md row 19."""
    account = accounts("postmark")
    message = sent("email", account=account, status="read", sandbox=False, address=lead.email)
    told = bounce("SpamComplaint", message) | {"RecordType": "SpamComplaint"}
    assert tell_postmark(account, settings, told)[0] == 200
    message.refresh_from_db()
    assert (message.status, opt_outs()) == ("read", {(lead.email, "revoked", "provider")})


def test_what_was_played_on_the_sandbox_hides_no_real_complaint(
    accounts: Accounts, settings: LazySettings, lead: Lead, sent: Callable[..., Message], now: datetime
) -> None:
    """failures.md row 19: the opt-out of the sandbox binds there only."""
    ContactPermission.objects.create(
        broker=lead.broker, lead=lead, address=lead.email, kind="revoked", evidence={"sandbox": True}, at=now
    )
    account = accounts("postmark")
    message = sent("email", account=account, status="sent", sandbox=False, address=lead.email)
    tell_postmark(account, settings, bounce("SpamComplaint", message) | {"RecordType": "SpamComplaint"})
    assert (lead.email, "revoked", "provider") in opt_outs()
