"""What was said about being contacted, and what stands of it. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

ANY_CHANNEL = "*"
CHANNELS = ("telegram", "whatsapp", "email", "call")
MARKETING, ALL, TRANSACTIONAL = "marketing", "all", "transactional"
# The column of a lead that holds its address on each channel.
ADDRESS_OF = {"telegram": "telegram_chat_id", "email": "email", "whatsapp": "phone", "call": "phone"}


class Said(Protocol):
    """One permission given or taken back."""

    @property
    def id(self) -> int: ...
    @property
    def channel(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def at(self) -> datetime: ...


Rule = TypeVar("Rule", bound=Said)


def newest_permission(rules: Sequence[Rule], channel: str, purpose: str) -> Rule | None:
    """The rule that decides: the newest for the channel or every channel that speaks of this purpose."""
    purposes = (ALL,) if purpose == TRANSACTIONAL else (MARKETING, ALL)
    matching = [rule for rule in rules if rule.channel in (channel, ANY_CHANNEL) and rule.purpose in purposes]
    return max(matching, key=lambda rule: (rule.at, rule.id), default=None)


def opted_out_at(rules: Sequence[Said]) -> datetime | None:
    """Since when something is taken back; None when nothing is any more, on no channel and for no purpose."""
    return max((rule.at for rule in _deciding(rules) if rule.kind == "revoked"), default=None)


def is_off(rules: Sequence[Said], purpose: str, channels: Iterable[str] = CHANNELS) -> bool:
    """Whether the permission is taken back on every one of these channels."""
    deciding = [newest_permission(rules, channel, purpose) for channel in channels]
    return all(rule is not None and rule.kind == "revoked" for rule in deciding)


def _deciding(rules: Sequence[Said]) -> list[Said]:
    wanted = [(channel, purpose) for channel in CHANNELS for purpose in (MARKETING, TRANSACTIONAL)]
    found = [newest_permission(rules, channel, purpose) for channel, purpose in wanted]
    return [rule for rule in found if rule is not None]
