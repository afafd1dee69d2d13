"""What ends an enrolment: by the set-based look at each pass, and by the decision alone."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from brokers.models import Broker
from campaigns import engine
from campaigns.models import CampaignLog
from leads.actions import edit_lead, move_stage, record_permission
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import Message
from messaging.unsubscribe import Link, unsubscribe
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    a_user,
    book,
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
)

pytestmark = pytest.mark.django_db
Happening = Callable[[Lead, datetime], object]


def move(*stages: str) -> Happening:
    def happen(lead: Lead, now: datetime) -> None:
        for stage in stages:
            move_stage(lead=now_of(lead), to=stage, now=now, cause="agent", reason="otro")

    return happen


def revoke(**how: Any) -> Happening:
    return lambda lead, now: record_permission(
        broker=lead.broker, lead=lead, kind="revoked", now=now, source="form", **how
    )


def edit(**changes: Any) -> Happening:
    return lambda lead, now: edit_lead(lead=now_of(lead), now=now, by=None, **changes)


def unsubscribe_by_link(lead: Lead, now: datetime) -> None:
    unsubscribe(link=Link(lead.broker_id, lead.pk, "telegram", lead.telegram_chat_id), now=now)


def delete(lead: Lead, now: datetime) -> None:
    Lead.objects.filter(pk=lead.pk).update(deleted_at=now, last_activity_at=now)


HAPPENINGS: dict[str, tuple[Happening, str]] = {
    "reply": (reply, "replied"),
    "booking": (book, "booked"),
    "goal": (move("perfilamiento"), "goal_reached"),
    "goal_passed_through": (move("perfilamiento", "calificacion_financiera"), "goal_reached"),
    "lost": (move("perdido"), "closed"),
    "lost_and_reopened": (move("perdido", "perfilamiento"), "goal_reached"),
    "opt_out": (revoke(), "opted_out"),
    "opt_out_of_the_channel": (revoke(channel="telegram"), "opted_out"),
    "opt_out_of_everything": (revoke(purpose="all"), "opted_out"),
    "unsubscribe_link": (unsubscribe_by_link, "opted_out"),
    "hold": (edit(treatment_type="hold"), "hold"),
    "deleted": (delete, "deleted"),
}
HARMLESS: dict[str, Happening] = {
    "opt_out_of_another_channel": revoke(channel="email"),
    "edit": edit(notes="llamar"),
    "another_stage": move("calificacion_financiera"),
}
happenings = pytest.mark.parametrize(("happen", "reason"), HAPPENINGS.values(), ids=HAPPENINGS)
harmless = pytest.mark.parametrize("happen", HARMLESS.values(), ids=HARMLESS)


@pytest.fixture
def lead(broker: Broker, clock: VirtualClock) -> Lead:
    """Got the first message; the second is due in a day."""
    person = a_lead(broker, assigned_to=a_user(broker))
    steps = [message_step(broker, "uno"), message_step(broker, "dos", delay_hours=24)]
    enroll(a_campaign(broker, *steps, goal_stage="perfilamiento"), person)
    run(clock, passes=3)
    clock.advance(HOUR)
    return person


def ending(lead: Lead) -> tuple[str, str, list[tuple[int, str, str]]]:
    entry = enrolment_of(lead)
    return entry.status, entry.exit_reason, logs(lead=lead)


@happenings
def test_what_happened_ends_the_enrolment_at_the_next_pass(
    lead: Lead, clock: VirtualClock, happen: Happening, reason: str
) -> None:
    """Long before the step is due."""
    happen(lead, clock.now())
    clock.advance(HOUR)
    done = run(clock)
    assert ending(lead) == ("exited", reason, [(1, "sent", ""), (2, "skipped", reason)])
    assert (done.exited, enrolment_of(lead).finished_at) == (1, clock.now())


def test_what_happened_before_the_first_pass_ends_the_enrolment_with_it(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker, delay_hours=24)), lead)
    clock.advance(HOUR)
    reply(lead, clock.now())
    run(clock)
    assert ending(lead) == ("exited", "replied", [(1, "skipped", "replied")])


@happenings
def test_what_happened_ends_the_enrolment_by_the_decision_alone(
    broker: Broker, lead: Lead, clock: VirtualClock, happen: Happening, reason: str
) -> None:
    """failures.md row 19, among others: it is asked in the only path to a provider."""
    happen(lead, clock.now())
    clock.advance(DAY)
    engine.work_off(clock=clock, broker=broker)
    assert ending(lead) == ("exited", reason, [(1, "sent", ""), (2, "skipped", reason)])
    assert sent_bodies(lead) == ["uno"]


@harmless
def test_other_things_end_nothing(lead: Lead, clock: VirtualClock, happen: Happening) -> None:
    happen(lead, clock.now())
    run(clock, passes=30)
    assert ending(lead) == ("completed", "", [(1, "sent", ""), (2, "sent", "")])


@pytest.mark.parametrize("name", ["reply", "booking", "goal", "lost"])
def test_what_happened_before_the_enrolment_ends_nothing(free_broker: Broker, clock: VirtualClock, name: str) -> None:
    person = a_lead(free_broker, assigned_to=a_user(free_broker))
    HAPPENINGS[name][0](person, NOW)
    enroll(
        a_campaign(free_broker, message_step(free_broker, delay_hours=2), goal_stage="perfilamiento"), person, now=NOW
    )
    run(clock, passes=4)
    assert ending(person) == ("completed", "", [(1, "sent", "")])


@pytest.mark.parametrize("name", ["opt_out", "hold", "deleted"])
def test_state_of_the_lead_ends_the_enrolment_whenever_it_began(broker: Broker, clock: VirtualClock, name: str) -> None:
    happen, reason = HAPPENINGS[name]
    person = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker, delay_hours=2)), person)
    happen(person, NOW - DAY)
    run(clock, passes=4)
    assert ending(person)[:2] == ("exited", reason)


def test_reply_ends_nothing_where_the_campaign_says_so(broker: Broker, clock: VirtualClock) -> None:
    person = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker, delay_hours=2), exit_on_reply=False), person)
    reply(person, NOW + HOUR)
    run(clock, passes=4)
    assert ending(person)[0] == "completed"


def test_event_is_held_against_the_enrolment_of_its_own_lead(broker: Broker, clock: VirtualClock) -> None:
    """Both in one batch: what lies between the two entries ends only the earlier one."""
    early, late = (a_lead(broker, assigned_to=a_user(broker, name)) for name in ("a", "b"))
    campaign = a_campaign(broker, message_step(broker, delay_hours=3), goal_stage="perfilamiento")
    enroll(campaign, early)
    for person in (early, late):
        move("perfilamiento")(person, NOW + HOUR)
    enroll(campaign, late, now=NOW + 2 * HOUR)
    clock.advance(5 * HOUR)
    engine.work_off(clock=clock, broker=broker)
    assert [enrolment_of(person).status for person in (early, late)] == ["exited", "completed"]


def test_event_ends_every_enrolment_of_the_lead_and_no_other(broker: Broker, clock: VirtualClock) -> None:
    one, other = a_lead(broker), a_lead(broker)
    for _ in range(2):
        enroll(a_campaign(broker, message_step(broker, delay_hours=9)), one, other)
    run(clock)
    reply(one, NOW + HOUR)
    clock.advance(2 * HOUR)
    assert run(clock).exited == 2
    assert [set(person.enrollments.values_list("status", flat=True)) for person in (one, other)] == [
        {"exited"},
        {"active"},
    ]


def test_pass_over_one_brokerage_ends_only_its_own(broker: Broker, free_broker: Broker, clock: VirtualClock) -> None:
    people = [a_lead(owner) for owner in (broker, free_broker)]
    for person in people:
        enroll(a_campaign(person.broker, message_step(person.broker, delay_hours=9)), person)
    run(clock)
    for person in people:
        reply(person, NOW + HOUR)
    clock.advance(2 * HOUR)
    assert run(clock, broker=broker).exited == 1
    assert [enrolment_of(person).status for person in people] == ["exited", "active"]


def test_exit_while_a_message_is_under_way_lets_it_settle_and_schedules_nothing(
    broker: Broker, clock: VirtualClock, sent_file: Any
) -> None:
    """A call that rings while the lead books: its outcome is kept, and no step follows."""
    counting_account(broker, sent_file, channel="call")
    counting_account(broker, sent_file)
    person = a_lead(broker, treatment_type="automated_call", assigned_to=a_user(broker))
    enroll(a_campaign(broker, {"action": "make_call"}, message_step(broker, delay_hours=24)), person)
    run(clock)
    assert log_of(person).dispatched_at == NOW
    book(person, NOW + HOUR / 6)
    clock.advance(HOUR / 4)
    run(clock)
    assert log_of(person).status == "pending"
    Message.objects.get(channel="call").call.__class__.objects.update(status="completed", duration=40)
    clock.advance(HOUR / 6)
    run(clock, passes=2, every=HOUR / 60)
    assert log_of(person).status == "sent"
    assert (CampaignLog.objects.waiting().count(), enrolment_of(person).exit_reason) == (0, "booked")
