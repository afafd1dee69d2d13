"""What a step can ask of its enrolment besides the lead: each condition both ways."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.filters import StepFilter, held_conditions
from campaigns.models import Campaign, CampaignLog
from leads.filters import LeadFilter
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    a_template,
    enroll,
    log_of,
    message_step,
    reply,
    run,
    some_leads,
)

pytestmark = pytest.mark.django_db
CALL = {"action": "make_call"}


def waiting(broker: Broker) -> dict[str, Any]:
    """A last step that stays due in the future, whose conditions are asked."""
    return message_step(broker, delay_hours=200)


def held(log: CampaignLog, **condition: Any) -> dict[str, bool]:
    answers = held_conditions({log.pk: condition}, NOW + 9 * DAY)
    return {key: answer for key, _value, answer in answers[log.pk]}


def asked_once(broker: Broker, clock: VirtualClock, *steps: dict[str, Any], **lead: Any) -> CampaignLog:
    """The waiting row of a lead who went through these steps."""
    person = a_lead(broker, treatment_type="automated_call", **lead)
    enroll(a_campaign(broker, *steps, waiting(broker), exit_on_reply=False), person)
    run(clock, passes=12, every=HOUR)
    return log_of(person, len(steps) + 1)


@pytest.mark.parametrize(
    ("phone", "status"), [("+56987654321", "completed"), ("+56987654328", "busy"), ("+56987654329", "no_answer")]
)
def test_last_call_says_how_it_ended(free_broker: Broker, clock: VirtualClock, phone: str, status: str) -> None:
    log = asked_once(free_broker, clock, CALL, phone=phone)
    assert held(log, last_call=[status]) == {"last_call": True}
    assert held(log, last_call=[{"busy": "completed"}.get(status, "busy"), "cancelled"]) == {"last_call": False}


def test_last_call_is_the_last_of_several(free_broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(free_broker, treatment_type="automated_call", phone="+56987654328")
    again = CALL | {"delay_hours": 12}
    enroll(a_campaign(free_broker, CALL, again, waiting(free_broker)), lead)
    run(clock, passes=8)
    assert log_of(lead, 1).reason == "busy"
    Lead.objects.filter(pk=lead.pk).update(phone="+56987654321")
    run(clock, passes=30)
    assert log_of(lead, 2).status == "sent"
    assert held(log_of(lead, 3), last_call="busy") == {"last_call": False}
    assert held(log_of(lead, 3), last_call="completed") == {"last_call": True}


def test_last_call_does_not_hold_without_a_call(free_broker: Broker, clock: VirtualClock) -> None:
    log = asked_once(free_broker, clock, message_step(free_broker))
    assert held(log, last_call="completed") == {"last_call": False}


def test_previous_step_says_what_became_of_it(free_broker: Broker, clock: VirtualClock) -> None:
    skipped = message_step(free_broker, conditions={"tags_any": ["vip"]})
    log = asked_once(free_broker, clock, message_step(free_broker), skipped)
    assert held(log, previous_step=["skipped", "failed"]) == {"previous_step": True}
    assert held(log, previous_step="sent") == {"previous_step": False}


def test_previous_step_of_the_first_is_nothing(free_broker: Broker) -> None:
    lead = a_lead(free_broker)
    enroll(a_campaign(free_broker), lead)
    assert held(log_of(lead), previous_step=["sent", "failed", "skipped"]) == {"previous_step": False}


def test_replied_since_enrolment_counts_only_later_replies(free_broker: Broker, clock: VirtualClock) -> None:
    log = asked_once(free_broker, clock, message_step(free_broker))
    assert held(log, replied_since_enrolment=False) == {"replied_since_enrolment": True}
    reply(log.lead, NOW)
    assert held(log, replied_since_enrolment=True) == {"replied_since_enrolment": False}
    reply(log.lead, NOW + DAY)
    assert held(log, replied_since_enrolment=True) == {"replied_since_enrolment": True}
    assert held(log, replied_since_enrolment=False) == {"replied_since_enrolment": False}


def test_message_read_is_that_of_the_step_before(free_broker: Broker, clock: VirtualClock) -> None:
    log = asked_once(free_broker, clock, message_step(free_broker), message_step(free_broker, delay_hours=1))
    first, second = (log_of(log.lead, step).message_id for step in (1, 2))
    Message.objects.filter(pk=first).update(status="read", read_at=NOW)
    assert held(log, message_read=True) == {"message_read": False}
    Message.objects.filter(pk=second).update(status="read", read_at=NOW)
    assert held(log, message_read=True, score_min=90) == {"message_read": True, "score_min": False}
    assert held(log, message_read=False) == {"message_read": False}


def batch(broker: Broker, count: int) -> dict[int, dict[str, Any]]:
    """Conditions of a batch: half of them shared, half of them each its own."""
    campaign: Campaign = a_campaign(broker)
    enroll(campaign, *some_leads(broker, count))
    rows = CampaignLog.objects.filter(campaign=campaign).order_by("id")
    return {
        log.pk: {"score_min": 10, "score_max": 20 + number, "stage": ["entrada"], "has_email": bool(number % 2)}
        for number, log in enumerate(rows)
    }


@pytest.mark.parametrize("count", [1, 3, 25])
def test_conditions_of_a_batch_are_one_query(broker: Broker, count: int, django_assert_num_queries: Any) -> None:
    wanted = batch(broker, count)
    with django_assert_num_queries(1):
        answers = held_conditions(wanted, NOW)
    assert {key: [held for _k, _v, held in found] for key, found in answers.items()} == {
        log: [True, True, True, bool(number % 2)] for number, log in enumerate(wanted)
    }


def test_clause_that_is_shared_is_asked_once(broker: Broker) -> None:
    wanted = batch(broker, 5)
    with CaptureQueriesContext(connection) as queries:
        held_conditions(wanted, NOW)
    assert queries.captured_queries[0]["sql"].count('lead_score" >=') == 1


def test_no_conditions_are_no_query(broker: Broker, django_assert_num_queries: Any) -> None:
    wanted = {log: {} for log in batch(broker, 2)}
    with django_assert_num_queries(0):
        assert held_conditions({}, NOW) == {}
        assert held_conditions(wanted, NOW) == {}


def test_conditions_of_an_enrolment_are_not_known_to_leads() -> None:
    own = StepFilter.base_filters.keys() - LeadFilter.base_filters.keys()
    assert own == {"last_call", "previous_step", "replied_since_enrolment", "message_read"}


@pytest.mark.parametrize(
    "condition",
    [{"last_call": "ringing"}, {"previous_step": "pending"}, {"replied_since_enrolment": "x"}, {"message_read": 3}],
)
def test_wrong_value_is_refused_by_name(condition: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=next(iter(condition))):
        StepFilter.checked(condition, now=NOW)


def test_condition_stored_past_its_check_holds_for_nobody(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 5: it fails alone, with its name."""
    lead, other = some_leads(broker, 2)
    campaign = a_campaign(broker)
    campaign.steps.update(conditions={"score": 3})
    enroll(campaign, lead)
    enroll(a_campaign(broker, message_step(broker, message_template=a_template(broker))), other)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("skipped", "condition:condition_invalid")
    assert log_of(other).status == "sent"
