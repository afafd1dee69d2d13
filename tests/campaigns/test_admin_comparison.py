"""A campaign's page compares the treated with the held-out."""

import html
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from brokers.models import Broker, User
from campaigns.admin.campaign import COMPARED_AT_ONCE
from campaigns.models import Campaign, Enrollment
from tests.brokers.admin_pages import admin_url, signed_in
from tests.building import NOW, a_campaign, book, enroll, some_leads

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(broker: Broker, agent: User) -> Campaign:
    """Played on the sandbox long ago: two of forty booked."""
    found = a_campaign(broker, holdout_percent=40)
    leads = some_leads(broker, 40, assigned_to=agent)
    enroll(found, *leads)
    for number, lead in enumerate(leads[:2], start=1):
        book(lead, NOW + timedelta(hours=1), starts_at=NOW + timedelta(days=number))
    return found


@pytest.fixture
def browser(admin: User) -> Client:
    return signed_in(admin)


def page(browser: Client, campaign: Campaign, which: str = "change", **asked: Any) -> str:
    answer = browser.get(admin_url(Campaign, which, campaign.pk), asked, headers={"accept-language": "en"})
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def sentence(campaign: Campaign) -> str:
    held = Enrollment.objects.filter(campaign=campaign, status="held_out").count()
    return f"Of {40 - held} treated "


def test_page_shows_the_comparison(browser: Client, campaign: Campaign) -> None:
    text = page(browser, campaign)
    assert f"Played on the sandbox: {sentence(campaign)}" in text
    assert "It takes 30 leads in each group" in text


def test_page_says_that_nobody_is_held_out(browser: Client, campaign: Campaign) -> None:
    Campaign.objects.update(holdout_percent=0)
    assert "Nobody is held out" in page(browser, campaign)


def test_page_of_a_large_campaign_leaves_it_to_the_button(browser: Client, campaign: Campaign) -> None:
    Campaign.objects.update(enrolled_count=COMPARED_AT_ONCE + 1)
    text = page(browser, campaign)
    assert (sentence(campaign) in text, "press “Compare”" in text) == (False, True)
    assert sentence(campaign) in page(browser, campaign, "compare", days=30, goal="agendado")


def test_button_asks_for_days_and_goal(browser: Client, campaign: Campaign) -> None:
    assert sentence(campaign) not in page(browser, campaign, "compare")
    assert "won within 7 days" in page(browser, campaign, "compare", days=7, goal="ganado")
    assert sentence(campaign) not in page(browser, campaign, "compare", days=0, goal="ganado")


def test_those_who_were_taken_in_just_now_do_not_count_yet(browser: Client, campaign: Campaign) -> None:
    Enrollment.objects.update(enrolled_at=timezone.now())
    assert "so not counted yet: 40." in page(browser, campaign)


def test_comparison_costs_the_page_one_query(browser: Client, campaign: Campaign) -> None:
    counts = []
    for percent in (0, 40):
        Campaign.objects.update(holdout_percent=percent)
        with CaptureQueriesContext(connection) as queries:
            page(browser, campaign)
        counts.append(len(queries))
    # Which side the campaign works on, and the figure; the brokerage has been read.
    assert counts[1] - counts[0] <= 3


def test_outsider_sees_nothing_of_it(outsider: User, campaign: Campaign) -> None:
    answer = signed_in(outsider).get(admin_url(Campaign, "compare", campaign.pk), {"days": 30, "goal": "agendado"})
    assert answer.status_code == 404
