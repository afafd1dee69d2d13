"""What holds for the score of every lead there can be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.score_rules import ScoreRules
from leads.scoring import ScoreFacts, score

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
RULES = ScoreRules()

texts = st.sampled_from(["", "x"])
amounts = st.none() | st.integers(0, 5_000_000).map(Decimal)
counts = st.integers(0, 8)
facts = st.builds(
    ScoreFacts,
    name=texts,
    phone=texts,
    email=texts,
    location=texts,
    timeline=texts,
    has_budget=st.booleans(),
    income=amounts,
    debt=amounts,
    dicom=st.sampled_from(["", "clean", "has_debt"]),
    inbound_count=counts,
    quick_reply_count=counts,
    long_call_count=counts,
    booking_count=counts,
    call_score=st.integers(-40, 40),
    stage=st.sampled_from(sorted(dict(RULES.stages))),
    opted_out=st.booleans(),
    has_invalid_address=st.booleans(),
    last_activity_at=st.none() | st.integers(0, 200).map(lambda days: NOW - timedelta(days=days)),
)
better = st.one_of(
    st.sampled_from(["name", "phone", "email", "location", "timeline"]).map(lambda key: {key: "x"}),
    st.just({"has_budget": True}),
    st.just({"dicom": "clean"}),
    st.just({"opted_out": False}),
    st.just({"has_invalid_address": False}),
    st.just({"last_activity_at": NOW}),
)
growing = st.sampled_from(["inbound_count", "quick_reply_count", "long_call_count", "booking_count", "call_score"])


def total(lead: ScoreFacts) -> int:
    return score(lead, RULES, NOW).total


@given(facts)
@settings(max_examples=200)
def test_score_lies_between_0_and_100_and_is_the_clamped_sum(lead: ScoreFacts) -> None:
    result = score(lead, RULES, NOW)
    assert result.total == max(0, min(100, sum(result.components.values())))


@given(facts, better)
@settings(max_examples=200)
def test_score_never_falls_when_something_good_becomes_known(lead: ScoreFacts, change: dict[str, Any]) -> None:
    assert total(replace(lead, **change)) >= total(lead)


@given(facts, growing, st.integers(0, 50))
@settings(max_examples=200)
def test_score_never_falls_when_engagement_grows(lead: ScoreFacts, key: str, more: int) -> None:
    assert total(replace(lead, **{key: getattr(lead, key) + more})) >= total(lead)


@given(facts, st.integers(0, 5_000_000), st.integers(0, 5_000_000))
@settings(max_examples=200)
def test_score_never_falls_with_more_income(lead: ScoreFacts, income: int, more: int) -> None:
    assert total(replace(lead, income=Decimal(income + more))) >= total(replace(lead, income=Decimal(income)))


@given(facts)
@settings(max_examples=100)
def test_score_leaves_out_what_is_worth_nothing(lead: ScoreFacts) -> None:
    assert 0 not in score(lead, RULES, NOW).components.values()
