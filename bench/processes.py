"""Two engine processes beside one: the same number of due steps, worked off by either.

Once with a provider that answers at once, where two engines and PostgreSQL compute all the time; once with one that
takes its time, as every real one does. How much two processes of this machine can be at best tell two that only count.
"""

from functools import partial

from bench.counting import FAR, NEAR
from bench.database import tidy
from bench.engines import Process, ask, engine_processes
from bench.measuring import Contestant, Goal, Line, Timing, compete, line_of, times_as_long
from bench.steps import HOT, REST, under_way
from brokers.models import Broker
from leads.models import Lead

STEPS = {NEAR: 20_000, FAR: 4_000}
NUMBERS = 40_000_000
ROUNDS, QUICK_ROUNDS = 5, 2
WARM = 2_000
# Engines take a thousand at a time, and two must find something to share.
FEWEST = 4_000
COUNTING = "counting"
KINDS = {NEAR: "provider answers at once", FAR: "provider takes 20 ms", COUNTING: "only counting"}


def measure(scale: float) -> list[Line]:
    warm = under_way("warm", WARM)
    with engine_processes(2) as engines:
        contestants = [*_contestants(engines, NEAR, scale), *_contestants(engines, FAR, scale)]
        contestants += [_counting(engines[:many], int(NUMBERS * scale)) for many in (1, 2)]
        tidy(*HOT, *REST)
        work_off(engines, warm, 0)
        timings = compete(contestants, ROUNDS if scale == 1 else QUICK_ROUNDS)
    return [line for kind in KINDS for line in _lines(kind, timings)]


def _contestants(engines: list[Process], provider: str, scale: float) -> list[Contestant]:
    """One and two, each with a brokerage of its own."""
    count = max(int(STEPS[provider] * scale), FEWEST)
    brokers = {many: under_way(f"{provider}-{many}", count, provider=provider) for many in (1, 2)}
    return [
        Contestant(f"{provider} {many}", partial(work_off, engines[:many], broker), lambda _round: tidy(*HOT))
        for many, broker in brokers.items()
    ]


def work_off(engines: list[Process], broker: Broker, day: int) -> int:
    """How many contacts they made together. Raises AssertionError when that is not everybody's step."""
    sent = sum(answer["done"] for answer in ask(engines, broker=broker.pk, day=day))
    expected = Lead.objects.filter(broker=broker).count()
    assert sent == expected, f"{sent} instead of {expected} sent"
    return sent


def _counting(engines: list[Process], numbers: int) -> Contestant:
    def count(_round: int) -> int:
        return sum(answer["done"] for answer in ask(engines, count_to=numbers // len(engines)))

    return Contestant(f"{COUNTING} {len(engines)}", count)


def _lines(kind: str, timings: dict[str, Timing]) -> list[Line]:
    one, two = timings[f"{kind} 1"], timings[f"{kind} 2"]
    goal = None if kind == COUNTING else Goal("≥", 1.6)
    return [
        line_of(f"processes: one, {KINDS[kind]}", one),
        line_of(f"processes: two, {KINDS[kind]}", two, times_as_long(one, two), goal),
    ]
