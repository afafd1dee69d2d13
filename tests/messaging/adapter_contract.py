"""What every provider's adapter must do, whatever the provider. test_adapter_contract.py holds the contestants to it.

A new adapter joins with one entry in CONTESTANTS: how to set up its peer, and which of the WORDS that peer can act out.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.test import override_settings

from messaging.base import Adapter, OutcomeKind
from messaging.models import ChannelAccount
from messaging.smtp import Smtp
from messaging.telegram import SIGNED_BY, Telegram
from tests.peers.raw_smtp import HANG_UP, raw_smtp_peer
from tests.peers.smtp import SmtpPeer, smtp_peer
from tests.peers.telegram import TOKEN, telegram_peer

ACCEPTED, FOR_NOW, FOR_GOOD, UNKNOWN = (
    OutcomeKind.ACCEPTED,
    OutcomeKind.REFUSED_FOR_NOW,
    OutcomeKind.REFUSED,
    OutcomeKind.UNKNOWN,
)
NOWHERE = "http://127.0.0.1:1"
# What a provider may do with a message, and what the adapter says then: its kind, and its code where others rely on it.
WORDS: dict[str, tuple[OutcomeKind, str | None]] = {
    "accept": (ACCEPTED, ""),
    "permanent": (FOR_GOOD, None),
    "nobody": (FOR_GOOD, "invalid_address"),
    "opted_out": (FOR_GOOD, "blocked"),
    "temporary": (FOR_NOW, None),
    "busy": (FOR_NOW, "too_many"),
    "stranger": (FOR_NOW, "not_configured"),  # it does not know us
    "closed": (FOR_NOW, None),  # nobody listens
    "timeout": (UNKNOWN, None),  # from here on it has taken the message, and we are not told so
    "cut": (UNKNOWN, None),
    "broken": (UNKNOWN, None),
    "garbage": (UNKNOWN, None),
}


@dataclass
class Stage:
    """A peer and an account there. `says` has it act a word from now on, `texts` is what it took."""

    adapter: Adapter
    address: str
    says: Callable[[str], None]
    texts: Callable[[], list[str]]
    secrets: tuple[str, ...] = ()
    longest: int | None = None


def headers_forged(post: Mapping[str, Any], forgery: str) -> dict[str, Any]:
    """The same call with this in place of its signature, or with `none`."""
    return {**post, "headers": {} if forgery == "none" else dict.fromkeys(post["headers"], forgery)}


@dataclass(frozen=True)
class Webhook:
    """What the provider posts when somebody writes, and how it signs that: fields of `Client.post`."""

    channel: str
    credentials: Mapping[str, Any]
    inbound: Callable[[str, str, str], Mapping[str, Any]]  # event id, address, text
    post: Callable[[ChannelAccount, Mapping[str, Any]], dict[str, Any]]
    address: str = "4711"
    forged: Callable[[Mapping[str, Any], str], dict[str, Any]] = headers_forged


@dataclass(frozen=True)
class Contestant:
    provider: str
    stage: Callable[[], AbstractContextManager[Stage]]
    words: tuple[str, ...]
    webhook: Webhook | None = field(default=None)
    service: str = ""

    @property
    def name(self) -> str:
        return self.service or self.provider


# Patience is for busy machines; only who is to give up has little of it.
TELEGRAM_WAITS, SMTP_WAITS = Telegram.waits | {"read": 30.0}, {"answer_within": 30.0, "verdict_within": 30.0}
HASTY = 0.3

TELEGRAM_WORDS = {
    "accept": "accept",
    "permanent": "400_other",
    "nobody": "400",
    "opted_out": "403",
    "temporary": "429",
    "busy": "429:7",
    "stranger": "401",
    "timeout": "timeout",
    "cut": "cut",
    "broken": "500",
    "garbage": "garbage",
}


@contextmanager
def on_telegram() -> Iterator[Stage]:
    adapter = Telegram(ChannelAccount(channel="telegram", provider="telegram", credentials={"token": TOKEN}))
    with telegram_peer() as peer, override_settings(TELEGRAM_API_URL=peer.url):

        def says(word: str) -> None:
            settings.TELEGRAM_API_URL = NOWHERE if word == "closed" else peer.url
            peer.otherwise = TELEGRAM_WORDS.get(word, "accept")
            adapter.waits = TELEGRAM_WAITS | ({"read": HASTY} if word == "timeout" else {})  # type: ignore[misc]

        yield Stage(adapter, "4711", says, lambda: peer.texts, (TOKEN,), longest=4096)


def telegram_message(event_id: str, address: str, text: str) -> dict[str, Any]:
    person = {"id": int(address), "is_bot": False, "first_name": "Ana", "last_name": "Pérez"}
    chat = {"id": int(address), "type": "private"}
    message = {"message_id": int(event_id) + 10, "from": person, "chat": chat, "date": 1_772_636_400, "text": text}
    return {"update_id": int(event_id), "message": message}


def telegram_post(account: ChannelAccount, payload: Mapping[str, Any]) -> dict[str, Any]:
    secret = Telegram(account)._secret()
    return {"data": json.dumps(payload), "content_type": "application/json", "headers": {SIGNED_BY: secret}}


SMTP_ANSWERS = {
    "permanent": {"RCPT": "554 5.7.1 no"},
    "nobody": {"RCPT": "550 5.1.1 no such user"},
    "temporary": {"DATA": "451 4.7.1 later"},
    "garbage": {"DATA": "999 perhaps"},
}


@contextmanager
def on_smtp() -> Iterator[Stage]:
    credentials = {"host": "127.0.0.1", "username": "", "password": ""}
    account = ChannelAccount(channel="email", provider="smtp", sender="hola@aurora.example", credentials=credentials)
    adapter = Smtp(account)
    with smtp_peer() as peer, raw_smtp_peer(acts={"DOT": HANG_UP}) as cutting:

        def says(word: str) -> None:
            ports = {"closed": 1, "cut": cutting.port}
            account.credentials = credentials | {"port": ports.get(word, peer.port)}
            peer.answers = SMTP_ANSWERS.get(word, {})
            peer.thinks_for = 1.0 if word == "timeout" else 0
            adapter.waits = SMTP_WAITS | ({"verdict_within": HASTY} if word == "timeout" else {})  # type: ignore[misc]

        yield Stage(adapter, "ana@example.com", says, lambda: _bodies(peer))


def _bodies(peer: SmtpPeer) -> list[str]:
    parts = (letter.get_body(("plain",)) for letter in peer.letters)
    return [part.get_content().strip() for part in parts if part is not None]


CONTESTANTS = [
    Contestant(
        provider="telegram",
        stage=on_telegram,
        words=(*TELEGRAM_WORDS, "closed"),
        webhook=Webhook("telegram", {"token": TOKEN}, telegram_message, telegram_post),
    ),
    Contestant(provider="smtp", stage=on_smtp, words=("accept", *SMTP_ANSWERS, "timeout", "cut", "closed")),
]
