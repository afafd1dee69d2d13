"""Money cells → an amount in the broker's currency, where there is no doubt. The words are kept elsewhere."""

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache

from leads.importer.words import NO_DEBT, squash

_NUMBER = re.compile(r"\d+(?:[.,' ]\d+)*")
_WORD = re.compile(r"u\$s|us\$|s/|[a-z]+|[$€%+]")

_THOUSANDS = re.compile(r"\d{1,3}(?:(?:\.\d{3})+|(?:,\d{3})+|(?:'\d{3})+|(?: \d{3})+)")
_THOUSANDS_AND_DECIMALS = re.compile(r"\d{1,3}(?:(?:\.\d{3})+,|(?:,\d{3})+\.|(?:[ ']\d{3})+[.,])\d{1,2}")
_DECIMALS = re.compile(r"\d+(?:[.,]\d+)?")

# "$" and "pesos" are the broker's own; every other sign has to be it.
_OWN = frozenset(("$", "peso", "pesos"))
_CURRENCIES = {
    "clp": "CLP", "usd": "USD", "us$": "USD", "u$s": "USD", "dolar": "USD", "dolares": "USD",
    "dollars": "USD", "uf": "UF", "ufs": "UF", "eur": "EUR", "euro": "EUR", "euros": "EUR", "€": "EUR",
    "mxn": "MXN", "cop": "COP", "ars": "ARS", "pen": "PEN", "sol": "PEN", "soles": "PEN", "s/": "PEN",
    "uyu": "UYU", "brl": "BRL", "reais": "BRL",
}  # fmt: skip
# A bare M is thousands to an accountant and millions to everyone else, so it is not here.
_SCALES = {
    "mil": 1_000, "k": 1_000, "luca": 1_000, "lucas": 1_000,
    "mm": 1_000_000, "mill": 1_000_000, "millon": 1_000_000, "millones": 1_000_000, "million": 1_000_000,
    "millions": 1_000_000,
}  # fmt: skip
_FILLERS = frozenset(
    (
        "aprox", "app", "aproximado", "aproximadamente", "approx", "about", "around", "unos", "hasta", "max",
        "maximo", "up", "to", "de", "al", "mes", "mensual", "mensuales", "per", "month", "monthly", "liquido",
        "liquidos", "neto", "netos",
    )
)  # fmt: skip
# Nobody earns or spends 3,500 pesos: below this the cell means UF, thousands or millions, and does not say.
_LEAST_SURE = {"CLP": Decimal(10_000), "COP": Decimal(10_000), "PYG": Decimal(10_000)}
_MOST = Decimal(10) ** 12


@lru_cache(maxsize=16384)
def amount(said: str, currency: str, uf_rate: Decimal | None = None) -> Decimal | None:
    """What the cell says in `currency` (ISO code), or None when that is not certain.

    '1.500.000', '$1,500,000', '1500000.50', '85 MM', 'hasta 85 millones', '500 lucas' are certain. 'UF 3.000'
    is None unless the broker has a rate (pesos for one UF); ranges, other currencies, unknown words are None.
    """
    text = _unaccented(said)
    numbers, words = _NUMBER.findall(text), _WORD.findall(_NUMBER.sub(" ", text))
    if len(numbers) != 1 or text.startswith("-"):
        return None
    scales = [_SCALES[word] for word in words if word in _SCALES]
    value = _value(numbers[0], scaled=bool(scales))
    rate = _rate(words, currency, uf_rate)
    if value is None or rate is None or len(scales) > 1:
        return None
    return _sure(value * rate * (scales[0] if scales else 1), currency)


def owed(said: str, currency: str, uf_rate: Decimal | None = None) -> Decimal | None:
    """As `amount`, for a debt: here 'no' and 'sin deudas' are a sum."""
    return Decimal("0.00") if squash(said) in NO_DEBT else amount(said, currency, uf_rate)


def _unaccented(said: str) -> str:
    plain = unicodedata.normalize("NFKD", said.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c)).strip()


def _value(number: str, *, scaled: bool) -> Decimal | None:
    if _THOUSANDS.fullmatch(number):
        # "1.500 millones": one and a half, or a milliard and a half?
        return None if scaled else Decimal(re.sub(r"\D", "", number))
    if _THOUSANDS_AND_DECIMALS.fullmatch(number):
        whole, decimals = re.split(r"[.,](?=\d+$)", number)
        return Decimal(re.sub(r"\D", "", whole) + "." + decimals)
    return Decimal(number.replace(",", ".")) if _DECIMALS.fullmatch(number) else None


def _rate(words: list[str], currency: str, uf_rate: Decimal | None) -> Decimal | None:
    """How much one of what the words name is in `currency`; None when they name something else."""
    known = _FILLERS | _OWN | _SCALES.keys() | _CURRENCIES.keys()
    named = {_CURRENCIES[word] for word in words if word in _CURRENCIES}
    if not known.issuperset(words) or len(named) > 1:
        return None
    if named == {"UF"}:
        return uf_rate
    return Decimal(1) if named <= {currency} else None


def _sure(value: Decimal, currency: str) -> Decimal | None:
    least = _LEAST_SURE.get(currency, Decimal(0))
    return value.quantize(Decimal("0.01")) if value == 0 or least <= value < _MOST else None
