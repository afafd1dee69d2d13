"""Everything over two brokerages with equal data stays inside its brokerage (failures.md row 33)."""

from typing import Any

import pytest
from django.conf import LazySettings

from brokers.models import Broker
from campaigns import engine
from campaigns.actions import activate, matching_leads, pause, resume
from campaigns.models import Campaign, CampaignLog, Enrollment
from campaigns.triggers import fire
from leads.actions import edit_lead, move_stage, record_permission
from leads.models import Appointment, Lead, Task
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_draft,
    a_free_broker,
    a_lead,
    a_user,
    broken,
    enroll,
    message_step,
    now_of,
    reply,
    run,
)

pytestmark = pytest.mark.django_db
MANUAL = {"triggered_by": "manual", "trigger_condition": {}}
SCORE = {"triggered_by": "lead_score", "trigger_condition": {"score_min": 20}}
STAGE = {"triggered_by": "stage_change", "trigger_condition": {"stage": "perfilamiento"}}
SILENCE = {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 1}}
TRIGGERS = {"score": SCORE, "stage": STAGE, "silence": SILENCE}


class Brokerage:
    """A brokerage with an agent and a lead of the very same data as its twin's."""

    def __init__(self, slug: str) -> None:
        self.broker = a_free_broker(slug, name="Inmobiliaria Aurora")
        self.agent = a_user(self.broker, first_name="Carla", phone="+56222222222")
        self.lead = a_lead(
            self.broker,
            name="Ana 1",  # no real name: the lead stays in entrada until a test moves it
            phone="+56987654321",
            email="ana@example.com",
            telegram_chat_id="4711",
            assigned_to=self.agent,
            treatment_type="automated_call",
            now=NOW - HOUR,
        )

    def campaign(self, **settings: Any) -> Campaign:
        steps = [
            message_step(self.broker, "Hola {{first_name}}, soy {{agent_name}}"),
            {"action": "make_call", "delay_hours": 1},
            message_step(self.broker, "{{booking_link}}", action="schedule_meeting", delay_hours=1),
            {"action": "update_stage", "target_stage": "calificacion_financiera"},
        ]
        return a_campaign(self.broker, *steps, name="Bienvenida", **settings)


@pytest.fixture
def twins(db: None) -> tuple[Brokerage, Brokerage]:
    return Brokerage("aurora"), Brokerage("boreal")


def become(lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW + HOUR / 2, by=None, location="Ñuñoa")
    move_stage(lead=now_of(lead), to="perfilamiento", now=NOW + HOUR / 2, cause="agent")


def brokers_of(model: Any) -> set[int]:
    return set(model.objects.values_list("broker", flat=True))


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_trigger_takes_only_its_own_leads_in(twins: tuple[Brokerage, Brokerage], trigger: dict[str, Any]) -> None:
    """failures.md row 33: both leads became it, one brokerage has the campaign."""
    one, other = twins
    campaign = one.campaign(**trigger)
    for twin in (one, other):
        become(twin.lead)
    taken = fire(now=NOW + 2 * DAY, is_virtual=True)
    assert taken[campaign.pk].enrolled == 1
    assert list(Enrollment.objects.values_list("lead", "broker")) == [(one.lead.pk, one.broker.pk)]


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_activation_takes_only_its_own_matching_leads_in(
    twins: tuple[Brokerage, Brokerage], trigger: dict[str, Any]
) -> None:
    """failures.md row 33: both leads match already, and one brokerage activates its campaign over them."""
    one, _other = twins
    for twin in twins:
        become(twin.lead)
    now = NOW + 3 * DAY
    draft = a_draft(one.broker, now=now, **trigger)
    assert matching_leads(draft, now).get() == one.lead
    activate(campaign=draft, now=now, include_matching=True)
    assert list(Enrollment.objects.values_list("lead", "broker")) == [(one.lead.pk, one.broker.pk)]


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_resume_collects_only_its_own_leads(twins: tuple[Brokerage, Brokerage], trigger: dict[str, Any]) -> None:
    """failures.md row 33: both became it while one brokerage's campaign was paused."""
    one, _other = twins
    campaign = one.campaign(**trigger)
    pause(campaign=campaign, now=NOW)
    for twin in twins:
        become(twin.lead)
    resume(campaign=campaign, now=NOW + 2 * DAY, collect=True)
    assert list(Enrollment.objects.values_list("lead", "broker")) == [(one.lead.pk, one.broker.pk)]


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_trigger_of_one_does_not_wake_the_other(twins: tuple[Brokerage, Brokerage], trigger: dict[str, Any]) -> None:
    """Not even its campaign's statement runs."""
    one, other = twins
    campaigns = [twin.campaign(**trigger) for twin in twins]
    become(one.lead)
    moment = NOW + HOUR if trigger is not SILENCE else NOW + DAY + HOUR / 2
    edit_lead(lead=other.lead, now=NOW + 20 * HOUR, by=None, notes="x")
    assert list(fire(now=moment, is_virtual=True)) == [campaigns[0].pk]
    assert list(Enrollment.objects.values_list("broker", flat=True)) == [one.broker.pk]


@pytest.mark.parametrize("trigger", [MANUAL, *TRIGGERS.values()], ids=["manual", *TRIGGERS])
@pytest.mark.parametrize("batch", [1, 1000])
def test_whole_campaign_stays_inside_its_brokerage(
    twins: tuple[Brokerage, Brokerage],
    clock: VirtualClock,
    settings: LazySettings,
    trigger: dict[str, Any],
    batch: int,
) -> None:
    """failures.md row 33: every row of every kind belongs to the brokerage of its lead."""
    settings.ENGINE_BATCH = batch
    for twin in twins:
        campaign = twin.campaign(**trigger)
        become(twin.lead)
        if trigger is MANUAL:
            enroll(campaign)
    run(clock, passes=30)
    for twin in twins:
        logs = CampaignLog.objects.filter(broker=twin.broker)
        assert set(logs.values_list("lead", "campaign__broker")) == {(twin.lead.pk, twin.broker.pk)}
        assert [log.status for log in logs.order_by("step_number")] == ["sent"] * 4
        assert set(Message.objects.filter(broker=twin.broker).values_list("lead", "account__broker")) == {
            (twin.lead.pk, twin.broker.pk)
        }
        assert list(Appointment.objects.filter(lead=twin.lead).values_list("agent", flat=True)) == [twin.agent.pk]
    assert brokers_of(Enrollment) == {twin.broker.pk for twin in twins}
    assert broken() == {}


def test_pass_over_one_brokerage_leaves_the_other_alone(
    twins: tuple[Brokerage, Brokerage], clock: VirtualClock
) -> None:
    one, _other = twins
    for twin in twins:
        enroll(twin.campaign(), twin.lead)
    engine.run(clock=clock, broker=one.broker)
    assert brokers_of(Message) == {one.broker.pk}


def test_opt_out_at_one_brokerage_says_nothing_about_the_other(
    twins: tuple[Brokerage, Brokerage], clock: VirtualClock
) -> None:
    """The same address on one suppression list."""
    one, other = twins
    record_permission(broker=one.broker, kind="revoked", address="4711", now=NOW, source="form")
    for twin in twins:
        enroll(twin.campaign(), twin.lead)
    run(clock)
    assert brokers_of(Message) == {other.broker.pk}


def test_contacts_of_one_brokerage_do_not_count_at_the_other(
    twins: tuple[Brokerage, Brokerage], clock: VirtualClock
) -> None:
    one, other = twins
    Broker.objects.update(cap_24h=1)
    for twin in twins:
        enroll(twin.campaign(), twin.lead)
    run(clock)
    assert [Message.objects.filter(broker=twin.broker).count() for twin in (one, other)] == [1, 1]


def test_reply_to_one_brokerage_ends_nothing_at_the_other(
    twins: tuple[Brokerage, Brokerage], clock: VirtualClock
) -> None:
    one, other = twins
    for twin in twins:
        enroll(twin.campaign(), twin.lead)
    run(clock)
    reply(one.lead, NOW + HOUR / 2)
    clock.advance(HOUR)
    run(clock)
    assert [Enrollment.objects.get(broker=twin.broker).status for twin in (one, other)] == ["exited", "active"]


def test_task_goes_to_the_agent_of_its_own_brokerage(twins: tuple[Brokerage, Brokerage], clock: VirtualClock) -> None:
    for twin in twins:
        Lead.objects.filter(pk=twin.lead.pk).update(treatment_type="manual_follow_up")
        enroll(twin.campaign(), twin.lead)
    run(clock)
    assert set(Task.objects.values_list("broker", "assignee")) == {(twin.broker.pk, twin.agent.pk) for twin in twins}


def test_busy_brokerage_does_not_keep_the_other_waiting(clock: VirtualClock, settings: LazySettings) -> None:
    settings.ENGINE_BATCH = 4
    busy, quiet = a_free_broker("aurora"), a_free_broker("boreal")
    for broker, count in ((busy, 12), (quiet, 2)):
        for _ in range(count):
            a_lead(broker)
        enroll(a_campaign(broker))
    run(clock, limit=4)
    assert [Message.objects.filter(broker=broker).count() for broker in (busy, quiet)] == [2, 2]
