"""More contestants of the adapter contract: WhatsApp through Twilio, and e-mail through mail services: Postmark, which
shows a secret with what it reports, and Mailgun, which signs."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import override_settings

from messaging.mail_services import Anymail
from messaging.models import ChannelAccount
from messaging.twilio_whatsapp import LONGEST_TEXT, TwilioWhatsapp
from messaging.webhooks import webhook_url
from tests.messaging.adapter_contract import HASTY, NOWHERE, Contestant, Stage, Webhook
from tests.peers.mail_service import TOKEN, basic, mail_peer
from tests.peers.twilio import ACCOUNT_SID, AUTH_TOKEN, FORM, callback, twilio_peer

PHONE, SECRET, KEY = "+56987654321", "embudo:a-long-random-word", "signing-key"
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
MAIL_WORDS = {
    "accept": "accept",
    "permanent": "http_422",
    "temporary": "too_many",
    "busy": "too_many",
    "stranger": "http_402",
    "timeout": "accept_then_silence",
    "cut": "accept_then_cut",
    "broken": "http_503",
    "garbage": "no_json",
}
# What only Postmark tells apart.
POSTMARK_WORDS = MAIL_WORDS | {"nobody": "invalid"}


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
def at_mail_service(service: str, key: str, words: Mapping[str, str]) -> Iterator[Stage]:
    with mail_peer(service) as peer:
        given = {key: TOKEN, "api_url": peer.web.url}
        account = ChannelAccount(
            channel="email", provider="anymail", service=service, sender="hola@aurora.example", credentials=dict(given)
        )
        stage = Stage(Anymail(account), "ana@example.com", lambda word: None, lambda: peer.texts, (TOKEN,))

        def says(word: str) -> None:
            account.credentials = given | ({"api_url": NOWHERE} if word == "closed" else {})
            peer.word = words.get(word, "accept")
            stage.adapter = Anymail(account)
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


def mailgun_message(event_id: str, address: str, text: str) -> dict[str, Any]:
    headers = [["From", f"Ana <{address}>"], ["Message-Id", f"<{event_id}@mail.example>"], ["Subject", "Re"]]
    told = {"sender": address, "recipient": "hola@aurora.example", "body-plain": text, "stripped-text": text}
    return told | {"message-headers": json.dumps(headers)}


def mailgun_post(account: ChannelAccount, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Mailgun's signature stands in the form."""
    mark = hmac.new(KEY.encode(), b"1788000000t1", hashlib.sha256).hexdigest()
    signature = {"timestamp": "1788000000", "token": "t1", "signature": mark}
    return {"data": urlencode(payload | signature), "content_type": FORM}


def forged_by_mailgun(post: Mapping[str, Any], forgery: str) -> dict[str, Any]:
    return {**post, "data": "&".join(_with_mark(part, forgery) for part in post["data"].split("&"))}


def _with_mark(part: str, mark: str) -> str:
    return f"signature={mark}" if part.startswith("signature=") and mark != "none" else part.replace("signature=", "x=")


MORE = [
    Contestant(
        provider="twilio_whatsapp",
        stage=on_twilio,
        words=(*TWILIO_WORDS, "closed"),
        webhook=Webhook("whatsapp", TWILIO, whatsapp_message, twilio_post, PHONE),
    ),
    Contestant(
        provider="anymail",
        service="postmark",
        stage=lambda: at_mail_service("postmark", "server_token", POSTMARK_WORDS),
        words=(*POSTMARK_WORDS, "closed"),
        webhook=Webhook("email", {"webhook_secret": SECRET}, postmark_message, postmark_post, "ana@example.com"),
    ),
    Contestant(
        provider="anymail",
        service="mailgun",
        stage=lambda: at_mail_service("mailgun", "api_key", MAIL_WORDS),
        words=(*MAIL_WORDS, "closed"),
        webhook=Webhook(
            "email",
            {"webhook_signing_key": KEY},
            mailgun_message,
            mailgun_post,
            "ana@example.com",
            forged=forged_by_mailgun,
        ),
    ),
]
