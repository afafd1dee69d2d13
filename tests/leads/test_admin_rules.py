"""A brokerage sets how it scores on a page of fields, and sees beforehand what that changes."""

from typing import Any

import pytest
from django.test import Client

from brokers.models import Broker
from leads.models import Lead, ScoreChange
from tests.brokers.admin_pages import admin_url, errors, form_data, said, signed_in
from tests.brokers.everything import Brokerage
from tests.building import a_lead, now_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def aurora() -> Brokerage:
    aurora = Brokerage("aurora")
    Lead.objects.update(deleted_at=aurora.broker.created_at)
    return aurora


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def page(aurora: Brokerage) -> str:
    return admin_url(Broker, "score_rules", aurora.broker.pk)


def asked(browser: Client, aurora: Brokerage, **changes: Any) -> Any:
    url = page(aurora)
    return browser.post(url, form_data(browser.get(url)) | changes)


def saved(browser: Client, aurora: Brokerage, **changes: Any) -> Any:
    return browser.post(page(aurora), form_data(asked(browser, aurora, **changes)), follow=True)


def test_page_shows_the_rules_that_hold(browser: Client, aurora: Brokerage) -> None:
    shown = form_data(browser.get(page(aurora)))
    assert [shown[key] for key in ("cold_max", "name", "opted_out", "stage_perdido", "debt_max")] == [
        ["20"], ["5"], ["-30"], ["-10"], ["500000"],
    ]  # fmt: skip
    assert shown["inbound_tiers"] == ["5 = 14\n2 = 8\n1 = 4"]


def test_first_it_says_what_would_change_and_saves_nothing(browser: Client, aurora: Brokerage) -> None:
    """They have ten points, fifteen without their silence."""
    leads = [a_lead(aurora.broker) for _ in range(3)]
    answer = asked(browser, aurora, cold_max="9", warm_max="40")
    assert answer.context["lines"] == [
        "Nothing is saved yet. Of the 3 newest leads:",
        "Leads that change their status: 3.",
        "Leads that change their qualification: 0.",
        "Leads that move on to another stage: 0.",
    ]
    assert (Broker.objects.get(pk=aurora.broker.pk).score_thresholds, now_of(leads[0]).status) == ({}, "cold")


def test_rules_seen_are_saved_and_the_leads_follow(browser: Client, aurora: Brokerage) -> None:
    lead = a_lead(aurora.broker)
    answer = saved(browser, aurora, cold_max="9", warm_max="40", name="6", stage_agendado="9", debt_max="100")
    assert said(answer) == [
        "The rules are saved. Leads that change their status: 1. Leads that change their qualification: 0. "
        "Leads that move on to another stage: 0."
    ]
    broker, fresh = Broker.objects.get(pk=aurora.broker.pk), now_of(lead)
    assert broker.score_thresholds == {"cold_max": 9, "warm_max": 40}
    assert broker.score_weights == {"name": 6, "stages": {"agendado": 9}}
    assert broker.qualification_rules == {"debt_max": "100"}
    assert (fresh.status, fresh.lead_score) == ("warm", 11)
    assert ScoreChange.objects.filter(lead=lead, cause="rules").count() == 1


def test_rules_changed_after_the_preview_are_previewed_again(browser: Client, aurora: Brokerage) -> None:
    seen = form_data(asked(browser, aurora, cold_max="14"))
    answer = browser.post(page(aurora), seen | {"cold_max": "15"})
    assert (answer.status_code, Broker.objects.get(pk=aurora.broker.pk).score_thresholds) == (200, {})


def test_default_rules_are_not_stored(browser: Client, aurora: Brokerage) -> None:
    saved(browser, aurora, cold_max="14")
    saved(browser, aurora, cold_max="20")
    assert Broker.objects.get(pk=aurora.broker.pk).score_thresholds == {}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"cold_max": "60", "warm_max": "40"},
            {"cold_max": ["cold_max=60, warm_max=40: use 0 ≤ cold_max < warm_max ≤ 100"]},
        ),
        ({"name": "101"}, {"name": ["Ensure this value is less than or equal to 100."]}),
        ({"opted_out": "3"}, {"opted_out": ["Ensure this value is less than or equal to 0."]}),
        ({"stage_ganado": "11"}, {"stage_ganado": ["Ensure this value is less than or equal to 10."]}),
        ({"income_tiers": "much"}, {"income_tiers": ["“much” is no tier; write it such as 1000000 = 8"]}),
        ({"inbound_tiers": "1 = 9\n2 = 3"}, {"inbound_tiers": None}),
        ({"income_min": "5000000"}, {"income_min": None}),
    ],
)
def test_wrong_rule_is_refused_at_its_field(
    browser: Client, aurora: Brokerage, changes: dict[str, str], fault: dict[str, Any]
) -> None:
    found = errors(asked(browser, aurora, **changes))
    assert list(found) == list(fault)
    assert all(texts is None or found[key] == texts for key, texts in fault.items())


def test_rules_of_another_brokerage_do_not_exist(browser: Client, aurora: Brokerage) -> None:
    assert browser.get(admin_url(Broker, "score_rules", Brokerage("boreal").broker.pk)).status_code == 404


def test_form_without_its_tiers_is_shown_again(browser: Client, aurora: Brokerage) -> None:
    answer = browser.post(page(aurora), {})
    assert (answer.status_code, answer.context["form"].is_valid()) == (200, False)
