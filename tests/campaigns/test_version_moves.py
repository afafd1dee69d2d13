"""Enrolments move to another version only when somebody moves them, with a preview (failures.md row 13)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import (
    Move,
    VersionInUse,
    edit_campaign,
    move_enrollments,
    pause,
    preview_move,
    resume,
    save_steps,
    versions_in_use,
)
from campaigns.deciding import decide_batch, due_groups
from campaigns.models import Campaign, CampaignLog, Enrollment
from campaigns.settling import settle
from leads.actions import move_stage
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
    an_admin,
    broken,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    now_of,
    reply,
    run,
    sent_bodies,
    some_leads,
)
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db
FIELDS = ("enrollment", "step_number", "status", "reason", "planned_at", "due_at", "attempts")


def texts(broker: Broker, *contents: str, **spec: Any) -> list[dict[str, Any]]:
    return [message_step(broker, content, delay_hours=2, **spec) for content in contents]


def on_version_one(broker: Broker, *leads: Lead, steps: int = 2) -> Campaign:
    """Leads that wait for the first of so many messages of a campaign, due two hours from NOW; no version follows."""
    campaign = a_campaign(broker, *texts(broker, *"abcdef"[:steps]))
    enroll(campaign, *leads)
    return campaign


def with_a_second(campaign: Campaign, *contents: str, **spec: Any) -> Campaign:
    save_steps(campaign=campaign, specs=texts(campaign.broker, *contents, **spec), now=NOW)
    return campaign


def rows() -> list[tuple[Any, ...]]:
    return list(CampaignLog.objects.order_by("id").values_list(*FIELDS))


def test_moved_enrolment_goes_on_by_the_other_version(free_broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(free_broker)
    campaign = with_a_second(on_version_one(free_broker, lead), "A", "B", "C")
    run(clock, passes=3)
    move_enrollments(campaign=campaign, to=2, now=clock.now())
    run(clock, passes=6)
    assert (sent_bodies(lead), enrolment_of(lead).version, broken()) == (["a", "B", "C"], 2, {})


def test_what_was_due_is_never_re_timed(broker: Broker, clock: VirtualClock) -> None:
    """Neither by another delay, nor by being moved: the waiting row keeps its moments and its attempts."""
    lead = a_lead(broker)
    campaign = on_version_one(broker, lead)
    save_steps(campaign=campaign, specs=[message_step(broker, "A", delay_hours=900)], now=NOW)
    before = rows()
    move_enrollments(campaign=campaign, to=2, now=NOW + HOUR)
    assert rows() == before
    run(clock, passes=3)
    assert sent_bodies(lead) == ["A"]


def test_enrolment_whose_step_the_version_does_not_have_is_completed(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = with_a_second(on_version_one(broker, lead), "A")
    run(clock, passes=3)
    moved = move_enrollments(campaign=campaign, to=2, now=clock.now())
    entry = enrolment_of(lead)
    assert moved == Move(moved=0, completed=1, in_flight=0)
    assert logs() == [(1, "sent", ""), (2, "skipped", "not_in_version")]
    assert (entry.status, entry.finished_at, entry.exit_reason) == ("completed", clock.now(), "")
    assert (log_of(lead, 2).executed_at, run(clock, passes=4).taken, broken()) == (NOW + 2 * HOUR, 0, {})


def in_every_place(broker: Broker, clock: VirtualClock) -> Campaign:
    """Five on the first version: waiting for step 1, waiting for step 2, in flight, replied, completed; and one on the
    second, which has one step."""
    leads = some_leads(broker, 5)
    first, second, flying, gone, done = leads
    campaign = on_version_one(broker, done)
    run(clock, passes=6)
    enroll(campaign, second, gone, now=clock.now())
    run(clock, passes=3)
    reply(gone, clock.now())
    run(clock)
    enroll(campaign, flying, now=clock.now() - 2 * HOUR)
    decide_batch(groups=due_groups(batch=9, broker_id=None, now=clock.now()), size=9, now=clock.now())
    enroll(campaign, first, now=clock.now())
    with_a_second(campaign, "A")
    enroll(campaign, a_lead(broker), now=clock.now())
    return campaign


def test_preview_counts_what_the_move_does(broker: Broker, clock: VirtualClock) -> None:
    campaign = in_every_place(broker, clock)
    before = rows()
    preview = preview_move(campaign=campaign, to=2)
    assert (preview, rows() == before) == (Move(moved=1, completed=1, in_flight=1), True)
    assert move_enrollments(campaign=campaign, to=2, now=clock.now()) == preview
    on = Enrollment.objects.order_by("id").values_list("version", "status")
    assert list(on) == [
        (1, "completed"),
        (2, "completed"),
        (1, "exited"),
        (1, "active"),
        (2, "active"),
        (2, "active"),
    ]
    assert broken() == {}


def test_moving_again_moves_nobody(broker: Broker, clock: VirtualClock) -> None:
    campaign = in_every_place(broker, clock)
    move_enrollments(campaign=campaign, to=2, now=clock.now())
    before = rows()
    assert move_enrollments(campaign=campaign, to=2, now=clock.now() + HOUR) == Move(0, 0, in_flight=1)
    assert rows() == before


def test_step_in_flight_stays_on_its_version_with_its_enrolment(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = with_a_second(on_version_one(broker, lead), "A", "B")
    clock.advance(2 * HOUR)
    decided = decide_batch(groups=due_groups(batch=9, broker_id=None, now=clock.now()), size=9, now=clock.now())
    assert move_enrollments(campaign=campaign, to=2, now=clock.now()) == Move(0, 0, in_flight=1)
    settle(dispatch_all(decided.dispatches, clock), clock.now())
    run(clock, passes=4)
    assert (sent_bodies(lead), enrolment_of(lead).version, broken()) == (["a", "b"], 1, {})


def test_moved_step_is_contacted_as_the_version_says(broker: Broker, clock: VirtualClock) -> None:
    """Another channel, and another action: no message at all."""
    lead, other = some_leads(broker, 2)
    campaign = with_a_second(on_version_one(broker, lead), "A", channel="email")
    stage = with_a_second(on_version_one(broker, other), "x")
    save_steps(campaign=stage, specs=[{"action": "update_stage", "target_stage": "perfilamiento"}], now=NOW)
    move_enrollments(campaign=campaign, to=2, now=NOW)
    move_enrollments(campaign=stage, to=3, now=NOW)
    assert [(log_of(person).action, log_of(person).channel) for person in (lead, other)] == [
        ("send_message", "email"),
        ("update_stage", ""),
    ]
    run(clock, passes=3)
    assert (lead.messages.get().channel, other.messages.count()) == ("email", 0)
    assert (now_of(other).pipeline_stage, broken()) == ("perfilamiento", {})


def test_moved_step_that_was_tried_before_has_a_key_of_its_own(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """failures.md row 1: attempts are counted on."""
    lead = a_lead(broker, telegram_chat_id="4711")
    counting_account(broker, sent_file, script={"4711": ["temporary", "accept"]})
    campaign = with_a_second(on_version_one(broker, lead), "A", "B")
    run(clock, passes=3)
    move_enrollments(campaign=campaign, to=2, now=clock.now())
    run(clock, passes=2)
    assert [send.key.split(":", 2)[2] for send in sends(sent_file)] == ["1:1", "1:2"]
    assert (sent_bodies(lead), broken()) == (["A"], {})


@pytest.mark.parametrize(
    ("before", "after", "outcome"), [(True, False, ("completed", "")), (False, True, ("exited", "replied"))]
)
@pytest.mark.parametrize("replied", ["before the move", "after it"])
def test_exits_follow_the_version_they_were_moved_to(
    broker: Broker, clock: VirtualClock, before: bool, after: bool, outcome: tuple[str, str], replied: str
) -> None:
    lead = a_lead(broker)
    campaign = a_campaign(broker, *texts(broker, "a"), exit_on_reply=before)
    enroll(campaign, lead)
    edit_campaign(campaign=campaign, now=NOW, exit_on_reply=after)
    if replied == "before the move":
        reply(lead, NOW + HOUR)
    move_enrollments(campaign=campaign, to=2, now=NOW + HOUR)
    if replied == "after it":
        reply(lead, NOW + HOUR)
    clock.advance(HOUR)
    run(clock, passes=3)
    assert (enrolment_of(lead).status, enrolment_of(lead).exit_reason, broken()) == (*outcome, {})


def test_goal_of_the_version_they_were_moved_to_ends_it(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = on_version_one(broker, lead)
    edit_campaign(campaign=campaign, now=NOW, goal_stage="perfilamiento")
    move_enrollments(campaign=campaign, to=2, now=NOW)
    move_stage(lead=now_of(lead), to="perfilamiento", now=NOW + HOUR, cause="agent")
    run(clock, passes=3)
    assert (enrolment_of(lead).exit_reason, sent_bodies(lead)) == ("goal_reached", [])


def test_only_the_versions_that_are_named_are_moved(broker: Broker) -> None:
    leads = some_leads(broker, 3)
    campaign = on_version_one(broker, leads[0])
    for lead in leads[1:]:
        enroll(with_a_second(campaign, "A", "B"), lead)
    assert move_enrollments(campaign=campaign, to=3, versions=[2], now=NOW) == Move(1, 0, 0)
    assert [enrolment_of(lead).version for lead in leads] == [1, 3, 3]


def test_enrolments_move_back_too(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = with_a_second(on_version_one(broker, lead), "A", "B")
    move_enrollments(campaign=campaign, to=2, now=NOW)
    move_enrollments(campaign=campaign, to=1, now=NOW)
    run(clock, passes=6)
    assert (sent_bodies(lead), broken()) == (["a", "b"], {})


def test_enrolments_of_a_paused_campaign_move_and_wait(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = with_a_second(on_version_one(broker, lead), "A")
    pause(campaign=campaign, now=NOW)
    move_enrollments(campaign=campaign, to=2, now=NOW + HOUR)
    run(clock, passes=4)
    assert sent_bodies(lead) == []
    resume(campaign=campaign, now=clock.now())
    run(clock, passes=3)
    assert (sent_bodies(lead), broken()) == (["A"], {})


@pytest.mark.parametrize("verb", [preview_move, lambda **named: move_enrollments(now=NOW, **named)])
@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"to": 3}, "to=3 is no version that was activated; use one of 1, 2"),
        ({"to": 0}, "to=0 is no version"),
        ({"to": 2, "versions": [1, 7]}, "versions=7 is no version"),
    ],
)
def test_version_nobody_activated_is_refused_by_name(
    broker: Broker, verb: Callable[..., Move], named: dict[str, Any], said: str
) -> None:
    lead, elsewhere = a_lead(broker), a_broker("boreal")
    campaign = with_a_second(on_version_one(broker, lead), "A")
    third = on_version_one(elsewhere)
    for _ in range(2):
        with_a_second(third, "x")
    before = rows()
    with pytest.raises(Refused, match=said) as refused:
        verb(campaign=campaign, **named)
    assert (refused.value.reason, rows() == before) == ("version_unknown", True)


def test_draft_has_no_version_to_move_to(broker: Broker) -> None:
    with pytest.raises(Refused, match="none was activated yet"):
        preview_move(campaign=a_draft(broker), to=1)


def test_move_changes_nothing_in_other_campaigns(broker: Broker) -> None:
    lead, other = some_leads(broker, 2)
    campaign, elsewhere = (with_a_second(on_version_one(broker, person), "A") for person in (lead, other))
    move_enrollments(campaign=campaign, to=2, now=NOW)
    assert (enrolment_of(lead).version, enrolment_of(other).version, elsewhere.version) == (2, 1, 2)


def test_versions_in_use_say_who_is_on_which(broker: Broker, clock: VirtualClock) -> None:
    campaign, admin = in_every_place(broker, clock), an_admin(broker)
    save_steps(campaign=campaign, specs=texts(broker, "x", "y", "z"), now=NOW + DAY, by=admin)
    assert versions_in_use(campaign) == [
        VersionInUse(3, NOW + DAY, admin, steps=3, under_way=0, enrolled=0),
        VersionInUse(2, NOW, None, steps=1, under_way=1, enrolled=1),
        VersionInUse(1, NOW, None, steps=2, under_way=3, enrolled=5),
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_versions_in_use_take_three_statements(broker: Broker, count: int) -> None:
    admin = an_admin(broker)
    campaign = on_version_one(broker, *some_leads(broker, count))
    for _ in range(count):
        save_steps(campaign=campaign, specs=texts(broker, "x"), now=NOW, by=admin)
    with CaptureQueriesContext(connection) as asked:
        found = versions_in_use(campaign)
    assert (len(found), len(asked)) == (count + 1, 3)
