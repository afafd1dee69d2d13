"""Contact steps: the engine in one process beside the bare two-commit floor and beside a loop of get and save.

Everybody works off one step a day of leads of their own, in the same tables. Half of the leads are in a Telegram
campaign and half in an e-mail one, and each day half of the steps have conditions.
"""

from functools import partial

from bench.counting import NEAR
from bench.database import tidy
from bench.floor import Floor, OnLean, samples
from bench.looped import work_off_looped
from bench.measuring import Contestant, Goal, Line, compete, line_of, times_as_long
from bench.people import DAY, NOW, a_brokerage, a_campaign
from bench.twins import make_lean
from bench.weighing import cost_of_a_batch
from brokers.models import Broker
from campaigns import engine
from campaigns.enrollment import enroll_leads
from leads.models import Lead
from messaging.clock import VirtualClock

ROUNDS = 5
# One more day to count statements on, and there is always a next step to write.
STEPS = ROUNDS + 2
A_ROUND = 20_000
LOOPED = 200
BATCH = 1_000
HOT = ("campaigns_campaignlog", "campaigns_enrollment", "messaging_message", "leads_lead")
REST = ("leads_stagetransition", "leads_scorechange", "leads_contactpermission", "leads_inquiry")


def measure(scale: float) -> list[Line]:
    a_round, looped = int(A_ROUND * scale), int(LOOPED * scale)
    ours, warm = under_way("ours", a_round), under_way("warm", BATCH)
    theirs, loops = under_way("theirs", a_round), under_way("loops", looped)
    by_engine(warm, 0)
    tidy(*HOT, *REST)
    make_lean(*HOT)
    floor, lean = Floor(theirs, samples(warm)), OnLean(theirs, samples(warm))
    timings = compete(
        [
            Contestant("engine", partial(by_engine, ours), _prepare),
            Contestant("floor", floor.run, floor.prepare),
            Contestant("lean", lean.run, lean.prepare),
            Contestant("loop", partial(work_off_looped, loops), _prepare),
        ],
        ROUNDS,
    )
    engines, floors, leans, loop = (timings[name] for name in ("engine", "floor", "lean", "loop"))
    tidy(*HOT)
    cost = cost_of_a_batch(partial(engine.run, clock=VirtualClock(NOW + ROUNDS * DAY), broker=ours))
    return [
        line_of("steps: the engine", engines),
        line_of("steps: bare two commits, same tables", floors, times_as_long(floors, engines), Goal("≥", 0.4)),
        line_of("steps: bare two commits, lean tables", leans, times_as_long(leans, engines)),
        line_of("steps: get and save a step", loop, times_as_long(loop, engines), Goal("≥", 10)),
        Line("steps: statements a batch of 1,000", value=cost.statements, goal=Goal("≤", 15)),
        Line("steps: commits a batch of 1,000", value=cost.commits, goal=Goal("≤", 2)),
    ]


def under_way(slug: str, count: int, *, provider: str = NEAR, steps: int = STEPS) -> Broker:
    """A brokerage with all its leads enrolled, half of them in either campaign; their first step is due at NOW."""
    broker = a_brokerage(slug, count, provider)
    leads = Lead.objects.filter(broker=broker)
    middle = leads.order_by("pk")[count // 2].pk
    for channel, half in (("telegram", leads.filter(pk__lt=middle)), ("email", leads.filter(pk__gte=middle))):
        campaign = a_campaign(broker, channel, steps, conditional=int(channel == "email"))
        enroll_leads(campaign=campaign, leads=half, trigger="manual", now=NOW)
    return broker


def by_engine(broker: Broker, day: int) -> int:
    """One pass; how many contacts it made. Raises AssertionError when that is not everybody's step."""
    done = engine.run(clock=VirtualClock(NOW + day * DAY), broker=broker)
    expected = Lead.objects.filter(broker=broker).count()
    assert done.steps["sent"] == expected, f"{done.steps} instead of {expected} sent"
    return expected


def _prepare(round_number: int) -> None:
    tidy(*HOT)
