from datetime import timedelta

import pytest
from django.utils import translation

from brokers.refusal import Refused
from leads.actions import delete_lead, edit_task, write_note
from leads.models import Lead, Note, Task
from tests.brokers.everything import NOW, Brokerage

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


def stored(lead: Lead) -> Lead:
    return Lead.objects.get(pk=lead.pk)


def test_note_is_kept_and_is_a_sign_of_life(aurora: Brokerage) -> None:
    note = write_note(lead=aurora.lead, text="rings in the evening", now=LATER, by=aurora.agent)
    assert (note.broker, note.author, note.at) == (aurora.broker, aurora.agent, LATER)
    assert stored(aurora.lead).last_activity_at == LATER
    assert Note.objects.filter(lead=aurora.lead).count() == 2


def test_task_that_is_put_off_moves_the_next_action(aurora: Brokerage) -> None:
    task = edit_task(task=aurora.one(Task), now=NOW, due_at=LATER, title="call")
    assert (task.title, task.due_at) == ("call", LATER)
    assert stored(aurora.lead).next_action_at == LATER


def test_finished_task_leaves_the_next_one(aurora: Brokerage) -> None:
    Task.objects.create(broker=aurora.broker, lead=aurora.lead, title="later", due_at=LATER)
    edit_task(task=aurora.one(Task), now=NOW, done_at=NOW)
    assert stored(aurora.lead).next_task_at == LATER
    edit_task(task=Task.objects.get(title="later"), now=NOW, done_at=NOW)
    assert stored(aurora.lead).next_task_at is None


def test_task_has_no_other_fields(aurora: Brokerage) -> None:
    with (
        translation.override("en"),
        pytest.raises(Refused, match="lead is not a field of a task; allowed are assignee, done_at"),
    ):
        edit_task(task=aurora.one(Task), now=NOW, lead=None)


def test_deleted_lead_leaves_its_address_to_the_next(aurora: Brokerage) -> None:
    delete_lead(lead=aurora.lead, now=LATER)
    assert stored(aurora.lead).deleted_at == LATER
    assert not Lead.objects.present().exists()
    aurora.lead.pk, aurora.lead._state.adding = None, True
    aurora.lead.save()
    assert Lead.objects.present().count() == 1


def test_lead_is_deleted_once(aurora: Brokerage) -> None:
    delete_lead(lead=aurora.lead, now=NOW)
    with pytest.raises(Refused) as refusal:
        delete_lead(lead=aurora.lead, now=LATER)
    assert refusal.value.reason == "lead_gone"
    assert stored(aurora.lead).deleted_at == NOW
