"""What came from outside, in the form in which PostgreSQL stores it. Pure."""

from collections.abc import Mapping
from dataclasses import fields, replace
from math import isfinite
from typing import Any

from messaging.base import Event


def storable_text(text: str) -> str:
    """Without the sign NUL and halves of signs."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def storable(value: Any) -> Any:
    """JSON of such texts, and of numbers that are numbers."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, Mapping):
        return {storable_text(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def storable_event(event: Event) -> Event:
    """`raw` stays as it came."""
    values = {one.name: getattr(event, one.name) for one in fields(event)}
    cleaned: dict[str, Any] = {name: storable_text(text) for name, text in values.items() if isinstance(text, str)}
    return replace(event, **cleaned, media=tuple(storable_text(one) for one in event.media))
