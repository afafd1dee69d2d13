"""What a message costs, from the prices that an account's owner was told by their provider. Pure.

A price is for one message (a call counts as one) to numbers that begin with a prefix; the longest one that fits wins,
and the empty one is for everywhere else. WhatsApp has one price for each kind of message.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from phonenumbers import country_code_for_region, region_code_for_country_code

MESSAGE, OWN_WORDS, MARKETING, UTILITY = "message", "own_words", "marketing", "utility"
KINDS = {
    MESSAGE: gettext_lazy("Price per message"),
    OWN_WORDS: gettext_lazy("Own words, within 24 hours"),
    MARKETING: gettext_lazy("Marketing template"),
    UTILITY: gettext_lazy("Template about an appointment"),
}
KINDS_OF_WHATSAPP = (OWN_WORDS, MARKETING, UTILITY)
# Channels whose addresses are numbers: elsewhere there is one price for all.
BY_NUMBER = ("whatsapp", "call")
EVERYWHERE_ELSE = ""
PREFIX = re.compile(r"\+[1-9]\d{0,14}")
CURRENCY = re.compile(r"[A-Z]{3}")
# What Message.cost holds.
DIGITS, MOST = Decimal("0.000001"), Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Prices:
    """By prefix, then by kind, in one currency."""

    currency: str = ""
    by_prefix: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Read `{"currency": "USD", "prices": {"": {"message": "0.05"}, "+56": {"message": "0.04"}}}`; `{}` is no
        prices. Raises ValueError."""
        if not data:
            return cls()
        currency = data.get("currency")
        if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
            raise ValueError(_("currency=%(word)r is not allowed; use three letters such as USD") % {"word": currency})
        table = data.get("prices")
        if not isinstance(table, Mapping) or set(data) != {"currency", "prices"}:
            raise ValueError(_("prices are a currency and a table by prefix"))
        return cls(currency, {_known_prefix(prefix): _row(prefix, row) for prefix, row in table.items()})

    def as_json(self) -> dict[str, Any]:
        rows = {to: {kind: str(price) for kind, price in row.items()} for to, row in self.by_prefix.items()}
        return {"currency": self.currency, "prices": rows} if rows else {}


def cost_of(prices: Prices, *, address: str, kind: str = MESSAGE) -> Decimal | None:
    """What one message of this kind to this address costs, in the prices' currency; None where nobody told."""
    for length in range(len(address) if address.startswith("+") else 0, -1, -1):
        row = prices.by_prefix.get(address[:length])
        if row is not None and kind in row:
            return row[kind]
    return None


def kind_of(*, channel: str, purpose: str, is_own_words: bool) -> str:
    """Which of its prices a message has."""
    if channel != "whatsapp":
        return MESSAGE
    if is_own_words:
        return OWN_WORDS
    return UTILITY if purpose == "transactional" else MARKETING


def kinds_of(channel: str) -> tuple[str, ...]:
    return KINDS_OF_WHATSAPP if channel == "whatsapp" else (MESSAGE,)


def prefix_of(text: str) -> str:
    """What a person wrote as a destination: `+56 9`, `56`, or the country `CL`. Raises ValueError."""
    word = re.sub(r"[\s().-]", "", text).upper()
    if word.isdecimal():
        word = f"+{word}"
    if PREFIX.fullmatch(word):
        return word
    code = country_code_for_region(word)
    if code and region_code_for_country_code(code) == word:
        return f"+{code}"
    if code:
        message = _("%(country)s shares +%(code)s with other countries; give the prefixes of its numbers")
        raise ValueError(message % {"country": word, "code": code})
    raise ValueError(_("%(word)s is no prefix such as +56, and no country such as CL") % {"word": text})


def amount_of(text: str) -> Decimal:
    """A price as a person writes it, `0.05` or `0,05`. Raises ValueError."""
    try:
        amount = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount < MOST or amount != amount.quantize(DIGITS):
        message = _("%(word)s is no price; use a number such as 0.05, with six decimals at most")
        raise ValueError(message % {"word": text})
    return amount


def valid_prices(data: Any) -> None:
    """The model field's validator."""
    try:
        Prices.parse(data)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error


def _known_prefix(prefix: str) -> str:
    if prefix != EVERYWHERE_ELSE and not PREFIX.fullmatch(prefix):
        raise ValueError(_("%(word)s is no prefix such as +56, and no country such as CL") % {"word": prefix})
    return prefix


def _row(prefix: str, row: Mapping[str, Any]) -> dict[str, Decimal]:
    if unknown := set(row) - set(KINDS):
        raise ValueError(f"unknown kind {min(unknown)!r}; allowed are {', '.join(KINDS)}")
    return {kind: amount_of(str(price)) for kind, price in row.items()}
