"""Who is in stays in: an enrolment does not depend on still matching (failures.md row 14)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from brokers.models import Broker
from campaigns.actions import edit_campaign
from campaigns.enrollment import enroll_leads
from campaigns.models import Campaign
from leads.actions import edit_lead, move_stage
from leads.filters import LeadFilter
from leads.models import Lead
from messaging.clock import VirtualClock
from tests.building import DAY, HOUR, NOW, a_campaign, a_lead, enrolment_of, logs, message_step, now_of, run

pytestmark = pytest.mark.django_db
Happening = Callable[[Lead, datetime], object]


def edit(**changes: Any) -> Happening:
    return lambda lead, now: edit_lead(lead=now_of(lead), now=now, by=None, **changes)


def move(stage: str) -> Happening:
    return lambda lead, now: move_stage(lead=now_of(lead), to=stage, now=now, cause="agent")


class Way(NamedTuple):
    """How a lead comes to match, and how it ceases to."""

    trigger: str
    condition: dict[str, Any]
    begin: Happening
    cease: Happening


WAYS = {
    "score": Way("lead_score", {"score_min": 20}, edit(location="Ñuñoa"), edit(location="")),
    "stage": Way("stage_change", {"stage": "perfilamiento"}, move("perfilamiento"), move("calificacion_financiera")),
    "silence": Way("inactivity", {"inactivity_days": 1}, lambda lead, now: None, edit(notes="llamó")),
    "narrowed": Way(
        "lead_score",
        {"score_min": 20, "tags_any": ["vip"]},
        edit(location="Ñuñoa", tags=["vip"]),
        edit(tags=["frío"]),
    ),
    "chosen": Way("manual", {"tags_any": ["vip"]}, edit(tags=["vip"]), edit(tags=[])),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def matches(lead: Lead, way: Way, now: datetime) -> bool:
    return LeadFilter.apply(Lead.objects.filter(pk=lead.pk), way.condition, now=now).exists()


def entered(broker: Broker, clock: VirtualClock, way: Way) -> tuple[Lead, Campaign]:
    """A lead that came in because it matched and got the first of three messages, an hour apart."""
    steps = [message_step(broker, text, delay_hours=1) for text in ("uno", "dos", "tres")]
    condition = {} if way.trigger == "manual" else way.condition
    campaign = a_campaign(broker, *steps, triggered_by=way.trigger, trigger_condition=condition)
    lead = a_lead(broker, now=NOW - HOUR)
    way.begin(lead, NOW + HOUR)
    clock.sleep_until(NOW + DAY if way.trigger == "inactivity" else NOW + HOUR)
    assert matches(lead, way, clock.now())
    if way.trigger == "manual":
        chosen = LeadFilter.apply(Lead.objects.all(), way.condition, now=clock.now())
        enroll_leads(campaign=campaign, leads=chosen, trigger="manual", now=clock.now())
    run(clock, passes=2)
    assert logs() == [(1, "sent", ""), (2, "pending", "")]
    return lead, campaign


@ways
def test_lead_that_ceases_to_match_gets_every_step(free_broker: Broker, clock: VirtualClock, way: Way) -> None:
    """failures.md row 14."""
    lead, _campaign = entered(free_broker, clock, way)
    way.cease(lead, clock.now())
    assert not matches(lead, way, clock.now())
    run(clock, passes=4)
    assert (logs(), enrolment_of(lead).status) == ([(step, "sent", "") for step in (1, 2, 3)], "completed")


@pytest.mark.parametrize("way", [way for way in WAYS.values() if way.trigger != "manual"], ids=list(WAYS)[:-1])
def test_trigger_that_is_changed_ends_nobodys_enrolment(free_broker: Broker, clock: VirtualClock, way: Way) -> None:
    """failures.md row 14: the campaign asks for other leads now."""
    lead, campaign = entered(free_broker, clock, way)
    edit_campaign(campaign=campaign, now=clock.now(), trigger_condition=way.condition | {"has_phone": False})
    run(clock, passes=4)
    assert (logs(), enrolment_of(lead).status) == ([(step, "sent", "") for step in (1, 2, 3)], "completed")
