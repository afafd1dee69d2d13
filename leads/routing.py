"""Who gets a lead. Pure: a broker's rules and agents as they stand in, a decision out; no rows, no clock.

Several leads are decided one after the other over the same facts: `open_leads` and the seats' `lag` go on with each
decision, and whoever loaded them writes the lags back.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from leads.models import IfNobody, Strategy

# Why an agent is passed over.
INACTIVE, ABSENT, NOT_AT_WORK, FULL, HAD_IT = "inactive", "absent", "not at work", "full", "had it"


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as they are at the moment of the decision."""

    id: int
    name: str = ""
    is_active: bool = True
    is_absent: bool = False
    is_at_work: bool = True


@dataclass(slots=True, eq=False)
class Seat:
    """An agent's place in a rule; `lag` is how far behind their share they are (`take_turn`)."""

    agent: Agent
    weight: int = 1
    max_open: int | None = None
    lag: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    strategy: str
    seats: tuple[Seat, ...]
    id: int = 0
    if_nobody: str = IfNobody.NEXT_RULE
    fallback: str = Strategy.ROUND_ROBIN
    at_work_only: bool = True
    claim_within: timedelta = timedelta(minutes=10)


class PassedOver(NamedTuple):
    agent: Agent
    why: str


@dataclass(frozen=True, slots=True)
class Given:
    """To this agent. `rule` is None for the default agent where no rule took the lead."""

    agent: Agent
    rule: Rule | None
    strategy: str = ""
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """To these agents, until one claims it or `until` has come."""

    agents: tuple[Agent, ...]
    rule: Rule
    until: datetime


@dataclass(frozen=True, slots=True)
class Left:
    """To nobody; the broker admin is told. `rule` is None when the conditions of none held."""

    rule: Rule | None
    passed_over: tuple[PassedOver, ...] = ()


Decision = Given | Offered | Left


@dataclass(slots=True)
class Office:
    """What is the same for all leads of a batch: the moment, the default agent, and who has how many open leads."""

    now: datetime
    default_agent: Agent | None = None
    open_leads: dict[int, int] = field(default_factory=dict)

    def take(self, agent: Agent) -> None:
        self.open_leads[agent.id] = self.open_leads.get(agent.id, 0) + 1


def route(rules: Iterable[Rule], office: Office, *, without: Collection[int] = ()) -> Decision:
    """What becomes of a lead for which these rules hold, in their order; nobody in `without` gets it."""
    passed_over: list[PassedOver] = []
    last = None
    for last in rules:
        decision = _by_rule(last, office, without, passed_over, Strategy(last.strategy))
        if decision:
            return decision
        if last.if_nobody != IfNobody.NEXT_RULE:
            return _when_nobody(last, office, without, passed_over)
    # No rule is left: the default agent, as where none held.
    return _to_default(last, office, without, passed_over)


def route_unclaimed(rule: Rule, office: Office, *, without: Collection[int] = ()) -> Decision | None:
    """What becomes of a lead that nobody claimed in time; None: the next rules are asked."""
    passed_over: list[PassedOver] = []
    decision = _by_rule(rule, office, without, passed_over, Strategy(rule.fallback))
    if decision or rule.if_nobody == IfNobody.NEXT_RULE:
        return decision
    return _when_nobody(rule, office, without, passed_over)


def _by_rule(
    rule: Rule, office: Office, without: Collection[int], passed_over: list[PassedOver], strategy: Strategy
) -> Decision | None:
    available = []
    for seat in rule.seats:
        why = _why_not(seat, rule, office, without)
        if why:
            passed_over.append(PassedOver(seat.agent, why))
        else:
            available.append(seat)
    if not available:
        return None
    if strategy == Strategy.FIRST_TO_CLAIM:
        return Offered(tuple(seat.agent for seat in available), rule, office.now + rule.claim_within)
    agent = _pick(available, strategy, office).agent
    office.take(agent)
    return Given(agent, rule, strategy, tuple(passed_over))


def _why_not(seat: Seat, rule: Rule, office: Office, without: Collection[int]) -> str:
    agent = seat.agent
    reasons = {
        HAD_IT: agent.id in without,
        INACTIVE: not agent.is_active,
        ABSENT: agent.is_absent,
        NOT_AT_WORK: rule.at_work_only and not agent.is_at_work,
        FULL: seat.max_open is not None and office.open_leads.get(agent.id, 0) >= seat.max_open,
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _pick(available: Sequence[Seat], strategy: Strategy, office: Office) -> Seat:
    if strategy == Strategy.LEAST_LOADED:
        return min(available, key=lambda seat: (office.open_leads.get(seat.agent.id, 0), seat.agent.id))
    return take_turn(available, weighted=strategy == Strategy.WEIGHTED)


def take_turn(available: Sequence[Seat], *, weighted: bool = True) -> Seat:
    """Smooth weighted round robin: the seat whose turn it is; all lags move on.

    With a pick every seat falls behind by its weight, and who is picked gains the sum of the weights. Among those who
    are behind, the one goes first who would otherwise be the first to fall behind by a whole pick (earliest deadline
    first, as in proportionate-fair scheduling), so that at any moment everybody has had their share of the picks to
    within less than one. Who is passed over neither gains nor loses, and does not catch up when they are back.
    """
    weights = [seat.weight if weighted else 1 for seat in available]
    total = sum(weights)
    for seat, weight in zip(available, weights, strict=True):
        seat.lag += weight
    behind = [pair for pair in zip(available, weights, strict=True) if pair[0].lag > 0]
    # When somebody behind is away, nobody here may be; then whoever is nearest.
    picked, _weight = min(
        behind or zip(available, weights, strict=True),
        key=lambda pair: ((total - pair[0].lag) / pair[1], pair[0].agent.id),
    )
    picked.lag -= total
    return picked


def _when_nobody(rule: Rule, office: Office, without: Collection[int], passed_over: list[PassedOver]) -> Decision:
    if rule.if_nobody == IfNobody.LEAVE:
        return Left(rule, tuple(passed_over))
    return _to_default(rule, office, without, passed_over)


def _to_default(rule: Rule | None, office: Office, without: Collection[int], passed_over: list[PassedOver]) -> Decision:
    agent = office.default_agent
    if agent is None or not agent.is_active or agent.id in without:
        return Left(rule, tuple(passed_over))
    if agent.is_absent:
        return Left(rule, (*passed_over, PassedOver(agent, ABSENT)))
    office.take(agent)
    return Given(agent, rule, "", tuple(passed_over))
