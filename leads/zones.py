"""Where people's clocks stand: what a phone number says of it, and the one zone in which a lead is shown times."""

from functools import lru_cache

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber
from phonenumbers import timezone as phone_timezone


def local_zone(*, lead_timezone: str, phone: str, broker_timezone: str) -> str:
    """The lead's own zone, else the number's, else the broker's; a number that may lie in several says nothing."""
    if lead_timezone:
        return lead_timezone
    zones = phone_facts(phone)[1] if phone else ()
    return zones[0] if len(zones) == 1 else broker_timezone


@lru_cache(maxsize=65_536)
def phone_facts(phone: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a number is valid, and the time zones it may lie in (by Google's phone number data)."""
    number = _told_apart(phone)
    zones = _zones(number) if number else ()
    if zones:
        return True, zones  # a number that is none lies nowhere
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return False, ()
    return phonenumbers.is_valid_number(number), _zones(number)


@lru_cache(maxsize=65_536)
def phone_country(phone: str) -> str:
    """The country of a number, as in ISO 3166-1; '' where it is no number or belongs to none."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(phone, None)) or ""
    except phonenumbers.NumberParseException:
        return ""


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
