"""The work list of unknown outcomes, and the buttons of one enrolment."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from brokers.models import Broker, Platform, Role, User
from campaigns.models import CampaignLog, Enrollment, UnknownOutcome
from leads.models import Lead
from messaging.models import ChannelAccount, Message
from tests.brokers.admin_pages import admin_url, form_data, said, signed_in
from tests.building import (
    DAY,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_user,
    at,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    message_step,
    run,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(broker: Broker) -> User:
    return a_user(broker, "jefa", role=Role.ADMIN, is_staff=True)


@pytest.fixture
def browser(boss: User) -> Client:
    return signed_in(boss)


@pytest.fixture
def unknown(broker: Broker, sent_file: Path) -> Lead:
    """A lead whose first message may or may not have arrived; the account works again. It is always day."""
    always = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    Broker.objects.update(contact_window=always)
    account = counting_account(broker, sent_file, otherwise="timeout")
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    run(at(NOW))
    ChannelAccount.objects.filter(pk=account.pk).update(credentials={**account.credentials, "otherwise": "accept"})
    return lead


def press(browser: Client, model: Any, verb: str, pk: int, **fields: Any) -> Any:
    url = admin_url(model, verb, pk)
    return browser.post(url, form_data(browser.get(url)) | fields, follow=True)


def listed(browser: Client) -> list[int]:
    page = browser.get(admin_url(UnknownOutcome, "changelist"))
    return [row.lead_id for row in page.context["cl"].result_list]


@pytest.mark.parametrize(
    ("verb", "status", "reason", "messages"),
    [
        ("delivered", "sent", "", ["sent"]),
        ("again", "sent", "", ["failed", "sent"]),
        ("leave", "failed", "left_unknown", ["unknown"]),
    ],
)
def test_word_of_a_person_takes_the_row_off_the_list_and_is_kept(
    browser: Client, boss: User, unknown: Lead, verb: str, status: str, reason: str, messages: list[str]
) -> None:
    log = log_of(unknown)
    assert listed(browser) == [unknown.pk]
    answer = press(browser, UnknownOutcome, verb, log.pk)
    assert (len(said(answer)), listed(browser)) == (1, [])
    log.refresh_from_db()
    assert (log.status, log.reason) == (status, reason)
    assert [word["by"] for word in log.response["said"]] == [boss.pk]
    assert list(Message.objects.order_by("id").values_list("status", flat=True)) == messages
    assert LogEntry.objects.filter(user=boss, object_id=str(log.pk)).count() == 1


def test_refusal_of_the_policy_is_shown_and_changes_nothing(browser: Client, unknown: Lead) -> None:
    Lead.objects.filter(pk=unknown.pk).update(treatment_type="hold")
    answer = press(browser, UnknownOutcome, "again", log_of(unknown).pk)
    assert said(answer) == ["The lead is on hold."]
    assert (listed(browser), Message.objects.count()) == ([unknown.pk], 1)


def test_chosen_rows_are_settled_together(browser: Client, unknown: Lead) -> None:
    chosen = {"action": "leave_chosen", "_selected_action": [log_of(unknown).pk]}
    answer = browser.post(admin_url(UnknownOutcome, "changelist"), chosen, follow=True)
    assert (len(said(answer)), listed(browser)) == (1, [])


def test_row_of_another_brokerage_cannot_be_settled(browser: Client, unknown: Lead) -> None:
    other = signed_in(a_user(a_broker("boreal"), "otra", role=Role.ADMIN, is_staff=True))
    assert listed(other) == []
    assert other.post(admin_url(UnknownOutcome, "leave", log_of(unknown).pk)).status_code == 404
    assert log_of(unknown).reason == "outcome_unknown"


def test_enrolment_is_paused_stopped_and_begun_again_by_its_buttons(browser: Client, broker: Broker) -> None:
    campaign = a_campaign(broker, message_step(broker, delay_hours=24), reentry_after_days=1)
    lead, now = a_lead(broker), timezone.now()
    enroll(campaign, lead, now=now)
    until = (now.astimezone(ZoneInfo(broker.timezone)) + 5 * DAY).replace(hour=9, minute=0, second=0, microsecond=0)
    entry = enrolment_of(lead)
    press(browser, Enrollment, "pause", entry.pk, until=f"{until:%Y-%m-%dT%H:%M}")
    assert (log_of(lead).due_at, log_of(lead).reason) == (until, "paused_until")
    press(browser, Enrollment, "stop", entry.pk)
    assert (enrolment_of(lead).status, log_of(lead).reason) == ("exited", "stopped")
    answer = press(browser, Enrollment, "again", entry.pk)
    assert said(answer) == ["Not again: The campaign's re-entry days must be over, or the rule allow another entry."]
    Enrollment.objects.update(enrolled_at=now - 3 * DAY, finished_at=now - 2 * DAY)
    press(browser, Enrollment, "again", entry.pk)
    assert list(Enrollment.objects.order_by("entry").values_list("entry", "status")) == [(1, "exited"), (2, "active")]


def test_enrolments_page_says_why(browser: Client, broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    page = browser.get(admin_url(Enrollment, "change", enrolment_of(lead).pk)).content.decode()
    assert "Could it enter now?" in page


def test_only_the_operator_stops_the_platform(browser: Client, broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    assert browser.get(admin_url(Platform, "changelist")).status_code == 403
    assert browser.post(admin_url(Platform, "stop", 1)).status_code == 404
    operator = signed_in(User.objects.create_superuser("operator"))
    operator.get(admin_url(Platform, "changelist"), follow=True)
    press(operator, Platform, "stop", 1)
    run(at(NOW))
    assert CampaignLog.objects.get().status == "pending"
    press(operator, Platform, "go_on", 1)
    assert Platform.objects.get().sending_paused_at is None
