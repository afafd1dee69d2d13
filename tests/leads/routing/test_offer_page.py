"""The agents' page: what may be claimed, the button, and who had it before. Agents see their own offers only."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from brokers.models import Broker, User
from leads.models import Lead, Offer
from tests.brokers.admin_pages import said, signed_in
from tests.building import NOW, a_lead
from tests.leads.routing.offices import a_rule, an_offered_lead, some_agents, who_has

pytestmark = pytest.mark.django_db
PAGE = "/offers/"
Browser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def a_minute_later() -> object:
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        yield


@pytest.fixture
def agents(broker: Broker) -> list[User]:
    return some_agents(broker, 2)


def offered(page: object) -> list[Lead]:
    return [offer.lead for offer in page.context["offers"]]  # type: ignore[attr-defined]


def claim(browser: Client, lead: Lead) -> list[str]:
    return said(browser.post(reverse("leads:claim", args=[lead.pk]), follow=True))


def test_page_shows_what_may_be_claimed_and_not_how_to_reach_them(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    page = signed_in(agents[0]).get(PAGE)
    html = page.content.decode()
    assert (offered(page), lead.phone in html, lead.email in html) == ([lead], False, False)


def test_claimed_lead_shows_how_to_reach_them(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    browser = signed_in(agents[0])
    assert claim(browser, lead) == [f"{lead} is yours."]
    html = browser.get(PAGE).content.decode()
    assert (who_has(lead), f"tel:{lead.phone}" in html) == (agents[0], True)


def test_second_one_is_told_who_was_quicker(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    claim(signed_in(agents[0]), lead)
    other = signed_in(agents[1])
    assert claim(other, lead) == [f"{agents[0]} has this lead already."]
    assert offered(other.get(PAGE)) == []


def test_looking_claims_nothing(broker: Broker, agents: list[User]) -> None:
    """failures.md row 20."""
    lead = an_offered_lead(broker, *agents)
    assert signed_in(agents[0]).get(reverse("leads:claim", args=[lead.pk])).status_code == 405
    assert who_has(lead) is None


def test_claim_needs_the_form_of_the_page(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(agents[0])
    assert browser.post(reverse("leads:claim", args=[lead.pk])).status_code == 403
    page = browser.get(PAGE)
    token = page.context["csrf_token"]
    assert browser.post(reverse("leads:claim", args=[lead.pk]), {"csrfmiddlewaretoken": token}).status_code == 302
    assert who_has(lead) == agents[0]


def test_leads_that_were_not_offered_do_not_exist(
    broker: Broker, other_broker: Broker, agents: list[User], colleague: User, outsider: User, admin: User
) -> None:
    """failures.md row 33."""
    lead = an_offered_lead(broker, *agents)
    a_rule(other_broker, outsider, strategy="first_to_claim")
    a_lead(other_broker)
    for user in (colleague, outsider, admin):
        browser = signed_in(user)
        assert browser.post(reverse("leads:claim", args=[lead.pk])).status_code == 404
        assert lead not in offered(browser.get(PAGE))
    assert who_has(lead) is None


def test_offers_are_visible_to_their_agent_and_to_the_broker_admin(
    broker: Broker, agents: list[User], admin: User, outsider: User
) -> None:
    an_offered_lead(broker, *agents)
    assert [Offer.objects.visible_to(user).count() for user in (agents[0], admin, outsider)] == [1, 2, 0]


def test_offer_whose_time_is_over_is_not_shown(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents, claim_minutes=1)
    browser = signed_in(agents[0])
    assert (offered(browser.get(PAGE)), len(claim(browser, lead)), who_has(lead)) == ([], 1, None)


def test_page_without_offers_says_what_to_expect(agents: list[User]) -> None:
    assert "No lead is waiting" in signed_in(agents[0]).get(PAGE).content.decode()


@pytest.mark.parametrize("language", ["es", "en"])
def test_page_is_in_both_languages(broker: Broker, agents: list[User], language: str) -> None:
    an_offered_lead(broker, *agents)
    browser = Client(headers={"accept-language": language})
    browser.force_login(agents[0])
    assert f'<html lang="{language}">' in browser.get(PAGE).content.decode()


def test_strangers_are_sent_to_the_door(broker: Broker, agents: list[User], client: Client) -> None:
    lead = an_offered_lead(broker, *agents)
    for answer in (client.get(PAGE), client.post(reverse("leads:claim", args=[lead.pk]))):
        assert (answer.status_code, answer["Location"].startswith("/login/")) == (302, True)


def test_list_of_many_takes_as_many_statements(
    broker: Broker, agents: list[User], django_assert_max_num_queries: Callable[..., object]
) -> None:
    a_rule(broker, *agents, strategy="first_to_claim")
    browser = signed_in(agents[0])
    for _ in range(3):
        a_lead(broker)
    with django_assert_max_num_queries(5):  # type: ignore[attr-defined]
        assert len(offered(browser.get(PAGE))) == 3
