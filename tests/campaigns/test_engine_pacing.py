"""How fast: no account sends more than its rate, and nothing goes out long after it was decided."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest
from django.conf import LazySettings

from brokers.models import Broker
from campaigns.deciding import decide_batch, due_groups
from campaigns.engine import TIME_LIMIT
from messaging.base import Envelope, Outcome
from messaging.clock import VirtualClock
from messaging.dispatching import STALE_AFTER
from messaging.models import ChannelAccount, Message
from messaging.sandbox import Sandbox
from tests.building import (
    HOUR,
    NOW,
    a_campaign,
    counting_account,
    enroll,
    logs,
    message_step,
    run,
    some_leads,
)
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


class Dawdling(Sandbox):
    """Each send takes its time on a virtual clock, and its moment is kept."""

    clock: VirtualClock
    takes = timedelta()
    moments: ClassVar[list[datetime]] = []

    def send(self, envelope: Envelope) -> Outcome:
        self.moments.append(self.clock.now())
        self.clock.advance(self.takes)
        return super().send(envelope)


@pytest.fixture
def dawdling(clock: VirtualClock, settings: LazySettings) -> type[Dawdling]:
    settings.PROVIDERS = {**settings.PROVIDERS, "sandbox": f"{__name__}.Dawdling"}
    settings.SENDER_THREADS = 1
    Dawdling.clock, Dawdling.takes = clock, timedelta()
    Dawdling.moments.clear()
    return Dawdling


def slow_down(rate: str) -> None:
    ChannelAccount.objects.filter(channel="telegram").update(rate=Decimal(rate))


def busiest_second(moments: list[datetime]) -> int:
    return max(sum(at <= one < at + SECOND for one in moments) for at in moments)


def test_account_sends_no_more_than_its_rate(
    free_broker: Broker, clock: VirtualClock, dawdling: type[Dawdling]
) -> None:
    slow_down("4")
    enroll(a_campaign(free_broker), *some_leads(free_broker, 20))
    run(clock)
    assert (len(dawdling.moments), busiest_second(dawdling.moments)) == (20, 4)
    assert dawdling.moments[-1] - NOW < 6 * SECOND


def test_rate_below_one_a_second_is_kept(free_broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(free_broker, sent_file, rate=Decimal("0.2"))
    enroll(a_campaign(free_broker), *some_leads(free_broker, 3))
    run(clock)
    moments = list(Message.objects.order_by("id").values_list("created_at", flat=True))
    assert moments == [NOW, NOW + 5 * SECOND, NOW + 10 * SECOND]


def test_campaigns_share_the_rate_of_their_account(
    free_broker: Broker, clock: VirtualClock, dawdling: type[Dawdling]
) -> None:
    slow_down("5")
    for _ in range(2):
        enroll(a_campaign(free_broker), *some_leads(free_broker, 8))
    run(clock)
    assert (len(dawdling.moments), busiest_second(dawdling.moments)) == (16, 5)


def test_pass_leaves_what_takes_too_long_to_the_next(free_broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(free_broker, sent_file, rate=Decimal(1))
    enroll(a_campaign(free_broker), *some_leads(free_broker, 60))
    run(clock)
    first = len(sends(sent_file))
    assert TIME_LIMIT.total_seconds() <= first <= TIME_LIMIT.total_seconds() + 2
    run(clock, passes=3, every=SECOND)
    assert len({send.key for send in sends(sent_file)}) == len(sends(sent_file)) == 60


def test_channel_without_rate_does_not_wait_for_one_that_has(
    free_broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    counting_account(free_broker, sent_file, rate=Decimal(1))
    fast = a_campaign(free_broker, message_step(free_broker, channel="whatsapp"), channel="whatsapp")
    slow = a_campaign(free_broker)
    for campaign in (slow, fast):
        enroll(campaign, *some_leads(free_broker, 10))
    run(clock)
    assert set(Message.objects.filter(channel="whatsapp").values_list("created_at", flat=True)) == {NOW}


def test_slots_are_reserved_for_all_processes(free_broker: Broker, sent_file: Path) -> None:
    """What one worker took is not there for the next, also before it has sent."""
    counting_account(free_broker, sent_file, rate=Decimal(10))
    enroll(a_campaign(free_broker), *some_leads(free_broker, 30))
    decided = [decide_batch(groups=due_groups(batch=100, broker_id=None, now=NOW), size=100, now=NOW) for _ in range(2)]
    assert [len(one.dispatches) for one in decided] == [10, 0]
    slots = [dispatch.slot_at for dispatch in decided[0].dispatches]
    assert slots == [NOW + n * SECOND / 10 for n in range(10)]
    assert ChannelAccount.objects.get(provider="counting").next_slot_at == NOW + SECOND


def test_contact_that_would_leave_too_late_is_cancelled_and_decided_anew(
    free_broker: Broker, clock: VirtualClock, dawdling: type[Dawdling]
) -> None:
    """failures.md row 26: a batch that takes too long gives back what it did not get to."""
    dawdling.takes = STALE_AFTER / 2 + SECOND
    enroll(a_campaign(free_broker), *some_leads(free_broker, 5))
    run(clock)
    assert logs() == [(1, "sent", "")] * 5
    cancelled = Message.objects.filter(status="cancelled")
    assert cancelled.exclude(cancelled_at=None).count() == cancelled.count() > 0
    assert Message.objects.filter(status="delivered").count() == 5


def test_slow_provider_uses_up_no_attempts(free_broker: Broker, clock: VirtualClock, dawdling: type[Dawdling]) -> None:
    """Forty rows that wait through twenty batches are all sent; none is given up without having been tried."""
    dawdling.takes = STALE_AFTER / 2 + SECOND
    enroll(a_campaign(free_broker), *some_leads(free_broker, 40))
    run(clock, passes=12, every=SECOND)
    assert logs() == [(1, "sent", "")] * 40


def test_cancelled_contact_does_not_count_against_the_caps(
    broker: Broker, clock: VirtualClock, dawdling: type[Dawdling]
) -> None:
    dawdling.takes = STALE_AFTER + SECOND
    enroll(a_campaign(broker), *some_leads(broker, 4))
    run(clock)
    assert logs() == [(1, "sent", "")] * 4
    assert {message.basis["caps"]["24h"]["sent"] for message in Message.objects.all()} == {0}


def test_account_that_is_no_default_any_more_is_still_used_for_who_entered_by_it(
    free_broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    account = counting_account(free_broker, sent_file, rate=Decimal(10))
    enroll(a_campaign(free_broker), *some_leads(free_broker, 60))
    ChannelAccount.objects.filter(pk=account.pk).update(is_default=False)
    ChannelAccount.objects.filter(channel="telegram", provider="sandbox").update(is_default=True)
    run(clock, passes=8, every=HOUR / 60)
    assert logs() == [(1, "sent", "")] * 60
    assert len(sends(sent_file)) == 60
