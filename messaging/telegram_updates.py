"""Telegram's updates in our words. Pure. Only private chats concern us: a group is no lead."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from messaging.base import Event

START = re.compile(r"/start(?:@\w+)?[ \n]+([A-Za-z0-9_-]{1,64})\s*")
# What people send besides text. Files are kept as the id under which the bot can ask for them.
MEDIA = (
    *("photo", "document", "voice", "video", "video_note", "audio", "animation", "sticker"),
    *("contact", "location", "venue", "poll", "dice", "story"),
)
LAST_SECOND = 2**32


def events_of(update: Mapping[str, Any]) -> list[Event]:
    """One event or none. Raises KeyError or TypeError for what is no update."""
    event_id = str(int(update["update_id"]))
    message, changed = _dict(update.get("message")), _dict(update.get("my_chat_member"))
    event = _message(event_id, message, update) if message else _membership(event_id, changed, update)
    return [event] if event is not None else []


def _message(event_id: str, message: dict[str, Any], update: Mapping[str, Any]) -> Event | None:
    chat, sender = _private_chat(message), _dict(message.get("from"))
    text, media = str(message.get("text") or message.get("caption") or ""), _media(message)
    if not chat or sender.get("is_bot") is True or not (text or media):
        return None
    start = START.fullmatch(text)
    return Event(
        event_id=event_id,
        kind="inbound",
        address=chat,
        text=text,
        provider_id=f"{chat}:{message.get('message_id')}",
        is_automatic=message.get("is_from_offline") is True,
        at=_moment(message.get("date")),
        name=_name(sender or _dict(message.get("chat"))),
        start=start.group(1) if start else "",
        media=media,
        raw=update,
    )


def _membership(event_id: str, changed: dict[str, Any], update: Mapping[str, Any]) -> Event | None:
    """Somebody who blocks the bot wants nothing more from it; unblocking it asks for nothing."""
    chat = _private_chat(changed)
    if not chat or _dict(changed.get("new_chat_member")).get("status") != "kicked":
        return None
    return Event(
        event_id=event_id,
        kind="revoked",
        address=chat,
        code="blocked",
        at=_moment(changed.get("date")),
        name=_name(_dict(changed.get("from"))),
        raw=update,
    )


def _private_chat(message: dict[str, Any]) -> str:
    """The id of the chat with one person; '' for groups, channels and what has none."""
    chat = _dict(message.get("chat"))
    number = chat.get("id")
    is_person = type(number) is int and number > 0 and chat.get("type", "private") == "private"
    return str(number) if is_person else ""


def _media(message: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{kind}:{_reference(kind, message[kind])}".rstrip(":") for kind in MEDIA if message.get(kind))


def _reference(kind: str, value: Any) -> str:
    """The last of a photo's sizes is the largest."""
    thing = _dict(value[-1] if isinstance(value, list) else value)
    if kind in ("location", "venue"):
        place = _dict(thing.get("location")) or thing
        return f"{place.get('latitude')},{place.get('longitude')}"
    return str(thing.get("phone_number" if kind == "contact" else "file_id") or "")


def _name(person: dict[str, Any]) -> str:
    parts = (str(person.get(part) or "").strip() for part in ("first_name", "last_name"))
    return " ".join(filter(None, parts)) or str(person.get("username") or "")


def _moment(seconds: Any) -> datetime | None:
    is_moment = type(seconds) is int and 0 <= seconds < LAST_SECOND
    return datetime.fromtimestamp(seconds, UTC) if is_moment else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
