"""The links with which people take their permission back."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import pytest
from django.conf import LazySettings
from django.core.signing import Signer
from django.test import Client

from brokers.models import Broker
from leads.actions import edit_lead, record_permission
from leads.models import ContactPermission, Lead
from messaging.unsubscribe import Link, unsubscribe, unsubscribe_url

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def url(lead: Lead) -> str:
    return path_for(lead)


def path_for(lead: Lead) -> str:
    address = unsubscribe_url(broker_id=lead.broker_id, lead_id=lead.pk, channel="email", address="ana@example.com")
    return urlsplit(address).path


def said_of(broker: Broker) -> list[tuple[str, str, str, str, str]]:
    rows = ContactPermission.objects.filter(broker=broker).order_by("address")
    return [(row.address, row.channel, row.kind, row.purpose, row.source) for row in rows]


def test_url_stands_on_the_public_address(settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    link = unsubscribe_url(broker_id=1, lead_id=2, channel="email", address="ana@example.com")
    assert link.startswith("https://crm.example.com/u/")
    token = urlsplit(link).path.split("/")[2]
    assert Link.parse(token) == Link(1, 2, "email", "ana@example.com")


def test_url_holds_any_address() -> None:
    link = Link(1, 2, "telegram", "ñ:?&/@x")
    assert Link.parse(link.token()) == link


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(client: Client, lead: Lead, url: str, method: str) -> None:
    """failures.md row 20: mail scanners follow links; an opt-out that nobody made is none."""
    response = getattr(client, method)(url)
    lead.refresh_from_db()
    assert response.status_code == 200
    assert not ContactPermission.objects.exists()
    assert lead.opted_out_at is None
    assert not response.cookies


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_refused(client: Client, url: str, method: str) -> None:
    assert getattr(client, method)(url).status_code == 405
    assert not ContactPermission.objects.exists()


def test_one_click_revokes_marketing_on_every_channel(broker: Broker, lead: Lead, url: str) -> None:
    """RFC 8058: without login, cookie or anything but the POST, also where CSRF is enforced."""
    stranger = Client(enforce_csrf_checks=True)
    response = stranger.post(url, ONE_CLICK)
    lead.refresh_from_db()
    assert response.status_code == 200
    assert not response.cookies
    assert said_of(broker) == [
        (address, "*", "revoked", "marketing", "unsubscribe_link")
        for address in ("+56987654321", "4711", "ana@example.com")
    ]
    assert lead.opted_out_at is not None


def test_posting_again_writes_nothing_more(client: Client, broker: Broker, url: str) -> None:
    client.post(url, ONE_CLICK)
    before = said_of(broker)
    assert client.post(url, ONE_CLICK).status_code == 200
    assert said_of(broker) == before


def test_after_a_new_permission_the_link_works_again(
    client: Client, broker: Broker, lead: Lead, url: str, now: datetime
) -> None:
    link = Link(broker.pk, lead.pk, "email", "ana@example.com")
    assert unsubscribe(link=link, now=now)
    record_permission(broker=broker, lead=lead, kind="granted", now=now, source="form")
    assert unsubscribe(link=link, now=now)
    lead.refresh_from_db()
    assert lead.opted_out_at == now


def test_the_link_outlives_the_address_of_the_lead(
    client: Client, broker: Broker, lead: Lead, url: str, now: datetime
) -> None:
    edit_lead(lead=lead, now=now, by=None, email="ana.nueva@example.com")
    client.post(url, ONE_CLICK)
    assert {row[0] for row in said_of(broker)} >= {"ana@example.com", "ana.nueva@example.com"}


def test_the_link_outlives_the_lead(client: Client, broker: Broker, lead: Lead, url: str) -> None:
    lead.delete()
    assert client.post(url, ONE_CLICK).status_code == 200
    assert client.post(url, ONE_CLICK).status_code == 200
    assert said_of(broker) == [("ana@example.com", "*", "revoked", "marketing", "unsubscribe_link")]


def test_two_brokers_with_equal_leads_stay_apart(
    client: Client,
    other_broker: Broker,
    broker: Broker,
    lead: Lead,
    url: str,
    new_lead: Callable[..., Lead],
) -> None:
    """failures.md row 33, for consent: what is said to one brokerage does not bind the other."""
    twin = new_lead(other_broker)
    client.post(url, ONE_CLICK)
    twin.refresh_from_db()
    assert (len(said_of(broker)), said_of(other_broker)) == (3, [])
    assert twin.opted_out_at is None


def test_a_link_that_names_another_brokers_lead_touches_only_the_address(
    broker: Broker, other_broker: Broker, lead: Lead, now: datetime
) -> None:
    unsubscribe(link=Link(other_broker.pk, lead.pk, "email", "ana@example.com"), now=now)
    lead.refresh_from_db()
    assert lead.opted_out_at is None
    assert ContactPermission.objects.get().lead is None


def test_page_says_what_will_happen_and_what_happened(client: Client, lead: Lead, url: str) -> None:
    Lead.objects.filter(pk=lead.pk).update(language="en")
    before = client.get(url).content.decode()
    after = client.post(url, ONE_CLICK).content.decode()
    again = client.get(url).content.decode()
    assert "Inmobiliaria Aurora" in before
    assert "Nothing changes until you press the button." in before
    assert "You are unsubscribed" in after
    assert "You are unsubscribed" in again
    assert 'method="post"' not in again


def test_page_may_not_be_kept(client: Client, url: str) -> None:
    assert "no-store" in client.get(url)["Cache-Control"]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "MToyOmVtYWlsOmE.wrong",
        Signer(salt="another.use", sep=".").sign("MToyOmVtYWlsOmE"),
        Signer(salt="messaging.unsubscribe", sep=".").sign("not base64 at all"),
        Signer(salt="messaging.unsubscribe", sep=".").sign("MToy"),
        Link(999_999, 1, "email", "ana@example.com").token(),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_token_that_is_none_of_ours_is_not_found(client: Client, broker: Broker, token: str, method: str) -> None:
    response = getattr(client, method)(f"/u/{token}/")
    assert response.status_code == 404
    assert b"<h1>" in response.content
    assert not ContactPermission.objects.exists()
