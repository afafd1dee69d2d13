"""Which permissions bind when two leads become one: what either took back stays taken back. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from leads.consents import ADDRESS_OF, ALL, MARKETING, TRANSACTIONAL, newest_permission


@dataclass(frozen=True, slots=True)
class Rule:
    """One ContactPermission; `is_played` says that it was said on the sandbox, where alone it binds then."""

    id: int
    lead_id: int | None
    address: str
    channel: str
    kind: str
    purpose: str
    at: datetime
    is_played: bool


class Whose(NamedTuple):
    """A lead's id with its addresses by column."""

    id: int
    addresses: dict[str, str]


class Binding(NamedTuple):
    """A revocation to be written down: for one channel, on which side, and by what it was said first."""

    channel: str
    purpose: str
    is_played: bool
    addresses: tuple[str, ...]
    said: int


def bindings(into: Whose, gone: Whose, rules: Sequence[Rule]) -> list[Binding]:
    """The revocations that would stop binding, for the person or for one of the addresses, once newer words of the
    other lead count for both."""
    found = []
    for channel, column in ADDRESS_OF.items():
        addresses = tuple(dict.fromkeys(filter(None, (into.addresses[column], gone.addresses[column]))))
        for is_played in (False, True):
            heard = [rule for rule in rules if is_played or not rule.is_played]
            for purpose in (ALL, MARKETING):
                by = _taken_back_by(into, gone, heard, channel, purpose)
                if by is not None and not _binds(into, gone, heard, channel, purpose, addresses):
                    found.append(Binding(channel, purpose, is_played, addresses, by.id))
                    break  # what is taken back for all is taken back for marketing too
    real = {binding.channel for binding in found if not binding.is_played}
    return [binding for binding in found if not binding.is_played or binding.channel not in real]


def _taken_back_by(into: Whose, gone: Whose, rules: Sequence[Rule], channel: str, purpose: str) -> Rule | None:
    """What one of the two had taken back: as the policy saw them until now, by their own words alone, or for the
    address of this channel."""
    for lead in (into, gone):
        own = {*lead.addresses.values()} - {""}
        address = lead.addresses[ADDRESS_OF[channel]]
        for about in (
            [rule for rule in rules if rule.lead_id == lead.id or rule.address in own],
            [rule for rule in rules if rule.lead_id == lead.id],
            [rule for rule in rules if address and rule.address == address],
        ):
            newest = _newest(about, channel, purpose)
            if newest is not None and newest.kind == "revoked":
                return newest
    return None


def _binds(
    into: Whose, gone: Whose, rules: Sequence[Rule], channel: str, purpose: str, addresses: Iterable[str]
) -> bool:
    """Whether it is the newest word anyway: of the two as one, and of each address."""
    both = {into.id, gone.id}
    own = {*into.addresses.values(), *gone.addresses.values()} - {""}
    groups = [
        [rule for rule in rules if rule.lead_id in both],
        [rule for rule in rules if rule.lead_id in both or rule.address in own],
        *([rule for rule in rules if rule.address == one] for one in addresses),
    ]
    return all(_is_revoked(group, channel, purpose) for group in groups)


def _is_revoked(rules: Iterable[Rule], channel: str, purpose: str) -> bool:
    newest = _newest(rules, channel, purpose)
    return newest is not None and newest.kind == "revoked"


def _newest(rules: Iterable[Rule], channel: str, purpose: str) -> Rule | None:
    return newest_permission(list(rules), channel, TRANSACTIONAL if purpose == ALL else MARKETING)
