"""Whoever is to do a task is told when its moment has come: once a moment, all of theirs in one mail."""

from datetime import timedelta

import pytest

from brokers.models import Broker, Role, User
from leads.actions import create_task, edit_task, finish_task, snooze_task
from leads.actions.reminding import remind_of_tasks
from leads.models import Lead, Notice, Task
from leads.sweep import sweep
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, now_of
from tests.together import together

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker(language="en")


@pytest.fixture
def agent(broker: Broker) -> User:
    return a_user(broker, email="carla@example.com")


@pytest.fixture
def lead(broker: Broker, agent: User) -> Lead:
    return a_lead(broker, name="Rosa Pino", assigned_to=agent)


def a_task(lead: Lead, title: str = "Call her", after: timedelta = HOUR) -> Task:
    return create_task(lead=lead, title=title, due_at=NOW + after, now=NOW)


def told() -> list[tuple[str, str]]:
    """To whom, and the subject."""
    return list(Notice.objects.order_by("id").values_list("user__email", "subject"))


def test_task_is_told_of_when_its_moment_has_come_and_once(lead: Lead) -> None:
    a_task(lead)
    sweep(now=NOW + HOUR - MINUTE)
    assert told() == []
    for later in (HOUR, HOUR + MINUTE, 5 * DAY):
        sweep(now=NOW + later)
    assert told() == [("carla@example.com", "Call her: Rosa Pino")]
    assert "2026-03-04 13:00 · Rosa Pino: Call her" in Notice.objects.get().body


def test_task_that_is_put_off_is_told_of_again_at_its_new_moment(lead: Lead) -> None:
    task = a_task(lead)
    sweep(now=NOW + HOUR)
    snooze_task(task=task, until=NOW + DAY, now=NOW + 2 * HOUR)
    sweep(now=NOW + 3 * HOUR)
    assert len(told()) == 1
    sweep(now=NOW + DAY)
    assert len(told()) == 2


def test_task_that_is_put_off_before_its_moment_is_not_told_of_at_it(lead: Lead) -> None:
    snooze_task(task=a_task(lead), until=NOW + DAY, now=NOW)
    sweep(now=NOW + HOUR)
    assert told() == []


def test_later_due_date_is_told_of_again(lead: Lead) -> None:
    task = a_task(lead)
    sweep(now=NOW + HOUR)
    edit_task(task=task, due_at=NOW + DAY, now=NOW + HOUR)
    sweep(now=NOW + DAY)
    assert len(told()) == 2


def test_finished_task_and_task_of_a_deleted_lead_are_not_told_of(lead: Lead) -> None:
    finish_task(task=a_task(lead), now=NOW)
    gone = a_lead(lead.broker, assigned_to=lead.assigned_to)
    a_task(gone)
    Lead.objects.filter(pk=gone.pk).update(deleted_at=NOW)
    sweep(now=NOW + HOUR)
    assert told() == []


def test_tasks_of_one_person_make_one_mail(lead: Lead) -> None:
    for number in range(22):
        a_task(lead, f"Task {number}", after=HOUR - number * timedelta(seconds=1))
    a_task(lead, "Next", after=HOUR + MINUTE)
    sweep(now=NOW + HOUR)
    assert told() == [("carla@example.com", "22 tasks are to be done")]
    assert Notice.objects.get().body.count("Rosa Pino") == 20
    assert "… +2" in Notice.objects.get().body


def test_what_comes_due_within_five_minutes_waits_for_their_end(lead: Lead) -> None:
    a_task(lead, after=HOUR + MINUTE)
    sweep(now=NOW + HOUR + 4 * MINUTE)
    assert told() == []
    sweep(now=NOW + HOUR + 5 * MINUTE)
    assert len(told()) == 1


def test_tasks_of_nobody_and_of_who_left_are_told_to_the_admins(lead: Lead, agent: User) -> None:
    a_user(lead.broker, "boss", role=Role.ADMIN, email="boss@example.com")
    a_task(lead, "of who left")
    User.objects.filter(pk=agent.pk).update(is_active=False)
    a_task(a_lead(lead.broker), "of nobody")
    sweep(now=NOW + HOUR)
    assert told() == [("boss@example.com", "2 tasks are to be done")]


def test_reminder_is_of_one_brokerage(lead: Lead) -> None:
    other = a_broker("boreal")
    a_task(a_lead(other, assigned_to=a_user(other, email="eva@example.com")))
    a_task(lead)
    sweep(now=NOW + HOUR, broker_id=other.pk)
    assert [email for email, _subject in told()] == ["eva@example.com"]


def test_batches_leave_nobody_out(lead: Lead) -> None:
    for _number in range(5):
        a_task(lead)
    counts = [remind_of_tasks(broker=lead.broker, now=NOW + HOUR, batch=2) for _batch in range(3)]
    assert (counts, Task.objects.unreminded().count()) == ([2, 2, 1], 0)


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_tell_once(lead: Lead) -> None:
    a_task(lead)
    together(lambda: sweep(now=NOW + HOUR), lambda: sweep(now=NOW + HOUR))
    assert len(told()) == 1
    assert now_of(lead).next_task_at == NOW + HOUR
