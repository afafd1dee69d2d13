"""Each figure counted in the plainest way: loops over the made-up people, nothing shared with the product's SQL."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from math import floor
from typing import Any

from leads.figures import Spread
from leads.models import Stage
from tests.plain.world import GOALS, SOURCES, TELLING, Entry, Move, Person, Said

CLOSED = ("ganado", "referidos", "perdido")
FOR_EVER = 10**9


@dataclass(frozen=True)
class Asked:
    """What a figure is asked for: the period in hours after NOW, whose leads, and how many hours they have."""

    begin: int = -FOR_EVER
    end: int = FOR_EVER
    agent: int | None = None
    source: str | None = None
    within: int | None = None
    sandbox: bool = False

    def holds(self, at: int | None) -> bool:
        return at is not None and self.begin <= at < self.end

    def is_about(self, person: Person) -> bool:
        return (self.agent is None or person.agent == self.agent) and self.source in (None, person.source)

    def is_young(self, at: int) -> bool:
        return self.within is not None and at + self.within > TELLING

    def is_in_time(self, since: int, at: int) -> bool:
        return self.within is None or at <= since + self.within


def between(values: Iterable[int], at: float) -> timedelta | None:
    """A percentile in hours: between its two neighbours, in proportion."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = at * (len(ordered) - 1)
    low = ordered[floor(place)]
    high = ordered[min(floor(place) + 1, len(ordered) - 1)]
    return timedelta(seconds=round(3600 * low + (place - floor(place)) * 3600 * (high - low)))


def spread(values: Iterable[int]) -> Spread:
    known = list(values)
    return Spread(between(known, 0.5), between(known, 0.9))


def moves_of(person: Person) -> list[Move]:
    """Known by now, without those that were taken back."""
    known = [move for move in person.moves if move.at <= TELLING]
    struck = set()
    for number in range(1, len(known)):
        before, move = known[number - 1], known[number]
        if move.cause == "correction" != before.cause and move.stage == before.before:
            struck |= {number - 1, number}
    return [move for number, move in enumerate(known) if number not in struck]


def present(world: list[Person], asked: Asked) -> list[Person]:
    return [one for one in world if asked.is_about(one) and not one.is_deleted and not one.is_merged]


def funnel(world: list[Person], asked: Asked) -> list[tuple[Any, ...]]:
    found = []
    for start in Stage.values:
        for to in Stage.values:
            if start != to:
                found.append((start, to, *passage(present(world, asked), asked, start, to)))
    return found


def passage(people: list[Person], asked: Asked, start: str, to: str) -> tuple[int, int, int, Spread]:
    entered, young, lengths = 0, 0, []
    for moves in map(moves_of, people):
        entries = [n for n, move in enumerate(moves) if is_entry(move, start) and asked.holds(move.at)]
        if not entries:
            continue
        since = moves[entries[0]].at
        if asked.is_young(since):
            young += 1
            continue
        entered += 1
        later = [move.at - since for move in moves[entries[0] + 1 :] if is_entry(move, to)]
        lengths += [length for length in later[:1] if asked.is_in_time(since, since + length)]
    return entered, young, len(lengths), spread(lengths)


def is_entry(move: Move, stage: str) -> bool:
    return move.stage == stage and move.cause != "migration"


def sources(world: list[Person], asked: Asked, goal: str) -> set[tuple[Any, ...]]:
    found = set()
    for source in SOURCES:
        people = [one for one in arrivals(world, asked) if one.source == source]
        old = [one for one in people if not asked.is_young(one.arrived)]
        reached = []
        for one in old:
            ats = [move.at for move in moves_of(one) if is_entry(move, goal)][:1]
            reached += [at - one.arrived for at in ats if asked.is_in_time(one.arrived, at)]
        if people:
            found.add((source, len(old), len(people) - len(old), len(reached), spread(reached)))
    return found


def arrivals(world: list[Person], asked: Asked) -> list[Person]:
    """Who came in the period, and was not taken over from somewhere else."""
    here = [one for one in present(world, asked) if asked.holds(one.arrived) and one.arrived <= TELLING]
    return [one for one in here if one.moves[0].cause != "migration"]


def stays(world: list[Person], asked: Asked) -> list[tuple[Any, ...]]:
    return [_stays_in(stage, present(world, asked), asked) for stage in Stage.values]


def _stays_in(stage: str, people: list[Person], asked: Asked) -> tuple[Any, ...]:
    ended, lasting = [], []
    as_of = min(asked.end, TELLING)
    for moves in map(moves_of, people):
        for number, move in enumerate(moves):
            until = moves[number + 1].at if number + 1 < len(moves) else None
            if not is_entry(move, stage) or until == move.at:
                continue  # never there, or passed through only
            if asked.holds(until):
                ended.append((until or 0) - move.at)
            elif move.at < asked.end and (until is None or until >= asked.end):
                lasting.append(as_of - move.at)
    longest = timedelta(hours=max(lasting)) if lasting else None
    return stage, len(ended), spread(ended), between(ended, 0.75), len(lasting), spread(lasting), longest


def stagnant(world: list[Person], asked: Asked, limits: dict[str, int]) -> list[tuple[str, int, int]]:
    found = []
    for stage in Stage.values:
        here = [one for one in present(world, asked) if one.moves[-1].stage == stage and not one.is_on_hold]
        limit = limits.get(stage, FOR_EVER) * 24
        still = [one for one in here if max(one.moves[-1].at, one.silent_since) < TELLING - limit]
        if stage not in CLOSED:
            found.append((stage, len(here), len(still)))
    return found


def responses(world: list[Person], asked: Asked) -> list[tuple[Any, ...]]:
    people = present(world, asked)
    return [
        _waits("person", people, asked, lambda one: one.is_persons),
        _waits("anybody", people, asked, lambda one: True),
    ]


def _waits(who: str, people: list[Person], asked: Asked, answers: Callable[[Said], bool]) -> tuple[Any, ...]:
    waits: list[int | None] = []
    for person in people:
        asked_at = None
        for at, one in heard(person, asked):
            if one.is_question:
                asked_at = at if asked_at is None else asked_at
            elif answers(one) and asked_at is not None:
                waits += [at - asked_at] * asked.holds(asked_at)
                asked_at = None
        waits += [None] * asked.holds(asked_at)
    return waited(who, waits)


def heard(person: Person, asked: Asked) -> list[tuple[int, Said]]:
    """What counts as said, in its order."""
    found = []
    for one in person.said:
        counts = not one.is_automatic and not one.is_opt_out if one.is_question else is_accepted(one)
        if counts and one.at <= TELLING and one.sandbox == asked.sandbox:
            found.append((one.at + (one.delay or 0), one))
    return sorted(found, key=lambda pair: pair[0])


def is_accepted(one: Said) -> bool:
    return one.status in ("sent", "delivered", "read")


def touches(world: list[Person], asked: Asked) -> list[tuple[Any, ...]]:
    persons: list[int | None] = []
    anybodys: list[int | None] = []
    for one in arrivals(world, asked):
        written = [at for at, said in heard(one, asked) if not said.is_question]
        touched = [] if one.first_touched is None else [one.first_touched]
        persons.append(_since(one.arrived, touched))
        anybodys.append(_since(one.arrived, touched + written))
    return [waited("person", persons), waited("anybody", anybodys)]


def _since(arrived: int, ats: list[int]) -> int | None:
    return max(0, min(ats) - arrived) if ats else None


def waited(who: str, waits: list[int | None]) -> tuple[Any, ...]:
    known = [wait for wait in waits if wait is not None]
    quick, soon = (sum(wait <= most for wait in known) for most in (0, 1))  # whole hours: five minutes is none
    return who, len(waits), len(known), quick, soon, spread(known)


Entered = list[tuple[Person, Entry]]


def entered(world: list[Person], asked: Asked, campaign: int) -> Entered:
    """First entries; deleted leads count, merged ones do not."""
    found = []
    for person in world:
        mine = [one for one in person.entries if one.campaign == campaign and one.sandbox == asked.sandbox][:1]
        if asked.is_about(person) and not person.is_merged:
            found += [(person, one) for one in mine if asked.holds(one.at) and one.at <= TELLING]
    return found


def goal_after(person: Person, entry: Entry, asked: Asked, goal: str) -> int | None:
    ats = [move.at for move in moves_of(person) if is_entry(move, goal) and move.cause != "campaign"]
    later = [at - entry.at for at in ats if at > entry.at and asked.is_in_time(entry.at, at)]
    return min(later) if later else None


def campaigns(world: list[Person], asked: Asked) -> list[tuple[Any, ...]]:
    found = []
    for number, own in enumerate(GOALS):
        treated = [pair for pair in entered(world, asked, number) if not pair[1].is_held]
        old = [pair for pair in treated if not asked.is_young(pair[1].at)]
        goal = own or "agendado"
        took = [goal_after(*pair, asked, goal) for pair in old]
        reached = [length for length in took if length is not None]
        contacted = sum(entry.is_contacted for _person, entry in old)
        if treated:
            counts = (len(old), len(treated) - len(old), contacted, len(reached))
            found.append((f"Campaign {own}", goal, *counts, spread(reached)))
    return found


def arms(world: list[Person], asked: Asked, campaign: int, goal: str) -> tuple[int, ...]:
    """Treated and reached, held out and reached, too young, beside."""
    everybody = entered(world, asked, campaign)
    old = [pair for pair in everybody if not asked.is_young(pair[1].at)]
    held = [pair for pair in old if pair[1].is_held]
    ats = [entry.at for _person, entry in held] or [FOR_EVER]
    treated = [pair for pair in old if not pair[1].is_held]
    compared = [pair for pair in treated if min(ats) <= pair[1].at <= max(ats)]
    return (
        *(count for arm in (compared, held) for count in (len(arm), _reached(arm, asked, goal))),
        len(everybody) - len(old),
        len(treated) - len(compared),
    )


def _reached(arm: Entered, asked: Asked, goal: str) -> int:
    return sum(goal_after(*pair, asked, goal) is not None for pair in arm)
