"""What the log says of a step that was not sent, and that the enrolment goes on (failures.md rows 31 and 32)."""

from typing import Any

import pytest

from brokers.models import Broker
from campaigns.models import CampaignLog
from leads.actions import edit_lead, mark_unreachable, record_permission
from leads.models import Appointment, Lead, Task
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message
from templates_app.models import MessageTemplate
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_draft,
    a_lead,
    a_template,
    a_user,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    now_of,
    run,
    sent_bodies,
)

pytestmark = pytest.mark.django_db
MEETING = {"action": "schedule_meeting"}


def first_then_message(broker: Broker, step: dict[str, Any], **lead: Any) -> Lead:
    person = a_lead(broker, **lead)
    enroll(a_campaign(broker, step, message_step(broker, "después", channel="whatsapp")), person)
    return person


@pytest.mark.parametrize(
    ("step", "lead", "outcome"),
    [
        ({"content": "Desde {{budget}}"}, {}, ("skipped", "missing_variable:budget")),
        ({"content": "Hola {{agent_name}}"}, {}, ("skipped", "missing_variable:agent_name")),
        ({"conditions": {"score_min": 90}}, {}, ("skipped", "condition:score_min")),
        ({"conditions": {"score_min": 1, "stage": "ganado"}}, {}, ("skipped", "condition:stage")),
        ({"conditions": {"score_min": 1, "stage": "entrada"}}, {}, ("sent", "")),
        ({"channel": "telegram"}, {"telegram_chat_id": ""}, ("skipped", "no_address")),
        ({"channel": "telegram"}, {"telegram_chat_id": "@ana"}, ("skipped", "address_invalid")),
        ({"channel": "email"}, {"email": ""}, ("skipped", "no_address")),
        ({"action": "make_call"}, {}, ("skipped", "treatment")),
        ({"action": "schedule_meeting"}, {}, ("skipped", "no_agent")),
        ({"action": "update_stage", "target_stage": "ganado"}, {}, ("skipped", "move_refused")),
        ({"action": "update_stage", "target_stage": "agendado"}, {}, ("skipped", "move_refused")),
        ({"action": "update_stage", "target_stage": "entrada"}, {}, ("skipped", "move_refused")),
    ],
)
def test_step_says_why_it_was_not_sent_and_the_next_one_follows(
    free_broker: Broker, clock: VirtualClock, step: dict[str, Any], lead: dict[str, Any], outcome: tuple[str, str]
) -> None:
    action = step.get("action", "send_message")
    spec = message_step(free_broker, **step) if action == "send_message" else step
    person = first_then_message(free_broker, spec, **lead)
    run(clock)
    assert logs() == [(1, *outcome), (2, "sent", "")]
    assert (sent_bodies(person)[-1], enrolment_of(person).status) == ("después", "completed")


def test_step_that_was_not_sent_has_no_message(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 31: sent means that a provider accepted it."""
    lead = first_then_message(broker, message_step(broker, "{{budget}}"))
    run(clock)
    log = log_of(lead)
    assert (log.message_id, log.dispatched_at, log.attempts, log.executed_at) == (None, None, 0, NOW)
    assert Message.objects.count() == 1


def test_condition_that_does_not_hold_says_its_values(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 32."""
    lead = first_then_message(broker, message_step(broker, conditions={"has_email": True, "score_min": 90}))
    run(clock)
    checks = [check for check in log_of(lead).response["checks"] if check["check"] == "condition"]
    assert checks == [
        {"check": "condition", "passed": True, "key": "has_email", "value": True},
        {"check": "condition", "passed": False, "key": "score_min", "value": 90, "found": lead.lead_score},
    ]


def test_condition_is_looked_at_when_the_step_is_due(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker, conditions={"tags_any": ["vip"]}, delay_hours=2)), lead)
    edit_lead(lead=lead, now=NOW, by=None, tags=["vip"])
    run(clock, passes=4)
    assert logs() == [(1, "sent", "")]


def test_known_variable_with_a_default_is_sent(broker: Broker, clock: VirtualClock) -> None:
    lead = first_then_message(broker, message_step(broker, "Desde {{budget|su presupuesto}}"))
    run(clock)
    assert sent_bodies(lead)[0] == "Desde su presupuesto"


def test_template_that_was_switched_off_fails_the_step(broker: Broker, clock: VirtualClock) -> None:
    lead = first_then_message(broker, message_step(broker))
    MessageTemplate.objects.filter(channel="telegram").update(is_active=False)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("failed", "template_inactive")
    assert log_of(lead, 2).status == "sent"


def test_channel_without_account_fails_the_step(broker: Broker, clock: VirtualClock) -> None:
    lead = first_then_message(broker, message_step(broker))
    ChannelAccount.objects.filter(channel="telegram").update(is_active=False)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("failed", "no_account")


def test_address_that_reaches_nobody_is_not_tried(broker: Broker, clock: VirtualClock) -> None:
    lead = first_then_message(broker, message_step(broker))
    mark_unreachable(lead=lead, channel="telegram", code="invalid_address", now=NOW)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("skipped", "unreachable")


def test_address_that_was_corrected_is_tried_again(broker: Broker, clock: VirtualClock) -> None:
    lead = first_then_message(broker, message_step(broker))
    mark_unreachable(lead=lead, channel="telegram", code="invalid_address", now=NOW)
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711")
    run(clock)
    assert (log_of(lead).status, now_of(lead).unreachable) == ("sent", {})


def test_manual_lead_becomes_a_task_of_its_agent(broker: Broker, clock: VirtualClock) -> None:
    agent = a_user(broker)
    lead = first_then_message(broker, message_step(broker), assigned_to=agent, treatment_type="manual_follow_up")
    run(clock)
    assert logs() == [(1, "skipped", "handed_to_agent"), (2, "skipped", "handed_to_agent")]
    task = Task.objects.earliest("id")
    assert (task.lead, task.assignee, task.due_at, task.origin) == (lead, agent, NOW, f"log:{log_of(lead).pk}")
    assert (Task.objects.count(), now_of(lead).next_action_at, enrolment_of(lead).status) == (2, NOW, "completed")


def test_transactional_step_needs_a_live_appointment_its_template_speaks_of(clock: VirtualClock) -> None:
    broker = a_broker(cap_24h=0)
    reminder = a_template(broker, "Nos vemos a las {{appointment_time|x}}", purpose="transactional")
    lead, other = (a_lead(broker, assigned_to=a_user(broker, name)) for name in ("a", "b"))
    Appointment.objects.create(
        broker=broker,
        lead=lead,
        agent=lead.assigned_to,
        status="scheduled",
        starts_at=NOW + DAY,
        ends_at=NOW + DAY + HOUR,
        booked_at=NOW - DAY,
        created_at=NOW - DAY,
    )
    enroll(a_campaign(broker, message_step(broker, message_template=reminder)), lead, other)
    run(clock)
    assert (log_of(lead).status, log_of(other).reason) == ("sent", "frequency_cap")
    assert sent_bodies(lead) == ["Nos vemos a las 12:00"]


def test_every_final_row_that_was_not_sent_has_a_reason(broker: Broker, clock: VirtualClock) -> None:
    steps = [message_step(broker, text) for text in ("{{budget}}", "{{debt}}")]
    enroll(a_campaign(broker, *steps, MEETING), a_lead(broker))
    run(clock)
    rows = CampaignLog.objects.exclude(status__in=["pending", "sent"])
    assert (rows.count(), rows.filter(reason="").count()) == (3, 0)


def test_opt_out_of_another_channel_does_not_stop_this_one(broker: Broker, clock: VirtualClock) -> None:
    lead = first_then_message(broker, message_step(broker))
    record_permission(broker=broker, lead=lead, kind="revoked", channel="email", now=NOW, source="form")
    run(clock)
    assert log_of(lead).status == "sent"


def test_long_name_of_an_own_field_fits_into_the_reason(clock: VirtualClock) -> None:
    """failures.md row 5: a reason that is too long must not break the batch."""
    key = "cual_es_el_nombre_de_la_mascota_de_la_familia_que_mas_ladra"
    broker = a_broker(custom_fields=[{"key": key}])
    lead = first_then_message(broker, message_step(broker, "{{" + key + "}}"))
    run(clock)
    assert log_of(lead).reason == f"missing_variable:{key}"[:60]
    assert log_of(lead, 2).status == "sent"


def test_long_subject_is_cut(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 5: a subject that grows with the lead's name must not break the batch."""
    template = a_template(broker, "Hola", subject="{{name}}" * 10, channel="email")
    lead = first_then_message(
        broker, message_step(broker, message_template=template, channel="email"), name="Ana " * 40
    )
    run(clock)
    assert (log_of(lead).status, len(Message.objects.earliest("id").subject)) == ("sent", 400)


def test_draft_does_nothing(broker: Broker, clock: VirtualClock) -> None:
    a_draft(broker)
    a_lead(broker)
    assert run(clock).taken == 0
