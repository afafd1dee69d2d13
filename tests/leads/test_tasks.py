"""Tasks: due, done, put off; and the next thing for a person to do with a lead."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import create_task, edit_task, finish_task, snooze_task
from leads.models import Lead, Task
from tests.brokers.admin_pages import admin_url, said, saved, signed_in
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, an_admin, book, now_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker, assigned_to=a_user(broker))


def task(lead: Lead, title: str, due_at: datetime) -> Task:
    return create_task(lead=lead, title=title, due_at=due_at, now=NOW)


def next_task(lead: Lead) -> datetime | None:
    return now_of(lead).next_task_at


def test_next_task_is_the_one_due_first(lead: Lead) -> None:
    later, first = task(lead, "later", NOW + 2 * DAY), task(lead, "first", NOW + DAY)
    assert next_task(lead) == first.due_at
    finish_task(task=first, now=NOW)
    assert next_task(lead) == later.due_at


def test_finished_task_is_a_sign_of_life_and_is_not_finished_twice(lead: Lead) -> None:
    one = task(lead, "call", NOW)
    done = finish_task(task=one, now=NOW + HOUR)
    assert (done.done_at, now_of(lead).last_activity_at, next_task(lead)) == (NOW + HOUR, NOW + HOUR, None)
    for verb in (lambda: finish_task(task=one, now=NOW), lambda: snooze_task(task=one, until=NOW + DAY, now=NOW)):
        with pytest.raises(Refused) as refused:
            verb()
        assert refused.value.reason == "task_done"


def test_task_stays_in_the_brokerage(lead: Lead) -> None:
    """failures.md row 33."""
    one = task(lead, "call", NOW)
    with pytest.raises(Refused) as refused:
        edit_task(task=one, now=NOW, assignee=a_user(a_broker("boreal")))
    assert (refused.value.reason, Task.objects.get().assignee) == ("agent_foreign", lead.assigned_to)


def test_task_that_is_put_off_counts_from_then_on(lead: Lead) -> None:
    one, other = task(lead, "call", NOW), task(lead, "write", NOW + DAY)
    snooze_task(task=one, until=NOW + 2 * DAY, now=NOW)
    assert next_task(lead) == other.due_at
    finish_task(task=other, now=NOW)
    assert next_task(lead) == NOW + 2 * DAY


def test_task_put_off_to_before_its_due_date_is_still_due_then(lead: Lead) -> None:
    one = task(lead, "call", NOW + 3 * DAY)
    snooze_task(task=one, until=NOW + DAY, now=NOW)
    assert next_task(lead) == NOW + 3 * DAY


def test_new_due_date_ends_what_it_was_put_off_to(lead: Lead) -> None:
    one = task(lead, "call", NOW)
    snooze_task(task=one, until=NOW + 9 * DAY, now=NOW)
    edited = edit_task(task=one, due_at=NOW + DAY, now=NOW)
    assert (edited.snoozed_until, next_task(lead)) == (None, NOW + DAY)


@pytest.mark.parametrize("until", [NOW, NOW - HOUR])
def test_task_is_put_off_to_a_later_moment_only(lead: Lead, until: datetime) -> None:
    with pytest.raises(Refused) as refused:
        snooze_task(task=task(lead, "call", NOW), until=until, now=NOW)
    assert (refused.value.reason, next_task(lead)) == ("time_invalid", NOW)


def test_due_tasks_are_open_and_not_put_off(lead: Lead) -> None:
    due, off, done, later = (task(lead, title, NOW) for title in ("due", "off", "done", "later"))
    snooze_task(task=off, until=NOW + DAY, now=NOW)
    finish_task(task=done, now=NOW)
    edit_task(task=later, due_at=NOW + HOUR, now=NOW)
    assert list(Task.objects.due(NOW)) == [due]
    assert {row.title for row in Task.objects.due(NOW + DAY)} == {"due", "off", "later"}


@pytest.mark.parametrize(
    ("task_in", "meeting_in", "next_in"), [(None, None, None), (3, None, 3), (None, 2, 2), (3, 2, 2), (1, 2, 1)]
)
def test_next_action_is_the_nearer_of_task_and_appointment(
    lead: Lead, task_in: int | None, meeting_in: int | None, next_in: int | None
) -> None:
    if task_in:
        task(lead, "call", NOW + task_in * DAY)
    if meeting_in:
        book(lead, NOW, starts_at=NOW + meeting_in * DAY)
    assert now_of(lead).next_action_at == (next_in and NOW + next_in * DAY)


@pytest.fixture
def browser(broker: Broker) -> Client:
    admin = an_admin(broker)
    type(admin).objects.filter(pk=admin.pk).update(is_staff=True)
    admin.is_staff = True
    return signed_in(admin)


def chosen(browser: Client, action: str, *tasks: Task) -> Any:
    url = admin_url(Task, "changelist")
    return browser.post(url, {"action": action, "_selected_action": [row.pk for row in tasks]}, follow=True)


def test_chosen_tasks_are_done_and_what_is_refused_is_told(browser: Client, lead: Lead) -> None:
    one, other = task(lead, "call", NOW), task(lead, "write", NOW)
    finish_task(task=other, now=NOW)
    assert said(chosen(browser, "finish_chosen", one, other)) == [
        "write: This task is done already.",
        "1 task was changed.",
    ]
    assert (Task.objects.filter(done_at=None).count(), next_task(lead)) == (0, None)


@pytest.mark.parametrize(("action", "days"), [("snooze_day", 1), ("snooze_week", 7)])
def test_chosen_tasks_are_put_off(browser: Client, lead: Lead, action: str, days: int) -> None:
    one = task(lead, "call", NOW)
    chosen(browser, action, one)
    one.refresh_from_db()
    assert one.snoozed_until is not None
    assert next_task(lead) == one.snoozed_until > NOW + days * DAY


def test_task_is_put_off_on_its_own_page(browser: Client, lead: Lead) -> None:
    one = task(lead, "call", NOW)
    answer = saved(browser, admin_url(Task, "snooze", one.pk), until_0="2126-11-05", until_1="10:00")
    assert (answer.status_code, next_task(lead)) == (302, Task.objects.get().snoozed_until)


@pytest.mark.parametrize(
    ("when", "titles"),
    [
        ("overdue", {"overdue"}),
        ("today", {"soon"}),
        ("later", {"later", "off"}),
        ("snoozed", {"off"}),
        ("done", {"done"}),
        ("", {"overdue", "soon", "later", "off", "done"}),
    ],
)
def test_tasks_are_listed_by_when_they_are_to_be_done(browser: Client, lead: Lead, when: str, titles: set[str]) -> None:
    now = datetime.now(NOW.tzinfo)
    ages = {"overdue": now - DAY, "soon": now + HOUR, "later": now + 3 * DAY, "off": now - DAY, "done": now - DAY}
    tasks = {title: task(lead, title, due_at) for title, due_at in ages.items()}
    snooze_task(task=tasks["off"], until=now + 5 * DAY, now=now)
    finish_task(task=tasks["done"], now=now)
    page = browser.get(admin_url(Task, "changelist"), {"when": when} if when else {})
    assert {row.title for row in page.context["cl"].result_list} == titles
