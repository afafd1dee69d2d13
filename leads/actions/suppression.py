"""What comes onto the broker's list of those who are not to be contacted. Only a consent takes somebody off it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions.consent import LONGEST_SOURCE, SLICE, locked_with, other_addresses
from leads.actions.facts import record_permission
from leads.models import ContactPermission, Lead, PermissionKind
from leads.suppression import NEW, REACHES, Listed, is_listed, marked, read_list

MOST_LINES = 20_000


def preview_suppression(*, broker: Broker, text: str, reach: str, purpose: str) -> list[Listed]:
    """What `suppress_addresses` would do with each line. Raises Refused `list_too_long`."""
    lines = read_list(text, reach=reach, country=broker.country)
    if len(lines) > MOST_LINES:
        message = _("This list has %(lines)d lines; give %(most)d at most at a time.")
        raise Refused("list_too_long", message % {"lines": len(lines), "most": MOST_LINES})
    known: set[str] = set()
    for some in _slices([line.address for line in lines if line.verdict == NEW]):
        known |= _known(broker, some, reach, purpose)
    return marked(lines, known)


@transaction.atomic
def suppress_addresses(
    *, broker: Broker, text: str, reach: str, purpose: str, source: str, wording: str, by: User, now: datetime
) -> list[Listed]:
    """Take the permission back for every address of a list that is not on it yet; the lines, and what became of them.

    `source` is what the list is called (REPEP, No Llame, told by phone). Leads who have such an address have opted out.
    Raises Refused `list_too_long` or `source_invalid`.
    """
    if not 0 < len(source.strip()) <= LONGEST_SOURCE:
        raise Refused("source_invalid", f"source={source!r}: " + _("say what this list is called"))
    lines = preview_suppression(broker=broker, text=text, reach=reach, purpose=purpose)
    said = {"kind": PermissionKind.REVOKED.value, "purpose": purpose, "source": source, "wording": wording}
    new = [line for line in lines if line.verdict == NEW]
    locked = locked_with(broker, [line.address for line in new])
    for some in _slices(new):
        _suppress(broker, some, locked, REACHES[reach], said, by, now)
    return lines


def _suppress(
    broker: Broker,
    lines: Sequence[Listed],
    locked: Sequence[Lead],
    channels: Sequence[str],
    said: dict[str, Any],
    by: User,
    now: datetime,
) -> None:
    holders = _holders(broker, [line.address for line in lines], locked)
    rows = []
    for line in lines:
        evidence = {"by": by.get_username(), "line": line.number}
        for channel in channels:
            about = {"broker": broker, "address": line.address, "channel": channel, "evidence": evidence, **said}
            if line.address not in holders:
                rows.append(ContactPermission(at=now, **about))
            for lead in holders.get(line.address, ()):
                record_permission(lead=lead, now=now, **about)
    ContactPermission.objects.bulk_create(rows)


def _holders(broker: Broker, addresses: list[str], locked: Sequence[Lead]) -> dict[str, list[Lead]]:
    """By address. The leads were locked before anything is written, as a list has another order than their ids."""
    wanted, found = set(addresses), defaultdict(list)
    others = defaultdict(set)
    for lead_id, address in other_addresses(broker, addresses).values_list("lead", "address"):
        others[lead_id].add(address)
    for lead in locked:
        for address in ({lead.phone, lead.email, lead.telegram_chat_id} | others[lead.pk]) & wanted:
            found[address].append(lead)
    return dict(found)


def _known(broker: Broker, addresses: Sequence[str], reach: str, purpose: str) -> set[str]:
    rules = defaultdict(list)
    for rule in ContactPermission.objects.real().filter(broker=broker, address__in=addresses):
        rules[rule.address].append(rule)
    return {address for address, said in rules.items() if is_listed(said, reach=reach, purpose=purpose)}


def _slices(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + SLICE] for start in range(0, len(items), SLICE)]
