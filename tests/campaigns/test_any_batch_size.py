"""The size of a batch changes nothing but the speed (failures.md row 15): the complete outcome of ten days is the same.

Five campaigns of distinct priority over the same people, with caps that bind, hours that are closed, conditions that do
not hold, providers that refuse, phones that nobody picks up, and people who reply, book, opt out and move on meanwhile.
"""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models import Model

from brokers.models import Broker
from campaigns import engine
from campaigns.actions import pause, resume, save_steps
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.actions import edit_lead, move_stage, record_permission
from leads.models import Appointment, Lead, ScoreChange, StageTransition, Task
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_user,
    book,
    broken,
    counting_account,
    enroll,
    message_step,
    now_of,
    reply,
)
from tests.peers.counting import sends
from voice.models import VoiceCall

PEOPLE, DAYS, EVERY = 18, 10, 2 * HOUR
WORDS = ["accept", "accept", "refuse", "timeout", "temporary", "invalid"]
TREATMENTS = ["automated_call", "automated_call", "manual_follow_up", "automated_telegram", "hold"]
Happening = Callable[[Lead, datetime], object]


def people(broker: Broker, file: Path) -> list[Lead]:
    """Of every kind; the provider has a word for each."""
    agent = a_user(broker)
    script = {str(n): [WORDS[n % 6], "accept"] for n in range(PEOPLE)}
    counting_account(broker, file, script=script)
    for channel in ("email", "whatsapp", "call"):
        counting_account(broker, file, channel=channel)
    return [
        a_lead(
            broker,
            name=f"Ana {n}",
            telegram_chat_id=str(n),
            phone=f"+569876543{n:02d}" if n % 7 else "",
            email="" if n % 3 == 0 else f"m{n}@example.com",
            timezone="Asia/Tokyo" if n % 9 == 8 else "",
            assigned_to=agent if n % 2 else None,
            treatment_type=TREATMENTS[n % 5],
            location="Ñuñoa" if n % 4 == 0 else "",
        )
        for n in range(PEOPLE)
    ]


def campaigns(broker: Broker) -> list[Campaign]:
    everything = [
        message_step(broker, "Hola {{name}}, {{timeline|ya}}"),
        {"action": "make_call", "delay_hours": 2},
        message_step(broker, "{{booking_link}}", action="schedule_meeting", channel="whatsapp", delay_hours=2),
        {"action": "update_stage", "target_stage": "perfilamiento"},
        message_step(broker, "¿Sigue buscando?", channel="email", conditions={"has_email": True}, delay_hours=24),
    ]
    three = [message_step(broker, text, delay_hours=20) for text in ("uno", "dos", "tres {{budget}}")]
    stage = {"triggered_by": "stage_change", "trigger_condition": {"stage": "perfilamiento"}, "exit_on_reply": False}
    score = {"triggered_by": "lead_score", "trigger_condition": {"score_min": 20}, "goal_stage": "seguimiento"}
    silence = {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 1}, "reentry_after_days": 2}
    return [
        a_campaign(broker, *everything, priority=5),
        a_campaign(broker, *three, priority=4, **stage),
        a_campaign(broker, message_step(broker, channel="email"), *three, priority=3, **score),
        a_campaign(broker, message_step(broker, channel="whatsapp", conditions={"score_min": 15}), **silence),
        a_campaign(broker, *three, priority=-1, max_contacts=9, exit_on_reply=False),
    ]


def moved(stage: str) -> Happening:
    return lambda lead, now: move_stage(lead=now_of(lead), to=stage, now=now, cause="agent")


def edited(**changes: Any) -> Happening:
    return lambda lead, now: edit_lead(lead=now_of(lead), now=now, by=None, **changes)


def opted_out(lead: Lead, now: datetime) -> None:
    record_permission(broker=lead.broker, lead=lead, kind="revoked", now=now, source="form")


# What happens to whom, and after how many hours.
HAPPENINGS: list[tuple[int, int, Happening]] = [
    (3, 0, reply),
    (5, 1, book),
    (8, 4, edited(location="Ñuñoa")),
    (21, 6, opted_out),
    (27, 7, moved("perfilamiento")),
    (28, 7, moved("calificacion_financiera")),
    (29, 7, moved("seguimiento")),
    (47, 10, edited(treatment_type="hold")),
    (52, 11, reply),
    (70, 12, edited(notes="llamó")),
    (71, 13, edited(location="Macul", email="nueva@example.com")),
    (90, 16, opted_out),
    (120, 17, reply),
]


def end_calls(leads: list[Lead]) -> None:
    """A third is answered, a third is not, and of a third nobody ever hears."""
    for number, lead in enumerate(leads):
        status = ("completed", "no_answer", "")[number % 3]
        if status:
            VoiceCall.objects.filter(lead=lead, status="initiated").update(status=status, duration=20 * number)


def live_through(broker: Broker, clock: VirtualClock, file: Path) -> set[str]:
    """Everything that became of a step in these ten days, also of those that waited."""
    leads, running = people(broker, file), campaigns(broker)
    for campaign in (running[0], running[-1]):
        enroll(campaign, *leads)
    todo, said = list(HAPPENINGS), set[str]()
    while clock.now() < NOW + DAYS * DAY:
        said |= set(engine.run(clock=clock).steps)
        end_calls(leads)
        clock.advance(EVERY)
        while todo and NOW + todo[0][0] * HOUR < clock.now():
            hours, number, happen = todo.pop(0)
            happen(leads[number], NOW + hours * HOUR)
        if clock.now() == NOW + 50 * HOUR:
            pause(campaign=running[1], now=clock.now())
            save_steps(campaign=running[2], specs=[message_step(broker, "nuevo")], now=clock.now())
        if clock.now() == NOW + 80 * HOUR:
            resume(campaign=running[1], now=clock.now())
    return said | set(CampaignLog.objects.values_list("reason", flat=True))


class Outcome:
    """Everything that was written, without the ids, which differ from run to run."""

    def __init__(self) -> None:
        self.leads = {pk: number for number, pk in enumerate(ids(Lead))}
        self.campaigns = {pk: number for number, pk in enumerate(ids(Campaign))}
        self.meetings = {pk: self.leads[lead] for pk, lead in Appointment.objects.values_list("pk", "lead")}
        rows = Enrollment.objects.values_list("pk", "campaign", "lead", "entry")
        self.entries = {pk: (self.campaigns[campaign], self.leads[lead], entry) for pk, campaign, lead, entry in rows}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            "enrolments": sorted(self.enrolments()),
            "logs": sorted(self.logs()),
            "messages": sorted(self.messages()),
            "leads": self.of_leads(Lead, *LEAD_COLUMNS),
            "stages": self.of_leads(StageTransition, "from_stage", "to_stage", "at", "cause"),
            "scores": self.of_leads(ScoreChange, "from_score", "to_score", "at", "cause"),
            "tasks": self.of_leads(Task, "title", "due_at"),
            "appointments": self.of_leads(Appointment, "status", "created_at"),
            "calls": self.of_leads(VoiceCall, "status", "duration", "started_at"),
        }

    def enrolments(self) -> list[tuple[Any, ...]]:
        columns = ("version", "trigger", "status", "exit_reason", "enrolled_at", "finished_at")
        return [(self.entries[pk], *map(str, rest)) for pk, *rest in Enrollment.objects.values_list("pk", *columns)]

    def logs(self) -> list[tuple[Any, ...]]:
        columns = ("step_number", "status", "reason", "attempts", "planned_at", "executed_at", "due_at", "response")
        return [
            (self.entries[entry], *map(str, rest), str(due_at) if rest[3] < 2 else "", checks(response))
            for entry, *rest, due_at, response in CampaignLog.objects.values_list("enrollment", *columns)
        ]

    def messages(self) -> list[tuple[Any, ...]]:
        columns = ("status", "channel", "error_code", "body", "created_at", "sent_at")
        found = []
        for key, *rest in Message.objects.values_list("dedupe_key", *columns):
            kind, owner, *place = key.split(":")
            whose = self.entries[int(owner)] if kind == "step" else (-1, self.meetings[int(owner)], 0)
            found.append((whose, *place, *(re.sub(r"/book/\S+", "/book/", str(one)) for one in rest)))
        return found

    def of_leads(self, model: type[Model], *columns: str) -> list[tuple[Any, ...]]:
        owner = "pk" if model is Lead else "lead"
        rows = model._default_manager.values_list(owner, *columns)
        return sorted((self.leads[lead], *map(str, rest)) for lead, *rest in rows)


LEAD_COLUMNS = (
    "pipeline_stage",
    "status",
    "lead_score",
    "unreachable",
    "last_contacted_at",
    "last_activity_at",
    "next_task_at",
    "long_call_count",
    "opted_out_at",
)


def ids(model: type[Model]) -> list[int]:
    return list(model._default_manager.order_by("pk").values_list("pk", flat=True))


def checks(response: dict[str, Any]) -> str:
    return str([(check["check"], check["passed"]) for check in response.get("checks", [])])


@pytest.mark.django_db(transaction=True)
def test_batches_of_any_size_give_the_same_complete_result(sent_file: Path, settings: LazySettings) -> None:
    """failures.md row 15: 1, 7 and 1,000."""
    results, said = [], set[str]()
    for size in (1, 7, 1000):
        settings.ENGINE_BATCH = size
        said |= live_through(a_broker(), VirtualClock(NOW), sent_file)
        assert broken() == {}
        results.append(Outcome().everything())
        forget_everything()
    keys = [send.key for send in sends(sent_file)]
    one, seven, thousand = results
    assert (different(one, thousand), different(seven, thousand)) == ({}, {})
    assert (one, seven, len(keys)) == (thousand, thousand, len(set(keys)))
    assert said >= BECAME_OF_SOME


# Otherwise the ten days would be too quiet.
BECAME_OF_SOME = {
    "sent",
    "too_many",
    "refused",
    "outcome_unknown",
    "invalid_address",
    "unreachable",
    "outside_hours",
    "frequency_cap",
    "handed_to_agent",
    "condition:has_email",
    "missing_variable:budget",
    "no_agent",
    "opted_out",
    "replied",
    "booked",
    "hold",
}


def different(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> dict[str, tuple[list[Any], list[Any]]]:
    """By kind: what only the one has, and only the other."""
    pairs = {kind: (rows, other[kind]) for kind, rows in one.items() if rows != other[kind]}
    return {kind: ([r for r in a if r not in b], [r for r in b if r not in a]) for kind, (a, b) in pairs.items()}


def forget_everything() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE brokers_broker CASCADE")
