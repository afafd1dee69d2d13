"""One cell → our value: text, names, e-mails, tags and the closed vocabularies. Phones, money and dates have
modules of their own. A cell that cannot be what its column says raises `Invalid`; nothing is guessed."""

import re
from functools import lru_cache

from leads.importer.words import BLANK, CHANNELS, DICOM, NO_MAILBOX, NO_NAME, PURPOSES, SOURCES, STAGES, YES_NO, squash

MAX_TAG = 60


class Invalid(ValueError):
    """The cell is not what its column says; the message is the reason, without the cell itself."""


@lru_cache(maxsize=4096)  # most cells of a file are said again and again: comunas, sources, "no", tags
def text(cell: str) -> str:
    """The cell as meant: trimmed, without the ways in which Excel forces text, '' when it says nothing.

    `="+56 9…"` and `'+56 9…` are how spreadsheets keep a number from being reckoned. Any other formula stays
    the text that it is: nothing here is ever executed.
    """
    cell = cell.strip()
    if not cell.isascii():
        cell = cell.strip("\ufeff\u200b\u200e\u200f\u202a\u202c \t\n")
    if cell.startswith('="') and cell.endswith('"'):
        cell = cell[2:-1].replace('""', '"').strip()
    elif cell.startswith("'") and cell[1:2] in tuple("+-=@0123456789"):
        cell = cell[1:]
    return "" if cell.casefold() in BLANK else cell


@lru_cache(maxsize=4096)
def one_line(said: str) -> str:
    return " ".join(said.split())


@lru_cache(maxsize=4096)
def name(said: str) -> str:
    """'' unless it can be a name: 'sin nombre', a number or an e-mail address in the column is none."""
    said = one_line(said.strip("\"' "))
    if "@" in said or squash(said) in NO_NAME or not any(map(str.isalpha, said)):
        return ""
    return said


_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LENGTHS = r"(?=.{6,254}\Z)(?=[^@]{1,64}@)"  # RFC 5321: 64 before the @, 254 in all
_EMAIL = re.compile(rf"{_LENGTHS}{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]*[a-z0-9])\Z")
_BETWEEN_EMAILS = re.compile(r"[\s;,<>()\[\]\"|]+|/(?=\S*@)")


def email(said: str) -> str:
    """The first valid address in the cell, lower-case. Raises Invalid."""
    lowered = said.lower().removeprefix("mailto:")
    address = lowered if _EMAIL.match(lowered) else _first_email(lowered)
    if squash(address.partition("@")[0]) in NO_MAILBOX:
        raise Invalid("is a placeholder, not an e-mail address")
    return address


def _first_email(lowered: str) -> str:
    for part in _BETWEEN_EMAILS.split(lowered):
        candidate = part.removeprefix("mailto:").strip(".'")
        if _EMAIL.match(candidate):
            return candidate
    raise Invalid("is no e-mail address (name@domain.tld)")


def telegram_chat_id(said: str) -> str:
    """Digits, as Telegram numbers a chat; negative for groups. A @username is no chat id. Raises Invalid."""
    digits = said.removesuffix(".0")
    if re.fullmatch(r"-?[1-9]\d{4,18}", digits, re.ASCII):
        return digits
    raise Invalid("is no Telegram chat id (digits only; a @username is none)")


_BETWEEN_TAGS = re.compile(r"[,;|#\n]+")


@lru_cache(maxsize=4096)
def tags(said: str) -> tuple[str, ...]:
    """Several in one cell, as written, each once whatever its capitals."""
    found: dict[str, str] = {}
    for part in _BETWEEN_TAGS.split(said):
        if tag := one_line(part)[:MAX_TAG]:
            found.setdefault(tag.casefold(), tag)
    return tuple(found.values())


def _word(said: str, words: dict[str, str], allowed: str) -> str:
    try:
        return words[squash(said)]
    except KeyError:
        raise Invalid(f"is none of {allowed}") from None


@lru_cache(maxsize=256)
def dicom_status(said: str) -> str:
    """`clean` or `has_debt`. Raises Invalid."""
    return _word(said, DICOM, "clean, has_debt, limpio, con deuda, no, sí")


@lru_cache(maxsize=256)
def stage(said: str) -> str:
    """A stage's stored value. Raises Invalid."""
    return _word(said, STAGES, ", ".join(dict.fromkeys(STAGES.values())))


@lru_cache(maxsize=256)
def yes_or_no(said: str) -> str:
    """`yes` or `no`. Raises Invalid."""
    return _word(said, YES_NO, "yes, no, sí, true, false, 1, 0")


@lru_cache(maxsize=256)
def channel(said: str) -> str:
    """A channel, or `*` for every one. Raises Invalid."""
    return "*" if said.strip() == "*" else _word(said, CHANNELS, "*, telegram, whatsapp, email, call, todos, llamada")


def purpose(said: str) -> str:
    return PURPOSES.get(squash(said), one_line(said))


@lru_cache(maxsize=4096)
def source(said: str) -> str:
    return SOURCES.get(said.casefold(), one_line(said))
