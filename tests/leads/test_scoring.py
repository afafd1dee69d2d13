"""The table of facts/domain.md, point by point."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.score_rules import ScoreRules
from leads.scoring import ScoreFacts, score, status

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
RULES = ScoreRules()
DAY = timedelta(days=1)


def points(**facts: Any) -> dict[str, int]:
    return score(ScoreFacts(**facts), RULES, NOW).components


def test_score_of_nothing_known_is_zero() -> None:
    assert score(ScoreFacts(), RULES, NOW) == score(ScoreFacts(name=""), RULES, NOW)
    assert (score(ScoreFacts(), RULES, NOW).total, points()) == (0, {})


def test_income_that_is_not_known_is_worth_nothing_whatever_the_tiers() -> None:
    rules = ScoreRules.parse({"income_tiers": [[0, 3]]}, {})
    assert score(ScoreFacts(), rules, NOW).components == {}
    assert score(ScoreFacts(income=Decimal(0)), rules, NOW).components == {"income": 3}


@pytest.mark.parametrize(
    ("facts", "component", "worth"),
    [
        ({"name": "Ana"}, "name", 5),
        ({"phone": "+56987654321"}, "phone", 5),
        ({"email": "ana@example.com"}, "email", 5),
        ({"location": "Ñuñoa"}, "location", 5),
        ({"timeline": "3 meses"}, "timeline", 5),
        ({"has_budget": True}, "budget", 10),
        ({"dicom": "clean"}, "dicom", 10),
        ({"quick_reply_count": 2}, "quick_replies", 6),
        ({"long_call_count": 1}, "long_call", 5),
        ({"booking_count": 1}, "booking", 5),
        ({"opted_out": True}, "opted_out", -30),
        ({"has_invalid_address": True}, "invalid_address", -10),
    ],
)
def test_score_gives_the_points_of_the_table(facts: dict[str, Any], component: str, worth: int) -> None:
    assert points(**facts) == {component: worth}


@pytest.mark.parametrize(
    ("income", "worth"),
    [
        ("499999.99", 0),
        ("500000", 4),
        ("999999.99", 4),
        ("1000000", 8),
        ("1999999.99", 8),
        ("2000000", 12),
        ("2999999.99", 12),
        ("3000000", 15),
        ("99000000", 15),
    ],
)
def test_score_counts_income_by_tier(income: str, worth: int) -> None:
    assert points(income=Decimal(income)).get("income", 0) == worth


@pytest.mark.parametrize(
    ("dicom", "debt", "worth"),
    [
        ("clean", None, 10),
        ("clean", 900_000, 10),
        ("has_debt", None, 0),
        ("has_debt", 0, 4),
        ("has_debt", 500_000, 4),
        ("has_debt", 500_001, 0),
        ("", 100, 0),
    ],
)
def test_score_counts_dicom_clean_or_an_acceptable_debt(dicom: str, debt: int | None, worth: int) -> None:
    known = None if debt is None else Decimal(debt)
    assert points(dicom=dicom, debt=known).get("dicom", 0) == worth


@pytest.mark.parametrize(("count", "worth"), [(0, 0), (1, 4), (2, 8), (4, 8), (5, 14), (50, 14)])
def test_score_counts_inbound_messages_by_tier(count: int, worth: int) -> None:
    assert points(inbound_count=count).get("inbound", 0) == worth


def test_score_wants_two_quick_replies() -> None:
    assert points(quick_reply_count=1) == {}


@pytest.mark.parametrize(
    ("stage", "worth"),
    [
        ("entrada", 0),
        ("perfilamiento", 2),
        ("calificacion_financiera", 4),
        ("agendado", 8),
        ("seguimiento", 5),
        ("referidos", 9),
        ("ganado", 10),
        ("perdido", -10),
    ],
)
def test_score_counts_the_stage(stage: str, worth: int) -> None:
    assert points(stage=stage).get("stage", 0) == worth


@pytest.mark.parametrize(("delta", "worth"), [(-35, -20), (-20, -20), (-7, -7), (20, 20), (21, 20)])
def test_score_keeps_calls_within_twenty(delta: int, worth: int) -> None:
    assert points(call_score=delta) == {"calls": worth}


@pytest.mark.parametrize(("silence", "worth"), [(60 * DAY - timedelta(seconds=1), 0), (60 * DAY, -5), (600 * DAY, -5)])
def test_score_takes_points_for_sixty_days_of_silence(silence: timedelta, worth: int) -> None:
    assert points(last_activity_at=NOW - silence).get("silent", 0) == worth


FULL = ScoreFacts(
    name="Ana",
    phone="+56987654321",
    email="ana@example.com",
    location="Ñuñoa",
    timeline="ya",
    has_budget=True,
    income=Decimal(3_000_000),
    dicom="clean",
    inbound_count=5,
    quick_reply_count=2,
    long_call_count=1,
    booking_count=1,
    call_score=20,
    stage="ganado",
)


def test_score_groups_have_the_limits_of_the_table() -> None:
    components = score(FULL, RULES, NOW).components
    groups = {
        "profile": ("name", "phone", "email", "location", "timeline"),
        "financial": ("budget", "income", "dicom"),
        "engagement": ("inbound", "quick_replies", "long_call", "booking"),
    }
    sums = {group: sum(components[name] for name in names) for group, names in groups.items()}
    assert sums == {"profile": 25, "financial": 35, "engagement": 30}


def test_score_is_clamped_to_a_hundred() -> None:
    result = score(FULL, RULES, NOW)
    assert (result.total, sum(result.components.values())) == (100, 120)


def test_score_is_clamped_to_zero() -> None:
    lost = ScoreFacts(stage="perdido", opted_out=True)
    assert score(lost, RULES, NOW).total == 0


def test_score_follows_the_brokers_own_weights() -> None:
    rules = replace(RULES, name=9, income_tiers=((100, 3),))
    assert score(ScoreFacts(name="Ana", income=Decimal(100)), rules, NOW).components == {"name": 9, "income": 3}


@pytest.mark.parametrize(
    ("total", "word"), [(0, "cold"), (20, "cold"), (21, "warm"), (50, "warm"), (51, "hot"), (100, "hot")]
)
def test_status_follows_the_thresholds(total: int, word: str) -> None:
    assert status(total, "entrada", RULES) == word


@pytest.mark.parametrize(("stage", "word"), [("ganado", "converted"), ("referidos", "converted"), ("perdido", "lost")])
def test_status_of_a_closed_lead_belongs_to_the_pipeline(stage: str, word: str) -> None:
    assert status(100, stage, RULES) == word


def test_status_follows_the_brokers_own_thresholds() -> None:
    rules = replace(RULES, cold_max=5, warm_max=6)
    assert [status(total, "entrada", rules) for total in (5, 6, 7)] == ["cold", "warm", "hot"]
