"""Who objects at the provider is heeded here (failures.md row 19), whichever provider tells of it."""

import json
from datetime import datetime

import pytest
from django.conf import LazySettings
from django.test import Client

from leads.models import ContactPermission, Lead
from messaging.models import ChannelAccount
from messaging.webhooks import webhook_url
from tests.messaging.adapter_contract_more import SECRET, TWILIO, twilio_post
from tests.peers.mail_service import basic

pytestmark = pytest.mark.django_db


def rules() -> list[tuple[str, str, str, str]]:
    rows = ContactPermission.objects.order_by("id")
    return list(rows.values_list("channel", "address", "kind", "source"))


@pytest.mark.parametrize(("error", "is_heeded"), [("63014", True), ("21610", True), ("63016", False)])
def test_block_on_whatsapp_takes_the_permission_back(
    client: Client, lead: Lead, sent: object, settings: LazySettings, now: datetime, error: str, is_heeded: bool
) -> None:
    account = ChannelAccount.objects.create(
        broker=lead.broker, channel="whatsapp", provider="twilio_whatsapp", credentials=TWILIO, created_at=now
    )
    message = sent("whatsapp", account=account, status="sent", sandbox=False, address=lead.phone)  # type: ignore[operator]
    told = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": error, "message": str(message.pk)}
    path = webhook_url(account).removeprefix(settings.PUBLIC_URL)
    assert client.post(path, **twilio_post(account, told)).status_code == 200
    assert rules() == ([("whatsapp", lead.phone, "revoked", "provider")] if is_heeded else [])


@pytest.mark.parametrize("is_known", [True, False])
def test_complaint_about_a_mail_takes_the_permission_back(
    client: Client, lead: Lead, settings: LazySettings, now: datetime, is_known: bool
) -> None:
    """Also of somebody who is no lead (any more)."""
    account = ChannelAccount.objects.create(
        broker=lead.broker,
        channel="email",
        provider="anymail",
        service="postmark",
        credentials={"webhook_secret": SECRET},
        created_at=now,
    )
    address = lead.email if is_known else "nobody@example.com"
    told = {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "ID": 4, "Email": address.title(), "MessageID": "1"}
    path = webhook_url(account).removeprefix(settings.PUBLIC_URL)
    for _time in range(2):
        answer = client.post(path, json.dumps(told), content_type="application/json", headers=basic(SECRET))
        assert answer.status_code == 200
    assert rules() == [("email", address, "revoked", "provider")]
