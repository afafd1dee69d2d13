"""Addresses that we give to people outside, and the language in which their pages speak."""

from collections.abc import Mapping

from django.conf import settings
from django.urls import reverse


def chosen_language(query: Mapping[str, str]) -> str:
    """The one to which somebody switched on such a page; '' for none, and for one that Embudo does not speak."""
    chosen = query.get("lang", "")
    return chosen if chosen in dict(settings.LANGUAGES) else ""


def booking_url(token: str) -> str:
    """The public page of an appointment."""
    return settings.PUBLIC_URL + reverse("leads:booking", args=[token])


def feed_url(token: str) -> str:
    """Where a calendar program reads an agent's appointments."""
    return settings.PUBLIC_URL + reverse("leads:feed", args=[token])
