"""Phone numbers and e-mail addresses in the one form in which they are stored and compared."""

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from brokers.refusal import Refused


def normalise_phone(text: str, country: str) -> str:
    """E.164 of what a person typed, read as in `country` when no country code stands before it.

    Raises Refused `phone_invalid`.
    """
    try:
        number = phonenumbers.parse(str(text), country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Refused("phone_invalid", f"phone={text!r} is no valid number; use one such as +56 9 8765 4321")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalise_email(text: str) -> str:
    """The address in lower case. Raises Refused `email_invalid`."""
    address = text.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        message = f"email={text!r} is no valid address; use one such as ana@example.com"
        raise Refused("email_invalid", message) from error
    return address
