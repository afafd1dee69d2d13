"""docs/adding-a-provider.md, followed to the letter; test_adapter_contract.py holds its adapter to the contract."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import LazySettings, settings

from messaging.models import ChannelAccount
from messaging.providers import adapter_class, adapter_for
from tests.brokers.admin_pages import admin_url, form_data, signed_in
from tests.brokers.everything import Brokerage
from tests.messaging import recipe

PALOMAR = recipe.contestant()


@pytest.fixture
def wired(settings: LazySettings) -> None:
    settings.PROVIDERS = recipe.providers()


def test_page_names_three_files_and_wires_one_provider() -> None:
    assert list(recipe.files()) == [
        "messaging/palomar.py",
        "config/settings.py",
        "tests/messaging/palomar_contract.py",
    ]
    assert set(recipe.providers()) - set(settings.PROVIDERS) == {"palomar"}


@pytest.mark.django_db
def test_account_can_be_opened_for_it(wired: None) -> None:
    aurora = Brokerage("aurora")
    browser = signed_in(aurora.admin)
    url = f"{admin_url(ChannelAccount, 'add')}?provider=palomar"
    given = {
        "name": "palomar",
        "channel": "email",
        "sender": "hola@example.com",
        "credential_api_key": "k",
        "credential_api_url": "http://x",
    }
    assert browser.post(url, form_data(browser.get(url)) | given).status_code == 302
    account = ChannelAccount.objects.get(name="palomar")
    assert (account.provider, account.channel, adapter_for(account).faults()) == ("palomar", "email", [])


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("taken", "status sent"),
        ("delivered", "status delivered"),
        ("returned", "status failed bounced"),
        ("unsubscribed", "revoked unsubscribed"),
        ("complained", "revoked blocked"),
        ("levitated", "status levitated"),
    ],
)
def test_its_words_are_translated(wired: None, kind: str, told: str) -> None:
    adapter = adapter_class("palomar")(ChannelAccount())
    [event] = adapter.parse({"id": 7, "kind": kind, "person": "ana@example.com", "reference": "12"})
    assert " ".join(filter(None, (event.kind, event.status, event.code))) == told
    assert event.message_id == (12 if event.kind == "status" else None)


def test_its_code_is_of_our_style(tmp_path: Path) -> None:
    for path, text in recipe.files().items():
        if path != "config/settings.py":
            (tmp_path / Path(path).name).write_text(text)
    pyproject = str(settings.BASE_DIR / "pyproject.toml")
    for words in (["check"], ["format", "--check", "--diff"]):
        command = [sys.executable, "-m", "ruff", *words, "--config", pyproject, str(tmp_path)]
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.returncode == 0, found.stdout
