"""Contestants take turns within one run, so that whatever else the machine does meets them alike."""

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter


def nothing(round_number: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Contestant:
    """`run` does one round's work and says how many rows it did; `prepare` comes before it, off the clock."""

    name: str
    run: Callable[[int], int]
    prepare: Callable[[int], None] = nothing


@dataclass(slots=True)
class Timing:
    """Rows and seconds, one of each a round."""

    rows: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def row_seconds(self) -> list[float]:
        return [seconds / rows for rows, seconds in zip(self.rows, self.seconds, strict=True)]


@dataclass(frozen=True, slots=True)
class Goal:
    """`sign` is ≤ or ≥."""

    sign: str
    bound: float

    def is_met(self, value: float) -> bool:
        return value <= self.bound if self.sign == "≤" else value >= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `value` is a ratio or a count; what it means says docs/bench.md."""

    what: str
    rows: int | None = None
    seconds: float | None = None
    value: float | None = None
    goal: Goal | None = None

    @property
    def per_second(self) -> float | None:
        return self.rows / self.seconds if self.rows and self.seconds else None

    @property
    def is_met(self) -> bool | None:
        return None if self.goal is None or self.value is None else self.goal.is_met(self.value)


def compete(contestants: Sequence[Contestant], rounds: int) -> dict[str, Timing]:
    """Every contestant once a round, each round another one first."""
    timings = {contestant.name: Timing() for contestant in contestants}
    for number in range(rounds):
        first = number % len(contestants)
        for contestant in (*contestants[first:], *contestants[:first]):
            contestant.prepare(number)
            gc.collect()
            begin = perf_counter()
            timings[contestant.name].rows.append(contestant.run(number))
            timings[contestant.name].seconds.append(perf_counter() - begin)
    return timings


def times_as_long(one: Timing, other: Timing) -> float:
    """How long a row takes `one` beside `other`: the median over the rounds, each compared within itself."""
    pairs = zip(one.row_seconds, other.row_seconds, strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def line_of(what: str, timing: Timing, value: float | None = None, goal: Goal | None = None) -> Line:
    return Line(what, sum(timing.rows), sum(timing.seconds), value, goal)
