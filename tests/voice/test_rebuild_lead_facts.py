"""What came down onto the leads is what the rows above say, and what drifted is found and mended."""

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from brokers.models import Broker
from leads.actions import (
    create_task,
    move_stage,
    recalculate_scores,
    record_call,
    record_inquiry,
    record_permission,
    record_written,
    snooze_task,
    write_note,
)
from leads.models import Lead
from messaging.base import Event
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, book, now_of
from voice.models import VoiceCall
from voice.rebuilding import COLUMNS, rebuild_lead_facts

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def lead() -> Lead:
    broker = a_broker()
    return a_lead(broker, assigned_to=a_user(broker))


def account(lead: Lead) -> ChannelAccount:
    return ChannelAccount.objects.get(broker=lead.broker, channel="telegram")


def writes(lead: Lead, now: datetime, number: int, **event: Any) -> None:
    event = {"text": "hola", **event}
    one = Event(event_id=str(number), kind="inbound", address=lead.telegram_chat_id, **event)
    receive_event(account=account(lead), event=one, payload={}, now=now)


def a_message(lead: Lead, now: datetime, **fields: Any) -> Message:
    values = {"channel": "telegram", "direction": "out", "status": "sent", "sandbox": True, "sent_at": now}
    number = Message.objects.count()
    return Message.objects.create(
        broker=lead.broker, lead=lead, dedupe_key=f"test:{number}", created_at=now, **values | fields
    )


def a_call(lead: Lead, now: datetime, seconds: int, points: int) -> None:
    """As the engine settles it."""
    message = a_message(lead, now, channel="call", status="delivered")
    VoiceCall.objects.create(
        broker=lead.broker,
        message=message,
        lead=lead,
        phone_number=lead.phone,
        status="completed",
        duration=seconds,
        score_delta=points,
        started_at=now,
        completed_at=now,
    )
    record_call(lead=lead, now=now, seconds=seconds, points=points)


def live(lead: Lead) -> None:
    """A life with everything in it, by the verbs."""
    a_message(lead, NOW)
    writes(lead, NOW + MINUTE, 1)
    writes(lead, NOW + 2 * MINUTE, 2)  # the same answer goes on
    a_message(lead, NOW + 3 * MINUTE, sent_by=lead.assigned_to)
    record_written(lead=lead, at=NOW + 3 * MINUTE, now=NOW + 3 * MINUTE)
    record_inquiry(lead=lead, now=NOW + 3 * MINUTE, source="portal", text="12-B")
    writes(lead, NOW + 4 * MINUTE, 5)
    writes(lead, NOW + HOUR, 3)
    writes(lead, NOW + HOUR, 4, is_automatic=True)
    a_call(lead, NOW + HOUR, 61, 12)
    a_call(lead, NOW + 2 * HOUR, 60, -4)
    book(lead, NOW, starts_at=NOW + 3 * DAY)
    first = create_task(lead=lead, title="call", due_at=NOW + DAY, now=NOW)
    create_task(lead=lead, title="write", due_at=NOW + 9 * DAY, now=NOW)
    snooze_task(task=first, until=NOW + 5 * DAY, now=NOW)
    for kind in ("granted", "revoked"):
        record_permission(broker=lead.broker, lead=lead, kind=kind, now=NOW + HOUR, source="form")
    write_note(lead=lead, text="likes gardens", now=NOW + 3 * HOUR, by=None)
    Lead.objects.filter(pk=lead.pk).update(last_contacted_at=NOW + 2 * HOUR)


def facts(lead: Lead) -> dict[str, Any]:
    return {name: getattr(now_of(lead), name) for name in COLUMNS}


def rebuilt(**how: Any) -> Any:
    return rebuild_lead_facts(clock=lambda: NOW + DAY, **how)


def test_what_the_verbs_wrote_is_what_the_rows_say(lead: Lead) -> None:
    live(lead)
    assert facts(lead) == {
        "inbound_count": 4,
        "quick_reply_count": 2,
        "long_call_count": 1,
        "call_score": 8,
        "booking_count": 1,
        "next_appointment_at": NOW + 3 * DAY,
        "next_task_at": NOW + 5 * DAY,
        "last_inbound_at": NOW + HOUR,
        "last_contacted_at": NOW + 2 * HOUR,
        "last_answered_at": NOW + 3 * MINUTE,
        "last_activity_at": NOW + 3 * HOUR,
        "last_inquiry_at": NOW + 3 * MINUTE,
        "first_touched_at": NOW + 3 * MINUTE,
        "opted_out_at": NOW + HOUR,
    }
    assert (rebuilt().drifted, rebuilt().examples) == (0, [])


WRONG: dict[str, Any] = {
    "inbound_count": 9,
    "quick_reply_count": 0,
    "long_call_count": 0,
    "call_score": -20,
    "booking_count": 0,
    "next_appointment_at": None,
    "next_task_at": NOW + DAY,
    "last_inbound_at": None,
    "last_contacted_at": NOW,
    "last_answered_at": None,
    "last_activity_at": NOW,
    "last_inquiry_at": NOW,
    "first_touched_at": NOW + HOUR,
    "opted_out_at": None,
}


@pytest.mark.parametrize("column", WRONG)
def test_drift_of_each_column_is_found_and_mended(lead: Lead, column: str) -> None:
    live(lead)
    before = facts(lead)
    Lead.objects.filter(pk=lead.pk).update(**{column: WRONG[column]})
    report = rebuilt()
    assert (report.leads, report.drifted, dict(report.columns)) == (1, 1, {column: 1})
    assert facts(lead) == before | {column: WRONG[column]}
    assert rebuilt(fixes=True).is_fixed is True
    assert (facts(lead), rebuilt().drifted) == (before, 0)


def test_stamp_that_is_later_than_the_rows_has_not_drifted(lead: Lead) -> None:
    """Not everything that moves a stamp leaves a row."""
    later = dict.fromkeys(("last_inbound_at", "last_contacted_at", "last_answered_at", "last_activity_at"), NOW + DAY)
    Lead.objects.filter(pk=lead.pk).update(**later)
    assert rebuilt().drifted == 0


def test_appointment_that_has_passed_has_not_drifted(lead: Lead) -> None:
    """It is the night that forgets it."""
    live(lead)
    assert rebuild_lead_facts(clock=lambda: NOW + 30 * DAY).drifted == 0
    recalculate_scores(clock=lambda: NOW + 30 * DAY)
    assert (now_of(lead).next_appointment_at, rebuild_lead_facts(clock=lambda: NOW + 30 * DAY).drifted) == (None, 0)


def test_appointment_that_was_called_off_is_no_next_one(lead: Lead) -> None:
    live(lead)
    lead.appointments.update(status="cancelled")
    assert dict(rebuilt(fixes=True).columns) == {"next_appointment_at": 1}
    assert now_of(lead).next_appointment_at is None


def test_mended_lead_is_scored_anew(lead: Lead) -> None:
    live(lead)
    score, components = now_of(lead).lead_score, now_of(lead).score_components
    Lead.objects.filter(pk=lead.pk).update(inbound_count=0, opted_out_at=None, lead_score=1, score_components={})
    rebuilt(fixes=True)
    assert (now_of(lead).lead_score, now_of(lead).score_components) == (score, components)


def test_taken_back_permission_that_was_given_again_stands_no_more(lead: Lead) -> None:
    for kind in ("revoked", "granted"):
        record_permission(broker=lead.broker, lead=lead, kind=kind, now=NOW, source="form")
    assert (rebuilt().drifted, now_of(lead).opted_out_at) == (0, None)
    Lead.objects.update(opted_out_at=NOW)
    assert dict(rebuilt(fixes=True).columns) == {"opted_out_at": 1}
    assert now_of(lead).opted_out_at is None


def test_move_by_an_agent_is_a_sign_of_life(lead: Lead) -> None:
    move_stage(lead=lead, to="calificacion_financiera", now=NOW + HOUR, cause="agent")
    Lead.objects.update(last_activity_at=NOW)
    assert dict(rebuilt().columns) == {"last_activity_at": 1}


@pytest.mark.parametrize("size", [1, 1000])
def test_each_brokerage_and_batch_on_its_own(lead: Lead, size: int) -> None:
    """failures.md rows 15 and 33."""
    other: Broker = a_broker("boreal")
    theirs = [a_lead(other) for _ in range(3)]
    Lead.objects.update(inbound_count=7)
    report = rebuilt(broker=other, fixes=True, batch_size=size)
    assert (report.leads, report.drifted, len(report.examples)) == (3, 3, 3)
    assert [now_of(one).inbound_count for one in (lead, *theirs)] == [7, 0, 0, 0]


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("rebuild_lead_facts", *arguments, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_command_reports_mends_and_exits_by_what_it_found(lead: Lead) -> None:
    assert run() == (0, "1 leads: every fact is what the rows say.\n")
    Lead.objects.update(inbound_count=7)
    code, told = run("--broker", "aurora")
    assert (code, told.splitlines()) == (
        1,
        [
            "1 leads, 1 of them have drifted (nothing was written; --fix mends them):",
            "          1  inbound_count",
            f"  lead {lead.pk}: inbound_count is 7, the rows say 0",
        ],
    )
    code, told = run("--fix", "--json")
    assert (code, json.loads(told)["columns"], now_of(lead).inbound_count) == (0, {"inbound_count": 1}, 0)
