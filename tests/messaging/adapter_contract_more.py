"""More contestants of the adapter contract: WhatsApp through Twilio, and e-mail through Postmark."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import override_settings

from messaging.mail_services import Postmark
from messaging.models import ChannelAccount
from messaging.twilio_whatsapp import LONGEST_TEXT, TwilioWhatsapp
from messaging.webhooks import webhook_url
from tests.messaging.adapter_contract import HASTY, NOWHERE, Contestant, Stage, Webhook
from tests.peers.mail_service import TOKEN, basic, postmark_peer
from tests.peers.twilio import ACCOUNT_SID, AUTH_TOKEN, FORM, callback, twilio_peer

PHONE, SECRET = "+56987654321", "embudo:a-long-random-word"
TWILIO = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
TWILIO_WORDS = {
    "accept": "accept",
    "permanent": "21618",
    "nobody": "63003",
    "opted_out": "63014",
    "temporary": "63018",
    "busy": "20429:7",
    "stranger": "20003",
    "timeout": "accept_then_silence",
    "cut": "accept_then_cut",
    "broken": "accept_then_500",
    "garbage": "no_json",
}
POSTMARK_WORDS = {
    "accept": "accept",
    "permanent": "wrong_sender",
    "nobody": "invalid",
    "temporary": "too_many",
    "busy": "too_many",
    "stranger": "unpaid",
    "timeout": "accept_then_silence",
    "cut": "accept_then_cut",
    "broken": "broken",
    "garbage": "no_json",
}


@contextmanager
def on_twilio() -> Iterator[Stage]:
    account = ChannelAccount(channel="whatsapp", provider="twilio_whatsapp", sender="+14155238886", credentials=TWILIO)
    adapter = TwilioWhatsapp(account)
    with twilio_peer() as peer, override_settings(TWILIO_API_URL=peer.url):

        def says(word: str) -> None:
            settings.TWILIO_API_URL = NOWHERE if word == "closed" else peer.url
            peer.otherwise = TWILIO_WORDS.get(word, "accept")
            adapter.waits = TwilioWhatsapp.waits | ({"read": HASTY} if word == "timeout" else {})  # type: ignore[misc]

        def texts() -> list[str]:
            return [form["Body"] for form in peer.messages.values()]

        yield Stage(adapter, PHONE, says, texts, (AUTH_TOKEN,), longest=LONGEST_TEXT)


def whatsapp_message(event_id: str, address: str, text: str) -> dict[str, str]:
    return {"MessageSid": f"SM{event_id}", "From": f"whatsapp:{address}", "Body": text, "NumMedia": "0"}


def twilio_post(account: ChannelAccount, payload: Mapping[str, Any]) -> dict[str, Any]:
    call = callback(webhook_url(account), dict(payload))
    return {"data": urlencode(payload), "content_type": FORM, "headers": call.headers}


@contextmanager
def on_postmark() -> Iterator[Stage]:
    with postmark_peer() as peer:
        given = {"server_token": TOKEN, "api_url": peer.web.url}
        account = ChannelAccount(
            channel="email", provider="postmark", sender="hola@aurora.example", credentials=dict(given)
        )
        stage = Stage(Postmark(account), "ana@example.com", lambda word: None, lambda: peer.texts, (TOKEN,))

        def says(word: str) -> None:
            account.credentials = given | ({"api_url": NOWHERE} if word == "closed" else {})
            peer.word = POSTMARK_WORDS.get(word, "accept")
            stage.adapter = Postmark(account)
            if word == "timeout":
                stage.adapter.waits = (5.0, HASTY)  # type: ignore[misc]

        stage.says = says
        yield stage


def postmark_message(event_id: str, address: str, text: str) -> dict[str, Any]:
    return {
        "FromFull": {"Email": address, "Name": "Ana"},
        "MessageID": event_id,
        "Subject": "Re: Su visita",
        "TextBody": text,
        "Headers": [{"Name": "Message-ID", "Value": f"<{event_id}@mail.example>"}],
    }


def postmark_post(account: ChannelAccount, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": json.dumps(payload), "content_type": "application/json", "headers": basic(SECRET)}


MORE = [
    Contestant(
        provider="twilio_whatsapp",
        stage=on_twilio,
        words=(*TWILIO_WORDS, "closed"),
        webhook=Webhook("whatsapp", TWILIO, whatsapp_message, twilio_post, PHONE),
    ),
    Contestant(
        provider="postmark",
        stage=on_postmark,
        words=(*POSTMARK_WORDS, "closed"),
        webhook=Webhook("email", {"webhook_secret": SECRET}, postmark_message, postmark_post, "ana@example.com"),
    ),
]
