"""Engines in several processes share an account's rate: one of them at a time sends for it."""

import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.models import Broker
from campaigns.deciding import decide_batch, due_groups
from campaigns.models import CampaignLog
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount
from messaging.pacing import PACED_FOR, me
from messaging.slots import slots_of
from tests.building import NOW, a_campaign, counting_account, enroll, logs, run, some_leads
from tests.campaigns.test_engine_telegram import crowd
from tests.peers.forking import a_forking_process
from tests.peers.telegram import TOKEN, busiest_second, telegram_process

SECOND = timedelta(seconds=1)
RATE, COUNT = 100, 800


@pytest.mark.django_db(transaction=True)
def test_no_second_sees_more_than_the_rate_of_two_engines(command_environment: dict[str, str]) -> None:
    """Wherever the second begins, as the server counts; however busy this machine is."""
    crowd("limited", COUNT, token=TOKEN, rate=RATE)
    with telegram_process(latency=0.05) as peer:
        with a_forking_process(command_environment, TELEGRAM_API_URL=peer.url, SENDER_THREADS="32") as forks:
            told = {"start": NOW.isoformat(), "epoch": time.time()}
            engines = [forks.start("tests.peers.paced_process.run_out", **told) for _ in range(2)]
            assert [forks.wait(pid) for pid in engines] == [0, 0]
        moments = [one.at for one in peer.accepted()]
    assert (len(moments), CampaignLog.objects.waiting().count()) == (COUNT, 0)
    assert busiest_second(moments) <= RATE


@pytest.fixture
def elsewhere(free_broker: Broker, sent_file: Path) -> ChannelAccount:
    """An account for which another process sends, with thirty leads that wait."""
    account = counting_account(free_broker, sent_file, rate=Decimal(10), paced_by=1, paced_until=NOW + PACED_FOR)
    enroll(a_campaign(free_broker), *some_leads(free_broker, 30))
    return account


@pytest.mark.django_db
def test_account_for_which_another_process_sends_is_left_to_it(elsewhere: ChannelAccount) -> None:
    groups = due_groups(batch=100, broker_id=None, now=NOW)
    assert [group.next_slot_at for group in groups] == [NOW + PACED_FOR]
    assert decide_batch(groups=groups, size=100, now=NOW).taken == 0
    [slot, *_more] = slots_of(Counter({elsewhere.pk: 3}), NOW, process=me())[elsewhere.pk]
    assert (slot.is_given, slot.at) == (False, NOW + PACED_FOR)
    elsewhere.refresh_from_db()
    assert (elsewhere.paced_by, elsewhere.next_slot_at) == (1, None)


@pytest.mark.django_db
def test_account_is_taken_over_when_the_other_process_sends_no_more(
    elsewhere: ChannelAccount, clock: VirtualClock
) -> None:
    run(clock)
    assert logs() == [(1, "sent", "")] * 30
    elsewhere.refresh_from_db()
    assert elsewhere.paced_by == me()
    assert clock.now() >= NOW + PACED_FOR + 2 * SECOND


@pytest.mark.django_db
def test_persons_one_message_gets_a_slot_and_takes_nothing_over(elsewhere: ChannelAccount) -> None:
    [slot] = slots_of(Counter({elsewhere.pk: 1}), NOW)[elsewhere.pk]
    elsewhere.refresh_from_db()
    assert (slot.is_given, elsewhere.paced_by, elsewhere.paced_until) == (True, 1, NOW + PACED_FOR)


@pytest.mark.django_db
def test_account_without_a_rate_is_everybodys(elsewhere: ChannelAccount) -> None:
    ChannelAccount.objects.filter(pk=elsewhere.pk).update(rate=None)
    groups = due_groups(batch=100, broker_id=None, now=NOW)
    assert len(decide_batch(groups=groups, size=100, now=NOW).dispatches) == 30
