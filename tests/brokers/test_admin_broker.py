"""The page of a brokerage: operators open it, its admins set its rules."""

import json
from typing import Any

import pytest
from django.test import Client

from brokers.models import Broker, User
from brokers.rules import default_contact_window
from messaging.models import ChannelAccount
from tests.brokers.admin_pages import admin_url, errors, saved, signed_in
from tests.brokers.everything import Brokerage

pytestmark = pytest.mark.django_db


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def save(browser: Client, aurora: Brokerage, **changes: Any) -> Any:
    answer = saved(browser, admin_url(Broker, "change", aurora.broker.pk), **changes)
    aurora.broker.refresh_from_db()
    return answer


def test_broker_admin_sets_the_rules(browser: Client, aurora: Brokerage) -> None:
    window = json.dumps({"mon": ["10:00", "12:00"]})
    assert save(browser, aurora, cap_24h=1, contact_window=window).status_code == 302
    assert (aurora.broker.cap_24h, aurora.broker.contact_window) == (1, {"mon": ["10:00", "12:00"]})


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("contact_window", '{"lunes": null}', "unknown day 'lunes'"),
        ("custom_fields", '[{"key": "a b"}]', "key='a b' is not allowed"),
        ("timezone", "Mars/Base", "timezone='Mars/Base' is not allowed"),
    ],
)
def test_wrong_rule_is_refused_at_its_field(
    browser: Client, aurora: Brokerage, field: str, value: str, fault: str
) -> None:
    answer = save(browser, aurora, **{field: value})
    assert list(errors(answer)) == [field]
    assert fault in errors(answer)[field][0]


def test_emptied_rules_are_the_default_ones(browser: Client, aurora: Brokerage) -> None:
    save(browser, aurora, custom_fields="")
    assert aurora.broker.custom_fields == []
    assert aurora.broker.contact_window == default_contact_window()


def test_name_in_addresses_country_and_life_are_the_operators(browser: Client, aurora: Brokerage) -> None:
    save(browser, aurora, slug="other", country="AR", currency="USD", is_active="")
    broker = aurora.broker
    assert (broker.slug, broker.country, broker.currency, broker.is_active) == ("aurora", "CL", "CLP", True)


def test_operator_opens_a_brokerage() -> None:
    browser = signed_in(User.objects.create_superuser("operator"))
    assert saved(browser, admin_url(Broker, "add"), name="Austral", slug="austral").status_code == 302
    austral = Broker.objects.get(slug="austral")
    assert austral.created_at is not None
    assert ChannelAccount.objects.filter(broker=austral, sandbox=True, is_default=True).count() == 4


def test_brokerage_in_no_country_is_refused() -> None:
    browser = signed_in(User.objects.create_superuser("operator"))
    answer = saved(browser, admin_url(Broker, "add"), name="Austral", slug="austral", country="XX")
    assert errors(answer) == {"country": ["country='XX' is not allowed; use an ISO code such as CL, CO, MX or ES"]}


def test_broker_admin_opens_none(browser: Client) -> None:
    assert browser.get(admin_url(Broker, "add")).status_code == 403


def test_sending_is_stopped_and_goes_on(browser: Client, aurora: Brokerage) -> None:
    url, chosen = admin_url(Broker, "changelist"), {"_selected_action": [aurora.broker.pk]}
    browser.post(url, {"action": "stop_sending", **chosen})
    assert Broker.objects.get().sending_paused_at is not None
    browser.post(url, {"action": "go_on_sending", **chosen})
    assert Broker.objects.get().sending_paused_at is None
