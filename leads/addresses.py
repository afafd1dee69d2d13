"""Phone numbers and e-mail addresses as a person types them, in the one form in which they are stored and compared."""

from brokers.refusal import Refused
from leads.importer import phones, values


def normalise_phone(text: str, country: str) -> str:
    """E.164, read as in `country` when no country code stands before it. Raises Refused `phone_invalid`."""
    try:
        return phones.e164(text, country)
    except values.Invalid as error:
        raise Refused("phone_invalid", f"phone={text!r} {error}") from error


def normalise_email(text: str) -> str:
    """The address in lower case. Raises Refused `email_invalid`."""
    try:
        return values.email(text)
    except values.Invalid as error:
        raise Refused("email_invalid", f"email={text!r} {error}") from error
