"""What a person lets a brokerage send them, channel by channel, and how they change it by their own signed link."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from brokers.models import Broker
from leads.actions import record_permission
from leads.consents import ADDRESS_OF, ALL, ANY_CHANNEL, CHANNELS, MARKETING, TRANSACTIONAL, is_off, newest_permission
from leads.models import ContactPermission, Lead
from messaging.jurisdictions import AUTOMATED_CALLS, law_for
from messaging.policy import CALL
from messaging.unsubscribe import Link, lead_of, locked_lead

SOURCE = "preferences_page"
CHANNEL_NAMES = {
    "telegram": "Telegram",
    "whatsapp": "WhatsApp",
    "email": gettext_lazy("E-mail"),
    "call": gettext_lazy("Phone calls"),
}


class Level(StrEnum):
    EVERYTHING = "everything"
    APPOINTMENTS = "appointments"
    NOTHING = "nothing"


SENTENCES: Mapping[Level, Promise] = {
    Level.EVERYTHING: gettext_lazy("News and offers, and what concerns my appointments"),
    Level.APPOINTMENTS: gettext_lazy("Only what concerns my appointments"),
    Level.NOTHING: gettext_lazy("Nothing"),
}
# What takes everything back at once.
BUTTONS: Mapping[Level, Promise] = {
    Level.APPOINTMENTS: gettext_lazy("No more advertising, on any channel"),
    Level.NOTHING: gettext_lazy("Nothing at all, on any channel"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One channel: what may be sent over it now."""

    channel: str
    level: Level

    @property
    def name(self) -> str:
        return str(CHANNEL_NAMES[self.channel])

    @property
    def options(self) -> list[tuple[str, str, bool]]:
        return [(level.value, str(sentence), level == self.level) for level, sentence in SENTENCES.items()]


@dataclass(frozen=True, slots=True)
class _Person:
    """Whom a link speaks of: the lead, or what is left of one, an address."""

    broker: Broker
    link: Link
    lead: Lead | None
    rules: list[ContactPermission]

    def addresses(self, channel: str) -> list[str]:
        """Where they are reached over a channel: as the lead stands today, and as the link went to."""
        column = ADDRESS_OF[channel]
        mine = getattr(self.lead, column) if self.lead is not None else ""
        linked = self.link.address if ADDRESS_OF.get(self.link.channel) == column else ""
        return list(dict.fromkeys(filter(None, (mine, linked))))


def question(broker: Broker) -> str:
    return _("What may %(broker)s send you?") % {"broker": broker.name}


def choices_of(link: Link) -> list[Choice]:
    """The channels over which the person can be reached, as they stand. Raises Broker.DoesNotExist."""
    return _choices(_person(link))


@transaction.atomic
def save_choices(*, link: Link, wanted: Mapping[str, str], now: datetime) -> int:
    """Record what a person chose for single channels; how many changed. Those that stay as they are write nothing.

    `wanted` is channel → level; what is neither is left out.
    """
    person = _person(link, is_locked=True)
    changed = 0
    for choice in _choices(person):
        level = wanted.get(choice.channel, choice.level)
        if level != choice.level and level in SENTENCES:
            _save(person, choice, Level(level), now)
            changed += 1
    return changed


@transaction.atomic
def turn_off_everything(*, link: Link, level: str, now: datetime) -> bool:
    """Take the permission back on every channel, `appointments` for advertising and `nothing` for all there is; False
    when that is so already."""
    person, purpose = _person(link, is_locked=True), ALL if level == Level.NOTHING else MARKETING
    if is_off(person.rules, MARKETING) and (purpose == MARKETING or is_off(person.rules, TRANSACTIONAL)):
        return False
    _record(person, ANY_CHANNEL, link.address, "revoked", purpose, str(BUTTONS[Level(level)]), level, now)
    return True


def _person(link: Link, *, is_locked: bool = False) -> _Person:
    broker = Broker.objects.get(pk=link.broker_id)
    lead = locked_lead(link) if is_locked else lead_of(link)
    said = ContactPermission.objects.real()
    about = said.about(lead, link.address) if lead else said.filter(broker=broker, address=link.address)
    return _Person(broker, link, lead, list(about))


def _choices(person: _Person) -> list[Choice]:
    return [Choice(channel, _level(person, channel)) for channel in CHANNELS if person.addresses(channel)]


def _level(person: _Person, channel: str) -> Level:
    if _may(person, channel, MARKETING):
        return Level.EVERYTHING
    return Level.APPOINTMENTS if _may(person, channel, TRANSACTIONAL) else Level.NOTHING


def _may(person: _Person, channel: str, purpose: str) -> bool:
    """As the policy asks it, who has said nothing is asked about only where the law wants it."""
    rule = newest_permission(person.rules, channel, purpose)
    if rule is not None:
        return rule.kind == "granted"
    return (AUTOMATED_CALLS if channel == CALL else purpose) not in _needs_grant(person)


def _needs_grant(person: _Person) -> frozenset[str]:
    phone = next(iter(person.addresses(CALL)), "")
    zone = person.lead.timezone if person.lead else ""
    window = person.broker.rules.window
    law = law_for(phone=phone, lead_timezone=zone, broker_country=person.broker.country, window=window)
    return law.needs_grant


def _save(person: _Person, choice: Choice, level: Level, now: datetime) -> None:
    """`everything` gives all back, `nothing` takes all; of `appointments` the rest is taken, and given where it was
    not."""
    wording = f"{question(person.broker)} {choice.name}: {SENTENCES[level]}"
    said = {Level.EVERYTHING: [("granted", ALL)], Level.NOTHING: [("revoked", ALL)]}
    taken = [("revoked", MARKETING)]
    given = [] if _may(person, choice.channel, TRANSACTIONAL) else [("granted", ALL)]
    for address in person.addresses(choice.channel):
        for kind, purpose in said.get(level, [*given, *taken]):
            _record(person, choice.channel, address, kind, purpose, wording, level, now)


def _record(
    person: _Person, channel: str, address: str, kind: str, purpose: str, wording: str, level: str, now: datetime
) -> None:
    evidence: dict[str, Any] = {
        "link_channel": person.link.channel,
        "address": person.link.address,
        "choice": str(level),
        "language": get_language(),
        "at": now.isoformat(),
    }
    record_permission(
        broker=person.broker,
        lead=person.lead,
        address=address,
        channel=channel,
        kind=kind,
        purpose=purpose,
        source=SOURCE,
        wording=wording,
        evidence=evidence,
        now=now,
    )
