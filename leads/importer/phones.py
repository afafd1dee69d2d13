"""Phone cells → E.164. What is valid is phonenumbers' to say; this module finds the number in the cell."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from leads.importer.values import Invalid

# A number without "+" that is not valid at home is read as one of these countries', never as any other: there
# it is much likelier a slip of the finger than a foreigner.
NEIGHBOURS = frozenset(
    (
        "AR", "BO", "BR", "CL", "CO", "CR", "CU", "DO", "EC", "ES", "GT", "HN", "MX", "NI", "PA", "PE", "PR",
        "PY", "SV", "US", "UY", "VE",
    )
)  # fmt: skip

_DROPPED = str.maketrans("", "", " -()\u00a0\u2010\u2011\u2013\u202a\u202c")
_CANDIDATE = re.compile(r"\+?\(?\+?\d[\d\s().\-\u2010-\u2015]*")
_BETWEEN_NUMBERS = re.compile(r"\s+[-\u2010-\u2015]\s+|\s{2,}|\n")
_SCIENTIFIC = re.compile(r"(\d)(?:[.,](\d+))?E\+?(\d+)", re.IGNORECASE)
_FLOAT_TAIL = re.compile(r"(?<=\d{8})[.,]0{1,2}$")  # 56987654321.0, as data frames write a number
_EXAMPLES = {"CL": "+56 9 8765 4321"}  # phonenumbers would show a number of the capital's landline area
_LONGEST = 15  # digits of an E.164 number


class _Plan(NamedTuple):
    """What of a country's numbering plan can be told without parsing."""

    code: str
    national: re.Pattern[str]


@cache
def _plan(country: str) -> _Plan | None:
    """None where a national number may still lose or change a prefix: there phonenumbers has to parse."""
    metadata = PhoneMetadata.metadata_for_region(country)
    if metadata is None:
        raise Invalid(f"cannot be read: phonenumbers knows no country {country!r}")
    if metadata.national_prefix_for_parsing:
        return None
    kinds = (metadata.mobile, metadata.fixed_line)
    patterns = [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    return _Plan(str(metadata.country_code), re.compile("|".join(f"(?:{each})" for each in patterns), re.ASCII))


def e164(said: str, country: str) -> str:
    """The first valid number in the cell, `country` being the broker's. Raises Invalid.

    Most cells are one plain number; those are matched against the country's own patterns, ten times as fast.
    """
    plan = _plan(country)
    number = _plain(said.translate(_DROPPED).removeprefix("p:"), plan) if plan else ""
    return number or _careful(said, country)


def _plain(digits: str, plan: _Plan) -> str:
    """'0' is the old trunk prefix ("09 8765 4321"), which the plan no longer knows but people still write."""
    for prefix in ("+" + plan.code, plan.code, "0"):
        national = digits.removeprefix(prefix)
        if plan.national.fullmatch(national):
            return "" if _is_placeholder(national) else f"+{plan.code}{national}"
    return ""


def _is_placeholder(national: str) -> bool:
    """999999999 is what people type to get past a form; as a number it would make one lead of many people."""
    return len(set(national)) == 1


@lru_cache(maxsize=16384)
def _careful(said: str, country: str) -> str:
    text = _FLOAT_TAIL.sub("", _readable(said))
    if scientific := _SCIENTIFIC.fullmatch(text):
        text = _unrounded(*scientific.groups(default=""))
    for candidate in _candidates(text):
        if number := _valid(candidate, country):
            return number
    raise Invalid(_why_not(text, country))


def _readable(said: str) -> str:
    """Full-width digits become digits; the invisible marks that phones paste along are gone."""
    plain = unicodedata.normalize("NFKC", said)
    return "".join(c for c in plain if unicodedata.category(c) != "Cf").strip()


def _unrounded(first: str, rest: str, exponent: str) -> str:
    digits, zeros = rest[: int(exponent)], rest[int(exponent) :]
    if len(digits) < int(exponent) or zeros.strip("0"):
        raise Invalid(
            "was turned into a rounded number by Excel and its last digits are lost; "
            "format the column as text in the original and export again"
        )
    return first + digits


def _candidates(text: str) -> Iterator[str]:
    for candidate in _CANDIDATE.findall(text):
        if sum(map(str.isdigit, candidate)) <= _LONGEST:
            yield candidate
        else:
            yield from _BETWEEN_NUMBERS.split(candidate)
            yield from candidate.split()


def _valid(candidate: str, country: str) -> str:
    """The candidate as written, else with the daily slips mended; '' when nothing makes it valid."""
    digits, has_plus = re.sub(r"\D", "", candidate), "+" in candidate
    code = str(phonenumbers.country_code_for_region(country))
    at_home = digits.removeprefix(code).removeprefix(code).lstrip("0")
    return (
        _parsed("+" + digits if has_plus else digits, country)
        or _parsed(f"+{code}{at_home}", country)  # +56 09 8765 4321, 56 56 9 8765 4321
        or (digits.startswith("521") and _parsed("+52" + digits[3:], country))  # mobiles of Mexico until 2019
        or (not has_plus and len(digits) > 10 and _parsed("+" + digits, country, NEIGHBOURS))
        or ""
    )


def _parsed(digits: str, country: str, regions: frozenset[str] = frozenset()) -> str:
    try:
        number = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number) or _is_placeholder(str(number.national_number)):
        return ""
    if regions and phonenumbers.region_code_for_number(number) not in regions:
        return ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _why_not(text: str, country: str) -> str:
    digits = re.sub(r"\D", "", text)
    if len(digits) > 6 and _is_placeholder(digits[-8:]):
        return "is a placeholder, not a phone number"
    example = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    shown = phonenumbers.format_number(example, PhoneNumberFormat.INTERNATIONAL) if example else "+…"
    found = f"{len(digits)} digits" if digits else "no digits"
    return f"has {found} and is no valid number of {country} ({_EXAMPLES.get(country, shown)}) or abroad (+…)"
