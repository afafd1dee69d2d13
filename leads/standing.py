"""Where a lead stands by its facts: score, status, qualification, and the steps that it takes by itself. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from brokers.rules import BrokerRules
from leads import scoring
from leads.advancing import Advance, Standing, next_advance
from leads.qualification import qualify
from leads.scoring import ScoreFacts


@dataclass(frozen=True, slots=True)
class Meetings:
    """Whether there is a live appointment, and whether one was completed."""

    is_booked: bool = False
    was_visited: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be written; `steps` is empty for a lead that stays."""

    score: int
    components: dict[str, int]
    status: str
    qualification: str
    stage: str
    steps: tuple[Advance, ...] = ()


def assess(facts: ScoreFacts, rules: BrokerRules, now: datetime, *, meetings: Meetings, advances: bool) -> Outcome:
    """Score and qualify a lead and, where it `advances`, follow the table until it stays."""
    verdict = qualify(facts.income, facts.debt, facts.dicom, rules.qualification)
    result, stage, steps = scoring.score(facts, rules.score, now), facts.stage, []
    lead = _standing(facts, verdict.value, meetings)
    while advances:
        step = next_advance(replace(lead, stage=stage, score=result.total), rules.score.advance_min)
        if step is None:
            break
        steps.append(step)
        stage, result = step.to, scoring.restaged(result, step.to, rules.score)
    status = scoring.status(result.total, stage, rules.score)
    return Outcome(result.total, result.components, status, verdict.value, stage, tuple(steps))


def _standing(facts: ScoreFacts, qualification: str, meetings: Meetings) -> Standing:
    return Standing(
        stage=facts.stage,
        name=facts.name,
        phone=facts.phone,
        location=facts.location,
        has_budget=facts.has_budget,
        qualification=qualification,
        is_booked=meetings.is_booked,
        was_visited=meetings.was_visited,
    )


def path_of(outcome: Outcome, begins_in: str) -> Sequence[tuple[str, str, str]]:
    """The steps as (from, to, reason), from the stage the lead was in."""
    stages = [begins_in, *(step.to for step in outcome.steps)]
    return [(stages[place], step.to, step.reason) for place, step in enumerate(outcome.steps)]
