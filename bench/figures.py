"""Each figure over 100,000 leads with a past, beside its floor: counting the rows of the tables that it reads."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from bench.copying import copy_rows
from bench.database import execute, tidy, value
from bench.measuring import Contestant, Goal, Line, compete, line_of, times_as_long
from bench.people import DAY, NOW, a_brokerage, a_campaign
from brokers.models import Broker, User
from campaigns.enrollment import enroll_leads
from campaigns.figures import conversion_by_campaign, hold_out
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.figures import (
    Scope,
    contact_priorities,
    conversion_by_source,
    funnel,
    scope_of,
    stagnant_leads,
    stagnation,
    time_in_stage,
)
from leads.models import ContactPermission, Lead, StageTransition
from messaging.figures import first_touches, first_touches_at_work, response_times
from messaging.models import Message

LEADS = 100_000
ROUNDS = 5
PATH = "ARRAY['perfilamiento', 'calificacion_financiera', 'agendado', 'seguimiento', 'ganado']"
# How far a lead came on that path: none to all of it; and how long each stage took.
FAR, EACH = "(d.id * 7919 % 6)", "(1 + d.id % 5) * interval '8 hours'"

HISTORY = (Lead, StageTransition)
MESSAGES = (Lead, Message, ContactPermission)
ENROLMENTS = (Lead, StageTransition, Enrollment)
Figure = Callable[[Scope], Any]


def measure(scale: float) -> list[Line]:
    broker = a_brokerage("aurora", int(LEADS * scale))
    _move_on()
    _talk(broker)
    campaign = _campaign(broker)
    tidy(*(model._meta.db_table for model in {*HISTORY, *MESSAGES, *ENROLMENTS, CampaignLog}))
    scope = scope_of(broker=broker, now=NOW)
    return [line for name, *how in _figures(campaign) for line in _compared(name, scope, *how)]


def _figures(campaign: Campaign) -> list[tuple[str, Figure, tuple[Any, ...], float]]:
    """Name, figure, the tables that it reads, and at most how many times as long as counting them."""
    return [
        ("funnel", funnel, HISTORY, 60),
        ("time in stage", time_in_stage, HISTORY, 40),
        ("by source", conversion_by_source, HISTORY, 40),
        ("stagnation", stagnation, HISTORY, 40),
        ("stagnant leads", stagnant_leads, HISTORY, 40),
        ("contact priorities", contact_priorities, (Lead,), 40),
        ("response times", response_times, MESSAGES, 40),
        ("first touches", first_touches, (Lead, StageTransition, Message), 40),
        ("first touches at work", first_touches_at_work, (Lead, StageTransition), 40),
        ("by campaign", conversion_by_campaign, (*ENROLMENTS, CampaignLog), 40),
        ("hold-out", lambda scope: hold_out(scope, campaign), ENROLMENTS, 40),
    ]


def _compared(name: str, scope: Scope, figure: Figure, tables: tuple[Any, ...], goal: float) -> list[Line]:
    names = [model._meta.db_table for model in tables]
    rows = _count(names)
    mine = Contestant(name, lambda _round: [figure(scope), rows][1])
    floor = Contestant("floor", lambda _round: _count(names))
    timings = compete([mine, floor], ROUNDS)
    ratio = times_as_long(timings[name], timings["floor"])
    return [
        line_of(f"figures: counting for {name}", timings["floor"]),
        line_of(f"figures: {name}", timings[name], ratio, Goal("≤", goal)),
    ]


def _count(tables: list[str]) -> int:
    return sum(value(f"SELECT count(*) FROM {table}") for table in tables)


def _move_on() -> None:
    """Everybody began in entrada; some went further, and a hundredth of them was put back by a correction."""
    execute("UPDATE leads_stagetransition SET to_stage = 'entrada'")
    step = partial(copy_rows, StageTransition)
    step(
        f"FROM leads_stagetransition o JOIN leads_lead d ON d.id = o.lead_id "
        f"CROSS JOIN LATERAL generate_series(1, {FAR}) i WHERE o.from_stage = ''",
        from_stage=f"coalesce(({PATH})[i - 1], 'entrada')",
        to_stage=f"({PATH})[i]",
        at=f"o.at + i * {EACH}",
        cause="'agent'",
    )
    step(
        f"FROM leads_stagetransition o JOIN leads_lead d ON d.id = o.lead_id "
        f"WHERE d.id % 100 = 1 AND o.to_stage = ({PATH})[{FAR}]",
        from_stage="o.to_stage",
        to_stage="o.from_stage",
        at="o.at + interval '1 hour'",
        cause="'correction'",
    )
    execute(
        f"UPDATE leads_lead d SET pipeline_stage = coalesce(({PATH})[{FAR}], 'entrada'), "
        f"stage_entered_at = created_at + {FAR} * {EACH}, first_touched_at = created_at + {EACH} / 8"
    )


def _talk(broker: Broker) -> None:
    """Everybody wrote and got an automatic answer; every second got a person's."""
    agent = User.objects.filter(broker=broker).earliest("pk")
    known: dict[str, Any] = {"broker": broker, "lead": Lead.objects.earliest("pk"), "channel": "telegram"}
    kinds: list[tuple[dict[str, Any], int, timedelta]] = [
        ({"direction": "in", "status": "received"}, 1, timedelta(hours=1)),
        ({"direction": "out", "status": "delivered"}, 1, timedelta(hours=2)),
        ({"direction": "out", "status": "read", "sent_by": agent}, 2, timedelta(hours=5)),
    ]
    for number, (fields, every, later) in enumerate(kinds):
        sample = Message.objects.create(**known, **fields, dedupe_key=f"sample:{number}", created_at=NOW + DAY)
        copy_rows(
            Message,
            f"FROM messaging_message o, leads_lead d WHERE o.id = {sample.pk} AND d.id % {every} = 0",
            lead_id="d.id",
            dedupe_key=f"'talk:{number}:' || d.id",
            created_at=f"d.created_at + interval '{later}'",
        )


def _campaign(broker: Broker) -> Campaign:
    """Took everybody in when they arrived, and holds a fifth of them out; its goal is a booking."""
    campaign = a_campaign(broker, "telegram", 1, conditional=2, holdout_percent=20)
    enroll_leads(campaign=campaign, leads=Lead.objects.all(), trigger="manual", now=NOW)
    execute("UPDATE campaigns_enrollment e SET enrolled_at = d.created_at FROM leads_lead d WHERE d.id = e.lead_id")
    execute("UPDATE campaigns_campaignlog SET status = 'sent', message_id = 1")
    return campaign
