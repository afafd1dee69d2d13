"""Links with which people take their permission back without logging in: signed, and good for ever."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Self

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from brokers.models import Broker
from leads.actions import record_permission
from leads.actions.standing import locked_survivor
from leads.consents import MARKETING, is_off
from leads.families import survivor_id
from leads.models import ContactPermission, Lead

SALT = "messaging.unsubscribe"
SOURCE = "unsubscribe_link"


@dataclass(frozen=True, slots=True)
class Link:
    """Who asks: the address that a message went to, over which channel, and the lead it belonged to."""

    broker_id: int
    lead_id: int
    channel: str
    address: str

    @classmethod
    def parse(cls, token: str) -> Self:
        """Raises ValueError when the token is none of ours."""
        try:
            packed = _signer(settings.SECRET_KEY).unsign(token)
        except BadSignature as error:
            raise ValueError("this link is none of ours") from error
        text = urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        broker_id, lead_id, channel, address = text.split(":", 3)
        return cls(int(broker_id), int(lead_id), channel, address)

    def token(self) -> str:
        text = f"{self.broker_id}:{self.lead_id}:{self.channel}:{self.address}"
        packed = urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return _signer(settings.SECRET_KEY).sign(packed)


def unsubscribe_url(*, broker_id: int, lead_id: int, channel: str, address: str) -> str:
    """The link for one message. Cheap: it is made for every message that goes out."""
    return settings.PUBLIC_URL + _path().replace("TOKEN", Link(broker_id, lead_id, channel, address).token())


def preferences_url(*, broker_id: int, lead_id: int, channel: str, address: str) -> str:
    """The page on which people choose what they get, by the same token."""
    token = Link(broker_id, lead_id, channel, address).token()
    return settings.PUBLIC_URL + _preferences_path().replace("TOKEN", token)


def footer_links(*, broker_id: int, lead_id: int, channel: str, address: str) -> dict[str, Any]:
    """What an Envelope says below an e-mail, by its fields' names."""
    if channel != "email":
        return {}
    who: dict[str, Any] = {"broker_id": broker_id, "lead_id": lead_id, "channel": channel, "address": address}
    return {"unsubscribe_url": unsubscribe_url(**who), "preferences_url": preferences_url(**who)}


@transaction.atomic
def unsubscribe(*, link: Link, now: datetime) -> bool:
    """Take back the permission for marketing on every channel; False when that is so already.

    The link outlives the lead: without one, the address goes on the broker's suppression list. Raises
    Broker.DoesNotExist.
    """
    broker = Broker.objects.get(pk=link.broker_id)
    lead = locked_lead(link)
    if is_unsubscribed(link):
        return False
    record_permission(
        broker=broker,
        lead=lead,
        address=link.address,
        kind="revoked",
        source=SOURCE,
        evidence={"channel": link.channel, "address": link.address},
        now=now,
    )
    return True


def lead_of(link: Link) -> Lead | None:
    """Who stands now for the lead of a link; None where nobody does, in this brokerage."""
    return Lead.objects.filter(pk=survivor_id(link.lead_id), broker=link.broker_id).first()


def locked_lead(link: Link) -> Lead | None:
    """The same, locked."""
    lead = locked_survivor(link.lead_id)
    return lead if lead is not None and lead.broker_id == link.broker_id else None


def is_unsubscribed(link: Link) -> bool:
    """Whether marketing is taken back on every channel, for this lead or address; what was only played on the sandbox
    does not count."""
    whose = Q(lead=survivor_id(link.lead_id))
    if link.address:
        whose |= Q(address=link.address)
    rules = ContactPermission.objects.real().filter(whose, broker=link.broker_id)
    return is_off(list(rules), MARKETING)


@lru_cache(maxsize=4)
def _signer(secret: str) -> Signer:
    return Signer(key=secret, salt=SALT, sep=".")


@lru_cache(maxsize=1)
def _path() -> str:
    return reverse("messaging:unsubscribe", args=["TOKEN"])


@lru_cache(maxsize=1)
def _preferences_path() -> str:
    return reverse("messaging:preferences", args=["TOKEN"])
