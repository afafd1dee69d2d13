"""On a lead's page: what people are to do, beside what campaigns will; and how the score went."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from brokers.models import Broker, Role
from campaigns.actions import pause
from leads.actions import create_task, finish_task, snooze_task
from leads.admin.sparkline import HEIGHT, WIDTH, corners, sparkline
from leads.admin.timeline import upcoming
from leads.models import Lead, ScoreChange
from tests.brokers.admin_pages import admin_url, signed_in
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_meeting,
    a_user,
    at,
    enroll,
    message_step,
    run,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def browser(broker: Broker) -> Client:
    return signed_in(a_user(broker, "boss", role=Role.ADMIN, is_staff=True))


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker, assigned_to=a_user(broker))


def told(lead: Lead) -> list[tuple[timedelta, str, str]]:
    """How long after NOW, what, and the words to it."""
    with translation.override("en"):
        return [(entry.at - NOW, str(entry.title), str(entry.text)) for entry in upcoming(lead)]


def course(lead: Lead) -> str:
    with translation.override("en"):
        return str(sparkline(lead))


def page_of(lead: Lead, browser: Client) -> str:
    return browser.get(admin_url(Lead, "change", lead.pk)).content.decode()


def test_tasks_meetings_and_steps_stand_in_the_order_of_their_moments(lead: Lead) -> None:
    campaign = a_campaign(lead.broker, message_step(lead.broker, delay_hours=48), name="Spring")
    enroll(campaign, lead)
    create_task(lead=lead, title="Call her", due_at=NOW + DAY, now=NOW)
    a_meeting(lead, NOW + 3 * DAY, location="Av. Uno 2")
    assert [(at, text) for at, _title, text in told(lead)] == [
        (DAY, "Call her"),
        (2 * DAY, ""),
        (3 * DAY, "Av. Uno 2"),
    ]
    assert "Spring" in told(lead)[1][1]


def test_what_is_done_called_off_or_put_off_is_not_next(lead: Lead) -> None:
    finish_task(task=create_task(lead=lead, title="done", due_at=NOW, now=NOW), now=NOW)
    off = create_task(lead=lead, title="put off", due_at=NOW, now=NOW)
    snooze_task(task=off, until=NOW + DAY, now=NOW)
    a_meeting(lead, status="cancelled")
    assert [(at, text) for at, _title, text in told(lead)] == [(DAY, "put off")]


def test_step_of_a_paused_campaign_says_so(lead: Lead) -> None:
    campaign = a_campaign(lead.broker, message_step(lead.broker, delay_hours=48))
    enroll(campaign, lead)
    pause(campaign=campaign, now=NOW)
    assert [text for _at, _title, text in told(lead)] == ["The campaign is paused."]


def test_step_that_was_carried_out_is_followed_by_the_next_one(lead: Lead) -> None:
    steps = message_step(lead.broker), message_step(lead.broker, delay_hours=24)
    enroll(a_campaign(lead.broker, *steps), lead)
    run(at(NOW))
    assert [at for at, _title, _text in told(lead)] == [DAY]


def test_page_shows_what_comes_next_and_what_is_overdue(lead: Lead, browser: Client) -> None:
    assert "Nothing is planned" in page_of(lead, browser)
    create_task(lead=lead, title="Call her", due_at=NOW, now=NOW)
    page = page_of(lead, browser)
    assert ("Call her" in page, "overdue" in page, "Nothing is planned" in page) == (True, True, False)


def test_what_comes_next_costs_a_statement_a_kind(lead: Lead) -> None:
    for number in range(5):
        create_task(lead=lead, title=str(number), due_at=NOW, now=NOW)
    enroll(a_campaign(lead.broker, message_step(lead.broker)), lead)
    with CaptureQueriesContext(connection) as asked:
        assert len(upcoming(lead)) == 6
    assert len(asked) == 3


def test_course_of_the_score_keeps_each_until_the_next() -> None:
    begin = datetime(2026, 3, 1, tzinfo=ZoneInfo("UTC"))
    changes = [(begin, 10), (begin + HOUR, 40), (begin + 2 * HOUR, 25)]
    x, last = (WIDTH - 10) / 2, WIDTH - 10
    low, high, between = HEIGHT - 10, HEIGHT - 40, HEIGHT - 25
    assert corners(changes) == [
        (0, low),
        (x, low),
        (x, high),
        (last, high),
        (last, between),
        (WIDTH, between),
    ]


def test_course_of_the_score_is_told_in_words_too(lead: Lead, browser: Client) -> None:
    ScoreChange.objects.filter(lead=lead).delete()
    assert course(lead) == "It has not changed yet."
    for number, score in enumerate((10, 60, 35)):
        ScoreChange.objects.create(
            broker=lead.broker, lead=lead, from_score=None, to_score=score, at=NOW + number * HOUR, cause="edit"
        )
    assert "<title>From 10 to 35, between 10 and 60</title>" in course(lead)
    assert "sparkline" in page_of(lead, browser)
