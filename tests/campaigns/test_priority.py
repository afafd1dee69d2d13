"""Where the caps have room for one contact, the campaign of higher priority gets it; nobody waits where they do not
bind."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from brokers.models import Broker
from campaigns.actions import pause, stop_enrollment
from campaigns.deciding import decide_batch
from campaigns.division import Group
from campaigns.explain import explain
from campaigns.models import Campaign, CampaignLog
from leads.models import Appointment, Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount
from messaging.policy import YIELDS_FOR
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_template,
    a_user,
    broken,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    run,
    sent_bodies,
    some_leads,
)
from tests.together import together

pytestmark = pytest.mark.django_db
LOW, HIGH = "normal", "importante"


def campaigns(broker: Broker, *, high: int = 5, **step: Any) -> tuple[Campaign, Campaign]:
    """One of priority 0 and one of `high`, with a message each; the lower one is the older."""
    low = a_campaign(broker, message_step(broker, LOW))
    return low, a_campaign(broker, message_step(broker, HIGH, **step), priority=high)


def in_both(broker: Broker, **settings: Any) -> tuple[Lead, Campaign, Campaign]:
    low, high = campaigns(broker, **settings)
    lead = a_lead(broker)
    for campaign in (low, high):
        enroll(campaign, lead)
    return lead, low, high


def claimed_first(campaign: Campaign) -> Group:
    """A worker that takes one row, of this campaign."""
    return Group(campaign.broker_id, campaign.pk, "telegram", None, None, None, 1, campaign.priority)


@pytest.mark.parametrize("batch", [1, 2, 1000])
@pytest.mark.parametrize("waiting", [0, 3])
def test_room_for_one_is_the_higher_priority_s(
    clock: VirtualClock, settings: LazySettings, batch: int, waiting: int
) -> None:
    """failures.md row 15: whatever the batch, and however many more the higher one has to do."""
    settings.ENGINE_BATCH = batch
    broker = a_broker(cap_24h=1)
    lead, _low, high = in_both(broker)
    if waiting:
        enroll(high, *some_leads(broker, waiting))
    run(clock)
    assert sent_bodies(lead) == [HIGH]
    run(clock, passes=26)
    assert (sent_bodies(lead), broken()) == ([HIGH, LOW], {})


def test_lower_one_that_is_claimed_first_yields(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=1)
    lead, low, high = in_both(broker)
    decided = decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0)], size=1, now=NOW)
    log = log_of(lead, campaign=low)
    assert (decided.taken, decided.dispatches) == (1, [])
    assert (log.status, log.reason, log.due_at, log.attempts) == ("pending", "yields_to_priority", NOW + YIELDS_FOR, 0)
    caps = next(check for check in log.response["checks"] if check["check"] == "caps")
    assert (caps["passed"], caps["reserved"], caps["24h"]) == (False, 1, {"sent": 0, "cap": 1})
    run(clock, passes=2, every=YIELDS_FOR)
    assert (sent_bodies(lead), log_of(lead, campaign=low).reason) == ([HIGH], "frequency_cap")


def test_lower_one_goes_when_the_caps_allow(clock: VirtualClock) -> None:
    """failures.md row 22: a day after the higher one, and no sooner."""
    broker = a_broker(cap_24h=1)
    lead, low, _high = in_both(broker)
    run(clock, passes=2, every=YIELDS_FOR)
    due_at = log_of(lead, campaign=low).due_at
    assert due_at == NOW + DAY + timedelta(seconds=1)
    clock.sleep_until(due_at)
    run(clock)
    assert (sent_bodies(lead), broken()) == ([HIGH, LOW], {})


def test_equal_priorities_do_not_yield(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=1)
    lead, low, high = in_both(broker, high=0)
    decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0, priority=1)], size=1, now=NOW)
    assert (log_of(lead, campaign=low).dispatched_at, log_of(lead, campaign=high).dispatched_at) == (NOW, None)


@pytest.mark.parametrize("caps", [{"cap_24h": 2}, {"cap_24h": 9, "cap_7d": 2}])
def test_nobody_yields_where_the_caps_do_not_bind(clock: VirtualClock, caps: dict[str, int]) -> None:
    broker = a_broker(**caps)
    lead, low, high = in_both(broker)
    decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0)], size=1, now=NOW)
    assert log_of(lead, campaign=low).dispatched_at == NOW
    run(clock)
    assert (log_of(lead, campaign=high).status, CampaignLog.objects.filter(reason="yields_to_priority").count()) == (
        "sent",
        0,
    )


@pytest.mark.parametrize("cap", ["cap_24h", "cap_7d"])
def test_both_caps_reserve_their_last_place(cap: str) -> None:
    broker = a_broker(**{"cap_24h": 9, "cap_7d": 9} | {cap: 1})
    lead, low, high = in_both(broker)
    decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0)], size=1, now=NOW)
    assert log_of(lead, campaign=low).reason == "yields_to_priority"


def test_each_of_three_goes_in_its_turn(clock: VirtualClock) -> None:
    """Room for two of three: the two of higher priority have it."""
    broker = a_broker(cap_24h=2)
    lead = a_lead(broker)
    for text, priority in (("tres", 1), ("dos", 2), ("uno", 3)):
        enroll(a_campaign(broker, message_step(broker, text), priority=priority), lead)
    run(clock, passes=3, every=YIELDS_FOR)
    assert (sorted(sent_bodies(lead)), broken()) == (["dos", "uno"], {})
    run(clock, passes=26)
    assert (sent_bodies(lead)[-1], len(sent_bodies(lead))) == ("tres", 3)


@pytest.mark.parametrize("gone", ["paused", "stopped", "later", "another lead", "no contact"])
def test_nobody_yields_to_what_does_not_come(clock: VirtualClock, gone: str) -> None:
    broker = a_broker(cap_24h=1)
    low, high = campaigns(broker, delay_hours=1 if gone == "later" else 0)
    if gone == "no contact":
        high = a_campaign(broker, {"action": "update_stage", "target_stage": "perfilamiento"}, priority=5)
    lead = a_lead(broker)
    enroll(low, lead)
    enroll(high, a_lead(broker) if gone == "another lead" else lead)
    if gone == "paused":
        pause(campaign=high, now=NOW)
    if gone == "stopped":
        stop_enrollment(enrollment=enrolment_of(lead, campaign=high), now=NOW)
    decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0)], size=1, now=NOW)
    assert log_of(lead, campaign=low).dispatched_at == NOW


def test_higher_one_that_is_skipped_leaves_its_place(clock: VirtualClock) -> None:
    """Its condition does not hold; the lower one waited for ten minutes, and not for a day."""
    broker = a_broker(cap_24h=1)
    lead, low, high = in_both(broker, conditions={"score_min": 100})
    decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0)], size=1, now=NOW)
    assert log_of(lead, campaign=low).reason == "yields_to_priority"
    run(clock, passes=2, every=YIELDS_FOR)
    assert (sent_bodies(lead), log_of(lead, campaign=high).reason) == ([LOW], "condition:score_min")


def test_other_brokerage_s_campaigns_are_no_rivals(clock: VirtualClock) -> None:
    """failures.md row 33."""
    broker, other = a_broker(cap_24h=1), a_broker("boreal", cap_24h=1)
    lead, elsewhere = a_lead(broker), a_lead(other)
    enroll(a_campaign(broker, message_step(broker, LOW)), lead)
    enroll(a_campaign(other, message_step(other, HIGH), priority=9), elsewhere)
    run(clock)
    assert (sent_bodies(lead), sent_bodies(elsewhere)) == ([LOW], [HIGH])


def test_sandbox_and_real_contacts_do_not_yield_to_each_other() -> None:
    broker = a_broker(cap_24h=1)
    lead, low, high = in_both(broker)
    enrolment_of(lead, campaign=high)
    high.enrollments.update(sandbox=False)
    decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0)], size=1, now=NOW)
    assert log_of(lead, campaign=low).dispatched_at == NOW


def test_transactional_message_yields_to_nobody() -> None:
    broker = a_broker(cap_24h=1)
    lead = a_lead(broker, assigned_to=a_user(broker))
    reminder = a_template(broker, "A las {{appointment_time|x}}", purpose="transactional")
    times = {"starts_at": NOW + DAY, "ends_at": NOW + DAY + HOUR, "booked_at": NOW - DAY, "created_at": NOW - DAY}
    Appointment.objects.create(broker=broker, lead=lead, agent=lead.assigned_to, status="scheduled", **times)
    low = a_campaign(broker, message_step(broker, message_template=reminder))
    high = a_campaign(broker, message_step(broker, HIGH), priority=5)
    for campaign in (low, high):
        enroll(campaign, lead)
    decide_batch(groups=[claimed_first(low), claimed_first(high)._replace(due=0)], size=1, now=NOW)
    assert log_of(lead, campaign=low).dispatched_at == NOW


def test_explanation_says_whom_it_yields_to() -> None:
    broker = a_broker(cap_24h=1)
    lead, low, _high = in_both(broker)
    [entry] = explain(low, lead, NOW).entries
    assert entry.next is not None
    assert (entry.next.outcome, entry.next.reason, entry.next.until) == (
        "postpone",
        "yields_to_priority",
        NOW + YIELDS_FOR,
    )


def test_higher_one_whose_account_has_to_wait_keeps_the_lower_one_waiting(clock: VirtualClock) -> None:
    """The provider asked for a pause; it is due, and goes first when it may."""
    broker = a_broker(cap_24h=1)
    low = a_campaign(broker, message_step(broker, LOW))
    high = a_campaign(broker, message_step(broker, HIGH, channel="whatsapp"), priority=5)
    lead = a_lead(broker)
    for campaign in (low, high):
        enroll(campaign, lead)
    ChannelAccount.objects.filter(channel="whatsapp").update(rate=1, next_slot_at=NOW + HOUR)
    run(clock, passes=3, every=YIELDS_FOR)
    assert logs() == [(1, "pending", "yields_to_priority"), (1, "pending", "")]
    run(clock, passes=6, every=YIELDS_FOR)
    assert sent_bodies(lead) == [HIGH]


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_keep_the_caps_and_the_priority() -> None:
    """failures.md row 22: over and over, whoever comes first."""
    broker = a_broker(cap_24h=1)
    low, high = campaigns(broker)
    for _ in range(8):
        lead = a_lead(broker)
        for campaign in (low, high):
            enroll(campaign, lead)
        together(*[lambda: run(VirtualClock(NOW))] * 2)
        run(VirtualClock(NOW + YIELDS_FOR))
        assert sent_bodies(lead) == [HIGH]
    assert broken() == {}
