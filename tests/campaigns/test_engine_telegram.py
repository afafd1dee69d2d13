"""The engine over real HTTP: what Telegram says of one message and of the account, and how fast it may be asked."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.conf import LazySettings

from brokers.models import Broker
from campaigns.models import CampaignLog
from leads.models import ContactPermission, Lead
from messaging import dispatching
from messaging.clock import VirtualClock
from messaging.links import telegram_link
from messaging.models import ChannelAccount, Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_free_broker,
    a_lead,
    broken,
    enroll,
    enrolment_of,
    logs,
    message_step,
    run,
    sent_bodies,
    some_leads,
)
from tests.many import copies_of_lead
from tests.peers.telegram import (
    BOT_NAME,
    TOKEN,
    TelegramPeer,
    TelegramProcess,
    busiest_second,
    telegram_peer,
    telegram_process,
)
from tests.running import RunningClock

pytestmark = pytest.mark.django_db
OTHER_TOKEN = "4712:AAE-secret_of_another_bot_0123456789"


@pytest.fixture
def peer(settings: LazySettings) -> Iterator[TelegramPeer]:
    with telegram_peer() as serving:
        settings.TELEGRAM_API_URL = serving.url
        yield serving


def a_bot(broker: Broker, *, token: str = TOKEN, **fields: object) -> ChannelAccount:
    """The default account of Telegram from now on."""
    ChannelAccount.objects.filter(broker=broker, channel="telegram").update(is_default=False)
    values = {"provider": "telegram", "credentials": {"token": token}, "is_default": True, "sender": f"@{BOT_NAME}"}
    return ChannelAccount.objects.create(
        broker=broker,
        channel="telegram",
        created_at=NOW,
        **values | fields,  # type: ignore[arg-type]
    )


def lead_at(broker: Broker, chat: int) -> Lead:
    return a_lead(broker, telegram_chat_id=str(chat))


def test_block_ends_what_goes_over_telegram_and_nothing_else(
    peer: TelegramPeer, broker: Broker, clock: VirtualClock
) -> None:
    """failures.md row 19: who blocked the bot is not written to there any more, by no campaign."""
    a_bot(broker)
    peer.otherwise = "403"
    lead = lead_at(broker, 7001)
    enroll(a_campaign(broker, message_step(broker), message_step(broker, delay_hours=24)), lead)
    mail = a_campaign(broker, message_step(broker, channel="email"), channel="email")
    run(clock, passes=2)
    enroll(mail, lead)
    run(clock, passes=2, every=DAY)
    rule = ContactPermission.objects.get()
    assert (rule.lead, rule.address, rule.channel, rule.source) == (lead, "7001", "telegram", "provider")
    assert logs(campaign__channel="telegram") == [(1, "failed", "blocked"), (2, "skipped", "opted_out")]
    assert (peer.asked["sendMessage"], logs(campaign=mail)) == (1, [(1, "sent", "")])
    assert enrolment_of(lead, campaign=mail).status == "completed"
    assert broken() == {}


def test_chat_that_is_not_there_is_not_tried_again(peer: TelegramPeer, broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 18."""
    a_bot(broker)
    peer.script["7001"] = ["400"]
    lead = lead_at(broker, 7001)
    enroll(a_campaign(broker, message_step(broker), message_step(broker, delay_hours=24)), lead)
    run(clock, passes=3, every=DAY)
    assert logs() == [(1, "failed", "invalid_address"), (2, "skipped", "unreachable")]
    assert peer.asked["sendMessage"] == 1


def test_pause_that_telegram_asks_for_is_kept_by_everybody(
    peer: TelegramPeer, free_broker: Broker, clock: VirtualClock, settings: LazySettings
) -> None:
    """Ignoring it gets bots banned: after the first no, nobody of this account asks before it is over."""
    a_bot(free_broker)
    settings.SENDER_THREADS = 1
    peer.script["7000"] = ["429:90", "accept"]
    enroll(a_campaign(free_broker), *[lead_at(free_broker, 7000 + number) for number in range(50)])
    run(clock, passes=2, every=HOUR / 60)
    assert peer.asked["sendMessage"] == 1
    run(clock, passes=2, every=HOUR / 60)
    assert logs() == [(1, "sent", "")] * 50
    assert sorted(one.chat for one in peer.accepted) == [str(7000 + number) for number in range(50)]
    assert Message.objects.filter(error_code="too_many").count() == 1


def test_bot_that_telegram_does_not_know_burns_no_leads(
    peer: TelegramPeer, free_broker: Broker, clock: VirtualClock
) -> None:
    """The account is at fault: when its token is put right a day later, everybody gets their message."""
    account = a_bot(free_broker, token=OTHER_TOKEN)
    leads = some_leads(free_broker, 3)
    enroll(a_campaign(free_broker), *leads)
    run(clock, passes=24)
    assert {status for _step, status, _reason in logs()} == {"pending"}
    assert CampaignLog.objects.filter(attempts__gt=5).exists()
    account.credentials = {"token": TOKEN}
    account.save()
    run(clock, passes=2)
    assert logs() == [(1, "sent", "")] * 3
    assert (len(peer.accepted), broken()) == (3, {})


@pytest.mark.parametrize("word", ["500", "cut", "garbage"])
def test_message_that_may_have_arrived_is_never_sent_again(
    peer: TelegramPeer, broker: Broker, clock: VirtualClock, word: str
) -> None:
    """failures.md row 4: Telegram accepted it, and we were not told so."""
    a_bot(broker)
    peer.otherwise = word
    enroll(a_campaign(broker), a_lead(broker))
    run(clock, passes=4, every=DAY)
    assert (logs(), len(peer.accepted)) == ([(1, "failed", "outcome_unknown")], 1)


def test_template_carries_the_leads_own_link(peer: TelegramPeer, broker: Broker, clock: VirtualClock) -> None:
    a_bot(broker)
    lead = a_lead(broker, telegram_chat_id="")
    step = message_step(broker, "Le escribo por {{telegram_link}}", channel="email")
    enroll(a_campaign(broker, step, channel="email"), lead)
    run(clock)
    link = telegram_link(bot=BOT_NAME, broker_id=broker.pk, lead_id=lead.pk)
    assert sent_bodies(lead) == [f"Le escribo por {link}"]


def test_without_a_bot_there_is_no_link(broker: Broker, clock: VirtualClock) -> None:
    enroll(a_campaign(broker, message_step(broker, "{{telegram_link}}")), a_lead(broker))
    run(clock)
    assert logs() == [(1, "skipped", "missing_variable:telegram_link")]


@pytest.fixture
def many_senders(settings: LazySettings) -> Iterator[None]:
    """The pool of this process as large as on a large machine."""
    settings.SENDER_THREADS = 64
    dispatching._threads.cache_clear()
    yield
    dispatching._threads.cache_clear()


def crowd(slug: str, count: int, *, token: str, rate: int | None) -> Broker:
    broker = a_free_broker(slug)
    a_bot(broker, token=token, rate=None if rate is None else Decimal(rate))
    copies_of_lead(a_lead(broker), count - 1)
    enroll(a_campaign(broker), *Lead.objects.filter(broker=broker))
    return broker


@pytest.fixture
def distant(settings: LazySettings, many_senders: None) -> Iterator[TelegramProcess]:
    """A server that takes 50 ms a message, in a process of its own."""
    with telegram_process(latency=0.05) as process:
        settings.TELEGRAM_API_URL = process.url
        yield process


def test_no_second_sees_more_than_the_rate_and_no_other_account_waits(distant: TelegramProcess) -> None:
    """Wherever the second begins, as the server counts; however busy this machine is."""
    crowd("limited", 1000, token=TOKEN, rate=250)
    crowd("free", 200, token=OTHER_TOKEN, rate=None)
    clock = RunningClock(NOW)
    while CampaignLog.objects.waiting().exists():
        run(clock)  # type: ignore[arg-type]
    accepted = sorted(distant.accepted())
    limited = [one.at for one in accepted if one.token == TOKEN]
    others = [one.at for one in accepted if one.token == OTHER_TOKEN]
    assert (len(limited), len(others), len({(one.token, one.chat) for one in accepted})) == (1000, 200, 1200)
    assert busiest_second(limited) <= 250
    before_the_last_of_the_others = [at for at in limited if at < others[-1]]
    assert len(before_the_last_of_the_others) <= 250
