"""No credential is in any error page or log line, with DEBUG and without."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpRequest
from django.test import Client

from messaging.base import Adapter, Credential
from messaging.models import ChannelAccount
from messaging.webhooks import webhook_url
from tests.brokers.admin_pages import admin_url, form_data, signed_in
from tests.brokers.everything import NOW, Brokerage

pytestmark = pytest.mark.django_db
SECRET, SIGNATURE = "pk-0123456789-s3cr3t", "Basic s3cr3t-signature"


class Broken(Adapter):
    """Has a secret in its hands when it breaks."""

    channels = frozenset({"email"})
    credentials = (Credential("api_key", "API key", "there"),)  # type: ignore[arg-type]

    def faults(self) -> list[str]:
        return self._break()

    def check(self) -> str:
        return str(self._break())

    def verify(self, request: HttpRequest) -> bool:
        return True

    def read(self, request: HttpRequest) -> Mapping[str, Any]:
        raise ZeroDivisionError(len(self._break()))

    def _break(self) -> list[str]:
        credentials, key = self.account.credentials, SECRET
        headers = {"Authorization": f"Bearer {credentials.get('api_key')} {key}"}
        return [str(1 // 0), *headers]


@pytest.fixture
def browser(settings: LazySettings) -> Client:
    settings.PROVIDERS = {**settings.PROVIDERS, "broken": f"{__name__}.Broken"}
    return signed_in(Brokerage("aurora").admin)


@pytest.fixture
def account(browser: Client) -> ChannelAccount:
    return ChannelAccount.objects.create(
        broker=ChannelAccount.objects.all()[0].broker,
        channel="email",
        provider="broken",
        credentials={"api_key": SECRET},
        created_at=NOW,
    )


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("door", ["form", "button", "webhook"])
def test_error_page_and_log_show_no_credential(
    browser: Client,
    account: ChannelAccount,
    settings: LazySettings,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
    door: str,
) -> None:
    settings.DEBUG = debug
    browser.raise_request_exception = False
    caplog.set_level("DEBUG")
    if door == "form":
        url = admin_url(ChannelAccount, "change", account.pk)
        answer = browser.post(url, form_data(browser.get(url)) | {"credential_api_key": SECRET})
    elif door == "button":
        answer = browser.post(admin_url(ChannelAccount, "check", account.pk))
    else:
        path = webhook_url(account).removeprefix(settings.PUBLIC_URL)
        answer = browser.post(path, "{}", content_type="application/json", headers={"Authorization": SIGNATURE})
    page = answer.content.decode()
    assert (answer.status_code, "ZeroDivisionError" in page) == (500, debug)
    assert [text for text in (page, caplog.text) if SECRET in text or "s3cr3t" in text] == []
    assert "ZeroDivisionError" in caplog.text
