"""A bot's account: what it needs, who it is, where it reports, and that its token stays a secret."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.conf import LazySettings
from django.test import RequestFactory

from brokers.models import Broker
from brokers.refusal import Refused
from messaging.base import Envelope, OutcomeKind
from messaging.models import ChannelAccount
from messaging.telegram import LONGEST_TEXT, SIGNED_BY, Telegram, utf16_length
from tests.peers.telegram import TOKEN, TelegramPeer, telegram_peer

pytestmark = pytest.mark.django_db
URL = "https://crm.example.com/webhooks/telegram/abc/"
MakeEnvelope = Callable[..., Envelope]


@pytest.fixture
def peer(settings: LazySettings) -> Iterator[TelegramPeer]:
    with telegram_peer() as serving:
        settings.TELEGRAM_API_URL = serving.url
        yield serving


@pytest.fixture
def account(broker: Broker, now: datetime) -> ChannelAccount:
    return ChannelAccount.objects.create(
        broker=broker, channel="telegram", provider="telegram", credentials={"token": TOKEN}, created_at=now
    )


@pytest.fixture
def send(account: ChannelAccount, envelope: MakeEnvelope) -> Callable:
    return lambda **fields: Telegram(account).send(envelope(channel="telegram", **{"address": "4711"} | fields))


def test_check_tells_the_name_and_keeps_it(peer: TelegramPeer, account: ChannelAccount) -> None:
    assert "@aurora_bot" in Telegram(account).check()
    account.refresh_from_db()
    assert (account.sender, dict(peer.asked)) == ("@aurora_bot", {"getMe": 1})


def test_connect_has_telegram_report_and_sign(peer: TelegramPeer, account: ChannelAccount) -> None:
    assert "@aurora_bot" in Telegram(account).connect(URL)
    [webhook] = peer.webhooks
    assert (webhook["url"], webhook["allowed_updates"]) == (URL, ["message", "my_chat_member"])
    request = RequestFactory().post("/", headers={SIGNED_BY: webhook["secret_token"]})
    assert Telegram(account).verify(request)


def test_secret_is_another_for_every_account_and_every_token(broker: Broker, account: ChannelAccount) -> None:
    twin = ChannelAccount(channel="telegram", provider="telegram", credentials=account.credentials)
    other = ChannelAccount(webhook_token=account.webhook_token, credentials={"token": TOKEN + "x"})
    secrets = {Telegram(one)._secret() for one in (account, twin, other)}
    assert (len(secrets), {len(secret) for secret in secrets}) == (3, {64})
    assert TOKEN not in "".join(secrets)


@pytest.mark.parametrize("token", ["", "  ", "abc", "123:short", f"{TOKEN}/getMe?", "1:ä" * 20])
def test_token_that_is_none_is_a_fault_and_asks_nobody(
    peer: TelegramPeer, account: ChannelAccount, send: Callable, token: str
) -> None:
    account.credentials = {"token": token}
    assert len(Telegram(account).faults()) == 1
    outcome = send()
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED_FOR_NOW, "not_configured")
    with pytest.raises(Refused) as refused:
        Telegram(account).connect(URL)
    assert (refused.value.reason, peer.connections) == ("not_configured", 0)


def test_token_that_telegram_does_not_know_is_said_in_its_words(peer: TelegramPeer, account: ChannelAccount) -> None:
    peer.token = "1:another"
    with pytest.raises(Refused, match="Unauthorized") as refused:
        Telegram(account).check()
    account.refresh_from_db()
    assert (refused.value.reason, account.sender) == ("not_configured", "")


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_token_is_in_no_log_line_answer_or_refusal(
    peer: TelegramPeer,
    account: ChannelAccount,
    send: Callable,
    settings: LazySettings,
    caplog: pytest.LogCaptureFixture,
    level: int,
) -> None:
    """httpx writes whole addresses into its lines and its exceptions."""
    caplog.set_level(level)
    said = [send()]
    peer.otherwise = "moved"
    said.append(send())
    peer.otherwise = "echo"
    said.append(send())
    with telegram_peer() as gone:
        pass
    settings.TELEGRAM_API_URL = gone.url
    said.append(send())
    with pytest.raises(Refused) as refused:
        Telegram(account).check()
    said.append((refused.value, refused.value.__context__, refused.value.__cause__))
    assert "<token>" in caplog.text
    assert [text for text in (caplog.text, repr(said)) if TOKEN in text or TOKEN.partition(":")[2] in text] == []


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("400", "refused", "invalid_address"),
        ("400_other", "refused", "refused"),
        ("403", "refused", "blocked"),
        ("403_gone", "refused", "invalid_address"),
        ("403_never", "refused", "never_started"),
        ("401", "refused_for_now", "not_configured"),
        ("404", "refused_for_now", "not_configured"),
        ("moved", "refused_for_now", "not_configured"),
        ("proxy", "refused_for_now", "reply_unknown"),
        ("429", "refused_for_now", "too_many"),
        ("500", "unknown", "http_500"),
        ("cut", "unknown", "connection_lost"),
        ("garbage", "unknown", "reply_unknown"),
        ("no_number", "unknown", "reply_unknown"),
    ],
)
def test_telegrams_words_become_ours(peer: TelegramPeer, send: Callable, word: str, kind: str, code: str) -> None:
    """failures.md rows 4 and 18."""
    peer.otherwise = word
    outcome = send()
    assert (outcome.kind, outcome.code) == (kind, code)


@pytest.mark.parametrize(("word", "pause"), [("429:7", 7.0), ("429", None), ("429:0", None), ("401", 300.0)])
def test_pause_that_was_asked_for_is_kept(peer: TelegramPeer, send: Callable, word: str, pause: float | None) -> None:
    peer.otherwise = word
    assert send().retry_after == pause


def test_id_of_a_message_names_its_chat(peer: TelegramPeer, send: Callable) -> None:
    """Telegram numbers messages within a chat only."""
    assert [send(address=chat).provider_id for chat in ("4711", "4712")] == ["4711:1", "4712:2"]


def test_connection_is_kept(peer: TelegramPeer, send: Callable) -> None:
    for _number in range(5):
        send()
    assert (peer.asked["sendMessage"], peer.connections) == (5, 1)


def test_connection_that_was_closed_meanwhile_is_opened_anew(peer: TelegramPeer, send: Callable) -> None:
    send()
    peer.hang_up()
    assert (send().kind, peer.connections) == (OutcomeKind.ACCEPTED, 2)


@pytest.mark.parametrize(("text", "length"), [("ñ", 1), ("🏡", 2), ("🏡é👍🏽", 7), ("", 0)])
def test_length_is_counted_as_telegram_does(text: str, length: int) -> None:
    assert utf16_length(text) == length == len(text.encode("utf-16-le")) // 2


def test_emoji_count_twice_towards_the_longest_text(peer: TelegramPeer, send: Callable) -> None:
    fits = "🏡" * (LONGEST_TEXT // 2)
    assert (send(body=fits).kind, send(body=fits + "a").code, len(peer.texts)) == ("accepted", "too_long", 1)
