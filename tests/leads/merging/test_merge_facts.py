"""What a lead knows after another one became part of it."""

import pytest

from brokers.refusal import Refused
from leads.actions import (
    create_task,
    delete_lead,
    edit_lead,
    merge_leads,
    miss_appointment,
    record_inbound,
    record_permission,
    unmerge_leads,
)
from leads.models import Appointment, Lead, MergeRecord, Note
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, book, broken, now_of

pytestmark = pytest.mark.django_db


def test_merge_fills_what_is_empty_and_writes_nothing_over() -> None:
    broker = a_broker()
    into = a_lead(broker, name="Ana", email="", location="", telegram_chat_id="")
    gone = a_lead(broker, name="Anita", email="ana@example.com", location="Lota", telegram_chat_id="77")
    merge_leads(into=into, from_=gone, now=NOW)
    kept = now_of(into)
    assert (kept.name, kept.email, kept.location, kept.telegram_chat_id) == ("Ana", "ana@example.com", "Lota", "77")
    assert kept.phone == into.phone


def test_merge_takes_a_fact_in_words_and_in_numbers_as_one() -> None:
    broker = a_broker()
    into = a_lead(broker, metadata={"budget": "3.000 UF", "timeline": "3 months"})
    gone = a_lead(broker, budget_amount=5_000_000, metadata={"timeline": "now", "bedrooms": "2"})
    merge_leads(into=into, from_=gone, now=NOW)
    kept = now_of(into)
    assert kept.budget_amount is None
    assert kept.metadata == {"budget": "3.000 UF", "timeline": "3 months", "bedrooms": "2"}


def test_merge_unites_tags_and_keeps_who_said_what() -> None:
    broker = a_broker()
    into, gone = a_lead(broker, tags=["VIP"], location=""), a_lead(broker, tags=["vip", "north"])
    edit_lead(lead=gone, now=NOW, by=a_user(broker), location="Lota")
    merge_leads(into=into, from_=gone, now=NOW)
    kept = now_of(into)
    assert (kept.tags, kept.field_sources["location"]["by"]) == (["VIP", "north"], "carla-aurora")


def test_merge_adds_counts_up_and_takes_the_later_moment() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    record_inbound(lead=into, now=NOW, answers=None)
    for hours in (1, 2):
        record_inbound(lead=gone, now=NOW + hours * HOUR, answers=None)
    merge_leads(into=into, from_=gone, now=NOW + DAY)
    kept = now_of(into)
    assert (kept.inbound_count, kept.last_inbound_at) == (3, NOW + 2 * HOUR)


@pytest.mark.parametrize(
    ("one", "other", "stricter"),
    [
        ("automated_call", "automated_telegram", "automated_telegram"),
        ("automated_telegram", "manual_follow_up", "manual_follow_up"),
        ("hold", "automated_call", "hold"),
    ],
)
def test_merge_keeps_the_stricter_treatment(one: str, other: str, stricter: str) -> None:
    broker = a_broker()
    into, gone = a_lead(broker, treatment_type=one), a_lead(broker, treatment_type=other)
    merge_leads(into=into, from_=gone, now=NOW)
    assert now_of(into).treatment_type == stricter


def test_merge_keeps_both_notes() -> None:
    broker = a_broker()
    into, gone = a_lead(broker, notes="Wants a garden"), a_lead(broker, notes="Has two dogs")
    merge_leads(into=into, from_=gone, now=NOW)
    assert now_of(into).notes == "Wants a garden"
    assert [note.text for note in Note.objects.filter(lead=into)] == ["Has two dogs"]


def test_merged_lead_is_deleted_and_says_into_whom() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    merge_leads(into=into, from_=gone, now=NOW)
    assert (now_of(gone).deleted_at, now_of(gone).merged_into_id) == (NOW, into.pk)
    assert broken() == {}


def test_merge_moves_tasks_and_what_comes_next() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    task = create_task(lead=gone, title="Call", due_at=NOW + DAY, now=NOW)
    merge_leads(into=into, from_=gone, now=NOW)
    assert [one.pk for one in into.tasks.all()] == [task.pk]
    assert now_of(into).next_action_at == NOW + DAY


def test_merge_twice_is_once() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    first = merge_leads(into=into, from_=gone, now=NOW)
    assert merge_leads(into=into, from_=gone, now=NOW + HOUR) == first
    assert MergeRecord.objects.count() == 1


@pytest.mark.parametrize("case", ["same_lead", "other_broker", "lead_gone"])
def test_merge_is_refused(case: str) -> None:
    broker = a_broker()
    into = a_lead(broker)
    other = {"same_lead": into, "other_broker": a_lead(a_broker("boreal"))}.get(case) or a_lead(broker)
    if case == "lead_gone":
        delete_lead(lead=other, now=NOW)
    with pytest.raises(Refused) as refused:
        merge_leads(into=into, from_=other, now=NOW)
    assert refused.value.reason == case


def test_merge_into_one_who_was_merged_names_who_stands_for_them() -> None:
    broker = a_broker()
    first, second, third = a_lead(broker, name="Uno"), a_lead(broker, name="Dos"), a_lead(broker)
    merge_leads(into=first, from_=second, now=NOW)
    with pytest.raises(Refused) as refused:
        merge_leads(into=second, from_=third, now=NOW)
    assert (refused.value.reason, str(refused.value).count("Uno")) == ("lead_gone", 1)


def test_what_is_new_is_refused_by_a_merged_lead() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    merge_leads(into=into, from_=gone, now=NOW)
    with pytest.raises(Refused) as refused:
        create_task(lead=gone, title="Call", due_at=NOW, now=NOW)
    assert refused.value.reason == "lead_merged"


def everything(lead: Lead) -> dict[str, object]:
    return {field.attname: getattr(now_of(lead), field.attname) for field in Lead._meta.concrete_fields}


def test_undo_restores_both_as_they_were() -> None:
    broker = a_broker()
    into = a_lead(broker, email="", tags=["a"], notes="x", metadata={"timeline": "now"})
    gone = a_lead(
        broker,
        tags=["b"],
        notes="y",
        location="Lota",
        metadata={"bedrooms": "2"},
        assigned_to=a_user(broker),
        treatment_type="hold",
    )
    record_inbound(lead=gone, now=NOW + HOUR, answers=None)
    create_task(lead=gone, title="Call", due_at=NOW + DAY, now=NOW + HOUR)
    before = everything(into), everything(gone)
    record = merge_leads(into=into, from_=gone, now=NOW + 2 * HOUR)
    unmerge_leads(record=record, now=NOW + 3 * HOUR)
    after = everything(into), everything(gone)
    stamps = {"updated_at": NOW + 3 * HOUR}
    assert after == (before[0] | stamps, before[1] | stamps)
    assert broken() == {}


def test_undo_leaves_what_somebody_changed_since() -> None:
    broker = a_broker()
    into, gone = a_lead(broker, location=""), a_lead(broker, location="Lota")
    record = merge_leads(into=into, from_=gone, now=NOW)
    edit_lead(lead=into, now=NOW, by=None, location="Talca")
    unmerge_leads(record=record, now=NOW + HOUR)
    assert (now_of(into).location, now_of(gone).location) == ("Talca", "Lota")


def test_undo_leaves_what_came_after_with_the_one_that_was_kept() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    record_inbound(lead=gone, now=NOW, answers=None)
    record = merge_leads(into=into, from_=gone, now=NOW)
    record_inbound(lead=into, now=NOW + HOUR, answers=None)
    task = create_task(lead=into, title="Call", due_at=NOW + DAY, now=NOW + HOUR)
    unmerge_leads(record=record, now=NOW + 2 * HOUR)
    assert (now_of(into).inbound_count, now_of(gone).inbound_count) == (1, 1)
    assert ([one.pk for one in into.tasks.all()], list(gone.tasks.all())) == ([task.pk], [])


def test_undo_twice_is_once() -> None:
    broker = a_broker()
    record = merge_leads(into=a_lead(broker), from_=a_lead(broker), now=NOW)
    undone = unmerge_leads(record=record, now=NOW + HOUR)
    assert unmerge_leads(record=record, now=NOW + 2 * HOUR).undone_at == undone.undone_at == NOW + HOUR


def test_undo_is_refused_after_a_day() -> None:
    broker = a_broker()
    record = merge_leads(into=a_lead(broker), from_=a_lead(broker), now=NOW)
    with pytest.raises(Refused) as refused:
        unmerge_leads(record=record, now=NOW + DAY + HOUR)
    assert refused.value.reason == "too_late"


def test_undo_waits_for_the_undo_of_a_later_merge() -> None:
    broker = a_broker()
    first, second, third = a_lead(broker), a_lead(broker), a_lead(broker)
    earlier = merge_leads(into=second, from_=third, now=NOW)
    later = merge_leads(into=first, from_=second, now=NOW)
    with pytest.raises(Refused) as refused:
        unmerge_leads(record=earlier, now=NOW)
    assert refused.value.reason == "lead_gone"
    unmerge_leads(record=later, now=NOW)
    unmerge_leads(record=earlier, now=NOW)
    assert [now_of(lead).deleted_at for lead in (first, second, third)] == [None, None, None]


def test_undo_is_refused_while_the_phone_is_anothers() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    record = merge_leads(into=into, from_=gone, now=NOW)
    edit_lead(lead=into, now=NOW, by=None, phone=gone.phone)
    with pytest.raises(Refused) as refused:
        unmerge_leads(record=record, now=NOW)
    assert (refused.value.reason, gone.phone in str(refused.value)) == ("address_taken", True)


def test_undo_gives_every_address_back() -> None:
    """The Telegram chat too, whose column ends as those of references do."""
    broker = a_broker()
    into, gone = a_lead(broker, phone="", email="", telegram_chat_id=""), a_lead(broker, telegram_chat_id="77")
    record = merge_leads(into=into, from_=gone, now=NOW)
    assert (now_of(into).phone, now_of(into).email, now_of(into).telegram_chat_id) == (gone.phone, gone.email, "77")
    assert set(now_of(into).field_sources) >= {"phone", "email", "telegram_chat_id"}
    unmerge_leads(record=record, now=NOW + HOUR)
    for lead, has in ((into, ("", "", "")), (gone, (gone.phone, gone.email, "77"))):
        fresh = now_of(lead)
        assert (fresh.phone, fresh.email, fresh.telegram_chat_id) == has


def test_undo_takes_back_a_stage_that_the_other_leads_meeting_brought() -> None:
    """The kept one goes on by it at once; the meeting goes back with its own lead."""
    broker = a_broker()
    agent = a_user(broker)
    into, gone = a_lead(broker, assigned_to=agent), a_lead(broker, assigned_to=agent)
    book(gone, NOW, starts_at=NOW + 2 * DAY)
    record = merge_leads(into=into, from_=gone, now=NOW)
    assert now_of(into).pipeline_stage == "agendado"
    unmerge_leads(record=record, now=NOW + 2 * HOUR)
    assert (now_of(into).pipeline_stage, now_of(gone).pipeline_stage) == ("entrada", "agendado")
    assert broken() == {}


def test_merge_that_an_earlier_version_made_is_undone_too() -> None:
    """It noted less of what was before."""
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    record = merge_leads(into=into, from_=gone, now=NOW)
    del record.before["newest_move"], record.before["meetings"]
    record.save()
    unmerge_leads(record=record, now=NOW + HOUR)
    assert ([now_of(lead).deleted_at for lead in (into, gone)], broken()) == ([None, None], {})


def test_undo_keeps_a_stage_that_the_lead_reaches_by_itself() -> None:
    broker = a_broker()
    into, gone = a_lead(broker, name=""), a_lead(broker)
    record = merge_leads(into=into, from_=gone, now=NOW)
    edit_lead(lead=into, now=NOW + HOUR, by=None, name="Ana Rojas")
    unmerge_leads(record=record, now=NOW + 2 * HOUR)
    assert now_of(into).pipeline_stage == "perfilamiento"


def test_undo_gives_a_missed_meeting_back_to_who_missed_it() -> None:
    broker = a_broker()
    agent = a_user(broker)
    into, gone = a_lead(broker, assigned_to=agent), a_lead(broker, assigned_to=agent)
    book(into, NOW, starts_at=NOW + 3 * DAY)
    meeting = book(gone, NOW, starts_at=NOW + HOUR)
    record = merge_leads(into=into, from_=gone, now=NOW)
    miss_appointment(appointment=Appointment.objects.get(pk=meeting.pk), now=NOW + 2 * HOUR)
    assert now_of(into).booking_count == 1
    unmerge_leads(record=record, now=NOW + 3 * HOUR)
    assert (now_of(into).booking_count, now_of(gone).booking_count) == (1, 0)


def test_undo_leaves_who_opted_out_meanwhile_opted_out_as_both() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    record = merge_leads(into=into, from_=gone, now=NOW)
    said = {"kind": "revoked", "source": "keyword", "address": gone.phone, "now": NOW + HOUR}
    record_permission(broker=broker, lead=now_of(into), **said)
    unmerge_leads(record=record, now=NOW + 2 * HOUR)
    assert [now_of(lead).opted_out_at for lead in (into, gone)] == [NOW + HOUR, NOW + HOUR]
    assert [now_of(lead).score_components["opted_out"] for lead in (into, gone)] == [-30, -30]
