"""Accounts in the admin: secrets go in and never come out."""

import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from messaging.base import Envelope, OutcomeKind
from messaging.models import ChannelAccount
from messaging.providers import adapter_for
from tests.brokers.admin_pages import admin_url, errors, form_data, saved, signed_in
from tests.brokers.everything import Brokerage

pytestmark = pytest.mark.django_db
SECRET = {"host": "smtp.example.com", "username": "u", "password": "s3cr3t"}
SMTP = {
    "name": "mail",
    "channel": "email",
    "provider": "smtp",
    "sender": "hola@example.com",
    "credentials": json.dumps(SECRET),
}


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def add(browser: Client, **fields: Any) -> Any:
    return saved(browser, admin_url(ChannelAccount, "add"), **SMTP | fields)


def test_sandbox_is_what_the_provider_says(browser: Client, aurora: Brokerage) -> None:
    assert add(browser).status_code == 302
    assert add(browser, name="try", provider="sandbox").status_code == 302
    rows = ChannelAccount.objects.filter(broker=aurora.broker, channel="email")
    assert dict(rows.values_list("name", "sandbox")) == {"mail": False, "try": True}


def test_secret_is_never_shown_and_stays_when_nothing_is_typed(browser: Client) -> None:
    add(browser)
    account = ChannelAccount.objects.get(name="mail")
    url = admin_url(ChannelAccount, "change", account.pk)
    page = browser.get(url)
    assert "s3cr3t" not in page.content.decode()
    assert "smtp.example.com" not in page.content.decode()
    saved(browser, url, sender="otra@example.com")
    account.refresh_from_db()
    assert (account.sender, account.credentials) == ("otra@example.com", SECRET)
    saved(browser, url, credentials=json.dumps(SECRET | {"password": "new"}))
    account.refresh_from_db()
    assert account.credentials["password"] == "new"


def test_secret_is_not_shown_when_the_form_comes_back(browser: Client) -> None:
    answer = add(browser, sender="nobody")
    assert errors(answer) != {}
    assert "s3cr3t" not in answer.content.decode()


@pytest.mark.parametrize("typed", ["[1]", "{", "secret"])
def test_secret_that_is_no_object_is_refused(browser: Client, typed: str) -> None:
    assert list(errors(add(browser, credentials=typed))) == ["credentials"]


def test_provider_names_what_it_misses(browser: Client) -> None:
    answer = add(browser, credentials="", sender="")
    assert len(errors(answer)["__all__"]) == 2


def test_account_that_is_not_used_yet_may_miss_something(browser: Client) -> None:
    url = admin_url(ChannelAccount, "add")
    given = form_data(browser.get(url)) | SMTP | {"credentials": "", "sender": ""}
    del given["is_active"]
    assert browser.post(url, given).status_code == 302


def test_channel_that_the_provider_does_not_serve_is_refused(browser: Client) -> None:
    assert errors(add(browser, channel="telegram")) == {"channel": ["smtp serves these channels only: email"]}


def test_provider_that_nobody_knows_is_refused(browser: Client) -> None:
    assert list(errors(add(browser, provider="pigeon"))) == ["provider"]


def test_one_default_a_channel(browser: Client, aurora: Brokerage) -> None:
    add(browser, is_default="on")
    answer = add(browser, name="second", is_default="on")
    assert errors(answer) == {"__all__": ["Another account is the default of that channel."]}


def test_edit_writes_the_edited_columns_only(browser: Client, aurora: Brokerage) -> None:
    """The engine moves next_slot_at of the same row at the same time."""
    with CaptureQueriesContext(connection) as queries:
        saved(browser, admin_url(ChannelAccount, "change", aurora.one(ChannelAccount).pk), name="other")
    written = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "messaging_channelaccount"')]
    assert len(written) == 1
    assert """SET "name" = 'other' WHERE""" in written[0]


def test_channel_and_provider_stay(browser: Client, aurora: Brokerage) -> None:
    account = aurora.one(ChannelAccount)
    saved(browser, admin_url(ChannelAccount, "change", account.pk), channel="email", provider="smtp")
    account.refresh_from_db()
    assert (account.channel, account.provider, account.sandbox) == ("telegram", "sandbox", True)


@pytest.fixture
def locked_away(browser: Client) -> ChannelAccount:
    """An account whose credentials no key opens."""
    add(browser)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE messaging_channelaccount SET credentials = 'gAAAAAgarbage' WHERE name = 'mail'")
    return ChannelAccount.objects.get(name="mail")


def test_account_that_no_key_opens_sends_nothing_and_harms_no_other(
    locked_away: ChannelAccount, caplog: pytest.LogCaptureFixture
) -> None:
    accounts = {account.name: account.credentials for account in ChannelAccount.objects.all()}
    assert (accounts["mail"], len(accounts) > 1) == ({}, True)
    assert "none of the keys opens the stored credentials" in caplog.text
    envelope = Envelope(1, "k", "email", "ana@example.com", "Hola", "Hola", "marketing")
    outcome = adapter_for(locked_away).send(envelope)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED_FOR_NOW, "not_configured")


def test_what_no_key_opens_is_not_overwritten_by_nothing(locked_away: ChannelAccount, browser: Client) -> None:
    with pytest.raises(ImproperlyConfigured, match="none of the keys"), transaction.atomic():
        locked_away.save()
    url = admin_url(ChannelAccount, "change", locked_away.pk)
    assert list(errors(saved(browser, url, sender="otra@example.com"))) == ["credentials"]
    saved(browser, url, credentials=json.dumps(SECRET))
    assert ChannelAccount.objects.get(name="mail").credentials == SECRET
