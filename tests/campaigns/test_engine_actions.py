"""Every action does its real work, end to end on the sandbox."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from brokers.models import Broker
from leads.models import Appointment, Lead, StageTransition
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
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
from voice.models import VoiceCall

pytestmark = pytest.mark.django_db
CALL = {"action": "make_call"}
ANSWERED, BUSY, NOBODY = "+56987654321", "+56987654328", "+56987654329"


def entered(broker: Broker, *steps: dict[str, Any], **fields: Any) -> Lead:
    """A lead in a campaign of these steps."""
    lead = a_lead(broker, **fields)
    enroll(a_campaign(broker, *steps), lead)
    return lead


def callable_lead(broker: Broker, phone: str, *steps: dict[str, Any]) -> Lead:
    return entered(broker, *steps or (CALL,), phone=phone, treatment_type="automated_call")


@pytest.mark.parametrize("channel", ["telegram", "whatsapp", "email"])
def test_message_is_sent_over_its_channel(broker: Broker, clock: VirtualClock, channel: str) -> None:
    lead = entered(broker, message_step(broker, "Hola {{name}}, soy {{broker_name}}", channel=channel))
    run(clock)
    message = Message.objects.get()
    expected = {"telegram": lead.telegram_chat_id, "whatsapp": lead.phone, "email": lead.email}[channel]
    assert (message.body, message.address, message.status) == (f"Hola {lead.name}, soy Aurora", expected, "delivered")
    assert (message.channel, message.direction, message.sandbox, message.purpose) == (channel, "out", True, "marketing")
    assert (message.created_at, message.sent_at, message.broker) == (NOW, NOW, broker)


def test_message_is_the_one_its_row_points_at(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker)
    run(clock)
    log, message = log_of(lead), Message.objects.get()
    assert (log.message, log.status, log.executed_at, log.attempts) == (message, "sent", NOW, 1)
    assert message.dedupe_key == f"step:{log.enrollment_id}:1:1"


def test_message_keeps_why_it_was_allowed_and_its_row_what_was_checked(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker)
    run(clock)
    basis = Message.objects.get().basis
    assert basis["caps"] == {"24h": {"sent": 0, "cap": 2}, "7d": {"sent": 0, "cap": 5}}
    assert all(check["passed"] for check in log_of(lead).response["checks"])
    assert len(log_of(lead).response["checks"]) == 8


def test_message_of_an_email_has_its_subject(broker: Broker, clock: VirtualClock) -> None:
    template = a_template(broker, "Cuerpo", subject="Para {{first_name}}", channel="email")
    entered(broker, {"action": "send_message", "message_template": template, "channel": "email"}, name="Ana Pérez")
    run(clock)
    assert Message.objects.get().subject == "Para Ana"


def test_message_is_in_the_language_of_the_lead(broker: Broker, clock: VirtualClock) -> None:
    spanish = a_template(broker, "Hola", name="saludo")
    a_template(broker, "Hello", name="saludo", language="en")
    lead = entered(broker, message_step(broker, message_template=spanish), language="en")
    run(clock)
    assert sent_bodies(lead) == ["Hello"]


def test_inactive_variant_gives_way_to_the_template_of_the_step(broker: Broker, clock: VirtualClock) -> None:
    spanish = a_template(broker, "Hola", name="saludo")
    a_template(broker, "Hello", name="saludo", language="en", is_active=False)
    lead = entered(broker, message_step(broker, message_template=spanish), language="en")
    run(clock)
    assert sent_bodies(lead) == ["Hola"]


def test_braces_in_a_leads_name_stay_text(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, message_step(broker, "Hola {{name}}"), name="{{phone}} {% now %}")
    run(clock)
    assert sent_bodies(lead) == ["Hola {{phone}} {% now %}"]


def test_contact_is_stamped_on_the_lead_and_is_no_sign_of_life(broker: Broker, clock: VirtualClock) -> None:
    clock.advance(HOUR)
    lead = entered(broker)
    run(clock)
    fresh = now_of(lead)
    assert (fresh.last_contacted_at, fresh.last_activity_at) == (NOW + HOUR, NOW)


def test_next_step_is_due_its_delay_after_this_one(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, message_step(broker, delay_hours=1), message_step(broker, delay_hours="2.5"))
    clock.advance(HOUR + timedelta(minutes=7))
    run(clock)
    second = log_of(lead, 2)
    assert second.due_at == second.planned_at == clock.now() + 2.5 * HOUR
    assert (second.status, second.created_at, second.attempts) == ("pending", clock.now(), 0)


def test_last_step_completes_the_enrolment_in_its_moment(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker)
    clock.advance(timedelta(minutes=3))
    run(clock)
    entry = enrolment_of(lead)
    assert (entry.status, entry.exit_reason, entry.finished_at) == ("completed", "", clock.now())


def test_steps_without_delay_follow_each_other_in_one_pass(free_broker: Broker, clock: VirtualClock) -> None:
    lead = entered(free_broker, *[message_step(free_broker, text) for text in ("uno", "dos", "tres")])
    run(clock)
    assert sent_bodies(lead) == ["uno", "dos", "tres"]


def test_call_that_is_answered_is_sent(broker: Broker, clock: VirtualClock) -> None:
    lead = callable_lead(broker, ANSWERED)
    run(clock)
    call = VoiceCall.objects.get()
    assert (call.lead, call.phone_number, call.status, call.duration) == (lead, ANSWERED, "completed", 43)
    assert (call.message.channel, call.message.status) == ("call", "delivered")
    assert (log_of(lead).status, log_of(lead).message) == ("sent", call.message)


def test_call_of_over_a_minute_is_worth_points(broker: Broker, clock: VirtualClock) -> None:
    short, long = callable_lead(broker, ANSWERED), callable_lead(broker, "+56987654327")
    run(clock)
    assert [now_of(lead).long_call_count for lead in (short, long)] == [0, 1]
    assert now_of(long).lead_score == long.lead_score + 5
    assert now_of(short).last_activity_at == NOW


@pytest.mark.parametrize(("phone", "reason"), [(BUSY, "busy"), (NOBODY, "no_answer")])
def test_call_that_is_not_answered_is_tried_three_times(
    free_broker: Broker, clock: VirtualClock, phone: str, reason: str
) -> None:
    lead = callable_lead(free_broker, phone)
    run(clock)
    assert (logs(), log_of(lead).due_at) == ([(1, "pending", reason)], NOW + 2 * HOUR)
    run(clock, passes=12)
    assert (logs(), log_of(lead).attempts) == ([(1, "failed", reason)], 3)
    keys = Message.objects.order_by("id").values_list("dedupe_key", "status", "error_code")
    entry = enrolment_of(lead)
    assert list(keys) == [(f"step:{entry.pk}:1:{attempt}", "failed", reason) for attempt in (1, 2, 3)]
    assert (VoiceCall.objects.count(), entry.status) == (3, "completed")


def test_call_that_is_answered_at_last_goes_on(free_broker: Broker, clock: VirtualClock) -> None:
    lead = callable_lead(free_broker, BUSY, CALL, message_step(free_broker))
    run(clock)
    Lead.objects.update(phone=ANSWERED)
    run(clock, passes=4)
    assert logs() == [(1, "sent", ""), (2, "sent", "")]
    assert log_of(lead).attempts == 2


def test_unanswered_calls_do_not_count_against_the_caps(broker: Broker, clock: VirtualClock) -> None:
    lead = callable_lead(broker, BUSY, CALL, message_step(broker))
    run(clock, passes=8)
    assert logs() == [(1, "failed", "busy"), (2, "sent", "")]
    assert Message.objects.get(lead=lead, channel="telegram").basis["caps"]["24h"]["sent"] == 0


def test_call_speaks_the_text_of_its_template(broker: Broker, clock: VirtualClock) -> None:
    template = a_template(broker, "Buenas, {{first_name}}", channel="call")
    callable_lead(broker, ANSWERED, CALL | {"message_template": template})
    run(clock)
    assert VoiceCall.objects.get().message.body.startswith("Buenas, Ana")


def test_meeting_proposes_an_appointment_and_sends_its_link(
    broker: Broker, clock: VirtualClock, settings: LazySettings
) -> None:
    agent = a_user(broker)
    step = message_step(broker, "Elija: {{booking_link}}", action="schedule_meeting")
    lead = entered(broker, step, assigned_to=agent)
    run(clock)
    meeting = Appointment.objects.get()
    assert (meeting.lead, meeting.agent, meeting.status, meeting.created_at) == (lead, agent, "proposed", NOW)
    assert sent_bodies(lead) == [f"Elija: {settings.PUBLIC_URL}/book/{meeting.token}/"]
    assert (log_of(lead).appointment, log_of(lead).status, len(meeting.token) >= 32) == (meeting, "sent", True)


def test_meeting_without_template_sends_its_link_in_the_leads_language(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, {"action": "schedule_meeting"}, assigned_to=a_user(broker), language="en")
    run(clock)
    [body] = sent_bodies(lead)
    assert body.startswith("Aurora would like to meet you. ")
    assert Appointment.objects.get().token in body


def test_stage_is_moved_by_the_campaign(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, {"action": "update_stage", "target_stage": "perfilamiento"}, message_step(broker))
    run(clock)
    move = StageTransition.objects.get(lead=lead, to_stage="perfilamiento")
    assert (move.cause, move.at, move.by) == ("campaign", NOW, None)
    assert logs() == [(1, "sent", ""), (2, "sent", "")]
    assert Message.objects.count() == 1


def test_stage_lost_has_its_reason_and_ends_the_enrolment(broker: Broker, clock: VirtualClock) -> None:
    stage = {"action": "update_stage", "target_stage": "perdido"}
    lead = entered(broker, stage, message_step(broker, delay_hours=1))
    clock.advance(HOUR)
    run(clock, passes=3)
    assert StageTransition.objects.get(to_stage="perdido").reason == "sin_respuesta"
    assert logs() == [(1, "sent", ""), (2, "skipped", "closed")]
    assert (enrolment_of(lead).status, sent_bodies(lead)) == ("exited", [])


def test_history_of_a_lead_is_read_from_its_enrolments(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, message_step(broker), message_step(broker, conditions={"score_min": 100}))
    run(clock)
    [entry] = now_of(lead).campaign_history
    assert entry["steps_completed"] == 1
    assert (entry["applied_at"], entry["trigger"]) == (NOW, "manual")


def test_nothing_is_sent_before_it_is_due(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, message_step(broker, delay_hours=24))
    clock.sleep_until(NOW + DAY - timedelta(seconds=1))
    run(clock)
    assert sent_bodies(lead) == []
    clock.advance(timedelta(seconds=1))
    run(clock)
    assert len(sent_bodies(lead)) == 1
