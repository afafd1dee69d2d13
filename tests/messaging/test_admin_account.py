"""Accounts in the admin: secrets go in and never come out."""

from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leads.actions import record_permission
from messaging.base import Envelope, OutcomeKind
from messaging.models import ChannelAccount
from messaging.providers import adapter_class, adapter_for
from tests.brokers.admin_pages import admin_url, errors, form_data, said, saved, signed_in
from tests.brokers.everything import NOW, Brokerage
from tests.peers.smtp import SmtpPeer, smtp_peer

pytestmark = pytest.mark.django_db
SECRET = {"host": "smtp.example.com", "username": "u", "password": "s3cr3t"}
SMTP = {
    "name": "mail",
    "channel": "email",
    "sender": "hola@example.com",
    **{f"credential_{name}": value for name, value in SECRET.items()},
}


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def add(browser: Client, provider: str = "smtp", **fields: Any) -> Any:
    return saved(browser, f"{admin_url(ChannelAccount, 'add')}?provider={provider}", **SMTP | fields)


def test_sandbox_is_what_the_provider_says(browser: Client, aurora: Brokerage) -> None:
    assert add(browser).status_code == 302
    assert add(browser, "sandbox", name="try").status_code == 302
    rows = ChannelAccount.objects.filter(broker=aurora.broker, channel="email")
    assert dict(rows.values_list("name", "sandbox")) == {"mail": False, "try": True}


def test_first_question_is_the_provider(browser: Client) -> None:
    page = browser.get(admin_url(ChannelAccount, "add")).content.decode()
    assert [name for name in settings.PROVIDERS if f'value="{name}"' not in page] == []
    assert 'name="sender"' not in page


EVERY = [(provider, service) for provider in settings.PROVIDERS for service in adapter_class(provider).services or [""]]


@pytest.mark.parametrize(("provider", "service"), EVERY)
def test_form_asks_for_what_the_provider_needs_and_says_where_it_is_found(
    browser: Client, provider: str, service: str
) -> None:
    page = browser.get(f"{admin_url(ChannelAccount, 'add')}?provider={provider}&service={service}")
    form = page.context["adminform"].form
    adapter = adapter_class(provider)
    asked = [name.removeprefix("credential_") for name in form.fields if name.startswith("credential_")]
    assert asked == [credential.name for credential in adapter.asks(service)]
    assert [name for name in asked if not form.fields[f"credential_{name}"].help_text] == []
    assert {channel for channel, _label in form.fields["channel"].choices} == set(adapter.channels)


@pytest.mark.parametrize("query", ["", "&service=pigeon"])
def test_provider_of_several_services_is_asked_which(browser: Client, query: str) -> None:
    page = browser.get(f"{admin_url(ChannelAccount, 'add')}?provider=anymail{query}").content.decode()
    assert [word for word in adapter_class("anymail").services if f'value="{word}"' not in page] == []
    assert ('name="provider" value="anymail"' in page, 'name="sender"' in page) == (True, False)


def test_account_keeps_the_service_it_was_opened_for(browser: Client) -> None:
    url = f"{admin_url(ChannelAccount, 'add')}?provider=anymail&service=postmark"
    given = {"name": "mail", "channel": "email", "sender": "hola@example.com", "credential_server_token": "s3cr3t"}
    assert saved(browser, url, **given).status_code == 302
    account = ChannelAccount.objects.get(name="mail")
    assert (account.provider, account.service, account.credentials) == (
        "anymail",
        "postmark",
        {"server_token": "s3cr3t"},
    )
    page = browser.get(admin_url(ChannelAccount, "change", account.pk)).content.decode()
    assert ("s3cr3t" in page, "credential_message_stream" in page, "postmark" in page) == (False, True, True)


def test_secret_is_never_shown_and_stays_when_nothing_is_typed(browser: Client) -> None:
    add(browser)
    account = ChannelAccount.objects.get(name="mail")
    url = admin_url(ChannelAccount, "change", account.pk)
    page = browser.get(url).content.decode()
    assert ("s3cr3t" in page, "smtp.example.com" in page) == (False, True)
    saved(browser, url, sender="otra@example.com")
    account.refresh_from_db()
    assert (account.sender, account.credentials) == ("otra@example.com", SECRET)
    saved(browser, url, credential_password="new")
    account.refresh_from_db()
    assert account.credentials == SECRET | {"password": "new"}


def test_secret_is_not_shown_when_the_form_comes_back(browser: Client) -> None:
    answer = add(browser, sender="nobody")
    assert errors(answer) != {}
    assert "s3cr3t" not in answer.content.decode()


def test_missing_credential_is_named_at_its_field(browser: Client) -> None:
    assert list(errors(add(browser, credential_host=""))) == ["credential_host"]


def test_provider_names_what_it_misses(browser: Client) -> None:
    assert len(errors(add(browser, credential_port="smtp", sender=""))["__all__"]) == 2


def test_account_that_is_not_used_yet_may_miss_something(browser: Client) -> None:
    url = f"{admin_url(ChannelAccount, 'add')}?provider=smtp"
    given = form_data(browser.get(url)) | SMTP | {"sender": ""}
    del given["is_active"]
    assert browser.post(url, given).status_code == 302


def test_channel_that_the_provider_does_not_serve_is_refused(browser: Client) -> None:
    assert list(errors(add(browser, channel="telegram"))) == ["channel"]


def test_provider_that_nobody_knows_is_asked_for_again(browser: Client) -> None:
    page = browser.get(f"{admin_url(ChannelAccount, 'add')}?provider=pigeon").content.decode()
    assert 'name="sender"' not in page


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
    assert list(errors(saved(browser, url, sender="otra@example.com"))) == ["credential_host"]
    saved(browser, url, credential_host="smtp.example.com", credential_username="u", credential_password="s3cr3t")
    assert ChannelAccount.objects.get(name="mail").credentials == SECRET


def test_new_account_gets_the_rate_of_its_provider(browser: Client) -> None:
    page = browser.get(f"{admin_url(ChannelAccount, 'add')}?provider=telegram")
    assert form_data(page)["rate"] == [str(adapter_class("telegram").default_rate)]


def an_account(aurora: Brokerage, peer: SmtpPeer) -> ChannelAccount:
    return ChannelAccount.objects.create(
        broker=aurora.broker,
        channel="email",
        provider="smtp",
        name="mail",
        sender="hola@example.com",
        credentials={"host": "127.0.0.1", "port": str(peer.port), "security": "none"},
        created_at=NOW,
    )


def test_test_message_goes_out_over_the_account(browser: Client, aurora: Brokerage) -> None:
    with smtp_peer() as peer:
        url = admin_url(ChannelAccount, "test", an_account(aurora, peer).pk)
        answer = browser.post(url, {"address": "jefa@example.com"}, follow=True)
    assert said(answer) == ["Sent to jefa@example.com."]
    assert peer.recipients == ["jefa@example.com"]


def test_test_message_is_not_sent_to_somebody_who_objected(browser: Client, aurora: Brokerage) -> None:
    record_permission(broker=aurora.broker, kind="revoked", address="no@example.com", source="test", now=NOW)
    with smtp_peer() as peer:
        url = admin_url(ChannelAccount, "test", an_account(aurora, peer).pk)
        answer = browser.post(url, {"address": "no@example.com"}, follow=True)
    assert (len(said(answer)), peer.recipients) == (1, [])


def test_sandbox_has_no_prices(browser: Client) -> None:
    page = browser.get(f"{admin_url(ChannelAccount, 'add')}?provider=sandbox")
    assert "prices" not in page.context["adminform"].form.fields


def test_price_of_a_mail_is_one_for_all(browser: Client) -> None:
    assert add(browser, **{"prices-currency": "usd", "prices-message": "0,0012"}).status_code == 302
    stored = {"currency": "USD", "prices": {"": {"message": "0.0012"}}}
    account = ChannelAccount.objects.get(name="mail")
    assert account.prices == stored
    saved(browser, admin_url(ChannelAccount, "change", account.pk), sender="otra@example.com")
    account.refresh_from_db()
    assert (account.prices, account.sender) == (stored, "otra@example.com")


def a_whatsapp_account(aurora: Brokerage, **prices: object) -> str:
    """The address of its page."""
    told = {"provider": "twilio_whatsapp", "name": "wa", "sender": "+14155238886", "prices": prices}
    credentials = {"account_sid": "AC" + "0" * 32, "auth_token": "0" * 32}
    account = ChannelAccount.objects.create(
        broker=aurora.broker,
        channel="whatsapp",
        credentials=credentials,
        created_at=NOW,
        **told,  # type: ignore[misc]
    )
    return admin_url(ChannelAccount, "change", account.pk)


def priced(browser: Client, url: str, **fields: Any) -> Any:
    return browser.post(url, form_data(browser.get(url)) | {f"prices-{name}": value for name, value in fields.items()})


def test_prices_on_whatsapp_are_by_destination_and_kind(browser: Client, aurora: Brokerage) -> None:
    """The first line is for everywhere else, and lines that are empty say nothing."""
    url = a_whatsapp_account(aurora)
    lines = {"to": ["CL", "", "+51 9"], "own_words": ["0", "", "", ""], "utility": ["0.02", "", "", ""]}
    answer = priced(browser, url, currency="USD", **lines, marketing=["0.1", "0.09", "", "0.07"])
    assert answer.status_code == 302
    assert ChannelAccount.objects.get(name="wa").prices == {
        "currency": "USD",
        "prices": {
            "": {"own_words": "0", "marketing": "0.1", "utility": "0.02"},
            "+56": {"marketing": "0.09"},
            "+519": {"marketing": "0.07"},
        },
    }


def test_prices_are_shown_as_they_are_stored(browser: Client, aurora: Brokerage) -> None:
    table = {"currency": "EUR", "prices": {"": {"marketing": "0.1"}, "+56": {"marketing": "0.09"}}}
    url = a_whatsapp_account(aurora, **table)
    given = form_data(browser.get(url))
    assert (given["prices-currency"], given["prices-to"]) == (["EUR"], ["+56", "", "", ""])
    assert given["prices-marketing"] == ["0.1", "0.09", "", "", ""]
    browser.post(url, given)
    assert ChannelAccount.objects.get(name="wa").prices == table


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"currency": "", "marketing": ["1"]}, "The currency is missing: three letters, such as USD."),
        ({"currency": "$", "marketing": ["1"]}, "The currency is missing: three letters, such as USD."),
        ({"marketing": ["cheap"]}, "cheap is no price; use a number such as 0.05, with six decimals at most"),
        ({"to": ["Chile"], "marketing": ["", "1"]}, "Chile is no prefix such as +56, and no country such as CL"),
        ({"to": ["+56", "CL"], "marketing": ["", "1", "2"]}, "There are two lines for +56."),
        ({"to": ["+56"], "marketing": ["", ""]}, "There is no price for +56."),
        ({"to": [""], "marketing": ["", "1"]}, "A price stands in a line without a destination."),
    ],
)
def test_price_that_is_wrong_is_said_and_what_was_typed_stays(
    browser: Client, aurora: Brokerage, fields: dict[str, Any], fault: str
) -> None:
    empty = {"currency": "USD", "own_words": [""] * 4, "utility": [""] * 4, "to": [""] * 3}
    answer = priced(browser, a_whatsapp_account(aurora), **empty | fields)
    assert errors(answer) == {"prices": [fault]}
    typed = form_data(answer)["prices-marketing"]
    assert typed[: len(fields["marketing"])] == fields["marketing"]
    assert ChannelAccount.objects.get(name="wa").prices == {}
