"""The page on which people choose what they get: by their own link, without login."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from brokers.models import Broker
from leads.actions import create_lead, delete_lead, edit_lead, record_permission
from leads.models import ContactPermission, Lead
from messaging.preferences import choices_of, save_choices, turn_off_everything
from messaging.unsubscribe import Link, is_unsubscribed, preferences_url

LAW = Path(__file__).parents[2] / "messaging" / "jurisdictions.yaml"


@pytest.fixture
def link(lead: Lead) -> Link:
    return Link(lead.broker_id, lead.pk, "email", "ana@example.com")


@pytest.fixture
def url(link: Link) -> str:
    return f"/preferences/{link.token()}/"


def levels(link: Link) -> dict[str, str]:
    return {choice.channel: str(choice.level) for choice in choices_of(link)}


def said() -> list[tuple[str, str, str, str]]:
    rows = ContactPermission.objects.order_by("id")
    return list(rows.values_list("channel", "kind", "purpose", "address"))


def test_address_of_the_page_holds_the_token_of_the_unsubscribe_link(link: Link, settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    address = preferences_url(broker_id=link.broker_id, lead_id=link.lead_id, channel="email", address=link.address)
    assert address == f"https://crm.example.com/preferences/{link.token()}/"


def test_who_said_nothing_gets_everything(link: Link) -> None:
    assert levels(link) == dict.fromkeys(("telegram", "whatsapp", "email", "call"), "everything")


def test_only_channels_on_which_they_are_reached_are_asked_about(link: Link, lead: Lead, now: datetime) -> None:
    edit_lead(lead=lead, now=now, by=None, phone="")
    assert list(levels(link)) == ["telegram", "email"]


def test_single_channel_is_turned_off(client: Client, url: str, link: Link, lead: Lead) -> None:
    everything = dict.fromkeys(("telegram", "email", "call"), "everything")
    assert client.post(url, everything | {"whatsapp": "nothing"}).status_code == 200
    assert said() == [("whatsapp", "revoked", "all", "+56987654321")]
    assert levels(link) == everything | {"whatsapp": "nothing"}
    lead.refresh_from_db()
    assert lead.opted_out_at is not None


def test_what_was_chosen_is_kept_with_its_proof(client: Client, url: str, lead: Lead) -> None:
    """The sentence that they saw, by which link and when; no address of their machine."""
    client.post(f"{url}?lang=en", {"email": "appointments"})
    row = ContactPermission.objects.get()
    assert (row.lead, row.kind, row.purpose, row.source) == (lead, "revoked", "marketing", "preferences_page")
    assert row.wording == "What may Inmobiliaria Aurora send you? E-mail: Only what concerns my appointments"
    assert row.wording.split("E-mail: ")[1] in client.get(f"{url}?lang=en").content.decode()
    assert row.evidence == {
        "link_channel": "email",
        "address": "ana@example.com",
        "choice": "appointments",
        "language": "en",
        "at": row.at.isoformat(),
    }


@pytest.mark.parametrize("before", ["everything", "appointments", "nothing"])
@pytest.mark.parametrize("after", ["everything", "appointments", "nothing"])
def test_every_choice_can_follow_every_other(link: Link, now: datetime, before: str, after: str) -> None:
    """What the page shows afterwards is what was chosen; and nothing is written for what stays."""
    save_choices(link=link, wanted={"email": before}, now=now)
    rows = len(said())
    changed = save_choices(link=link, wanted={"email": after}, now=now + timedelta(seconds=1))
    assert (levels(link)["email"], changed) == (after, int(before != after))
    assert (len(said()) == rows) == (before == after)


def test_turned_on_again_is_a_consent_with_its_wording(link: Link, now: datetime, lead: Lead) -> None:
    save_choices(link=link, wanted={"email": "nothing"}, now=now)
    save_choices(link=link, wanted={"email": "everything"}, now=now)
    row = ContactPermission.objects.latest("id")
    assert (row.kind, row.purpose, row.channel, row.source) == ("granted", "all", "email", "preferences_page")
    assert row.wording != ""
    lead.refresh_from_db()
    assert lead.opted_out_at is None


@pytest.mark.parametrize(("button", "purpose"), [("appointments", "marketing"), ("nothing", "all")])
def test_everything_is_turned_off_at_once(client: Client, url: str, link: Link, button: str, purpose: str) -> None:
    client.post(url, {"everything": button})
    assert said() == [("*", "revoked", purpose, address) for address in ("+56987654321", "4711", "ana@example.com")]
    assert set(levels(link).values()) == {button}
    client.post(url, {"everything": button})
    assert len(said()) == 3


def test_no_more_advertising_brings_nothing_back(link: Link, now: datetime) -> None:
    save_choices(link=link, wanted={"email": "nothing"}, now=now)
    turn_off_everything(link=link, level="appointments", now=now)
    assert levels(link) == {"telegram": "appointments", "whatsapp": "appointments", "email": "nothing",
                            "call": "appointments"}  # fmt: skip


def test_after_single_channels_are_all_off_one_is_unsubscribed(link: Link, now: datetime) -> None:
    turn_off_everything(link=link, level="nothing", now=now)
    save_choices(link=link, wanted={"email": "appointments"}, now=now)
    assert is_unsubscribed(link)
    save_choices(link=link, wanted={"email": "everything"}, now=now)
    assert not is_unsubscribed(link)


@pytest.mark.parametrize("form", [{}, {"email": "everything"}, {"email": "x", "fax": "nothing"}, {"everything": "x"}])
def test_what_is_no_change_writes_nothing(client: Client, url: str, form: dict[str, str]) -> None:
    answer = client.post(f"{url}?lang=en", form)
    assert said() == []
    assert "It was like this already; nothing has changed." in answer.content.decode()


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing_and_sets_no_cookie(client: Client, url: str, method: str) -> None:
    """failures.md row 20."""
    answer = getattr(client, method)(url, {"email": "nothing", "everything": "nothing"})
    assert (answer.status_code, said(), dict(answer.cookies)) == (200, [], {})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_refused(client: Client, url: str, method: str) -> None:
    assert (getattr(client, method)(url).status_code, said()) == (405, [])


def test_form_needs_no_cookie(url: str) -> None:
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.post(url, {"email": "nothing"}).status_code == 200
    assert len(said()) == 1


@pytest.mark.parametrize("token", ["x", "MToyOmVtYWlsOmE.wrong", Link(999_999, 1, "email", "a@example.com").token()])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_token_that_is_none_of_ours_is_not_found(client: Client, lead: Lead, token: str, method: str) -> None:
    answer = getattr(client, method)(f"/preferences/{token}/", {"everything": "nothing"})
    assert (answer.status_code, said()) == (404, [])
    assert b"<h1>" in answer.content


@pytest.mark.parametrize(("spoken", "asked", "shown"), [("en", "", "en"), ("es", "", "es"), ("es", "?lang=en", "en"),
                                                        ("en", "?lang=es", "es"), ("en", "?lang=xx", "en"),
                                                        ("", "", "es")])  # fmt: skip
def test_page_speaks_the_leads_language_or_the_chosen_one(
    client: Client, url: str, lead: Lead, spoken: str, asked: str, shown: str
) -> None:
    Lead.objects.filter(pk=lead.pk).update(language=spoken)
    page = client.get(url + asked).content.decode()
    assert re.search(r'<html lang="(\w+)"', page)[1] == shown  # type: ignore[index]
    assert "Inmobiliaria Aurora" in page
    assert 'href="?lang=es"' in page


def test_unsubscribe_page_leads_to_the_preferences(client: Client, link: Link, url: str) -> None:
    path = f"/u/{link.token()}/"
    assert f'href="{url}"' in client.get(path).content.decode()
    assert f'href="{url}"' in client.post(path, {"List-Unsubscribe": "One-Click"}).content.decode()


def test_page_of_a_deleted_lead_works_on_the_address(
    client: Client, url: str, link: Link, lead: Lead, broker: Broker, now: datetime
) -> None:
    """And it binds whoever comes again with that address."""
    delete_lead(lead=lead, now=now)
    assert client.post(url, {"email": "nothing"}).status_code == 200
    again = create_lead(broker=broker, now=now, email="ana@example.com")
    assert levels(Link(broker.pk, again.pk, "email", "ana@example.com")) == {"email": "nothing"}


def test_page_of_an_erased_lead_works_on_the_address(client: Client, url: str, link: Link, lead: Lead) -> None:
    lead.delete()
    assert levels(link) == {"email": "everything"}
    client.post(url, {"email": "nothing"})
    assert said() == [("email", "revoked", "all", "ana@example.com")]
    client.post(url, {"everything": "nothing"})
    assert said()[1:] == [("*", "revoked", "all", "ana@example.com")]


def test_phone_of_an_erased_lead_is_asked_about_for_both_channels(lead: Lead) -> None:
    lead.delete()
    assert list(levels(Link(lead.broker_id, 1, "whatsapp", "+56987654321"))) == ["whatsapp", "call"]


def test_link_binds_the_address_it_went_to_and_that_of_today(link: Link, lead: Lead, now: datetime) -> None:
    edit_lead(lead=lead, now=now, by=None, email="ana.nueva@example.com")
    save_choices(link=link, wanted={"email": "nothing"}, now=now)
    assert [row[3] for row in said()] == ["ana.nueva@example.com", "ana@example.com"]


def test_two_brokers_with_equal_leads_stay_apart(
    client: Client, url: str, other_broker: Broker, new_lead: Callable[..., Lead]
) -> None:
    """failures.md row 33, for consent."""
    twin = new_lead(other_broker)
    client.post(url, {"everything": "nothing"})
    assert not ContactPermission.objects.filter(broker=other_broker).exists()
    assert set(levels(Link(other_broker.pk, twin.pk, "email", "ana@example.com")).values()) == {"everything"}


def test_where_the_law_wants_a_consent_nothing_is_sent_before_it(
    other_broker: Broker, new_lead: Callable[..., Lead], settings: LazySettings, now: datetime
) -> None:
    """The page shows what may be sent now, not what somebody would like to send."""
    settings.JURISDICTIONS_FILE = LAW
    spaniard = new_lead(other_broker, phone="+34612345678")
    link = Link(other_broker.pk, spaniard.pk, "email", "ana@example.com")
    assert levels(link) == {"telegram": "appointments", "whatsapp": "appointments", "email": "appointments",
                            "call": "nothing"}  # fmt: skip
    save_choices(link=link, wanted={"email": "everything", "call": "everything"}, now=now)
    assert {levels(link)["email"], levels(link)["call"]} == {"everything"}


def test_what_was_played_on_the_sandbox_is_not_shown(link: Link, lead: Lead, broker: Broker, now: datetime) -> None:
    record_permission(broker=broker, lead=lead, kind="revoked", now=now, source="keyword", evidence={"sandbox": True})
    assert set(levels(link).values()) == {"everything"}
    assert not is_unsubscribed(link)
