"""Where people's clocks stand: what a phone number says of it, and the one zone in which a lead is shown times."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber
from phonenumbers import timezone as phone_timezone


def local_zone(*, lead_timezone: str, phone: str, broker_timezone: str) -> str:
    """The lead's own zone, else the number's, else the broker's; a number that may lie in several says nothing."""
    if lead_timezone:
        return lead_timezone
    zones = phone_facts(phone)[1] if phone else ()
    return zones[0] if len(zones) == 1 else broker_timezone


class PhoneFacts(NamedTuple):
    """Whether a number is valid, the time zones it may lie in, and its country ('' where that is not known)."""

    is_valid: bool
    zones: tuple[str, ...]
    country: str


@lru_cache(maxsize=65_536)
def phone_facts(phone: str) -> PhoneFacts:
    """By Google's phone number data."""
    number = _told_apart(phone)
    zones = _zones(number) if number else ()
    if number and zones:
        return PhoneFacts(True, zones, _country(number))  # a number that is none lies nowhere
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return PhoneFacts(False, (), "")
    return PhoneFacts(phonenumbers.is_valid_number(number), _zones(number), _country(number))


def _country(number: PhoneNumber) -> str:
    """Most country codes belong to one country; only for the others (+1, say) the number itself is looked at."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    return regions[0] if len(regions) == 1 else phonenumbers.region_code_for_number(number) or ""


def _told_apart(phone: str) -> PhoneNumber | None:
    """Country and number of E.164, which is how phones are stored, without asking what else somebody may have meant.

    That is what the parser does, and it takes longer than all the rest that is decided about a contact. A zero at the
    beginning of a number means something, so it is left to the parser.
    """
    if phone[:1] == "+" and phone[1:].isdecimal():
        for end in (2, 3, 4):
            if int(phone[1:end]) in COUNTRY_CODE_TO_REGION_CODE and phone[end : end + 1] not in ("", "0"):
                return PhoneNumber(country_code=int(phone[1:end]), national_number=int(phone[end:]))
    return None


def _zones(number: PhoneNumber) -> tuple[str, ...]:
    return tuple(zone for zone in phone_timezone.time_zones_for_number(number) if zone != "Etc/Unknown")


def clock_changes(day: date, zone: ZoneInfo) -> Sequence[datetime]:
    """The instant within a local day, or at its end, at which the zone's offset changes, if it does."""
    start, end = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    if _offset(start, zone) == _offset(end, zone):
        return ()
    while end - start > timedelta(seconds=1):
        middle = start + (end - start) / 2
        if _offset(middle, zone) == _offset(start, zone):
            start = middle
        else:
            end = middle
    return (end.replace(microsecond=0),)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
