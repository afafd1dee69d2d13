"""A lead's score, 0–100, with its components. Pure: facts in, points out. Source: docs/scoring.md."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from brokers.score_rules import ScoreRules

CALL_POINTS_LIMIT = 20
QUICK_REPLIES = 2
INVALID_ADDRESS = "invalid_address"


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """What a score is made of. Amounts in the broker's currency; `last_activity_at` is aware."""

    name: str = ""
    phone: str = ""
    email: str = ""
    location: str = ""
    timeline: str = ""
    has_budget: bool = False
    income: Decimal | None = None
    debt: Decimal | None = None
    dicom: str = ""
    inbound_count: int = 0
    quick_reply_count: int = 0
    long_call_count: int = 0
    booking_count: int = 0
    call_score: int = 0
    stage: str = "entrada"
    opted_out: bool = False
    has_invalid_address: bool = False
    last_activity_at: datetime | None = None

    @classmethod
    def of(cls, lead: Any) -> Self:
        """The facts of a Lead, read from its own columns."""
        return cls(
            name=lead.name,
            phone=lead.phone,
            email=lead.email,
            location=lead.location,
            timeline=str(lead.metadata.get("timeline") or ""),
            has_budget=lead.budget_amount is not None or bool(lead.metadata.get("budget")),
            income=lead.income_amount,
            debt=lead.debt_amount,
            dicom=lead.dicom_status,
            inbound_count=lead.inbound_count,
            quick_reply_count=lead.quick_reply_count,
            long_call_count=lead.long_call_count,
            booking_count=lead.booking_count,
            call_score=lead.call_score,
            stage=lead.pipeline_stage,
            opted_out=lead.opted_out_at is not None,
            has_invalid_address=INVALID_ADDRESS in lead.unreachable.values(),
            last_activity_at=lead.last_activity_at,
        )


@dataclass(frozen=True, slots=True)
class Score:
    """`total` is the sum of `components`, clamped to 0–100."""

    total: int
    components: dict[str, int]


def score(facts: ScoreFacts, rules: ScoreRules, now: datetime) -> Score:
    """Points by component; components worth nothing are left out, so that the page shows what counts."""
    points = {
        **_profile(facts, rules),
        **_financial(facts, rules),
        **_engagement(facts, rules),
        "stage": rules.stage_points(facts.stage),
        "calls": max(-CALL_POINTS_LIMIT, min(CALL_POINTS_LIMIT, facts.call_score)),
        **_penalties(facts, rules, now),
    }
    return _summed(points)


def restaged(before: Score, stage: str, rules: ScoreRules) -> Score:
    """The score of the same lead in another stage."""
    return _summed(before.components | {"stage": rules.stage_points(stage)})


def _summed(points: Mapping[str, int]) -> Score:
    components = {key: value for key, value in points.items() if value}
    return Score(max(0, min(100, sum(components.values()))), components)


def status(total: int, stage: str, rules: ScoreRules) -> str:
    """The status of a score: converted and lost belong to the pipeline, the others to the thresholds."""
    if stage in ("ganado", "referidos"):
        return "converted"
    if stage == "perdido":
        return "lost"
    if total <= rules.cold_max:
        return "cold"
    return "warm" if total <= rules.warm_max else "hot"


def _profile(facts: ScoreFacts, rules: ScoreRules) -> dict[str, int]:
    return {
        "name": rules.name if facts.name else 0,
        "phone": rules.phone if facts.phone else 0,
        "email": rules.email if facts.email else 0,
        "location": rules.location if facts.location else 0,
        "timeline": rules.timeline if facts.timeline else 0,
    }


def _financial(facts: ScoreFacts, rules: ScoreRules) -> dict[str, int]:
    return {
        "budget": rules.budget if facts.has_budget else 0,
        "income": 0 if facts.income is None else _tier(facts.income, rules.income_tiers),
        "dicom": _dicom(facts, rules),
    }


def _dicom(facts: ScoreFacts, rules: ScoreRules) -> int:
    if facts.dicom == "clean":
        return rules.dicom_clean
    acceptable = facts.dicom == "has_debt" and facts.debt is not None and facts.debt <= rules.acceptable_debt_max
    return rules.acceptable_debt if acceptable else 0


def _engagement(facts: ScoreFacts, rules: ScoreRules) -> dict[str, int]:
    return {
        "inbound": _tier(facts.inbound_count, rules.inbound_tiers),
        "quick_replies": rules.quick_replies if facts.quick_reply_count >= QUICK_REPLIES else 0,
        "long_call": rules.long_call if facts.long_call_count else 0,
        "booking": rules.booking if facts.booking_count else 0,
    }


def _penalties(facts: ScoreFacts, rules: ScoreRules, now: datetime) -> dict[str, int]:
    silent_since = now - timedelta(days=rules.silent_after_days)
    is_silent = facts.last_activity_at is not None and facts.last_activity_at <= silent_since
    return {
        "opted_out": rules.opted_out if facts.opted_out else 0,
        "silent": rules.silent if is_silent else 0,
        "invalid_address": rules.invalid_address if facts.has_invalid_address else 0,
    }


def _tier(value: Decimal | int, tiers: Iterable[tuple[int, int]]) -> int:
    return next((points for at_least, points in tiers if value >= at_least), 0)
