"""Who became what a campaign waits for since the last pass: each trigger, on the edge."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from brokers.models import Broker
from campaigns.actions import pause, resume
from campaigns.models import Campaign, Enrollment
from campaigns.triggers import fire
from leads.actions import after_fact_change, edit_lead, move_stage
from leads.models import Lead, ScoreChange
from messaging.clock import VirtualClock
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    an_admin,
    now_of,
    reply,
    run,
    some_leads,
)

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SCORE: dict[str, Any] = {"triggered_by": "lead_score", "trigger_condition": {"score_min": 20}}
STAGE: dict[str, Any] = {"triggered_by": "stage_change", "trigger_condition": {"stage": "perfilamiento"}}
SILENCE: dict[str, Any] = {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 30}}


def a_waiting_campaign(broker: Broker, **settings: Any) -> Campaign:
    """Activated when the leads of the test were there already."""
    return a_campaign(broker, now=NOW + MINUTE, **settings)


def collected(now: datetime) -> int:
    """How many one pass takes in."""
    return sum(intake.enrolled for intake in fire(now=now, is_virtual=True).values())


def members(campaign: Campaign) -> list[int]:
    return list(campaign.enrollments.order_by("lead").values_list("lead", flat=True))


def know_more(lead: Lead, now: datetime, **facts: Any) -> None:
    """Five points: 15 become 20."""
    edit_lead(lead=lead, now=now, by=None, **facts or {"location": "Ñuñoa"})


def move(lead: Lead, to: str, now: datetime, **how: Any) -> None:
    move_stage(lead=now_of(lead), to=to, now=now, **{"cause": "agent", "reason": "x"} | how)


def test_score_that_comes_inside_enrols(broker: Broker) -> None:
    lead, _other = some_leads(broker, 2)
    campaign = a_waiting_campaign(broker, **SCORE)
    assert collected(NOW + 2 * MINUTE) == 0
    know_more(lead, NOW + HOUR)
    assert (collected(NOW + HOUR), members(campaign)) == (1, [lead.pk])


def test_score_keeps_what_brought_the_lead_in(broker: Broker) -> None:
    lead = a_lead(broker)
    a_waiting_campaign(broker, **SCORE)
    know_more(lead, NOW + HOUR)
    collected(NOW + HOUR)
    entry, change = Enrollment.objects.get(), ScoreChange.objects.latest("id")
    assert entry.trigger == "lead_score"
    assert (entry.evidence["score_change"], entry.evidence["from"], entry.evidence["to"]) == (change.pk, 15, 20)
    assert datetime.fromisoformat(entry.evidence["at"]) == NOW + HOUR


def test_score_that_stays_inside_enrols_once(broker: Broker) -> None:
    """failures.md row 27, also with a campaign that may be entered again."""
    lead = a_lead(broker, location="Ñuñoa")
    campaign = a_waiting_campaign(broker, **SCORE, reentry_after_days=1)
    know_more(lead, NOW + HOUR, dicom_status="clean")
    assert (now_of(lead).lead_score, collected(NOW + 2 * HOUR), members(campaign)) == (30, 0, [])


def test_score_of_a_new_lead_comes_from_outside(broker: Broker) -> None:
    campaign = a_waiting_campaign(broker, **SCORE)
    lead = a_lead(broker, location="Ñuñoa", now=NOW + HOUR)
    assert (collected(NOW + HOUR), members(campaign)) == (1, [lead.pk])


def test_score_counts_its_bounds_in(broker: Broker) -> None:
    condition = {"score_min": 15, "score_max": 20}
    campaign = a_waiting_campaign(broker, triggered_by="lead_score", trigger_condition=condition)
    leads = [a_lead(broker, now=NOW + HOUR, **facts) for facts in ({"email": ""}, {}, {"location": "Ñ"})]
    a_lead(broker, now=NOW + HOUR, location="Ñ", dicom_status="clean")
    assert (collected(NOW + HOUR), members(campaign)) == (2, [leads[1].pk, leads[2].pk])


def test_score_that_falls_into_the_range_enrols_too(broker: Broker) -> None:
    lead = a_lead(broker, dicom_status="clean", location="Ñuñoa")
    campaign = a_waiting_campaign(broker, triggered_by="lead_score", trigger_condition={"score_max": 25})
    edit_lead(lead=lead, now=NOW + HOUR, by=None, dicom_status="")
    assert (collected(NOW + HOUR), members(campaign)) == (1, [lead.pk])


def test_score_that_left_again_between_two_passes_still_enrols(broker: Broker) -> None:
    lead = a_lead(broker)
    campaign = a_waiting_campaign(broker, **SCORE)
    know_more(lead, NOW + HOUR)
    edit_lead(lead=lead, now=NOW + 2 * HOUR, by=None, location="")
    assert (now_of(lead).lead_score, collected(NOW + 3 * HOUR), members(campaign)) == (15, 1, [lead.pk])


@pytest.mark.parametrize("stage", ["perfilamiento", ["ganado", "perfilamiento"], "ganado, perfilamiento"])
def test_stage_that_is_entered_enrols(broker: Broker, stage: Any) -> None:
    lead, _other = some_leads(broker, 2)
    campaign = a_waiting_campaign(broker, triggered_by="stage_change", trigger_condition={"stage": stage})
    move(lead, "perfilamiento", NOW + HOUR)
    assert (collected(NOW + HOUR), members(campaign)) == (1, [lead.pk])
    evidence = Enrollment.objects.get().evidence
    assert (evidence["from"], evidence["to"]) == ("entrada", "perfilamiento")


def test_stage_that_was_left_again_still_enrols(broker: Broker) -> None:
    lead = a_lead(broker)
    campaign = a_waiting_campaign(broker, **STAGE)
    move(lead, "perfilamiento", NOW + HOUR)
    move(lead, "calificacion_financiera", NOW + 2 * HOUR)
    assert (collected(NOW + 3 * HOUR), members(campaign)) == (1, [lead.pk])


def test_birth_is_entering_the_first_stage(broker: Broker) -> None:
    campaign = a_waiting_campaign(broker, triggered_by="stage_change", trigger_condition={"stage": "entrada"})
    lead = a_lead(broker, now=NOW + HOUR)
    assert (collected(NOW + HOUR), members(campaign)) == (1, [lead.pk])


def test_silence_enrols_when_it_is_long_enough(broker: Broker) -> None:
    lead = a_lead(broker)
    campaign = a_waiting_campaign(broker, **SILENCE)
    assert collected(NOW + 30 * DAY - MINUTE) == 0
    assert (collected(NOW + 30 * DAY), members(campaign)) == (1, [lead.pk])


def test_silence_that_goes_on_enrols_once(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 27."""
    a_lead(broker)
    campaign = a_waiting_campaign(broker, **SILENCE, reentry_after_days=1)
    run(clock, passes=100, every=DAY)
    assert [entry.entry for entry in campaign.enrollments.all()] == [1]


def test_silence_after_a_sign_of_life_counts_anew(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = a_waiting_campaign(broker, **SILENCE, reentry_after_days=1)
    run(clock, passes=41, every=DAY)
    reply(lead, clock.now())
    run(clock, passes=30, every=DAY)
    assert campaign.enrollments.count() == 1
    run(clock, passes=3, every=DAY)
    assert campaign.enrollments.count() == 2


def test_silence_before_the_campaign_does_not_count(broker: Broker) -> None:
    """Activation may take those in who match already; the trigger takes who becomes it, and nobody along with them."""
    a_lead(broker, now=NOW - 90 * DAY)
    falling = a_lead(broker)
    campaign = a_waiting_campaign(broker, **SILENCE)
    assert (collected(NOW + HOUR), members(campaign)) == (0, [])
    assert (collected(NOW + 30 * DAY), members(campaign)) == (1, [falling.pk])


@pytest.mark.parametrize("trigger", [SCORE, STAGE])
def test_correction_fires_nothing(broker: Broker, trigger: dict[str, Any]) -> None:
    """Neither the move nor the points that the stage is worth."""
    lead = a_lead(broker, location="")
    campaign = a_waiting_campaign(
        broker, **trigger | {"trigger_condition": {**trigger["trigger_condition"], "score_max": 90}}
    )
    target = "ganado" if trigger is SCORE else "perfilamiento"
    move(lead, target, NOW + HOUR, cause="correction", by=an_admin(broker))
    assert (collected(NOW + HOUR), members(campaign)) == (0, [])


@pytest.mark.parametrize(
    "trigger", [SCORE, {"triggered_by": "stage_change", "trigger_condition": {"stage": "entrada"}}]
)
def test_migration_fires_nothing(broker: Broker, trigger: dict[str, Any]) -> None:
    campaign = a_waiting_campaign(broker, **trigger)
    a_lead(broker, now=NOW + HOUR, location="Ñuñoa", cause="migration")
    assert (collected(NOW + HOUR), members(campaign)) == (0, [])


def test_manual_campaign_collects_nobody(broker: Broker) -> None:
    campaign = a_waiting_campaign(broker)
    lead = a_lead(broker, now=NOW + HOUR)
    move(lead, "perfilamiento", NOW + HOUR)
    assert (collected(NOW + HOUR), members(campaign)) == (0, [])


@pytest.mark.parametrize("trigger", [SCORE, STAGE])
def test_other_keys_narrow_the_trigger(broker: Broker, trigger: dict[str, Any]) -> None:
    vip, other = a_lead(broker, tags=["vip"]), a_lead(broker)
    condition = trigger["trigger_condition"] | {"tags_any": ["vip"], "has_email": True}
    campaign = a_waiting_campaign(broker, **trigger | {"trigger_condition": condition})
    for lead in (vip, other):
        know_more(lead, NOW + HOUR)
        move(lead, "perfilamiento", NOW + HOUR)
    assert (collected(NOW + HOUR), members(campaign)) == (1, [vip.pk])


def test_narrowing_is_looked_at_when_the_trigger_fires(broker: Broker) -> None:
    """And, because passes overlap, for ten minutes more."""
    lead = a_lead(broker)
    condition = {"stage": "perfilamiento", "tags_any": ["vip"]}
    campaign = a_waiting_campaign(broker, **STAGE | {"trigger_condition": condition})
    move(lead, "perfilamiento", NOW + HOUR)
    assert [collected(NOW + HOUR), collected(NOW + HOUR + 11 * MINUTE)] == [0, 0]
    edit_lead(lead=lead, now=NOW + HOUR + 12 * MINUTE, by=None, tags=["vip"])
    assert (collected(NOW + HOUR + 12 * MINUTE), members(campaign)) == (0, [])


def test_nothing_from_before_the_activation_is_collected(broker: Broker) -> None:
    lead = a_lead(broker)
    know_more(lead, NOW - MINUTE)
    campaign = a_waiting_campaign(broker, **SCORE)
    assert (collected(NOW + MINUTE), members(campaign)) == (0, [])


def test_nothing_is_collected_while_paused_and_resume_collects_from_now(broker: Broker) -> None:
    during, after = some_leads(broker, 2)
    campaign = a_waiting_campaign(broker, **SCORE)
    pause(campaign=campaign, now=NOW + HOUR)
    know_more(during, NOW + 2 * HOUR)
    assert collected(NOW + 2 * HOUR) == 0
    resume(campaign=campaign, now=NOW + 3 * HOUR)
    know_more(after, NOW + 4 * HOUR)
    assert (collected(NOW + 4 * HOUR), members(campaign)) == (1, [after.pk])


def test_rescore_that_changes_nothing_fires_nothing(broker: Broker) -> None:
    lead = a_lead(broker, location="Ñuñoa")
    a_waiting_campaign(broker, **SCORE)
    after_fact_change(lead=lead, now=NOW + HOUR, cause="edit")
    assert collected(NOW + HOUR) == 0


@pytest.mark.parametrize("trigger", [SCORE, STAGE, SILENCE], ids=["score", "stage", "silence"])
def test_what_stays_true_enrols_once_however_many_passes_look(
    broker: Broker, clock: VirtualClock, trigger: dict[str, Any]
) -> None:
    """failures.md row 27: also where the campaign may be entered again every day, and its entry has long ended."""
    lead = a_lead(broker)
    campaign = a_waiting_campaign(broker, **trigger, reentry_after_days=1)
    know_more(lead, NOW + HOUR)
    move(lead, "perfilamiento", NOW + HOUR)
    run(clock, passes=90, every=DAY)
    fresh = now_of(lead)
    assert (fresh.lead_score >= 20, fresh.pipeline_stage) == (True, "perfilamiento")
    assert fresh.last_activity_at < clock.now() - 30 * DAY
    assert list(campaign.enrollments.values_list("entry", "status")) == [(1, "completed")]
