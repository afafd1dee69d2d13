"""A brokerage in which one pass of the engine has a bit of everything to do."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from brokers.models import Broker
from campaigns import engine
from campaigns.deciding import SEND_LEASE, decide_batch, due_groups
from campaigns.models import Campaign
from leads.models import Lead
from messaging.models import Message
from tests.building import (
    DAY,
    NOW,
    a_campaign,
    a_free_broker,
    a_lead,
    a_template,
    a_user,
    at,
    counting_account,
    enroll,
    message_step,
    reply,
)
from tests.peers.counting import end_calls
from voice.models import VoiceCall

MINUTE = timedelta(minutes=1)
EARLIER = NOW - 20 * MINUTE
# What the provider says by address, one word an attempt.
SCRIPT = {
    "1": ["temporary", "accept"],
    "2": ["temporary:60", "accept"],
    "3": ["refuse"],
    "4": ["timeout"],
    "5": ["invalid"],
    "6": ["timeout"],
    "+56987654322": ["timeout"],
    "+56987654321": ["busy", "accept"],
}
MESSAGES: dict[str, dict[str, Any]] = {
    "accepted": {},
    "refused for now": {"telegram_chat_id": "1"},
    "refused": {"telegram_chat_id": "3"},
    "lost": {"telegram_chat_id": "4"},
    "told": {"telegram_chat_id": "6"},
    "replied": {},
    "an agent's": {"treatment_type": "manual_follow_up"},
}
CALLS: dict[str, dict[str, Any]] = {
    "answered": {},
    "busy": {"phone": "+56987654321"},
    "told": {"phone": "+56987654322"},
}
CALLED: dict[str, Any] = {"treatment_type": "automated_call"}


def a_story(file: Path) -> Broker:
    """A pass was made EARLIER; one at NOW goes on with what that one began, and begins something of each kind.

    The provider writes to `file` what it heard.
    """
    broker = a_free_broker(now=NOW - DAY)
    counting_account(broker, file, script=SCRIPT)
    counting_account(broker, file, channel="call", script=SCRIPT, is_default=False)
    counting_account(broker, file, channel="email", rate=1)
    messages = _campaign(broker, "messages", message_step(broker), message_step(broker, delay_hours=0.25))
    calls = _campaign(broker, "calls", {"action": "make_call"})
    moves = _campaign(broker, "moves", *_moving(broker))
    earlier = [_lead(broker, name, **fields) for name, fields in MESSAGES.items()]
    enroll(messages, *earlier, now=EARLIER)
    callees = [_lead(broker, name, **CALLED, **fields) for name, fields in CALLS.items()]
    enroll(calls, *callees, now=EARLIER)
    enroll(moves, _lead(broker, "moved"), now=EARLIER)
    engine.run(clock=at(EARLIER), broker=broker)
    end_calls(file, EARLIER)
    _tell_what_was_unknown(broker)
    reply(earlier[-2], NOW - MINUTE)
    _a_worker_that_died(broker)
    enroll(messages, _lead(broker, "new"), _lead(broker, "asleep", timezone="Asia/Tokyo"), now=NOW)
    enroll(calls, _lead(broker, "called", **CALLED), now=NOW)
    enroll(moves, _lead(broker, "moving"), now=NOW)
    _more(broker)
    return broker


def _moving(broker: Broker) -> list[dict[str, Any]]:
    """A move through the pipeline, then a step whose condition does not hold."""
    move = {"action": "update_stage", "target_stage": "calificacion_financiera"}
    return [move, message_step(broker, conditions={"stage": ["agendado"]}, delay_hours=0.25)]


def _tell_what_was_unknown(broker: Broker) -> None:
    """Callbacks, of a message and of a call whose answer had been lost."""
    told = {"broker": broker, "lead__name": "told"}
    Message.objects.filter(channel="telegram", **told).update(status="delivered", sent_at=EARLIER, delivered_at=EARLIER)
    VoiceCall.objects.filter(**told).update(status="completed", duration=60, completed_at=EARLIER)


def _more(broker: Broker) -> None:
    """An unknown address with a fallback, a call of the sandbox, a meeting, an account of few slots, a trigger."""
    mail = a_template(broker, channel="email")
    other = message_step(broker, fallback_channel="email", fallback_template=mail)
    enroll(_campaign(broker, "fallback", other), _lead(broker, "nobody", telegram_chat_id="5"), now=NOW)
    simulated = _campaign(broker, "simulated", {"action": "make_call"}, channel="call")
    enroll(simulated, _lead(broker, "simulated", **CALLED), now=NOW)
    meeting = _campaign(broker, "meeting", {"action": "schedule_meeting"})
    enroll(meeting, _lead(broker, "invited", assigned_to=a_user(broker)), now=NOW)
    mails = _campaign(broker, "mails", message_step(broker, channel="email"), channel="email")
    enroll(mails, _lead(broker, "first"), _lead(broker, "second"), now=NOW)
    birth = {"triggered_by": "stage_change", "trigger_condition": {"stage": ["entrada"]}}
    _campaign(broker, "arrivals", message_step(broker), **birth)
    _lead(broker, "arrived", now=NOW - 6 * MINUTE, telegram_chat_id="2")


def _a_worker_that_died(broker: Broker) -> None:
    """It had decided; nobody knows what it sent, and its lease is over."""
    then = NOW - SEND_LEASE - MINUTE
    campaign = _campaign(broker, "abandoned", message_step(broker))
    enroll(campaign, _lead(broker, "forgotten"), now=then)
    groups = [group for group in due_groups(batch=1, broker_id=broker.pk, now=then) if group.campaign_id == campaign.pk]
    decide_batch(groups=groups, size=1, now=then)


def _campaign(broker: Broker, name: str, *steps: dict[str, Any], **settings: Any) -> Campaign:
    return a_campaign(broker, *steps, name=name, now=EARLIER, **settings)


def _lead(broker: Broker, name: str, *, now: datetime = NOW - DAY, **fields: Any) -> Lead:
    return a_lead(broker, name=name, now=now, **fields)
