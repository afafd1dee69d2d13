"""Steps are saved as a whole set, or not at all."""

from decimal import Decimal
from typing import Any

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import create_campaign, save_steps
from campaigns.models import Campaign, CampaignStep
from tests.building import NOW, a_broker, a_template, message_step

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(broker: Broker) -> Campaign:
    return create_campaign(broker=broker, now=NOW, name="Bienvenida", channel="telegram")


def save(campaign: Campaign, *specs: dict[str, Any]) -> list[CampaignStep]:
    return save_steps(campaign=campaign, specs=specs, now=NOW)


def faults_of(campaign: Campaign, *specs: dict[str, Any]) -> list[str]:
    with pytest.raises(Refused) as refused:
        save(campaign, *specs)
    assert refused.value.reason == "steps_invalid"
    return refused.value.faults


def test_steps_are_numbered_in_the_order_given(broker: Broker, draft: Campaign) -> None:
    stage = {"action": "update_stage", "target_stage": "perfilamiento", "delay_hours": "1.5"}
    steps = save(draft, message_step(broker), stage)
    assert [(step.step_number, step.action, step.delay_hours) for step in steps] == [
        (1, "send_message", 0),
        (2, "update_stage", Decimal("1.50")),
    ]
    assert {step.broker_id for step in steps} == {broker.pk}


def test_steps_of_a_draft_are_replaced(broker: Broker, draft: Campaign) -> None:
    save(draft, message_step(broker), message_step(broker))
    save(draft, {"action": "make_call"})
    assert list(draft.steps.values_list("step_number", "action", "version")) == [(1, "make_call", 1)]


def test_number_that_fits_its_place_is_taken(broker: Broker, draft: Campaign) -> None:
    assert len(save(draft, message_step(broker, step_number=1), message_step(broker, step_number=2))) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step_number": 2}, "step 1: step_number=2 leaves a gap"),
        ({"action": "send_pigeon"}, "step 1: action='send_pigeon' is not allowed; use one of send_message"),
        ({"action": None}, "step 1: action=None"),
        ({"channel": "fax"}, "step 1: channel='fax'"),
        ({"fallback_channel": "fax"}, "step 1: fallback_channel='fax'"),
        ({"target_stage": "vendido"}, "step 1: target_stage='vendido'"),
        ({"delay_hours": -1}, "step 1: delay_hours=-1"),
        ({"delay_hours": "soon"}, "step 1: delay_hours='soon'"),
        ({"delay_hours": float("nan")}, "step 1: delay_hours=nan"),
        ({"delay_hours": 1_000_000}, "step 1: delay_hours=1000000"),
        ({"conditions": {"score": 1}}, "step 1: score is no condition"),
        ({"conditions": {"score_min": "x"}}, "step 1: score_min='x'"),
        ({"conditions": [1]}, "step 1: [1] is no condition"),
        ({"template": 3}, "step 1: template is no field of a step"),
    ],
)
def test_wrong_step_is_refused_by_name(broker: Broker, draft: Campaign, changes: dict[str, Any], says: str) -> None:
    [fault] = faults_of(draft, message_step(broker) | changes)
    assert fault.startswith(says)


def test_no_steps_are_refused(draft: Campaign) -> None:
    assert faults_of(draft) == ["steps: a campaign needs at least one step"]


def test_every_fault_is_said_at_once(broker: Broker, draft: Campaign) -> None:
    found = faults_of(draft, {"action": "x", "delay_hours": -1}, message_step(broker, conditions={"a": 1, "b": 2}))
    assert [fault.split(":")[0] for fault in found] == ["step 1", "step 1", "step 2", "step 2"]


def test_template_of_another_brokerage_is_refused(draft: Campaign) -> None:
    """failures.md row 33."""
    foreign = a_template(a_broker("boreal"))
    [fault] = faults_of(draft, {"action": "send_message", "message_template": foreign})
    assert fault == f"step 1: message_template={foreign.pk} is no template of this brokerage"


def test_refused_steps_leave_the_old_ones(broker: Broker, draft: Campaign) -> None:
    save(draft, message_step(broker))
    faults_of(draft, {"action": "x"})
    assert list(draft.steps.values_list("action", flat=True)) == ["send_message"]


def test_conditions_are_stored_in_one_form(broker: Broker, draft: Campaign) -> None:
    save(draft, message_step(broker, conditions={"tags_any": "vip, norte", "previous_step": "sent"}))
    assert draft.steps.get().conditions == {"tags_any": ["vip", "norte"], "previous_step": ["sent"]}
