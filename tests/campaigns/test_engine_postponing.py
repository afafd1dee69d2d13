"""Only the moment is wrong: a step waits and is sent later, or is given up when that takes too long."""

from datetime import UTC, datetime, timedelta

import pytest

from brokers.models import Broker
from campaigns.actions import pause, resume
from campaigns.models import CampaignLog
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_user,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    run,
    sent_bodies,
    some_leads,
)

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
# Wednesday, 23:00 in Santiago; the window opens at 09:00, noon in UTC.
NIGHT, MORNING = datetime(2026, 3, 5, 2, tzinfo=UTC), datetime(2026, 3, 5, 12, tzinfo=UTC)


def test_step_at_night_waits_for_the_morning_and_is_sent_then(broker: Broker) -> None:
    lead, clock = a_lead(broker), VirtualClock(NIGHT)
    enroll(a_campaign(broker), lead, now=NIGHT)
    done = run(clock)
    log = log_of(lead)
    assert (log.status, log.reason, log.due_at, log.planned_at) == ("pending", "outside_hours", MORNING, NIGHT)
    assert (log.attempts, done.steps["outside_hours"], Message.objects.count()) == (0, 1, 0)
    clock.sleep_until(MORNING - SECOND)
    run(clock)
    assert log_of(lead).status == "pending"
    clock.sleep_until(MORNING)
    run(clock)
    assert (logs(), Message.objects.get().created_at) == ([(1, "sent", "")], MORNING)


def test_step_waits_for_the_morning_of_the_lead(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker, timezone="Asia/Tokyo")
    enroll(a_campaign(broker), lead)
    run(clock)
    assert log_of(lead).due_at == datetime(2026, 3, 5, 0, tzinfo=UTC)


def test_postponed_step_says_which_checks_were_made(broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead, now=NIGHT)
    run(VirtualClock(NIGHT))
    [failed] = [check for check in log_of(lead).response["checks"] if not check["passed"]]
    assert failed == {
        "check": "window",
        "passed": False,
        "zones": ["America/Santiago"],
        "places": ["default"],
        "opens_at": MORNING.isoformat(),
    }


def test_third_contact_in_a_day_waits_until_the_cap_allows(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=2)
    lead = a_lead(broker)
    enroll(a_campaign(broker, *[message_step(broker, text) for text in ("uno", "dos", "tres")]), lead)
    run(clock)
    third = log_of(lead, 3)
    assert (sent_bodies(lead), third.reason, third.due_at) == (["uno", "dos"], "frequency_cap", NOW + DAY + SECOND)
    run(clock, passes=26)
    assert sent_bodies(lead) == ["uno", "dos", "tres"]


def test_caps_count_over_all_campaigns_and_channels(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=2)
    lead = a_lead(broker)
    for channel in ("telegram", "whatsapp", "email"):
        enroll(a_campaign(broker, message_step(broker, channel=channel)), lead)
    run(clock)
    assert sorted(CampaignLog.objects.values_list("status", "reason")) == [
        ("pending", "frequency_cap"),
        ("sent", ""),
        ("sent", ""),
    ]


@pytest.mark.parametrize("who", ["the lead", "a person"])
def test_caps_count_automatic_contacts_only(clock: VirtualClock, who: str) -> None:
    """Neither what the lead wrote nor what a person of the brokerage did."""
    broker = a_broker(cap_24h=1)
    lead = a_lead(broker)
    how = {"direction": "in"} if who == "the lead" else {"direction": "out", "sent_by": a_user(broker)}
    for number in range(3):
        Message.objects.create(
            broker=broker,
            lead=lead,
            channel="telegram",
            status="delivered",
            dedupe_key=f"other:{number}",
            sandbox=True,
            created_at=NOW,
            **how,
        )
    enroll(a_campaign(broker, exit_on_reply=False), lead)
    run(clock)
    assert logs() == [(1, "sent", "")]


def test_caps_count_each_lead_alone(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=1)
    enroll(a_campaign(broker), *some_leads(broker, 3))
    run(clock)
    assert [status for _step, status, _reason in logs()] == ["sent"] * 3


def test_campaign_of_higher_priority_goes_first_where_the_cap_binds(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=1)
    lead = a_lead(broker)
    for priority in (0, 5, 3):
        enroll(a_campaign(broker, message_step(broker, f"priority {priority}"), priority=priority), lead)
    run(clock)
    assert sent_bodies(lead) == ["priority 5"]


def test_no_seven_days_hold_more_contacts_than_the_cap(clock: VirtualClock) -> None:
    """failures.md row 22, over a month and three campaigns."""
    broker = a_broker(cap_24h=2, cap_7d=4)
    lead = a_lead(broker)
    for _ in range(3):
        enroll(a_campaign(broker, *[message_step(broker, delay_hours=20) for _ in range(6)]), lead)
    run(clock, passes=120, every=6 * HOUR)
    moments = list(Message.objects.order_by("created_at").values_list("created_at", flat=True))
    assert len(moments) >= 14
    for length, cap in ((DAY, 2), (7 * DAY, 4)):
        assert max(sum(start <= at <= start + length for at in moments) for start in moments) <= cap


def test_step_waits_while_a_person_is_in_contact(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    Lead.objects.update(last_answered_at=NOW - HOUR)
    run(clock)
    assert (log_of(lead).reason, log_of(lead).due_at) == ("human_in_contact", NOW - HOUR + 3 * DAY)
    clock.sleep_until(NOW - HOUR + 3 * DAY)
    run(clock)
    assert logs() == [(1, "sent", "")]


def test_step_that_is_sent_after_a_wait_has_no_reason_left(broker: Broker) -> None:
    lead, clock = a_lead(broker), VirtualClock(NIGHT)
    enroll(a_campaign(broker), lead, now=NIGHT)
    run(clock)
    clock.sleep_until(MORNING)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("sent", "")


def test_engine_that_was_down_skips_what_is_too_late(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker, "uno"), message_step(broker, "dos")), lead)
    clock.advance(48 * HOUR + SECOND)
    run(clock)
    assert (logs(), sent_bodies(lead)) == ([(1, "skipped", "late"), (2, "sent", "")], ["dos"])


def test_engine_that_was_down_a_while_sends_what_is_not_too_late(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    clock.advance(48 * HOUR)
    run(clock)
    assert logs() == [(1, "sent", "")]


def test_step_that_was_postponed_for_a_fortnight_is_given_up(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=0)
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    run(clock, passes=16, every=DAY + 2 * SECOND)
    assert (logs(), enrolment_of(lead).status) == ([(1, "skipped", "postponed_too_long")], "completed")
    assert log_of(lead).executed_at is not None
    assert log_of(lead).executed_at - NOW < 16 * DAY


def test_pause_makes_nothing_late(broker: Broker, clock: VirtualClock) -> None:
    """failures.md rows 8 and 9."""
    lead = a_lead(broker)
    campaign = a_campaign(broker)
    enroll(campaign, lead)
    pause(campaign=campaign, now=NOW)
    clock.advance(28 * DAY)
    resume(campaign=campaign, now=clock.now())
    run(clock)
    assert logs() == [(1, "sent", "")]


def test_postponement_is_no_attempt(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=0)
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    run(clock, passes=9, every=DAY + 2 * SECOND)
    assert (log_of(lead).attempts, log_of(lead).planned_at) == (0, NOW)
