"""What becomes of a meeting, and of its lead: each verb once, in one transaction."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions import (
    SlotTaken,
    book_appointment,
    cancel_appointment,
    choose_slot,
    complete_appointment,
    confirm_appointment,
    delete_lead,
    edit_lead,
    merge_leads,
    miss_appointment,
    move_appointment,
    propose_appointment,
    recalculate_scores,
    unmerge_leads,
)
from leads.models import Appointment, Lead, StageTransition, Task
from tests.building import DAY, HOUR, NOW, a_broker, a_calendar, a_lead, a_user, book, now_of
from tests.together import together

pytestmark = pytest.mark.django_db
STARTS = NOW + DAY
AFTER = STARTS + HOUR


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def agent(broker: Broker) -> User:
    return a_user(broker)


@pytest.fixture
def lead(broker: Broker, agent: User) -> Lead:
    return a_lead(broker, assigned_to=agent)


def reason_of(verb: Callable[..., Any], *, appointment: Appointment, now: datetime, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        verb(appointment=appointment, now=now, **fields)
    return refused.value.reason


def stage_of(lead: Lead) -> str:
    return str(now_of(lead).pipeline_stage)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("entrada", "agendado"),
        ("perfilamiento", "agendado"),
        ("calificacion_financiera", "agendado"),
        ("seguimiento", "agendado"),
        ("agendado", "agendado"),
        ("ganado", "ganado"),
        ("referidos", "referidos"),
        ("perdido", "perdido"),
    ],
)
def test_booking_moves_who_is_before_it(broker: Broker, agent: User, start: str, end: str) -> None:
    lead = a_lead(broker, assigned_to=agent, stage=start)
    book(lead, NOW, starts_at=STARTS)
    assert stage_of(lead) == end


def test_lost_lead_who_books_stays_lost_and_their_agent_gets_a_task(broker: Broker, agent: User) -> None:
    lead = a_lead(broker, assigned_to=agent, stage="perdido", name="Rosa")
    book(lead, NOW, starts_at=STARTS)
    task = Task.objects.get(lead=lead)
    assert (stage_of(lead), task.assignee, task.title.startswith("Rosa")) == ("perdido", agent, True)


def test_who_books_is_who_moves(lead: Lead, agent: User) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    book_appointment(appointment=meeting, starts_at=STARTS, ends_at=AFTER, now=NOW, by=agent)
    move = StageTransition.objects.get(lead=lead, to_stage="agendado")
    assert (move.by, move.cause) == (agent, "agent")


def test_nobody_on_hold_is_moved_by_itself(lead: Lead, agent: User) -> None:
    edit_lead(lead=lead, now=NOW, by=None, treatment_type="hold")
    meeting = book(lead, NOW, starts_at=STARTS)
    assert (meeting.status, stage_of(lead)) == ("scheduled", "entrada")


def test_booking_is_worth_its_points_and_those_of_the_stage(lead: Lead) -> None:
    book(lead, NOW, starts_at=STARTS)
    fresh = now_of(lead)
    assert (fresh.score_components["booking"], fresh.score_components["stage"]) == (5, 8)
    assert fresh.lead_score == lead.lead_score + 13


def test_verbs_done_twice_are_done_once(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    times = {"starts_at": STARTS + DAY, "ends_at": AFTER + DAY}
    for _ in range(2):
        book_appointment(appointment=meeting, starts_at=STARTS, ends_at=AFTER, now=NOW)
    for _ in range(2):
        move_appointment(appointment=meeting, now=NOW, **times)
    for verb in (confirm_appointment, confirm_appointment):
        verb(appointment=meeting, now=NOW)
    for _ in range(2):
        miss_appointment(appointment=meeting, now=AFTER + DAY)
    fresh = Appointment.objects.get()
    assert (fresh.status, fresh.sequence, now_of(lead).booking_count, Task.objects.count()) == ("no_show", 1, 0, 1)


def test_completed_meeting_moves_the_lead_on_and_is_a_sign_of_life(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    complete_appointment(appointment=meeting, now=AFTER)
    fresh = now_of(lead)
    assert (fresh.pipeline_stage, fresh.last_activity_at, fresh.next_appointment_at) == ("seguimiento", AFTER, None)
    assert (fresh.booking_count, fresh.score_components["booking"]) == (1, 5)
    assert StageTransition.objects.get(lead=lead, to_stage="seguimiento").cause == "auto"


def test_completed_meeting_leaves_who_has_another_one_ahead(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    book(lead, NOW, starts_at=STARTS + 2 * DAY)
    complete_appointment(appointment=meeting, now=AFTER)
    assert (stage_of(lead), now_of(lead).next_appointment_at) == ("agendado", STARTS + 2 * DAY)


def test_no_show_takes_the_points_back_and_gives_a_task(lead: Lead, agent: User) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    miss_appointment(appointment=meeting, now=AFTER)
    fresh = now_of(lead)
    assert (fresh.booking_count, fresh.score_components.get("booking"), fresh.last_activity_at) == (0, None, NOW)
    assert fresh.pipeline_stage == "seguimiento"
    task = Task.objects.get()
    assert (task.assignee, task.due_at, task.origin) == (agent, AFTER, f"appointment:{meeting.pk}:no_show")


def test_calling_off_keeps_the_stage_and_gives_a_task_only_when_the_lead_does_it(lead: Lead, agent: User) -> None:
    cancel_appointment(appointment=book(lead, NOW, starts_at=STARTS), now=NOW, by=agent)
    assert (stage_of(lead), Task.objects.count()) == ("agendado", 0)
    cancel_appointment(appointment=book(lead, NOW, starts_at=STARTS), now=NOW)
    assert (stage_of(lead), Task.objects.count()) == ("agendado", 1)


def test_calling_off_leaves_who_came_to_an_earlier_meeting_to_be_followed_up(lead: Lead) -> None:
    """The table's line for who was visited and has no live meeting any more, at once and not in the night."""
    complete_appointment(appointment=book(lead, NOW, starts_at=STARTS), now=AFTER)
    meeting = book(lead, AFTER, starts_at=AFTER + DAY)
    assert stage_of(lead) == "agendado"
    cancel_appointment(appointment=meeting, now=AFTER + HOUR)
    assert stage_of(lead) == "seguimiento"


@pytest.mark.parametrize("verb", [confirm_appointment, cancel_appointment, move_appointment])
def test_what_a_lead_does_with_a_meeting_ends_their_silence(lead: Lead, verb: Callable[..., Any]) -> None:
    later = NOW + 90 * DAY
    meeting = book(lead, NOW, starts_at=later + DAY)
    recalculate_scores(broker=lead.broker, clock=lambda: later)
    assert now_of(lead).score_components["silent"] == -5
    moved = {"starts_at": later + 2 * DAY, "ends_at": later + 2 * DAY + HOUR}
    verb(appointment=meeting, now=later, **moved if verb is move_appointment else {})
    assert now_of(lead).score_components.get("silent") is None


def test_meeting_with_a_lead_who_is_deleted_frees_its_time(broker: Broker, agent: User, lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    delete_lead(lead=lead, now=NOW)
    fresh = Appointment.objects.get(pk=meeting.pk)
    assert (fresh.status, now_of(lead).next_appointment_at) == ("cancelled", None)
    assert book(a_lead(broker, assigned_to=agent), NOW, starts_at=STARTS).starts_at == STARTS
    times = {"starts_at": STARTS + DAY, "ends_at": AFTER + DAY}
    assert reason_of(book_appointment, appointment=meeting, now=NOW, **times) == "lead_gone"


def test_meeting_that_an_undone_merge_gave_back_is_not_changed_for_the_other_lead(broker: Broker, lead: Lead) -> None:
    other = a_lead(broker, assigned_to=lead.assigned_to)
    meeting = book(other, NOW, starts_at=STARTS)
    record = merge_leads(into=lead, from_=other, now=NOW)
    seen = Appointment.objects.select_related("lead").get(pk=meeting.pk)
    unmerge_leads(record=record, now=NOW)
    assert reason_of(cancel_appointment, appointment=seen, now=NOW) == "lead_merged"
    assert (Appointment.objects.get().status, now_of(other).next_appointment_at) == ("scheduled", STARTS)


def test_proposal_may_be_withdrawn_and_nobody_is_told(lead: Lead) -> None:
    meeting = cancel_appointment(appointment=propose_appointment(lead=lead, now=NOW), now=NOW)
    assert (meeting.status, meeting.notice_due_at, Task.objects.count()) == ("cancelled", None, 0)


@pytest.mark.parametrize("verb", [complete_appointment, miss_appointment])
def test_meeting_has_not_taken_place_before_it_begins(lead: Lead, verb: Callable[..., Any]) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    assert reason_of(verb, appointment=meeting, now=STARTS - HOUR / 60) == "not_yet"


@pytest.mark.parametrize("verb", [complete_appointment, miss_appointment, confirm_appointment])
@pytest.mark.parametrize("status", ["proposed", "cancelled"])
def test_meeting_that_is_not_booked_cannot_take_place(lead: Lead, verb: Callable[..., Any], status: str) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    Appointment.objects.update(status=status)
    assert reason_of(verb, appointment=meeting, now=AFTER) == "not_open"


@pytest.mark.parametrize("verb", [cancel_appointment, confirm_appointment])
def test_meeting_that_has_begun_is_not_changed(lead: Lead, verb: Callable[..., Any]) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    assert reason_of(verb, appointment=meeting, now=STARTS) == "not_open"
    times = {"starts_at": STARTS + DAY, "ends_at": AFTER + DAY}
    assert reason_of(move_appointment, appointment=meeting, now=STARTS, **times) == "not_open"


def test_what_was_said_of_a_meeting_stays(lead: Lead) -> None:
    meeting = complete_appointment(appointment=book(lead, NOW, starts_at=STARTS), now=AFTER)
    assert reason_of(miss_appointment, appointment=meeting, now=AFTER) == "not_open"
    assert reason_of(cancel_appointment, appointment=meeting, now=AFTER) == "not_open"
    times = {"starts_at": STARTS + DAY, "ends_at": AFTER + DAY}
    assert reason_of(book_appointment, appointment=meeting, now=AFTER, **times) == "not_open"


def test_meeting_lasts_a_day_at_most(lead: Lead) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    times = {"starts_at": STARTS, "ends_at": STARTS + DAY + HOUR}
    assert reason_of(book_appointment, appointment=meeting, now=NOW, **times) == "time_invalid"


def test_nobody_meets_a_lead_that_was_deleted(lead: Lead) -> None:
    meeting = propose_appointment(lead=lead, now=NOW)
    delete_lead(lead=lead, now=NOW)
    times = {"starts_at": STARTS, "ends_at": AFTER}
    assert reason_of(book_appointment, appointment=meeting, now=NOW, **times) == "lead_gone"


def test_time_that_overlaps_is_refused_by_the_database_with_the_next_free_ones(broker: Broker, agent: User) -> None:
    a_calendar(agent, slot_minutes=60, buffer_minutes=0)
    book(a_lead(broker, assigned_to=agent), NOW, starts_at=STARTS)
    meeting = propose_appointment(lead=a_lead(broker, assigned_to=agent), now=NOW)
    with pytest.raises(SlotTaken) as taken:
        book_appointment(appointment=meeting, starts_at=STARTS + HOUR / 2, ends_at=AFTER + HOUR / 2, now=NOW)
    assert [slot.starts_at for slot in taken.value.free] == [STARTS + n * HOUR for n in (1, 2, 3)]
    assert Appointment.objects.get(pk=meeting.pk).status == "proposed"


def test_moving_onto_another_meeting_is_refused_and_nothing_moves(broker: Broker, agent: User, lead: Lead) -> None:
    book(a_lead(broker, assigned_to=agent), NOW, starts_at=STARTS + DAY)
    meeting = book(lead, NOW, starts_at=STARTS)
    times = {"starts_at": STARTS + DAY, "ends_at": AFTER + DAY}
    assert reason_of(move_appointment, appointment=meeting, now=NOW, **times) == "slot_taken"
    fresh = Appointment.objects.get(pk=meeting.pk)
    assert (fresh.starts_at, fresh.sequence, now_of(lead).next_appointment_at) == (STARTS, 0, STARTS)


def test_meeting_moves_onto_its_own_time(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    times = {"starts_at": STARTS + HOUR / 2, "ends_at": AFTER + HOUR / 2}
    assert move_appointment(appointment=meeting, now=NOW, **times).starts_at == STARTS + HOUR / 2


@pytest.mark.django_db(transaction=True)
def test_of_those_who_choose_at_once_each_time_goes_to_one() -> None:
    broker = a_broker()
    agent = a_user(broker)
    a_calendar(agent, slot_minutes=60, buffer_minutes=30)
    meetings = [propose_appointment(lead=a_lead(broker, assigned_to=agent), now=NOW) for _ in range(6)]
    wanted = [NOW.replace(hour=12) + DAY + n * 1.5 * HOUR for n in (0, 1)] * 3

    def chosen(meeting: Appointment, starts_at: datetime) -> str:
        return choose_slot(appointment=meeting, starts_at=starts_at, now=NOW).status

    pairs = list(zip(meetings, wanted, strict=True))
    said = together(*[lambda pair=pair: chosen(*pair) for pair in pairs])
    assert sorted(said) == ["scheduled"] * 2 + ["slot_taken"] * 4
    assert set(Appointment.objects.live().values_list("starts_at", flat=True)) == set(wanted)
