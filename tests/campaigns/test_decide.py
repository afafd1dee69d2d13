"""What becomes of one due step: every reason code by a table. Pure: facts in, a decision out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brokers.rules import ContactWindow, default_contact_window
from campaigns.decisions import Act, Decision, LeadFacts, Postpone, Skip, Step, StepFacts, Template, Way, decide
from messaging.policy import ContactFacts, Permission
from templates_app.merge import compile_text
from templates_app.variables import Surroundings

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
ENROLLED = NOW - DAY
LEAD = LeadFacts(
    id=1,
    broker_id=1,
    name="Ana Pérez",
    phone="+56987654321",
    email="ana@example.com",
    telegram_chat_id="4711",
    lead_score=30,
    pipeline_stage="entrada",
    assigned_to_id=5,
    treatment_type="automated_telegram",
    metadata={},
    budget_amount=None,
    income_amount=None,
    debt_amount=None,
    dicom_status="",
    location="",
    unreachable={},
    language="",
    timezone="",
    last_inbound_at=None,
    last_answered_at=None,
    deleted_at=None,
)
CONTACT = ContactFacts(
    channel="telegram",
    purpose="marketing",
    address="4711",
    phone="+56987654321",
    treatment="automated_telegram",
    unreachable={},
    permissions=(),
    lead_timezone="",
    broker_timezone="America/Santiago",
    window=ContactWindow.parse(default_contact_window()),
    recent=(),
    cap_24h=2,
    cap_7d=5,
)


def template(text: str = "Hola {{first_name}}", *, is_active: bool = True) -> Template:
    body = compile_text(text)
    return Template(9, "telegram", "marketing", "es", is_active, compile_text(""), body, frozenset(body.variables))


WAY = Way(
    contact=CONTACT,
    around=Surroundings("Aurora", "America/Santiago", "es", NOW),
    template_id=9,
    template=template(),
    has_account=True,
)
FACTS = StepFacts(
    log_id=1,
    enrollment_id=1,
    attempts=0,
    planned_at=NOW,
    due_at=NOW,
    enrolled_at=ENROLLED,
    exit_on_reply=True,
    goal_stage="",
    step=Step(1, 1, "send_message", timedelta(), {}, "telegram", template_id=9),
    lead=LEAD,
    booked_at=None,
    reached=frozenset(),
    conditions=(),
    human_contact_days=3,
    ways=(WAY,),
)


def decided(
    lead: Mapping[str, Any] = {}, contact: Mapping[str, Any] = {}, step: Mapping[str, Any] = {}, **changes: Any
) -> Decision:
    way = {name: changes.pop(name) for name in ("template", "has_account", "plain_text") if name in changes}
    way["template_id"] = step.get("template_id", 9)
    facts = replace(
        FACTS,
        lead=LEAD._replace(**lead),
        ways=(replace(WAY, contact=replace(CONTACT, **contact), **way),),
        step=replace(FACTS.step, **step),
        **changes,
    )
    return decide(facts, NOW)


def told(decision: Decision) -> tuple[str, str]:
    return type(decision).__name__, getattr(decision, "reason", "")


def test_decide_acts_when_nothing_speaks_against_it() -> None:
    decision = decided()
    assert isinstance(decision, Act)
    assert (decision.subject, decision.body) == ("", "Hola Ana")


def test_decide_keeps_every_check_that_was_made() -> None:
    names = [check.name for check in decided(conditions=(("score_min", 10, True),)).checks]
    assert names == ["exits", "in_time", "condition", "ready", "address", "permission", "treatment", "window", "caps"]


def test_decide_keeps_why_a_contact_was_allowed() -> None:
    decision = decided()
    assert isinstance(decision, Act)
    assert set(decision.basis) == {"rules", "address", "permission", "treatment", "window", "caps"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lead": {"deleted_at": NOW}}, "deleted"),
        ({"lead": {"treatment_type": "hold"}}, "hold"),
        ({"lead": {"last_inbound_at": ENROLLED + SECOND}}, "replied"),
        ({"booked_at": NOW}, "booked"),
        ({"goal_stage": "agendado", "reached": frozenset({"agendado"})}, "goal_reached"),
        ({"reached": frozenset({"ganado"})}, "closed"),
        ({"reached": frozenset({"perdido"})}, "closed"),
        ({"contact": {"permissions": [Permission(1, "*", "revoked", "marketing", NOW)]}}, "opted_out"),
    ],
)
def test_decide_ends_the_enrolment(changes: dict[str, Any], reason: str) -> None:
    assert told(decided(**changes)) == ("Exit", reason)


@pytest.mark.parametrize(
    "changes",
    [
        # Happened before the enrolment, or does not matter here.
        {"lead": {"last_inbound_at": ENROLLED}},
        {"lead": {"last_inbound_at": NOW}, "exit_on_reply": False},
        {"goal_stage": "agendado"},
        {"goal_stage": "", "reached": frozenset({"perfilamiento"})},
        {"lead": {"pipeline_stage": "perdido"}},
    ],
)
def test_decide_goes_on(changes: dict[str, Any]) -> None:
    assert told(decided(**changes)) == ("Act", "")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"due_at": NOW - 48 * HOUR}, ("Act", "")),
        ({"due_at": NOW - 48 * HOUR - SECOND}, ("Skip", "late")),
        ({"planned_at": NOW - 14 * DAY}, ("Act", "")),
        ({"planned_at": NOW - 14 * DAY - SECOND}, ("Skip", "postponed_too_long")),
    ],
)
def test_decide_skips_what_is_too_late(changes: dict[str, Any], outcome: tuple[str, str]) -> None:
    assert told(decided(**changes)) == outcome


@pytest.mark.parametrize("action", ["send_message", "make_call", "schedule_meeting", "update_stage"])
def test_decide_hands_every_step_of_a_manual_lead_to_the_agent(action: str) -> None:
    decision = decided(lead={"treatment_type": "manual_follow_up"}, step={"action": action})
    assert told(decision) == ("Skip", "handed_to_agent")


@pytest.mark.parametrize(
    ("ago", "outcome"), [(3 * DAY, ("Act", "")), (3 * DAY - SECOND, ("Postpone", "human_in_contact"))]
)
def test_decide_waits_while_a_person_is_in_contact(ago: timedelta, outcome: tuple[str, str]) -> None:
    assert told(decided(lead={"last_answered_at": NOW - ago})) == outcome


def test_decide_waits_as_many_days_as_the_brokerage_says() -> None:
    decision = decided(lead={"last_answered_at": NOW - HOUR}, human_contact_days=5)
    assert isinstance(decision, Postpone)
    assert decision.until == NOW - HOUR + 5 * DAY


def test_decide_moves_a_lead_while_a_person_is_in_contact() -> None:
    decision = decided(lead={"last_answered_at": NOW}, step={"action": "update_stage", "channel": ""})
    assert told(decision) == ("Act", "")


def test_decide_skips_with_the_clause_that_does_not_hold() -> None:
    """failures.md row 32."""
    clauses = (("score_min", 10, True), ("has_email", True, False), ("stage", "x", False))
    assert told(decided(conditions=clauses)) == ("Skip", "condition:has_email")


@pytest.mark.parametrize(
    ("changes", "reason", "is_failure"),
    [
        ({"template": template(is_active=False)}, "template_inactive", True),
        ({"template": None}, "template_inactive", True),
        ({"has_account": False}, "no_account", True),
        ({"step": {"action": "schedule_meeting"}, "lead": {"assigned_to_id": None}}, "no_agent", False),
        ({"template": template("Desde {{budget}}")}, "missing_variable:budget", False),
        ({"contact": {"address": ""}}, "no_address", False),
        ({"contact": {"address": "@ana"}}, "address_invalid", False),
        ({"contact": {"unreachable": {"telegram": "invalid_address"}}}, "unreachable", False),
        ({"contact": {"channel": "call", "address": "+56987654321"}}, "treatment", False),
        ({"contact": {"window": ContactWindow.parse({})}}, "window_never_opens", False),
    ],
)
def test_decide_skips_what_cannot_be_sent(changes: dict[str, Any], reason: str, is_failure: bool) -> None:
    decision = decided(**changes)
    assert isinstance(decision, Skip)
    assert (decision.reason, decision.is_failure) == (reason, is_failure)


@pytest.mark.parametrize(
    ("contact", "reason"),
    [({"lead_timezone": "Asia/Tokyo"}, "outside_hours"), ({"recent": [NOW - HOUR] * 2}, "frequency_cap")],
)
def test_decide_postpones_what_is_not_allowed_right_now(contact: dict[str, Any], reason: str) -> None:
    decision = decided(contact=contact)
    assert isinstance(decision, Postpone)
    assert (decision.reason, decision.until > NOW) == (reason, True)


def test_decide_asks_no_policy_for_a_stage() -> None:
    step = {"action": "update_stage", "channel": "", "template_id": None}
    decision = decided(step=step, contact={"address": "", "recent": [NOW] * 9}, template=None)
    assert told(decision) == ("Act", "")


def test_decide_sends_the_plain_text_of_a_meeting_without_template() -> None:
    step = {"action": "schedule_meeting", "template_id": None}
    decision = decided(step=step, template=None, plain_text="Nos vemos: http://x")
    assert isinstance(decision, Act)
    assert decision.body == "Nos vemos: http://x"


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"lead": {"deleted_at": NOW, "treatment_type": "hold"}}, {}, "deleted"),
        ({"lead": {"treatment_type": "hold"}}, {"due_at": NOW - 9 * DAY}, "hold"),
        ({"lead": {"treatment_type": "manual_follow_up"}}, {"due_at": NOW - 9 * DAY}, "late"),
        ({"conditions": (("stage", "x", False),)}, {"has_account": False}, "condition:stage"),
        ({"has_account": False}, {"contact": {"address": ""}}, "no_account"),
        ({"contact": {"address": "", "recent": [NOW] * 9}}, {}, "no_address"),
    ],
)
def test_decide_asks_in_a_fixed_order(first: dict[str, Any], second: dict[str, Any], reason: str) -> None:
    assert told(decided(**first, **second))[1] == reason
