"""A pass of the engine with nothing to do, over a real past: with 200 campaigns active beside the same with one.

Four brokerages share leads and campaigns. The campaigns wait for scores, for stages, for silences or for nobody, and in
each of them some leads wait for a later step. In the moment of the passes nothing happens to anybody.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from bench.copying import copy_rows
from bench.database import execute, tidy
from bench.measuring import Contestant, Goal, Line, compete, line_of, times_as_long
from bench.people import DAY, NOW, a_brokerage, a_campaign
from bench.steps import HOT, REST
from bench.weighing import Cost, counted, rows_read
from brokers.models import Broker
from campaigns import engine
from campaigns.enrollment import enroll_leads
from campaigns.models import Campaign, CampaignLog
from leads.models import Lead, ScoreChange, StageTransition
from messaging.clock import VirtualClock
from messaging.models import Message

LEADS = 100_000
CAMPAIGNS = 200
BROKERS = ("aurora", "boreal", "costa", "dunas")
# Enrolments of each campaign that wait for a later step, and how many steps they have had.
WAITING, HAD = 100, 5
# Outcomes that nobody has told so far; every pass asks for them.
UNKNOWN = 200
ROUNDS, PASSES = 5, 20
EVERY = timedelta(seconds=5)
TRIGGERS: Sequence[dict[str, Any]] = (
    {"triggered_by": "lead_score", "trigger_condition": {"score_min": 70, "source": "TocToc"}},
    {"triggered_by": "stage_change", "trigger_condition": {"stage": "agendado"}},
    # Leads are ninety days old at most, so that nobody falls silent just then.
    {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 100}},
    {},
)
PROBE = "c.triggered_by = "


def measure(scale: float) -> list[Line]:
    for slug in BROKERS:
        _campaigns_of(a_brokerage(slug, int(LEADS * scale) // len(BROKERS)), int(WAITING * scale))
    _live_on()
    clock = VirtualClock(NOW + timedelta(hours=1))
    engine.run(clock=clock)  # takes in whom the last minutes before it brought
    clock.advance(timedelta(hours=1))
    tidy(*HOT, *REST)
    run = partial(_idle_passes, clock)
    timings = compete([Contestant(str(n), run, partial(_activate, n)) for n in (1, CAMPAIGNS)], ROUNDS)
    one, many = timings["1"], timings[str(CAMPAIGNS)]
    _activate(1)
    least = _watched(clock)
    _activate(CAMPAIGNS)
    cost = _watched(clock)
    with rows_read(int(LEADS * scale)) as read:
        _idle_passes(clock, 0)
    return [
        line_of("idle: passes with one campaign", one),
        line_of(f"idle: with {CAMPAIGNS}", many, times_as_long(many, one), Goal("≤", 5)),
        Line("idle: statements a pass", value=cost.statements, goal=Goal("≤", least.statements)),
        Line("idle: of which ask for triggers", value=sum(PROBE in said for said in cost.said), goal=Goal("≤", 3)),
        Line("idle: rows that scans of large tables read", value=read.scanned, goal=Goal("≤", 0)),
        Line("idle: rows of large tables that a pass reads", value=read.found / PASSES),
    ]


def _campaigns_of(broker: Broker, waiting: int) -> None:
    """This broker's share, with the waiting leads of each."""
    leads = Lead.objects.filter(broker=broker)
    first = leads.earliest("pk").pk
    for number in range(CAMPAIGNS // len(BROKERS)):
        trigger = TRIGGERS[number % len(TRIGGERS)]
        campaign = a_campaign(broker, ("telegram", "email")[number % 2], HAD + 2, conditional=0, **trigger)
        low = first + number * waiting
        chosen = leads.filter(pk__gte=low, pk__lt=low + waiting)
        enroll_leads(campaign=campaign, leads=chosen, trigger="manual", now=NOW)


def _live_on() -> None:
    """Everybody's past, and steps so far of those who wait."""
    execute(f"UPDATE campaigns_campaignlog SET step_number = {HAD + 1}, due_at = due_at + interval '3 days'")
    copy_rows(
        CampaignLog,
        f"FROM campaigns_campaignlog o, generate_series(1, {HAD}) i",
        step_number="i",
        status="'sent'",
        executed_at=f"o.created_at - ({HAD + 1} - i) * interval '1 day'",
    )
    copy_rows(
        StageTransition,
        "FROM leads_stagetransition o",
        from_stage="o.to_stage",
        at=f"least(o.at + interval '2 days', o.at + ('{NOW - DAY}' - o.at) / 2)",
        cause="'agent'",
    )
    copy_rows(
        ScoreChange,
        f"FROM leads_scorechange o, generate_series(1, 2) i WHERE o.at < '{NOW - DAY}'",
        from_score="o.to_score",
        to_score="o.to_score + i",
        at="o.at + i * interval '6 hours'",
        cause="'auto'",
    )
    _lose_track()


def _lose_track() -> None:
    logs = list(CampaignLog.objects.filter(status="sent").order_by("pk")[:UNKNOWN])
    messages = Message.objects.bulk_create(
        Message(
            broker_id=log.broker_id,
            lead_id=log.lead_id,
            channel=log.channel,
            direction="out",
            address="lost",
            body="",
            status="unknown",
            dedupe_key=f"lost:{log.pk}",
            created_at=NOW - DAY,
        )
        for log in logs
    )
    for log, message in zip(logs, messages, strict=True):
        log.status, log.reason, log.message = "failed", "outcome_unknown", message
    CampaignLog.objects.bulk_update(logs, ["status", "reason", "message"])


def _activate(count: int, round_number: int = 0) -> None:
    """So many campaigns, from the first on; the others are paused."""
    active = Campaign.objects.order_by("pk")[:count]
    Campaign.objects.update(status="paused")
    Campaign.objects.filter(pk__in=active.values("pk")).update(status="active")
    tidy("campaigns_campaign")


def _idle_passes(clock: VirtualClock, round_number: int) -> int:
    for _pass in range(PASSES):
        _idle_pass(clock)
    return PASSES


def _idle_pass(clock: VirtualClock) -> engine.Pass:
    clock.advance(EVERY)
    done = engine.run(clock=clock)
    assert (done.enrolled, done.exited, done.taken) == ({}, 0, 0), f"{done} is no idle pass"
    return done


def _watched(clock: VirtualClock) -> Cost:
    cost, _done = counted(partial(_idle_pass, clock))
    return cost
