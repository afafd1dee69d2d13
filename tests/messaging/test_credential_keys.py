"""Credentials are encrypted by the first key, and a key can be changed while the product runs."""

import json

import pytest
from cryptography.fernet import Fernet
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection

from brokers.models import Broker
from messaging.accounts import rotate_credentials
from messaging.fields import Unreadable
from messaging.models import ChannelAccount

pytestmark = pytest.mark.django_db
OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
SECRET = {"token": "4711:s3cr3t"}


@pytest.fixture
def account(broker: Broker, settings: LazySettings) -> ChannelAccount:
    """Encrypted by the old key."""
    settings.CREDENTIALS_KEYS = [OLD, *settings.CREDENTIALS_KEYS]
    for found in ChannelAccount.objects.filter(broker=broker):
        found.save()
    account = ChannelAccount.objects.get(broker=broker, channel="telegram")
    account.credentials = SECRET
    account.save()
    settings.CREDENTIALS_KEYS = [OLD]
    return account


def stored(account: ChannelAccount) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM messaging_channelaccount WHERE id = %s", [account.pk])
        return str(cursor.fetchone()[0])


def test_secret_is_not_in_the_database_as_it_is(account: ChannelAccount) -> None:
    assert "s3cr3t" not in stored(account)
    assert json.loads(Fernet(OLD).decrypt(stored(account).encode())) == SECRET


def test_new_key_takes_over_and_the_old_one_may_go(account: ChannelAccount, settings: LazySettings) -> None:
    settings.CREDENTIALS_KEYS = [NEW, OLD]
    assert ChannelAccount.objects.get(pk=account.pk).credentials == SECRET
    assert rotate_credentials() == (ChannelAccount.objects.count(), [])
    settings.CREDENTIALS_KEYS = [NEW]
    assert ChannelAccount.objects.get(pk=account.pk).credentials == SECRET
    assert json.loads(Fernet(NEW).decrypt(stored(account).encode())) == SECRET


def test_what_no_key_opens_is_named_and_left_as_it_is(
    account: ChannelAccount, settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Fernet(LOST).encrypt(b"{}").decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE messaging_channelaccount SET credentials = %s WHERE id = %s", [before, account.pk])
    settings.CREDENTIALS_KEYS = [NEW, OLD]
    with pytest.raises(SystemExit) as stopped:
        call_command("rotate_credentials", "--json")
    told = {"rotated": ChannelAccount.objects.count() - 1, "unreadable": [account.pk]}
    assert (stopped.value.code, json.loads(capsys.readouterr().out)) == (1, told)
    assert stored(account) == before
    assert isinstance(ChannelAccount.objects.get(pk=account.pk).credentials, Unreadable)
