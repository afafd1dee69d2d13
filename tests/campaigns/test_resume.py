"""Going on after a pause: shift, send or skip what was due meanwhile, with counts before.

failures.md rows 8, 9 and 10: it never starts from the beginning, and un-pausing blasts nothing uninvited.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns import sql
from campaigns.actions import Backlog, backlog, pause, resume, save_steps
from campaigns.actions.locking import locked
from campaigns.deciding import decide_batch, due_groups
from campaigns.models import Campaign, CampaignLog, CampaignStatus
from campaigns.settling import settle
from leads.actions import delete_lead, edit_lead, move_stage
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.dispatching import dispatch_all
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_draft,
    a_lead,
    broken,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    now_of,
    run,
    sent_bodies,
    some_leads,
)
from tests.peers.counting import sends
from tests.together import meanwhile

pytestmark = pytest.mark.django_db
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
PAUSED, RESUMED = NOW + HOUR, NOW + 30 * DAY
POLICIES = ("shift", "send", "skip")
TRIGGERS: dict[str, dict[str, Any]] = {
    "score": {"triggered_by": "lead_score", "trigger_condition": {"score_min": 20}},
    "stage": {"triggered_by": "stage_change", "trigger_condition": {"stage": "perfilamiento"}},
    "silence": {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 10}},
}


def paused(broker: Broker, *delays: int) -> tuple[Campaign, list[Lead]]:
    """Leads whose first of two messages is due so many hours from NOW; the second follows two days after it."""
    leads = some_leads(broker, len(delays))
    steps = message_step(broker, "uno", delay_hours=24 * 90), message_step(broker, "dos", delay_hours=48)
    campaign = a_campaign(broker, *steps)
    for lead, delay in zip(leads, delays, strict=True):
        enroll(campaign, lead, now=NOW + delay * HOUR - 90 * DAY)
    return pause(campaign=campaign, now=PAUSED), leads


def moments(lead: Lead, step: int = 1) -> tuple[Any, Any]:
    log = log_of(lead, step)
    return log.due_at, log.planned_at


def test_resume_without_a_policy_shifts(broker: Broker) -> None:
    """failures.md row 9."""
    campaign, [lead] = paused(broker, 5)
    resume(campaign=campaign, now=RESUMED)
    assert moments(lead) == (NOW + 5 * HOUR + (RESUMED - PAUSED),) * 2


def test_resume_by_shifting_sends_nothing_that_was_not_due_when_it_was_paused(
    broker: Broker, clock: VirtualClock
) -> None:
    """failures.md row 9."""
    campaign, leads = paused(broker, 2, 3, 4)
    clock.sleep_until(RESUMED)
    resume(campaign=campaign, now=RESUMED, policy="shift")
    assert run(clock).taken == 0
    run(clock, passes=6)
    assert [sent_bodies(lead) for lead in leads] == [["uno"]] * 3


def test_resume_by_sending_makes_what_is_overdue_due_now(broker: Broker, clock: VirtualClock) -> None:
    """However long it was paused, it is neither late nor postponed for too long."""
    campaign, [early, late] = paused(broker, 0, 24 * 60)
    clock.sleep_until(RESUMED)
    resume(campaign=campaign, now=RESUMED, policy="send")
    assert (moments(early), moments(late)) == ((RESUMED, RESUMED), (NOW + 60 * DAY, NOW + 60 * DAY))
    run(clock)
    assert (sent_bodies(early), sent_bodies(late), broken()) == (["uno"], [], {})


def test_resume_by_sending_is_paced(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 9: the account's rate holds for the backlog too."""
    counting_account(broker, sent_file, rate=1)
    campaign, leads = paused(broker, 0, 0, 0, 0)
    clock.sleep_until(RESUMED)
    resume(campaign=campaign, now=RESUMED, policy="send")
    run(clock)
    assert [len(sent_bodies(lead)) for lead in leads] == [1] * 4
    assert clock.now() >= RESUMED + 3 * SECOND


def test_resume_by_sending_keeps_to_the_contact_hours(broker: Broker, clock: VirtualClock) -> None:
    campaign, [lead] = paused(broker, 0)
    night = RESUMED + 12 * HOUR
    clock.sleep_until(night)
    resume(campaign=campaign, now=night, policy="send")
    run(clock)
    assert (log_of(lead).reason, sent_bodies(lead)) == ("outside_hours", [])


def test_resume_by_skipping_leaves_overdue_steps_out(broker: Broker, clock: VirtualClock) -> None:
    campaign, [early, late] = paused(broker, 0, 24 * 60)
    clock.sleep_until(RESUMED)
    resume(campaign=campaign, now=RESUMED, policy="skip")
    skipped = log_of(early)
    assert (skipped.status, skipped.reason, skipped.executed_at) == ("skipped", "skipped_on_resume", RESUMED)
    assert (moments(early, 2), moments(late)) == ((RESUMED + 2 * DAY,) * 2, (NOW + 60 * DAY,) * 2)
    run(clock, passes=5, every=DAY)
    assert (sent_bodies(early), sent_bodies(late), enrolment_of(early).status) == (["dos"], [], "completed")
    assert broken() == {}


def test_resume_by_skipping_completes_who_has_no_step_left(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = a_campaign(broker)
    enroll(campaign, lead)
    pause(campaign=campaign, now=PAUSED)
    resume(campaign=campaign, now=RESUMED, policy="skip")
    entry = enrolment_of(lead)
    assert (entry.status, entry.finished_at, entry.exit_reason) == ("completed", RESUMED, "")
    assert (logs(), run(clock).taken, broken()) == ([(1, "skipped", "skipped_on_resume")], 0, {})


def test_resume_by_skipping_follows_the_version_of_each(broker: Broker) -> None:
    """Who entered an older version goes on by its next step, over the channel of that one."""
    lead = a_lead(broker)
    steps = [message_step(broker), message_step(broker, delay_hours="1.5", channel="email"), message_step(broker)]
    campaign = a_campaign(broker, *steps)
    enroll(campaign, lead)
    save_steps(campaign=campaign, specs=[message_step(broker)], now=NOW)
    pause(campaign=campaign, now=PAUSED)
    resume(campaign=campaign, now=RESUMED, policy="skip")
    following = log_of(lead, 2)
    assert (following.channel, following.action, following.due_at) == ("email", "send_message", RESUMED + 1.5 * HOUR)
    assert following.step == campaign.steps.get(version=1, step_number=2)
    assert broken() == {}


def test_resume_by_skipping_leaves_out_one_step_of_each(broker: Broker, clock: VirtualClock) -> None:
    """A next step without a delay is not overdue: it is due now."""
    lead = a_lead(broker)
    campaign = a_campaign(broker, message_step(broker, "uno"), message_step(broker, "dos"))
    enroll(campaign, lead)
    pause(campaign=campaign, now=PAUSED)
    clock.sleep_until(RESUMED)
    resume(campaign=campaign, now=RESUMED, policy="skip")
    run(clock)
    assert sent_bodies(lead) == ["dos"]


@pytest.mark.parametrize("policy", POLICIES)
def test_resume_leaves_what_is_in_flight_alone(broker: Broker, clock: VirtualClock, policy: str) -> None:
    """failures.md row 10: a batch that was begun before the pause goes out, and settles as it would have."""
    lead = a_lead(broker)
    campaign = a_campaign(broker, message_step(broker, "uno"), message_step(broker, "dos", delay_hours=48))
    enroll(campaign, lead)
    decided = decide_batch(groups=due_groups(batch=9, broker_id=None, now=NOW), size=9, now=NOW)
    pause(campaign=campaign, now=NOW)
    resume(campaign=campaign, now=NOW + MINUTE, policy=policy)
    assert (log_of(lead).status, *moments(lead)) == ("pending", NOW, NOW)
    clock.sleep_until(NOW + MINUTE)
    settle(dispatch_all(decided.dispatches, clock), clock.now())
    assert (logs(), moments(lead, 2)) == (
        [(1, "sent", ""), (2, "pending", "")],
        (NOW + MINUTE + 2 * DAY,) * 2,
    )
    assert broken() == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_resume_never_starts_from_the_beginning(
    broker: Broker, clock: VirtualClock, sent_file: Path, policy: str
) -> None:
    """failures.md row 8: whatever the policy, what went out before the pause does not go out again."""
    counting_account(broker, sent_file)
    lead = a_lead(broker)
    steps = [message_step(broker, text, delay_hours=24) for text in ("uno", "dos", "tres")]
    campaign = a_campaign(broker, *steps)
    enroll(campaign, lead)
    run(clock, passes=2, every=DAY)
    pause(campaign=campaign, now=clock.now())
    clock.advance(9 * DAY)
    run(clock)
    resume(campaign=campaign, now=clock.now(), policy=policy)
    run(clock, passes=5, every=DAY)
    bodies = ["uno", "tres"] if policy == "skip" else ["uno", "dos", "tres"]
    assert (sent_bodies(lead), len(sends(sent_file)), enrolment_of(lead).status) == (bodies, len(bodies), "completed")
    assert broken() == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_resume_changes_nothing_in_other_campaigns(broker: Broker, policy: str) -> None:
    campaign, _leads = paused(broker, 0)
    other, lead = a_campaign(broker), a_lead(broker)
    enroll(other, lead)
    resume(campaign=campaign, now=RESUMED, policy=policy)
    assert (log_of(lead).status, *moments(lead)) == ("pending", NOW, NOW)


def test_resume_by_an_unknown_policy_is_refused_by_name(broker: Broker) -> None:
    campaign, [lead] = paused(broker, 0)
    with pytest.raises(Refused, match=r"policy='blast' is not allowed; use one of shift, send, skip") as refused:
        resume(campaign=campaign, now=RESUMED, policy="blast")
    assert (refused.value.reason, Campaign.objects.get().status, moments(lead)) == (
        "policy_unknown",
        CampaignStatus.PAUSED,
        (NOW, NOW),
    )


def test_backlog_counts_what_waits_and_what_is_overdue(broker: Broker, clock: VirtualClock) -> None:
    campaign, _leads = paused(broker, 0, 24, 24 * 60)
    assert backlog(campaign, NOW + 2 * DAY) == Backlog(waiting=3, overdue=2, qualified=None)


def test_backlog_counts_what_resuming_then_does(broker: Broker) -> None:
    campaign, _leads = paused(broker, 0, 24, 24 * 60)
    found = backlog(campaign, RESUMED)
    resume(campaign=campaign, now=RESUMED, policy="skip")
    assert CampaignLog.objects.filter(reason="skipped_on_resume").count() == found.overdue
    assert CampaignLog.objects.waiting().count() == found.waiting


def test_backlog_leaves_out_what_is_in_flight(broker: Broker) -> None:
    campaign = a_campaign(broker)
    enroll(campaign, *some_leads(broker, 2))
    decide_batch(groups=due_groups(batch=1, broker_id=None, now=NOW), size=1, now=NOW)
    campaign = pause(campaign=campaign, now=NOW)
    assert backlog(campaign, NOW) == Backlog(waiting=1, overdue=1, qualified=None)


def test_backlog_is_of_paused_campaigns_only(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        backlog(a_draft(broker), NOW)
    assert refused.value.reason == "wrong_status"


def qualify(lead: Lead, now: Any) -> None:
    """By score and by stage; silence needs only time."""
    edit_lead(lead=now_of(lead), now=now, by=None, location="Ñuñoa")
    move_stage(lead=now_of(lead), to="perfilamiento", now=now, cause="agent")


def paused_with_leads(broker: Broker, trigger: str, clock: VirtualClock) -> tuple[Campaign, list[Lead]]:
    """Three leads: one entered before the pause, one qualified in it, one never did."""
    before, meanwhile, never = [a_lead(broker, now=NOW - days * DAY) for days in (10, 5, 0)]
    campaign = a_campaign(broker, now=NOW - MINUTE, **TRIGGERS[trigger])
    qualify(before, NOW - 10 * DAY if trigger == "silence" else NOW)
    run(clock)
    assert list(campaign.enrollments.values_list("lead", flat=True)) == [before.pk]
    clock.advance(HOUR)
    campaign = pause(campaign=campaign, now=clock.now())
    if trigger != "silence":
        qualify(meanwhile, clock.now() + DAY)
    clock.advance(6 * DAY)
    run(clock)
    return campaign, [before, meanwhile, never]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_resume_that_collects_takes_in_who_qualified_meanwhile(
    broker: Broker, clock: VirtualClock, trigger: str
) -> None:
    campaign, [before, meanwhile, _never] = paused_with_leads(broker, trigger, clock)
    found = backlog(campaign, clock.now())
    resumed = resume(campaign=campaign, now=clock.now(), collect=True)
    members = list(campaign.enrollments.order_by("lead").values_list("lead", flat=True))
    assert (members, found.qualified, resumed.enrolled_count) == ([before.pk, meanwhile.pk], 1, 2)
    run(clock, passes=3)
    assert (campaign.enrollments.count(), enrolment_of(meanwhile).trigger) == (2, resumed.triggered_by)
    assert broken() == {}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_resume_that_does_not_collect_takes_in_nobody(broker: Broker, clock: VirtualClock, trigger: str) -> None:
    """Neither now nor by a later pass: it collects from the moment it is resumed."""
    campaign, [before, _meanwhile, _never] = paused_with_leads(broker, trigger, clock)
    resume(campaign=campaign, now=clock.now())
    run(clock, passes=3)
    assert list(campaign.enrollments.values_list("lead", flat=True)) == [before.pk]


@pytest.mark.parametrize("collect", [True, False])
def test_resume_goes_on_collecting_from_then(broker: Broker, clock: VirtualClock, collect: bool) -> None:
    campaign, [_before, meanwhile, never] = paused_with_leads(broker, "stage", clock)
    resume(campaign=campaign, now=clock.now(), collect=collect)
    clock.advance(MINUTE)
    qualify(never, clock.now())
    run(clock, passes=2)
    entered = campaign.enrollments.values_list("lead", flat=True)
    assert (never.pk in entered, meanwhile.pk in entered, len(entered)) == (True, collect, 2 + collect)


def test_resume_collects_what_no_pass_had_seen_when_it_was_paused(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = a_campaign(broker, **TRIGGERS["stage"])
    run(clock)
    qualify(lead, NOW + HOUR)
    pause(campaign=campaign, now=NOW + HOUR + 5 * SECOND)
    clock.advance(DAY)
    resume(campaign=campaign, now=clock.now(), collect=True)
    assert enrolment_of(lead).evidence["to"] == "perfilamiento"


def test_resume_collects_nobody_from_before_the_last_resume(broker: Broker, clock: VirtualClock) -> None:
    """Two pauses shortly after each other; what was not collected after the first is not collected after the second."""
    campaign, [before, _meanwhile, _never] = paused_with_leads(broker, "stage", clock)
    qualify(_never, clock.now() - MINUTE)
    resume(campaign=campaign, now=clock.now())
    pause(campaign=campaign, now=clock.now() + MINUTE)
    resume(campaign=campaign, now=clock.now() + DAY, collect=True)
    assert list(campaign.enrollments.values_list("lead", flat=True)) == [before.pk]


def test_resume_collects_no_more_than_there_is_room_for(broker: Broker, clock: VirtualClock) -> None:
    leads = some_leads(broker, 3)
    campaign = pause(campaign=a_campaign(broker, max_contacts=2, **TRIGGERS["stage"]), now=NOW)
    for lead in leads:
        qualify(lead, NOW + HOUR)
    resume(campaign=campaign, now=NOW + DAY, collect=True)
    run(clock, passes=2, every=2 * DAY)
    assert (campaign.enrollments.count(), broken()) == (2, {})


def test_backlog_counts_only_who_may_enter(broker: Broker) -> None:
    """Neither the deleted nor who is in already, although both qualified (once more) meanwhile."""
    here, gone, inside = some_leads(broker, 3)
    campaign = a_campaign(broker, **TRIGGERS["stage"])
    enroll(campaign, inside)
    campaign = pause(campaign=campaign, now=NOW)
    for lead in (here, gone, inside):
        qualify(lead, NOW + HOUR)
    delete_lead(lead=gone, now=NOW + 2 * HOUR)
    found = backlog(campaign, NOW + DAY)
    resume(campaign=campaign, now=NOW + DAY, collect=True)
    assert (found.qualified, campaign.enrollments.count()) == (1, 2)


@pytest.mark.parametrize("after", [1, 30])
def test_backlog_counts_who_may_enter_again(broker: Broker, clock: VirtualClock, after: int) -> None:
    lead = a_lead(broker)
    campaign = a_campaign(broker, reentry_after_days=after, **TRIGGERS["stage"])
    enroll(campaign, lead)
    run(clock)
    campaign = pause(campaign=campaign, now=NOW + HOUR)
    qualify(lead, NOW + 2 * HOUR)
    found = backlog(campaign, NOW + 2 * DAY)
    resume(campaign=campaign, now=NOW + 2 * DAY, collect=True)
    assert found.qualified == campaign.enrollments.filter(entry=2).count() == (after == 1)


def test_resume_that_collects_nobody_by_hand_resumes(broker: Broker) -> None:
    """A manual campaign waits for nobody."""
    campaign, _leads = paused(broker, 0)
    a_lead(broker)
    assert resume(campaign=campaign, now=RESUMED, collect=True).enrolled_count == 1


@pytest.mark.django_db(transaction=True)
def test_resume_that_collects_waits_for_an_enrolment_that_is_under_way() -> None:
    """A long intake goes on with its next slice just then: first its own lock, then the campaign's row."""
    broker = a_broker()
    lead = a_lead(broker)
    campaign = pause(campaign=a_campaign(broker, **TRIGGERS["stage"]), now=NOW)
    qualify(lead, NOW + HOUR)
    with meanwhile() as begin, transaction.atomic():
        sql.run(sql.LOCK_CAMPAIGN, {"campaign": str(campaign.pk)})
        begin(lambda: resume(campaign=campaign, now=NOW + DAY, collect=True))
        assert locked(campaign).status == "paused"
    assert (Campaign.objects.get().status, enrolment_of(lead).status) == ("active", "active")
