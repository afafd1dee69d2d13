"""The law of where people are, as data with a version: messaging/jurisdictions.yaml, or a brokerage counsel's copy."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import yaml
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from brokers.rules import ContactWindow
from leads.zones import phone_facts

MARKETING, AUTOMATED_CALLS = "marketing", "automated_calls"
GRANTS = (MARKETING, AUTOMATED_CALLS)


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """The rules of one place; `contacts_a_day` and `one_channel_days` None where it sets none."""

    code: str
    window: ContactWindow
    source: str
    contacts_a_day: int | None = None
    one_channel_days: int | None = None
    needs_grant: frozenset[str] = frozenset()
    area_codes: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, code: str, data: Mapping[str, Any]) -> Self:
        """Raises ValueError naming the key and what is allowed."""
        known = {field.name for field in fields(cls)} - {"code", "window"} | {"hours", "holidays"}
        unknown = set(data) - known
        if unknown:
            raise ValueError(f"{code}: unknown key {min(unknown)!r}; allowed are {', '.join(sorted(known))}")
        for key in ("hours", "source"):
            if not data.get(key):
                raise ValueError(f"{code}: {key} is missing")
        grants = frozenset(data.get("needs_grant", ()))
        if grants - set(GRANTS):
            raise ValueError(f"{code}: needs_grant={sorted(grants)} is not allowed; use of {', '.join(GRANTS)}")
        return cls(
            code=code,
            window=_window(code, data),
            source=str(data["source"]),
            contacts_a_day=_count(code, data, "contacts_a_day"),
            one_channel_days=_count(code, data, "one_channel_days"),
            needs_grant=grants,
            area_codes=frozenset(str(item) for item in data.get("area_codes", ())),
        )


def _window(code: str, data: Mapping[str, Any]) -> ContactWindow:
    try:
        window = ContactWindow.parse(data["hours"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{code}: hours: {error}") from error
    return window.closed_on_holidays(code.partition("-")[0]) if data.get("holidays") else window


def _count(code: str, data: Mapping[str, Any], key: str) -> int | None:
    value = data.get(key)
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(f"{code}: {key}={value!r} is not allowed; use a whole number from 1")
    return value


# Told apart by identity: one is read once, and keys what is derived of it.
@dataclass(frozen=True, slots=True, eq=False)
class Rulebook:
    """All jurisdictions of one version."""

    version: str
    places: Mapping[str, Jurisdiction]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        try:
            data = yaml.safe_load(text)
            places = {str(code): Jurisdiction.parse(str(code), of) for code, of in data["jurisdictions"].items()}
            version = str(data["version"])
        except (AttributeError, KeyError, TypeError, yaml.YAMLError) as error:
            raise ValueError(f"not a table of jurisdictions: {error}") from error
        if "default" not in places:
            raise ValueError("default is missing")
        return cls(version, places)

    def of_country(self, country: str, phone: str = "") -> Jurisdiction:
        """The place's rules; a part of the country where the number's area code tells it."""
        area = phone.removeprefix("+1")[:3] if country == "US" else ""
        part = next(
            (place for code, place in self.places.items() if code[:3] == f"{country}-" and area in place.area_codes),
            None,
        )
        return part or self.places.get(country) or self.places["default"]


@dataclass(frozen=True, slots=True)
class Law:
    """What binds one contact: the strictest of the brokerage's own rules and of the places that the lead may be in."""

    version: str
    places: tuple[str, ...]
    window: ContactWindow
    contacts_a_day: int | None
    one_channel_days: int | None
    needs_grant: frozenset[str]


def law_for(*, phone: str, lead_timezone: str, broker_country: str, window: ContactWindow) -> Law:
    """By the country of the number and that of the lead's own time zone; where neither is known, the brokerage's."""
    return _law(rulebook(), phone, lead_timezone, broker_country, window)


@lru_cache(maxsize=65_536)
def _law(book: Rulebook, phone: str, lead_timezone: str, broker_country: str, window: ContactWindow) -> Law:
    number_country = phone_facts(phone).country if phone else ""
    countries = {number_country, country_of_zone(lead_timezone)} - {""} or {broker_country}
    return _strictest(book, tuple(sorted({book.of_country(country, phone).code for country in countries})), window)


@lru_cache(maxsize=4096)
def _strictest(book: Rulebook, codes: tuple[str, ...], window: ContactWindow) -> Law:
    places = [book.places[code] for code in codes]
    for place in places:
        window = window.within(place.window)
    return Law(
        version=book.version,
        places=codes,
        window=window,
        contacts_a_day=min((place.contacts_a_day for place in places if place.contacts_a_day), default=None),
        one_channel_days=max((place.one_channel_days for place in places if place.one_channel_days), default=None),
        needs_grant=frozenset().union(*(place.needs_grant for place in places)),
    )


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, str]:
    """Countries by time zone, as the tz database has them."""
    lines = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text().splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {row[2]: row[0] for row in rows}


def country_of_zone(zone: str) -> str:
    """'' for none, and for a zone that is no place, such as UTC."""
    return _countries().get(zone, "")


def rulebook() -> Rulebook:
    """The table in force. Raises ImproperlyConfigured; config checks it at the start."""
    return _read(str(settings.JURISDICTIONS_FILE))


# By its name: this is asked for every contact, and paths take their time to be made and compared.
@lru_cache(maxsize=4)
def _read(path: str) -> Rulebook:
    try:
        return Rulebook.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"JURISDICTIONS_FILE={path}: {error}") from error
