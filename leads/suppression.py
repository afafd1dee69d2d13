"""Lists of addresses that are not to be contacted, read line by line. Pure."""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from brokers.refusal import Refused
from leads.addresses import normalise_address
from leads.consents import ADDRESS_OF, ALL, ANY_CHANNEL, CHANNELS, MARKETING, TRANSACTIONAL, is_off

# What a list is about: a registry of telephone numbers says nothing of e-mail.
REACHES: dict[str, tuple[str, ...]] = {
    ANY_CHANNEL: (ANY_CHANNEL,),
    "phone": ("call", "whatsapp"),
    **{channel: (channel,) for channel in CHANNELS},
}
REACH_NAMES: dict[str, Promise | str] = {
    ANY_CHANNEL: _("every channel"),
    "phone": _("calls and WhatsApp"),
    "telegram": "Telegram",
    "whatsapp": "WhatsApp",
    "email": _("e-mail"),
    "call": _("call"),
}
NEW, KNOWN, TWICE, INVALID, HEADER = "new", "known", "twice", "invalid", "header"
VERDICTS: dict[str, Promise] = {
    NEW: _("will be added"),
    KNOWN: _("is on the list already"),
    TWICE: _("stands further up in this list"),
    INVALID: _("is no address of this kind"),
    HEADER: _("is a heading"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One line: what was said, the address in it, and what becomes of it."""

    number: int
    said: str
    verdict: str
    address: str = ""
    fault: str = ""

    @property
    def explanation(self) -> str:
        return self.fault or str(VERDICTS[self.verdict])


def read_list(text: str, *, reach: str, country: str) -> list[Listed]:
    """Every line that is not empty; of several cells the first that holds an address counts."""
    seen: set[str] = set()
    found: list[Listed] = []
    for number, cells in _records(text):
        line = _read(number, cells, reach, country)
        if line.verdict == INVALID and not found and not any(sign.isdigit() or sign == "@" for sign in line.said):
            line = Listed(number, line.said, HEADER)
        elif line.address in seen:
            line = Listed(number, line.said, TWICE, line.address)
        seen |= {line.address} - {""}
        found.append(line)
    return found


def marked(lines: Iterable[Listed], known: Collection[str]) -> list[Listed]:
    """The same lines; what is on the list already is said to be."""
    return [
        Listed(line.number, line.said, KNOWN, line.address) if line.verdict == NEW and line.address in known else line
        for line in lines
    ]


def is_listed(rules: Sequence[Any], *, reach: str, purpose: str) -> bool:
    """Whether what was said of an address leaves nothing to take back."""
    channels = CHANNELS if reach == ANY_CHANNEL else REACHES[reach]
    purposes = (MARKETING, TRANSACTIONAL) if purpose == ALL else (MARKETING,)
    return all(is_off(rules, each, channels) for each in purposes)


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        cells = [cell.strip() for part in next(csv.reader([line.replace("\t", ";")]), []) for cell in part.split(";")]
        if any(cells):
            yield number, [cell for cell in cells if cell]


def _read(number: int, cells: list[str], reach: str, country: str) -> Listed:
    said, fault = "; ".join(cells)[:200], ""
    for cell in cells:
        try:
            return Listed(number, said, NEW, _address(cell, reach, country))
        except Refused as refused:
            fault = fault or str(refused)
    return Listed(number, said, INVALID, fault=fault)


def _address(cell: str, reach: str, country: str) -> str:
    """Raises Refused. Bare digits are a telephone number; for Telegram chats the list is about Telegram."""
    kinds = {ADDRESS_OF[channel] for channel in REACHES[reach] if channel != ANY_CHANNEL}
    if kinds == {"phone"} and "@" in cell:
        raise Refused("phone_invalid", f"phone={cell!r} " + str(VERDICTS[INVALID]))
    return normalise_address(cell, "call" if reach == ANY_CHANNEL and "@" not in cell else REACHES[reach][0], country)
