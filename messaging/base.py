"""The small face every provider shows: one class in one file, wired by settings.PROVIDERS."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext

from brokers.refusal import Refused
from messaging.models import ChannelAccount

# In bytes: what a provider's report is at most.
LONGEST_REPORT = 1_000_000


class OutcomeKind(StrEnum):
    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one send.

    ACCEPTED: the provider has it. REFUSED_FOR_NOW: provably nobody was reached, trying again may help
    (`retry_after` in seconds when the provider said so to the whole account, `again_after` when only this recipient
    is to be left alone). REFUSED: it never will. UNKNOWN: nobody can know.
    """

    kind: OutcomeKind
    provider_id: str = ""
    code: str = ""
    error: str = ""
    retry_after: float | None = None
    delivered: bool = False
    again_after: float | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text that goes along with an e-mail, with the parameters of its content type; other channels leave it out."""

    name: str
    subtype: str
    content: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A committed Message on its way to a provider. `key` is the dedupe key that is dispatched at most once.

    For channels that take one's own words only for a while after the lead wrote: `window_open` is whether they do now,
    else `provider_template_id` goes out, filled with `variables`: what the text's variables became, each once, in the
    order in which they first appear in it. `is_automatic` is whether no person wrote it.
    """

    message_id: int
    key: str
    channel: str
    address: str
    subject: str
    body: str
    purpose: str
    unsubscribe_url: str = ""
    preferences_url: str = ""
    language: str = "es"
    provider_template_id: str = ""
    variables: tuple[str, ...] = ()
    window_open: bool = False
    is_automatic: bool = True
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something a provider told us: a message a lead wrote (`kind="inbound"`), what became of one of ours
    (`kind="status"`), or that somebody wants nothing from us any more (`kind="revoked"`).

    `name` is what a stranger calls themselves, `start` the token of a link that they followed, `media` the addresses of
    what they sent along.
    """

    event_id: str
    kind: str
    address: str = ""
    text: str = ""
    message_id: int | None = None
    provider_id: str = ""
    status: str = ""
    code: str = ""
    is_automatic: bool = False
    at: datetime | None = None
    name: str = ""
    start: str = ""
    media: tuple[str, ...] = ()
    # What the provider says a message of ours cost, in the currency of the account's prices; most say nothing.
    cost: Decimal | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


class Credential(NamedTuple):
    """One value that a provider needs: its key in ChannelAccount.credentials, and what the form says about it."""

    name: str
    label: Promise
    where: Promise
    is_secret: bool = True
    is_required: bool = True


class Adapter:
    """A provider over one ChannelAccount; used by many threads at once."""

    channels: ClassVar[frozenset[str]] = frozenset()
    # Where one provider stands for several services: their names, by the word in `account.service`.
    services: ClassVar[Mapping[str, str]] = {}
    # What its form asks for, in this order.
    credentials: ClassVar[tuple[Credential, ...]] = ()
    # Messages a second of a new account; None is as fast as the provider takes them.
    default_rate: ClassVar[Decimal | None] = None
    # How long one address is left alone after a message, whatever the account may send in all.
    rest: ClassVar[timedelta | None] = None

    def __init__(self, account: ChannelAccount) -> None:
        self.account = account

    @classmethod
    def asks(cls, service: str = "") -> tuple[Credential, ...]:
        """The credentials that an account needs, at this service."""
        return cls.credentials

    def send(self, envelope: Envelope) -> Outcome:
        """Hand one message to the provider. Never raises for what the provider says or does not say."""
        raise NotImplementedError

    def faults(self) -> list[str]:
        """What is missing before this account can send; each a sentence that says what to do."""
        return []

    def check(self) -> str:
        """Ask the provider who we are, changing nothing; a sentence. Raises Refused with what is wrong."""
        raise Refused("no_check", gettext("This provider offers no check; send a test message instead."))

    def connect(self, url: str) -> str:
        """Have the provider report to `url`; a sentence that says so, or what a person has to do there."""
        return gettext("At the provider, set this address as the webhook: %(url)s") % {"url": url}

    def longest_body(self, request: HttpRequest) -> int:
        """How many bytes of a webhook call are read at most."""
        return LONGEST_REPORT

    def verify(self, request: HttpRequest) -> bool:
        """Whether a webhook call really comes from the provider. Fails closed."""
        return False

    def read(self, request: HttpRequest) -> Mapping[str, Any]:
        """A verified call's payload as it came. Raises ValueError for one that cannot be read."""
        payload = json.loads(request.body)
        if not isinstance(payload, dict):
            raise ValueError("the payload is no object")
        return payload

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        """The provider's words in ours; unknown words are kept, never crash."""
        return []
