"""Looking changes nothing: mail scanners, previews and crawlers follow every link (failures.md row 20)."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.test import Client

from brokers.models import User
from leads.actions import propose_appointment
from leads.links import booking_url
from leads.models import Lead
from messaging.unsubscribe import preferences_url, unsubscribe_url
from tests.building import NOW, a_campaign, enroll

ROOMS = ("brokers", "leads", "templates_app", "messaging", "voice", "campaigns")


def unsubscribe_page(lead: Lead) -> str:
    return unsubscribe_url(broker_id=lead.broker_id, lead_id=lead.pk, channel="email", address=lead.email)


def preferences_page(lead: Lead) -> str:
    return preferences_url(broker_id=lead.broker_id, lead_id=lead.pk, channel="email", address=lead.email)


def booking_page(lead: Lead) -> str:
    return booking_url(propose_appointment(lead=lead, now=NOW).token)


PUBLIC: dict[str, Callable[[Lead], str]] = {
    "unsubscribe": unsubscribe_page,
    "preferences": preferences_page,
    "booking": booking_page,
    "login": lambda lead: "/login/",
}
SIGNED_IN: dict[str, Callable[[Lead], str]] = {
    "home": lambda lead: "/",
    "offers": lambda lead: "/offers/",
    "sandbox": lambda lead: "/sandbox/",
    "phone": lambda lead: f"/sandbox/{lead.pk}/",
}
methods = pytest.mark.parametrize("method", ["get", "head"])


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of ours."""
    models = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def looked_at(browser: Client, method: str, lead: Lead, address: Callable[[Lead], str]) -> None:
    """Twice, as somebody who has looked already may be told something else."""
    enroll(a_campaign(lead.broker), lead)
    path = urlsplit(address(lead)).path
    before = everything()
    assert [getattr(browser, method)(path).status_code for _ in range(2)] == [200, 200]
    assert everything() == before


@methods
@pytest.mark.parametrize("page", PUBLIC.values(), ids=PUBLIC)
def test_looking_at_a_public_page_changes_nothing(lead: Lead, method: str, page: Callable[[Lead], str]) -> None:
    """failures.md row 20: nobody is opted out, and no meeting booked, by whoever opens the link."""
    looked_at(Client(), method, lead, page)


@methods
@pytest.mark.parametrize("page", SIGNED_IN.values(), ids=SIGNED_IN)
def test_looking_at_a_page_of_the_agent_changes_nothing(
    lead: Lead, agent: User, method: str, page: Callable[[Lead], str]
) -> None:
    browser = Client()
    browser.force_login(agent)
    looked_at(browser, method, lead, page)
