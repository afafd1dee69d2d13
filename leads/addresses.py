"""Phone numbers and e-mail addresses as a person types them, in the one form in which they are stored and compared."""

from brokers.refusal import Refused
from leads.consents import ANY_CHANNEL
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


def normalise_address(address: str, channel: str, country: str) -> str:
    """An address of a channel, or of any (`*`), as the policy looks it up; '' stays ''.

    Raises Refused `phone_invalid`, `email_invalid` or `telegram_chat_id_invalid`.
    """
    said = address.strip()
    if not said:
        return ""
    if channel == "telegram":
        return _telegram_chat(said)
    if "@" in said or channel == "email":
        return normalise_email(said)
    try:
        return normalise_phone(said, country)
    except Refused:
        if channel == ANY_CHANNEL and said.isdecimal():
            return said  # a Telegram chat
        raise


def _telegram_chat(said: str) -> str:
    try:
        return values.telegram_chat_id(said)
    except values.Invalid as error:
        raise Refused("telegram_chat_id_invalid", f"telegram_chat_id={said!r} {error}") from error
