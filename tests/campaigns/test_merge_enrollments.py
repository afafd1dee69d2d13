"""What becomes of enrolments, messages and permissions when two leads are merged, and when they are parted again."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import stop_enrollment
from campaigns.deciding import Dispatch, decide_batch, due_groups
from campaigns.models import CampaignLog, Enrollment
from campaigns.settling import settle
from leads.actions import edit_lead, merge_leads, record_inbound, record_permission, unmerge_leads
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_free_broker,
    a_lead,
    a_user,
    at,
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
from tests.peers.counting import WORDS

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_free_broker()


def texts(broker: Broker, *contents: str, hours: float = 1) -> list[dict[str, object]]:
    return [message_step(broker, content, delay_hours=hours) for content in contents]


def decided(clock: VirtualClock) -> list[Dispatch]:
    groups = due_groups(batch=100, broker_id=None, now=clock.now())
    return decide_batch(groups=groups, size=100, now=clock.now()).dispatches


def states(*leads: Lead) -> list[tuple[int, str, str]]:
    rows = Enrollment.objects.filter(lead__in=leads).order_by("entry", "id")
    return list(rows.values_list("entry", "status", "exit_reason"))


def test_merged_lead_goes_on_in_its_campaign_as_the_one_that_is_kept(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock = at(NOW)
    enroll(a_campaign(broker, *texts(broker, "Uno", "Dos")), gone)
    run(clock, passes=2)
    merge_leads(into=into, from_=gone, now=clock.now())
    run(clock, passes=3)
    assert sent_bodies(into) == ["Uno", "Dos"]
    assert [row.address for row in Message.objects.order_by("id")] == [gone.telegram_chat_id, into.telegram_chat_id]
    assert broken() == {}


def test_of_two_under_way_the_further_one_goes_on(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock, campaign = at(NOW), a_campaign(broker, *texts(broker, "Uno", "Dos", "Tres"))
    enroll(campaign, gone)
    run(clock, passes=2)
    enroll(campaign, into, now=clock.now())
    merge_leads(into=into, from_=gone, now=clock.now())
    assert states(into) == [(1, "exited", "merged"), (2, "active", "")]
    run(clock, passes=5)
    assert sent_bodies(into) == ["Uno", "Dos", "Tres"]
    assert broken() == {}


def test_a_step_that_the_other_lead_had_is_not_sent_again(broker: Broker) -> None:
    """failures.md row 11: re-entry makes no two schedules, not by a merge either."""
    into, gone = a_lead(broker), a_lead(broker)
    clock, campaign = at(NOW), a_campaign(broker, *texts(broker, "Uno"))
    enroll(campaign, gone)
    run(clock, passes=2)
    enroll(campaign, into, now=clock.now())
    merge_leads(into=into, from_=gone, now=clock.now())
    run(clock, passes=3)
    assert (sent_bodies(into), states(into)) == (["Uno"], [(1, "exited", "merged"), (2, "completed", "")])
    assert broken() == {}


def test_an_entry_that_the_reentry_rule_allows_goes_on(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock, campaign = at(NOW), a_campaign(broker, *texts(broker, "Uno"), reentry_after_days=1)
    enroll(campaign, gone)
    run(clock, passes=2)
    clock.advance(2 * DAY)
    enroll(campaign, into, now=clock.now())
    merge_leads(into=into, from_=gone, now=clock.now())
    run(clock, passes=3)
    assert sent_bodies(into) == ["Uno", "Uno"]
    assert broken() == {}


def test_what_a_stop_ended_before_anything_was_sent_ends_nothing_else(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    campaign = a_campaign(broker, *texts(broker, "Uno"))
    enroll(campaign, into, gone)
    stop_enrollment(enrollment=enrolment_of(gone), now=NOW)
    merge_leads(into=into, from_=gone, now=NOW)
    run(at(NOW), passes=3)
    assert sent_bodies(into) == ["Uno"]
    assert broken() == {}


def test_a_step_that_is_being_sent_settles_and_nothing_follows(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock, campaign = at(NOW), a_campaign(broker, *texts(broker, "Uno", "Dos", hours=0))
    enroll(campaign, into, gone)
    run(clock)
    clock.advance(HOUR)
    other = a_campaign(broker, message_step(broker, "Tres"), message_step(broker, "Cuatro"), now=clock.now())
    enroll(other, into, gone, now=clock.now())
    held = decided(clock)
    merge_leads(into=into, from_=gone, now=clock.now())
    settle([(one, WORDS["accept"](one.envelope, 0)) for one in held], clock.now())
    run(clock, passes=3)
    tail = list(
        CampaignLog.objects.filter(campaign=other).order_by("id").values_list("step_number", "status", "reason")
    )
    assert tail == [(1, "sent", ""), (1, "sent", ""), (2, "sent", "")]
    assert Message.objects.exclude(lead=into).count() == 0
    assert broken() == {}


def test_a_refusal_of_the_old_address_says_nothing_of_the_new_one(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock = at(NOW)
    enroll(a_campaign(broker, message_step(broker)), gone)
    held = decided(clock)
    merge_leads(into=into, from_=gone, now=clock.now())
    settle([(one, WORDS["invalid"](one.envelope, 0)) for one in held], clock.now())
    assert (now_of(into).unreachable, log_of(into).reason) == ({}, "invalid_address")
    assert broken() == {}


def test_caps_count_the_contacts_of_both() -> None:
    """failures.md row 22."""
    broker = a_broker(cap_24h=2, cap_7d=9)
    into, gone = a_lead(broker), a_lead(broker)
    clock = at(NOW)
    for name in ("one", "two"):
        enroll(a_campaign(broker, message_step(broker), name=name), gone)
    run(clock)
    merge_leads(into=into, from_=gone, now=clock.now())
    enroll(a_campaign(broker, message_step(broker), name="three"), into, now=clock.now())
    run(clock)
    [waiting] = CampaignLog.objects.filter(status="pending")
    assert (waiting.reason, waiting.lead_id) == ("frequency_cap", into.pk)
    assert broken() == {}


def test_two_leads_at_their_caps_are_no_fault_of_the_ledger() -> None:
    broker = a_broker(cap_24h=1, cap_7d=9)
    into, gone = a_lead(broker), a_lead(broker)
    enroll(a_campaign(broker, message_step(broker)), into, gone)
    run(at(NOW))
    merge_leads(into=into, from_=gone, now=NOW)
    assert Message.objects.filter(lead=into).count() == 2
    assert broken() == {}


def test_hold_out_stays_by_the_hash_of_who_entered(broker: Broker) -> None:
    campaign = a_campaign(broker, message_step(broker), holdout_percent=50)
    leads = some_leads(broker, 20)
    enroll(campaign, *leads)
    held = [row.lead for row in Enrollment.objects.filter(status="held_out").select_related("lead")]
    active = [row.lead for row in Enrollment.objects.filter(status="active").select_related("lead")]
    merge_leads(into=held[0], from_=active[0], now=NOW)
    merge_leads(into=active[1], from_=held[1], now=NOW)
    assert broken() == {}


def test_what_is_over_for_one_ends_before_the_two_are_one(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    enroll(a_campaign(broker, *texts(broker, "Uno")), gone)
    record_inbound(lead=gone, now=NOW + HOUR, answers=None)
    merge_leads(into=into, from_=gone, now=NOW + HOUR)
    assert states(into) == [(1, "exited", "replied")]


def test_a_move_by_a_campaign_stays_with_the_lead_that_was_moved(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    move = {"action": "update_stage", "target_stage": "perfilamiento"}
    enroll(a_campaign(broker, move, message_step(broker, delay_hours=9)), gone)
    run(at(NOW))
    merge_leads(into=into, from_=gone, now=NOW)
    assert (now_of(into).pipeline_stage, now_of(gone).pipeline_stage) == ("entrada", "perfilamiento")
    assert broken() == {}


# Permissions: the strictest.


def say(lead: Lead, kind: str, hours: int, **how: object) -> None:
    moment = NOW + hours * HOUR
    record_permission(broker=lead.broker, lead=lead, kind=kind, source="form", now=moment, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_the_kept_one", [True, False])
def test_what_either_took_back_stays_taken_back(broker: Broker, is_the_kept_one: bool) -> None:
    """failures.md row 19: although the other gave a permission later."""
    into, gone = a_lead(broker), a_lead(broker)
    refuser, giver = (into, gone) if is_the_kept_one else (gone, into)
    say(refuser, "revoked", 1)
    say(giver, "granted", 2)
    merge_leads(into=into, from_=gone, now=NOW + 3 * HOUR)
    enroll(a_campaign(broker, message_step(broker)), into, now=NOW + 3 * HOUR)
    run(at(NOW + 3 * HOUR))
    assert logs(lead=into) == [(1, "skipped", "opted_out")]
    assert now_of(into).opted_out_at == NOW + HOUR
    assert broken() == {}


def test_what_was_taken_back_for_one_channel_binds_that_channel(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    say(gone, "revoked", 1, channel="email")
    say(into, "granted", 2)
    merge_leads(into=into, from_=gone, now=NOW + 3 * HOUR)
    enroll(a_campaign(broker, message_step(broker)), into, now=NOW + 3 * HOUR)
    enroll(a_campaign(broker, message_step(broker, channel="email"), channel="email"), into, now=NOW + 3 * HOUR)
    run(at(NOW + 3 * HOUR))
    assert sorted(logs(lead=into)) == [(1, "sent", ""), (1, "skipped", "opted_out")]


def test_what_was_taken_back_for_an_address_binds_both(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    record_permission(broker=broker, address=gone.phone, kind="revoked", source="keyword", now=NOW)
    counting = a_campaign(broker, {"action": "make_call"}, channel="call")
    Lead.objects.filter(pk__in=(into.pk, gone.pk)).update(treatment_type="automated_call")
    merge_leads(into=into, from_=gone, now=NOW + HOUR)
    enroll(counting, into, now=NOW + HOUR)
    run(at(NOW + HOUR))
    assert logs(lead=into) == [(1, "skipped", "opted_out")]


def test_what_was_taken_back_binds_although_they_share_a_mailbox(broker: Broker) -> None:
    into, gone = (a_lead(broker, email="casa@example.com") for _ in range(2))
    say(gone, "revoked", 1, channel="telegram")
    say(into, "granted", 2)
    merge_leads(into=into, from_=gone, now=NOW + 3 * HOUR)
    enroll(a_campaign(broker, message_step(broker)), into, now=NOW + 3 * HOUR)
    run(at(NOW + 3 * HOUR))
    assert logs(lead=into) == [(1, "skipped", "opted_out")]


def test_undo_takes_away_what_the_merge_wrote_and_nobody_said(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    say(gone, "revoked", 1)
    say(into, "granted", 2)
    record = merge_leads(into=into, from_=gone, now=NOW + 3 * HOUR)
    unmerge_leads(record=record, now=NOW + 4 * HOUR)
    campaign = a_campaign(broker, message_step(broker))
    enroll(campaign, into, gone, now=NOW + 4 * HOUR)
    run(at(NOW + 4 * HOUR))
    assert (logs(lead=into), logs(lead=gone)) == ([(1, "sent", "")], [(1, "skipped", "opted_out")])
    assert broken() == {}


# Undone.


def test_undo_gives_enrolments_back_with_what_they_did_since(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock = at(NOW)
    enroll(a_campaign(broker, *texts(broker, "Uno", "Dos", "Tres")), gone)
    run(clock, passes=2)
    record = merge_leads(into=into, from_=gone, now=clock.now())
    run(clock, passes=2)
    unmerge_leads(record=record, now=clock.now())
    assert (sent_bodies(into), sent_bodies(gone)) == ([], ["Uno", "Dos"])
    run(clock, passes=3)
    assert sent_bodies(gone) == ["Uno", "Dos", "Tres"]
    assert broken() == {}


def test_undo_lets_the_ended_one_go_on(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock, campaign = at(NOW), a_campaign(broker, *texts(broker, "Uno", "Dos"))
    enroll(campaign, gone)
    run(clock, passes=2)
    enroll(campaign, into, now=clock.now())
    record = merge_leads(into=into, from_=gone, now=clock.now())
    unmerge_leads(record=record, now=clock.now())
    assert (states(into), states(gone)) == ([(1, "active", "")], [(1, "active", "")])
    run(clock, passes=4)
    assert (sent_bodies(into), sent_bodies(gone)) == (["Uno", "Dos"], ["Uno", "Dos"])
    assert broken() == {}


def test_undo_counts_later_entries_anew(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock, campaign = at(NOW), a_campaign(broker, *texts(broker, "Uno"), reentry_after_days=1)
    enroll(campaign, gone, into)
    run(clock, passes=2)
    record = merge_leads(into=into, from_=gone, now=clock.now() + 30 * HOUR)
    clock.advance(40 * HOUR)
    enroll(campaign, into, now=clock.now())
    assert [entry for entry, _status, _reason in states(into)] == [1, 2, 3]
    unmerge_leads(record=record, now=clock.now())
    assert ([one[0] for one in states(into)], [one[0] for one in states(gone)]) == ([1, 2], [1])
    assert broken() == {}


def test_undo_leaves_an_ended_one_that_entered_anew(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock, campaign = at(NOW), a_campaign(broker, *texts(broker, "Uno"), reentry_after_days=1)
    enroll(campaign, gone)
    run(clock, passes=2)
    enroll(campaign, into, now=clock.now())
    record = merge_leads(into=into, from_=gone, now=clock.now())
    Enrollment.objects.filter(lead=into).exclude(finished_at=None).update(finished_at=NOW - 3 * DAY)
    enroll(campaign, into, now=clock.now() + HOUR)
    unmerge_leads(record=record, now=clock.now() + 2 * HOUR)
    assert [status for _entry, status, _reason in states(into)] == ["exited", "active"]


def test_undo_is_refused_while_a_step_is_being_sent(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    clock = at(NOW)
    enroll(a_campaign(broker, message_step(broker)), gone)
    record = merge_leads(into=into, from_=gone, now=NOW)
    held = decided(clock)
    with pytest.raises(Refused) as refused:
        unmerge_leads(record=record, now=NOW)
    assert refused.value.reason == "in_flight"
    settle([(one, WORDS["accept"](one.envelope, 0)) for one in held], NOW)
    unmerge_leads(record=record, now=NOW)
    assert (states(into), states(gone)) == ([], [(1, "completed", "")])
    assert broken() == {}


def test_undo_gives_back_a_meeting_that_a_campaign_proposed_since(broker: Broker) -> None:
    agent = a_user(broker)
    into, gone = a_lead(broker, assigned_to=agent), a_lead(broker, assigned_to=agent)
    move = {"action": "update_stage", "target_stage": "perfilamiento"}
    enroll(a_campaign(broker, move, {"action": "schedule_meeting"}), gone)
    record = merge_leads(into=into, from_=gone, now=NOW)
    run(at(NOW))
    unmerge_leads(record=record, now=NOW)
    assert (gone.appointments.count(), now_of(into).pipeline_stage) == (1, "perfilamiento")
    assert broken() == {}


def test_undo_gives_back_a_task_that_a_campaign_made_since(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker)
    enroll(a_campaign(broker, message_step(broker)), gone)
    record = merge_leads(into=into, from_=gone, now=NOW)
    edit_lead(lead=into, now=NOW, by=None, treatment_type="manual_follow_up")
    run(at(NOW))
    unmerge_leads(record=record, now=NOW)
    assert (gone.tasks.count(), into.tasks.count(), now_of(gone).next_task_at) == (1, 0, NOW)
    assert broken() == {}


def test_calls_move_with_their_messages(broker: Broker, sent_file: Path, settings: LazySettings) -> None:
    into, gone = a_lead(broker), a_lead(broker, treatment_type="automated_call")
    counting_account(broker, sent_file)
    clock = at(NOW)
    enroll(a_campaign(broker, {"action": "make_call"}, channel="call"), gone)
    run(clock)
    record = merge_leads(into=into, from_=gone, now=clock.now())
    assert (into.calls.count(), now_of(into).long_call_count) == (1, now_of(gone).long_call_count)
    assert broken() == {}
    unmerge_leads(record=record, now=clock.now())
    assert (into.calls.count(), gone.calls.count()) == (0, 1)
    assert broken() == {}
