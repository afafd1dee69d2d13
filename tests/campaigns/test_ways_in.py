"""Every way into a campaign ends in a sent message (failures.md row 34), and none fires for what happened before."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from brokers.models import Broker
from campaigns.actions import activate, enroll_again, pause, resume, stop_enrollment
from campaigns.models import Campaign, CampaignLog
from campaigns.tasks import run_pass
from leads.actions import edit_lead, move_stage
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.brokers.admin_pages import admin_url, form_data, signed_in
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_draft,
    a_lead,
    a_user,
    an_admin,
    broken,
    enroll,
    message_step,
    run,
)

pytestmark = pytest.mark.django_db
ALWAYS = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
SCORE = {"triggered_by": "lead_score", "trigger_condition": {"score_min": 20}}
STAGE = {"triggered_by": "stage_change", "trigger_condition": {"stage": "perfilamiento"}}
SILENCE = {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 1}}
ARRIVAL = {"triggered_by": "stage_change", "trigger_condition": {"stage": "entrada"}}


def manual(broker: Broker, lead: Lead) -> None:
    enroll(a_campaign(broker), lead)


def score(broker: Broker, lead: Lead) -> None:
    a_campaign(broker, **SCORE)
    edit_lead(lead=lead, now=NOW + HOUR, by=None, location="Ñuñoa")


def stage(broker: Broker, lead: Lead) -> None:
    a_campaign(broker, **STAGE)
    move_stage(lead=lead, to="perfilamiento", now=NOW + HOUR, cause="agent")


def silence(broker: Broker, lead: Lead) -> None:
    a_campaign(broker, **SILENCE)


def matching_already(broker: Broker, lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, location="Ñuñoa")
    activate(campaign=a_draft(broker, **SCORE), now=NOW + HOUR, include_matching=True)


def collected_on_resume(broker: Broker, lead: Lead) -> None:
    campaign = a_campaign(broker, **STAGE)
    pause(campaign=campaign, now=NOW)
    move_stage(lead=lead, to="perfilamiento", now=NOW + HOUR / 2, cause="agent")
    resume(campaign=campaign, now=NOW + HOUR, collect=True)


def entered_again(broker: Broker, lead: Lead) -> None:
    """Their first entry was stopped before anything was sent."""
    campaign = a_campaign(broker, message_step(broker, delay_hours=1), reentry_after_days=1)
    enroll(campaign, lead, now=NOW - 2 * DAY)
    entry = stop_enrollment(enrollment=lead.enrollments.get(), now=NOW - 2 * DAY)
    enroll_again(enrollment=entry, now=NOW)


def admin_page(broker: Broker, lead: Lead) -> None:
    admin = an_admin(broker)
    admin.is_staff = True
    admin.save()
    browser, url = signed_in(admin), admin_url(Campaign, "enrol", a_campaign(broker).pk)
    browser.post(url, form_data(browser.get(url)) | {"leads": str(lead.pk)}, follow=True)
    CampaignLog.objects.update(due_at=NOW, planned_at=NOW)  # the page's clock is the machine's


CHOSEN, BECAME = (manual, entered_again, admin_page), (score, stage, silence, matching_already, collected_on_resume)
WAYS = {way.__name__: way for way in (*CHOSEN, *BECAME)}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_in_ends_in_a_sent_message(
    broker: Broker, clock: VirtualClock, way: Callable[[Broker, Lead], None]
) -> None:
    """failures.md row 34."""
    lead, _other = a_lead(broker, now=NOW - HOUR), a_lead(a_broker("boreal"))
    way(broker, lead)
    run(clock, passes=26)
    of_the_entry = CampaignLog.objects.exclude(reason="stopped")
    assert list(of_the_entry.values_list("lead", "status")) == [(lead.pk, "sent")]
    assert list(Message.objects.values_list("lead", "status")) == [(lead.pk, "delivered")]
    assert broken() == {}


@pytest.fixture
def open_broker(db: None) -> Broker:
    """For the doors that go by the clock of the machine: its window is always open."""
    return a_broker("abierta", contact_window=ALWAYS)


def test_command_ends_in_a_sent_message(open_broker: Broker) -> None:
    """failures.md row 34."""
    lead = a_lead(open_broker)
    call_command("run_campaign", str(a_campaign(open_broker).pk), "--leads", str(lead.pk))
    assert list(Message.objects.values_list("lead", "status")) == [(lead.pk, "delivered")]


@pytest.mark.parametrize("door", [lambda: call_command("run_campaigns"), run_pass], ids=["command", "task"])
def test_trigger_by_the_clock_of_the_machine_ends_in_a_sent_message(
    open_broker: Broker, door: Callable[[], object]
) -> None:
    """failures.md row 34."""
    a_campaign(open_broker, **ARRIVAL, now=datetime.now(UTC))
    lead = a_lead(open_broker, now=datetime.now(UTC))
    door()
    assert list(Message.objects.values_list("lead", "status")) == [(lead.pk, "delivered")]


@pytest.mark.parametrize("trigger", [ARRIVAL, SCORE], ids=["arrival", "score"])
@pytest.mark.django_db(transaction=True)
def test_import_ends_in_a_sent_message(tmp_path: Path, trigger: dict[str, Any]) -> None:
    """failures.md row 34."""
    broker = a_broker(contact_window=ALWAYS)
    a_campaign(broker, *whatsapp_step(broker), **trigger, now=datetime.now(UTC))
    file = tmp_path / "leads.csv"
    file.write_text("Nombre;Teléfono;Comuna;Correo\nAna Pérez;+56 9 8765 4321;Ñuñoa;ana@example.com\n")
    call_command("import_leads", str(file), "--broker", broker.slug)
    call_command("run_campaigns")
    assert list(Message.objects.values_list("lead__name", "status")) == [("Ana Pérez", "delivered")]
    assert broken() == {}


@pytest.mark.django_db(transaction=True)
def test_import_of_history_sends_nothing(tmp_path: Path) -> None:
    broker = a_broker(contact_window=ALWAYS)
    for trigger in (ARRIVAL, SCORE):
        a_campaign(broker, *whatsapp_step(broker), **trigger, now=datetime.now(UTC))
    file = tmp_path / "leads.csv"
    file.write_text("Nombre;Teléfono;Comuna;Correo\nAna Pérez;+56 9 8765 4321;Ñuñoa;ana@example.com\n")
    call_command("import_leads", str(file), "--broker", broker.slug, "--history")
    call_command("run_campaigns")
    assert (Lead.objects.count(), CampaignLog.objects.count()) == (1, 0)


def whatsapp_step(broker: Broker) -> list[dict[str, Any]]:
    """Imported leads have a phone and no Telegram chat."""
    return [message_step(broker, channel="whatsapp")]


def test_trigger_and_choice_by_hand_are_one_entry(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 11: whoever comes second finds the lead in already."""
    lead = a_lead(broker, now=NOW - HOUR)
    campaign = a_campaign(broker, **SCORE)
    edit_lead(lead=lead, now=NOW, by=None, location="Ñuñoa")
    enroll(campaign, lead)
    clock.advance(HOUR)
    done = run(clock)
    assert (done.enrolled[campaign.pk].enrolled, done.enrolled[campaign.pk].left_out) == (0, 1)
    assert Message.objects.count() == 1


def test_choice_by_hand_needs_no_trigger(broker: Broker, clock: VirtualClock) -> None:
    """It ignores the trigger and its narrowing."""
    lead = a_lead(broker, assigned_to=a_user(broker))
    campaign = a_campaign(broker, triggered_by="lead_score", trigger_condition={"score_min": 99, "tags_any": ["vip"]})
    enroll(campaign, lead)
    clock.advance(DAY)
    run(clock)
    assert Message.objects.count() == 1


def test_anonymous_visitor_enrols_nobody(broker: Broker) -> None:
    url = admin_url(Campaign, "enrol", a_campaign(broker).pk)
    assert Client().post(url, {"leads": str(a_lead(broker).pk)}).status_code == 302
    assert CampaignLog.objects.count() == 0
