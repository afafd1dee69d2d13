"""What holds of auto-advance and qualification for every lead there can be."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.rules import BrokerRules, ContactWindow
from brokers.score_rules import QualificationRules, ScoreRules
from leads.advancing import RANK, Standing, next_advance
from leads.models import Lead
from leads.qualification import qualify
from leads.scoring import ScoreFacts, restaged, score
from leads.standing import Meetings, assess
from tests.leads.test_scoring_properties import NOW, facts

RULES = BrokerRules("UTC", "CL", "es", ContactWindow.parse({}), 2, 5, 3)
standings = st.builds(
    Standing,
    stage=st.sampled_from(sorted(RANK)),
    name=st.sampled_from(["", "Ana Soto", "Ana 1"]),
    phone=st.sampled_from(["", "+56987654321"]),
    location=st.sampled_from(["", "Macul"]),
    has_budget=st.booleans(),
    score=st.integers(0, 100),
    qualification=st.sampled_from(["", "CALIFICADO", "POTENCIAL", "NO_CALIFICADO"]),
    is_booked=st.booleans(),
    was_visited=st.booleans(),
)
meetings = st.builds(Meetings, st.booleans(), st.booleans())
amounts = st.none() | st.integers(0, 3_000_000).map(Decimal)
dicoms = st.sampled_from(["", "clean", "has_debt"])
# (from, to) of every move that the pipeline itself allows.
ALLOWED = {(move.source, move.target) for move in Lead().get_all_pipeline_stage_transitions() if move.name != "correct"}


@given(standings)
@settings(max_examples=500)
def test_step_is_one_that_the_pipeline_allows_and_never_goes_back(lead: Standing) -> None:
    step = next_advance(lead, 40)
    assert step is None or ((lead.stage, step.to) in ALLOWED and RANK[step.to] >= RANK[lead.stage])


@given(facts, meetings)
@settings(max_examples=300)
def test_way_ends_and_going_on_from_its_end_changes_nothing(lead: ScoreFacts, met: Meetings) -> None:
    """Five stages lie on the longest way there is."""
    named = replace(lead, name="Ana Soto")
    first = assess(named, RULES, NOW, meetings=met, advances=True)
    again = assess(replace(named, stage=first.stage), RULES, NOW, meetings=met, advances=True)
    assert (again.steps, again.score, again.components, again.status) == (
        (), first.score, first.components, first.status,
    )  # fmt: skip
    assert len(first.steps) <= 3


@given(facts, st.sampled_from(sorted(RANK)))
@settings(max_examples=200)
def test_score_in_another_stage_is_that_of_a_lead_who_stands_there(lead: ScoreFacts, stage: str) -> None:
    there = replace(lead, stage=stage)
    rules = ScoreRules()
    assert restaged(score(lead, rules, NOW), stage, rules) == score(there, rules, NOW)


@given(amounts, amounts, dicoms)
@settings(max_examples=300)
def test_nobody_is_refused_for_what_is_not_known(income: Decimal | None, debt: Decimal | None, dicom: str) -> None:
    verdict = qualify(income, debt, dicom, QualificationRules())
    is_known = income is not None and dicom != "" and (dicom == "clean" or debt is not None)
    assert ((verdict.value != ""), verdict.reasons != ()) == (is_known, True)


@given(amounts.filter(bool), st.integers(0, 1_000_000), amounts, dicoms)
@settings(max_examples=300)
def test_more_income_never_qualifies_less(income: Decimal, more: int, debt: Decimal | None, dicom: str) -> None:
    order = ["", "NO_CALIFICADO", "POTENCIAL", "CALIFICADO"]
    rules = QualificationRules()
    before, after = (qualify(amount, debt, dicom, rules).value for amount in (income, income + more))
    assert order.index(after) >= order.index(before)
