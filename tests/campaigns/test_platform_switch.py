"""The kill switches of a brokerage and of the whole platform, and what they have to do with pauses."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from brokers.models import Broker, Platform
from campaigns.actions import (
    activate,
    go_on_platform,
    go_on_sending,
    pause,
    resume,
    stop_platform,
    stop_sending,
)
from campaigns.deciding import decide_batch, due_groups
from campaigns.explain import explain
from campaigns.models import Campaign, CampaignLog
from messaging.clock import VirtualClock
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_draft,
    a_lead,
    broken,
    enroll,
    log_of,
    logs,
    message_step,
    run,
    sent_bodies,
    some_leads,
)
from tests.together import meanwhile, together

pytestmark = pytest.mark.django_db
Toggle = Callable[[datetime], Any]


def switches(broker: Broker, campaign: Campaign) -> dict[str, tuple[Toggle, Toggle]]:
    """How each reason to stand still begins and ends."""
    return {
        "brokerage": (
            lambda now: stop_sending(broker=broker, now=now),
            lambda now: go_on_sending(broker=broker, now=now),
        ),
        "platform": (lambda now: stop_platform(now=now), lambda now: go_on_platform(now=now)),
        "campaign": (
            lambda now: pause(campaign=campaign, now=now),
            lambda now: resume(campaign=campaign, now=now),
        ),
    }


def test_platform_stop_stops_every_brokerage(clock: VirtualClock) -> None:
    leads = [a_lead(broker) for broker in (a_broker(), a_broker("boreal"))]
    for lead in leads:
        enroll(a_campaign(lead.broker), lead)
    stop_platform(now=NOW)
    run(clock, passes=3)
    assert (logs(), [sent_bodies(lead) for lead in leads]) == ([(1, "pending", "")] * 2, [[], []])
    go_on_platform(now=clock.now())
    run(clock)
    assert (logs(), broken()) == ([(1, "sent", "")] * 2, {})


def test_platform_stop_makes_nothing_late(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 9."""
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    stop_platform(now=NOW)
    clock.advance(21 * DAY)
    go_on_platform(now=clock.now())
    assert (log_of(lead).due_at, log_of(lead).planned_at) == (NOW + 21 * DAY,) * 2
    run(clock)
    assert logs() == [(1, "sent", "")]


def test_platform_stop_says_why_a_step_waits(broker: Broker) -> None:
    lead, campaign = a_lead(broker), a_campaign(broker)
    enroll(campaign, lead)
    stop_platform(now=NOW)
    [entry] = explain(campaign, lead, NOW).entries
    assert entry.next is not None
    assert (entry.next.outcome, entry.next.reason) == ("waits", "platform_stopped")


def test_second_platform_stop_does_not_begin_anew_and_going_on_twice_moves_once(broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    for moment in (NOW, NOW + DAY):
        stop_platform(now=moment)
    for moment in (NOW + 2 * DAY, NOW + 3 * DAY):
        go_on_platform(now=moment)
    assert (log_of(lead).due_at, Platform.objects.get().sending_paused_at) == (NOW + 2 * DAY, None)


def test_platform_that_was_never_stopped_goes_on(broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    go_on_platform(now=NOW + DAY)
    assert log_of(lead).due_at == NOW


def test_platform_that_goes_on_leaves_a_stopped_brokerage_stopped(broker: Broker, clock: VirtualClock) -> None:
    here, there = a_lead(broker), a_lead(a_broker("boreal"))
    for lead in (here, there):
        enroll(a_campaign(lead.broker), lead)
    stop_sending(broker=broker, now=NOW)
    stop_platform(now=NOW)
    go_on_platform(now=NOW + DAY)
    clock.advance(DAY)
    run(clock)
    assert (log_of(here).status, log_of(there).status) == ("pending", "sent")


def test_campaign_that_is_activated_during_a_stop_waits_for_its_rest(broker: Broker) -> None:
    lead, draft = a_lead(broker), a_draft(broker)
    stop_platform(now=NOW)
    enroll(activate(campaign=draft, now=NOW + DAY), lead, now=NOW + 2 * DAY)
    go_on_platform(now=NOW + 3 * DAY)
    assert log_of(lead).due_at == NOW + 3 * DAY


ORDERS = sorted(set(permutations(["brokerage", "platform", "campaign"] * 2)))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_standing_still_is_counted_once(broker: Broker, order: tuple[str, ...]) -> None:
    """Each of the three begins with its first place and ends with its second, a day apart: every way in which they
    overlap. Together they make as many days as anything stood still."""
    lead, campaign = a_lead(broker), a_campaign(broker, message_step(broker, delay_hours=24 * 20))
    enroll(campaign, lead, now=NOW - DAY)
    toggles, still = switches(broker, campaign), 0
    for day, name in enumerate(order):
        is_end = name in order[:day]
        toggles[name][is_end](NOW + day * DAY)
        open_ones = [other for other in toggles if order[: day + 1].count(other) == 1]
        still += bool(open_ones)
    log = log_of(lead)
    assert (log.due_at, log.planned_at) == (NOW + (19 + still) * DAY,) * 2


@pytest.mark.parametrize(
    "order",
    [
        ("brokerage", "campaign", "campaign", "campaign", "campaign", "brokerage"),
        ("platform", "campaign", "brokerage", "brokerage", "campaign", "brokerage", "platform", "brokerage"),
        ("campaign", "platform", "platform", "platform", "campaign", "campaign", "platform", "campaign"),
        ("platform", "brokerage", "platform", "platform", "brokerage", "brokerage", "platform", "brokerage"),
    ],
    ids="-".join,
)
def test_standing_still_again_and_again_is_counted_once(broker: Broker, order: tuple[str, ...]) -> None:
    lead, campaign = a_lead(broker), a_campaign(broker, message_step(broker, delay_hours=24 * 20))
    enroll(campaign, lead, now=NOW - DAY)
    toggles, still = switches(broker, campaign), 0
    for day, name in enumerate(order):
        toggles[name][order[:day].count(name) % 2](NOW + day * DAY)
        still += any(order[: day + 1].count(other) % 2 for other in toggles)
    assert log_of(lead).due_at == NOW + (19 + still) * DAY


@pytest.mark.parametrize("policy", ["send", "skip"])
@pytest.mark.parametrize("stop", ["brokerage", "platform"])
def test_resume_under_a_stop_waits_for_its_end(broker: Broker, clock: VirtualClock, policy: str, stop: str) -> None:
    """What is due now, or follows from now, is due later by what is left of the stop."""
    lead = a_lead(broker)
    campaign = a_campaign(broker, message_step(broker, "uno"), message_step(broker, "dos", delay_hours=2))
    enroll(campaign, lead)
    begin, end = switches(broker, campaign)[stop]
    begin(NOW)
    pause(campaign=campaign, now=NOW + DAY)
    resume(campaign=campaign, now=NOW + 2 * DAY, policy=policy)
    clock.advance(2 * DAY)
    run(clock)
    assert sent_bodies(lead) == []
    end(NOW + 5 * DAY)
    waiting = CampaignLog.objects.waiting().get()
    step, delay = (1, 0 * HOUR) if policy == "send" else (2, 2 * HOUR)
    assert (waiting.step_number, waiting.due_at) == (step, NOW + 5 * DAY + delay)
    assert broken() == {}


@pytest.mark.django_db(transaction=True)
def test_stops_wait_for_no_batch_and_stop_the_next() -> None:
    """failures.md row 10: the batch that was begun before goes out, the rest stays."""
    broker = a_broker()
    enroll(a_campaign(broker), *some_leads(broker, 3))
    with transaction.atomic():
        decide_batch(groups=due_groups(batch=1, broker_id=None, now=NOW), size=1, now=NOW)
        together(lambda: stop_platform(now=NOW))
    run(VirtualClock(NOW))
    assert (CampaignLog.objects.in_flight().count(), CampaignLog.objects.waiting().count()) == (1, 2)


@pytest.mark.parametrize("stop", ["brokerage", "platform", "campaign"])
def test_stop_between_looking_and_taking_is_heeded(broker: Broker, stop: str) -> None:
    """failures.md row 10: a worker that saw what is due a moment before takes nothing of it."""
    campaign = a_campaign(broker)
    enroll(campaign, a_lead(broker))
    groups = due_groups(batch=9, broker_id=None, now=NOW)
    switches(broker, campaign)[stop][0](NOW)
    assert (len(groups), decide_batch(groups=groups, size=9, now=NOW).taken) == (1, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stop", ["brokerage", "platform"])
def test_resume_that_waited_for_a_stop_to_end_counts_it_once(stop: str) -> None:
    """A person resumes while another one lets sending go on, a moment before: stopped, paused a day later, both ended
    at the same time."""
    broker = a_broker()
    lead, campaign = a_lead(broker), a_campaign(broker)
    enroll(campaign, lead)
    begin, end = switches(broker, campaign)[stop]
    begin(NOW)
    pause(campaign=campaign, now=NOW + DAY)
    with meanwhile() as start, transaction.atomic():
        end(NOW + 3 * DAY)
        start(lambda: resume(campaign=campaign, now=NOW + 3 * DAY))
    assert log_of(lead).due_at == NOW + 3 * DAY


@pytest.mark.django_db(transaction=True)
def test_stops_that_end_at_once_are_counted_once() -> None:
    broker = a_broker()
    lead, campaign = a_lead(broker), a_campaign(broker)
    enroll(campaign, lead)
    stop_sending(broker=broker, now=NOW)
    stop_platform(now=NOW + timedelta(hours=1))
    together(
        lambda: go_on_sending(broker=broker, now=NOW + 3 * DAY),
        lambda: go_on_platform(now=NOW + 3 * DAY),
    )
    assert log_of(lead).due_at == NOW + 3 * DAY
