"""Addresses that we give to people outside."""

from django.conf import settings
from django.urls import reverse


def booking_url(token: str) -> str:
    """The public page of an appointment."""
    return settings.PUBLIC_URL + reverse("leads:booking", args=[token])


def feed_url(token: str) -> str:
    """Where a calendar program reads an agent's appointments."""
    return settings.PUBLIC_URL + reverse("leads:feed", args=[token])
