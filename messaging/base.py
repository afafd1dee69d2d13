"""The small face every provider shows: one class in one file, wired by settings.PROVIDERS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from django.http import HttpRequest

from messaging.models import ChannelAccount


class OutcomeKind(StrEnum):
    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one send.

    ACCEPTED: the provider has it. REFUSED_FOR_NOW: provably nobody was reached, trying again may help
    (`retry_after` in seconds when the provider said so). REFUSED: it never will. UNKNOWN: nobody can know.
    """

    kind: OutcomeKind
    provider_id: str = ""
    code: str = ""
    error: str = ""
    retry_after: float | None = None
    delivered: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """A committed Message on its way to a provider. `key` is the dedupe key that is dispatched at most once."""

    message_id: int
    key: str
    channel: str
    address: str
    subject: str
    body: str
    purpose: str
    unsubscribe_url: str = ""
    language: str = "es"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a provider told us: a message a lead wrote (`kind="inbound"`), or what became of one of ours."""

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
    raw: Mapping[str, Any] = field(default_factory=dict)


class Adapter:
    """A provider over one ChannelAccount; used by many threads at once."""

    channels: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, account: ChannelAccount) -> None:
        self.account = account

    def send(self, envelope: Envelope) -> Outcome:
        """Hand one message to the provider. Never raises for what the provider says or does not say."""
        raise NotImplementedError

    def faults(self) -> list[str]:
        """What is missing before this account can send; each a sentence that says what to do."""
        return []

    def verify(self, request: HttpRequest) -> bool:
        """Whether a webhook call really comes from the provider. Fails closed."""
        return False

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        """The provider's words in ours; unknown words are kept, never crash."""
        return []
