"""draft → active → paused → active → completed, by verbs only."""

from collections.abc import Callable
from typing import Any

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import activate, complete, go_on_sending, pause, resume, stop_sending
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


def campaign_in(status: str, broker: Broker) -> Campaign:
    campaign = a_draft(broker) if status == "draft" else a_campaign(broker)
    verbs: dict[str, list[Callable[..., Any]]] = {"paused": [pause], "completed": [complete]}
    for verb in verbs.get(status, []):
        verb(campaign=campaign, now=NOW)
    return Campaign.objects.get(pk=campaign.pk)


ALLOWED = {
    "draft": {activate: "active"},
    "active": {pause: "paused", complete: "completed"},
    "paused": {resume: "active", complete: "completed"},
    "completed": {},
}


@pytest.mark.parametrize("verb", [activate, pause, resume, complete])
@pytest.mark.parametrize("status", ALLOWED)
def test_verb_is_allowed_from_its_status_only(broker: Broker, status: str, verb: Callable[..., Campaign]) -> None:
    campaign = campaign_in(status, broker)
    if verb in ALLOWED[status]:
        verb(campaign=campaign, now=NOW)
    else:
        with pytest.raises(Refused, match=campaign.name) as refused:
            verb(campaign=campaign, now=NOW)
        assert refused.value.reason == "wrong_status"
    assert Campaign.objects.get(pk=campaign.pk).status == ALLOWED[status].get(verb, status)


def test_pause_stops_what_is_due(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 10."""
    lead = a_lead(broker)
    campaign = a_campaign(broker)
    enroll(campaign, lead)
    pause(campaign=campaign, now=NOW)
    run(clock, passes=3)
    assert (logs(), sent_bodies(lead)) == ([(1, "pending", "")], [])


def test_pause_stops_one_campaign_only(broker: Broker, clock: VirtualClock) -> None:
    lead, other = some_leads(broker, 2)
    paused, going = a_campaign(broker), a_campaign(broker)
    enroll(paused, lead)
    enroll(going, other)
    pause(campaign=paused, now=NOW)
    run(clock)
    assert (log_of(lead).status, log_of(other).status) == ("pending", "sent")


def test_resume_moves_what_waits_by_the_length_of_the_pause(broker: Broker) -> None:
    """failures.md row 9."""
    campaign = a_campaign(broker, message_step(broker, delay_hours=5))
    enroll(campaign, a_lead(broker))
    pause(campaign=campaign, now=NOW + HOUR)
    resume(campaign=campaign, now=NOW + HOUR + 30 * DAY)
    log = CampaignLog.objects.get()
    assert (log.due_at, log.planned_at) == (NOW + 5 * HOUR + 30 * DAY, NOW + 5 * HOUR + 30 * DAY)


def test_resume_goes_on_where_it_stopped(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 8: it never starts from the beginning, and nothing is late by the pause."""
    lead = a_lead(broker)
    campaign = a_campaign(
        broker, message_step(broker, "uno"), message_step(broker, "dos", delay_hours=24), message_step(broker, "tres")
    )
    enroll(campaign, lead)
    run(clock)
    pause(campaign=campaign, now=clock.now())
    clock.advance(30 * DAY)
    run(clock)
    resume(campaign=campaign, now=clock.now())
    run(clock)
    assert sent_bodies(lead) == ["uno"]
    run(clock, passes=50)
    assert (sent_bodies(lead), enrolment_of(lead).status) == (["uno", "dos", "tres"], "completed")
    assert [status for _step, status, _reason in logs()] == ["sent"] * 3


def test_resume_collects_from_now(broker: Broker) -> None:
    campaign = a_campaign(broker)
    pause(campaign=campaign, now=NOW + HOUR)
    resumed = resume(campaign=campaign, now=NOW + DAY)
    assert (resumed.collects_from, resumed.paused_at, resumed.activated_at) == (NOW + DAY, None, NOW)


def test_resume_leaves_other_campaigns_and_final_rows_alone(broker: Broker, clock: VirtualClock) -> None:
    one, two = some_leads(broker, 2)
    campaign, other = a_campaign(broker, message_step(broker), message_step(broker, delay_hours=9)), a_campaign(broker)
    enroll(campaign, one)
    enroll(other, two, now=NOW + DAY)
    run(clock)
    pause(campaign=campaign, now=clock.now())
    resume(campaign=campaign, now=clock.now() + DAY)
    assert (log_of(one, 1).due_at, log_of(one, 2).due_at, log_of(two).due_at) == (NOW, NOW + 9 * HOUR + DAY, NOW + DAY)


def test_campaign_with_leads_under_way_is_not_completed(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 7."""
    campaign = a_campaign(broker)
    enroll(campaign, a_lead(broker))
    with pytest.raises(Refused) as refused:
        complete(campaign=campaign, now=NOW)
    assert refused.value.reason == "not_finished"
    run(clock)
    assert complete(campaign=campaign, now=NOW).status == "completed"


def test_kill_switch_of_a_brokerage_stops_its_campaigns(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    stop_sending(broker=broker, now=NOW)
    run(clock)
    assert log_of(lead).status == "pending"
    go_on_sending(broker=broker, now=NOW)
    run(clock)
    assert log_of(lead).status == "sent"


def test_stop_makes_nothing_late(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    stop_sending(broker=broker, now=NOW)
    run(clock)
    clock.advance(21 * DAY)
    go_on_sending(broker=broker, now=clock.now())
    log = log_of(lead)
    assert (log.due_at, log.planned_at) == (NOW + 21 * DAY, NOW + 21 * DAY)
    run(clock)
    assert logs() == [(1, "sent", "")]


def test_second_stop_does_not_begin_anew_and_going_on_twice_moves_once(broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    for moment in (NOW, NOW + DAY):
        stop_sending(broker=broker, now=moment)
    for moment in (NOW + 2 * DAY, NOW + 3 * DAY):
        go_on_sending(broker=broker, now=moment)
    assert log_of(lead).due_at == NOW + 2 * DAY


def test_stop_of_another_brokerage_moves_nothing(broker: Broker) -> None:
    lead, other = a_lead(broker), a_broker("boreal")
    enroll(a_campaign(broker), lead)
    stop_sending(broker=other, now=NOW)
    go_on_sending(broker=other, now=NOW + DAY)
    assert log_of(lead).due_at == NOW


def test_who_enters_during_a_stop_waits_for_its_rest_only(broker: Broker) -> None:
    lead = a_lead(broker)
    stop_sending(broker=broker, now=NOW)
    enroll(a_campaign(broker), lead, now=NOW + 2 * DAY)
    go_on_sending(broker=broker, now=NOW + 3 * DAY)
    assert log_of(lead).due_at == NOW + 3 * DAY


@pytest.mark.parametrize(
    ("stopped", "went_on", "paused", "resumed"),
    [(0, 5, 1, 3), (0, 3, 1, 5), (1, 3, 0, 5), (1, 5, 0, 3), (0, 2, 3, 5), (3, 5, 0, 2)],
)
def test_stop_and_pause_at_once_are_counted_once(
    broker: Broker, stopped: int, went_on: int, paused: int, resumed: int
) -> None:
    """Days; together they make as many as it stood still."""
    lead, campaign = a_lead(broker), a_campaign(broker, message_step(broker, delay_hours=24 * 9))
    enroll(campaign, lead)
    verbs = {
        stopped: lambda now: stop_sending(broker=broker, now=now),
        went_on: lambda now: go_on_sending(broker=broker, now=now),
        paused: lambda now: pause(campaign=campaign, now=now),
        resumed: lambda now: resume(campaign=campaign, now=now),
    }
    for day in sorted(verbs):
        verbs[day](NOW + day * DAY)
    stood_still = {*range(stopped, went_on), *range(paused, resumed)}
    assert log_of(lead).due_at == NOW + (9 + len(stood_still)) * DAY


def test_brokerage_that_is_not_active_does_nothing(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    Broker.objects.update(is_active=False)
    run(clock)
    assert log_of(lead).status == "pending"
