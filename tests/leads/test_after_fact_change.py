"""After every fact the lead stands where it puts it, in the same transaction; and a person's own decision is kept."""

from collections.abc import Callable
from typing import Any

import pytest

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions import (
    after_fact_change,
    create_lead,
    create_task,
    edit_lead,
    finish_task,
    mark_unreachable,
    move_stage,
    recalculate_scores,
    record_call,
    record_inbound,
    record_permission,
    record_written,
    write_note,
)
from leads.models import CLOSE_REASONS, Lead, ScoreChange, StageTransition
from tests.building import DAY, NOW, a_broker, a_user, an_admin, book, now_of

pytestmark = pytest.mark.django_db
WISH = {"name": "Ana Soto", "location": "Ñuñoa", "metadata": {"budget": "3.000 UF", "timeline": "ya"}}
REACHED = {"phone": "+56987654321", "email": "ana@example.com"}
POOR = {"income_amount": 400_000, "dicom_status": "clean"}
LATER = NOW + DAY


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def agent(broker: Broker) -> User:
    return a_user(broker)


def stages(lead: Lead) -> list[str]:
    return list(StageTransition.objects.filter(lead=lead).order_by("id").values_list("to_stage", flat=True))


def move(lead: Lead, to: str, agent: User, **how: Any) -> Lead:
    return move_stage(lead=now_of(lead), to=to, now=NOW, by=agent, **{"cause": "agent"} | how)


FACTS: dict[str, Callable[[Lead], object]] = {
    "message": lambda lead: record_inbound(lead=lead, now=NOW, answers=NOW),
    "call": lambda lead: record_call(lead=lead, now=NOW, seconds=61, points=5),
    "booking": lambda lead: book(lead, NOW),
    "edit": lambda lead: edit_lead(lead=lead, now=NOW, by=None, income_amount=1_000_000, dicom_status="clean"),
    "permission": lambda lead: record_permission(broker=lead.broker, lead=lead, kind="revoked", now=NOW, source="form"),
    "unreachable": lambda lead: mark_unreachable(lead=lead, channel="email", code="invalid_address", now=NOW),
    "move": lambda lead: move_stage(lead=now_of(lead), to="calificacion_financiera", now=NOW, cause="agent"),
    "note": lambda lead: write_note(lead=lead, text="x", now=NOW, by=None),
}


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("known", [{}, {"dicom_status": "has_debt", "debt_amount": 100, "income_amount": 600_000}])
def test_after_every_fact_nothing_is_left_to_recalculate(
    broker: Broker, agent: User, fact: str, known: dict[str, Any]
) -> None:
    lead = create_lead(broker=broker, now=NOW, assigned_to=agent, **WISH, **REACHED, **known)
    FACTS[fact](lead)
    report = recalculate_scores(clock=lambda: NOW)
    assert (report.leads, report.scores, report.statuses, report.qualifications, report.moved) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize("sign", ["note", "task", "written"])
def test_sign_of_life_ends_the_silence(broker: Broker, agent: User, sign: str) -> None:
    lead = create_lead(broker=broker, now=NOW, assigned_to=agent, name="Ana Soto")
    task = create_task(lead=lead, title="call", due_at=NOW, now=NOW)
    recalculate_scores(clock=lambda: NOW + 60 * DAY)
    silent, later = now_of(lead).lead_score, NOW + 61 * DAY
    signs: dict[str, Callable[[], object]] = {
        "note": lambda: write_note(lead=lead, text="x", now=later, by=agent),
        "task": lambda: finish_task(task=task, now=later),
        "written": lambda: record_written(lead=lead, at=later, now=later),
    }
    signs[sign]()
    assert (silent, now_of(lead).lead_score) == (0, 5)


def test_doing_it_twice_writes_nothing_more(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, **WISH, **REACHED)
    before = now_of(lead)
    after_fact_change(lead=lead, now=LATER, cause="edit")
    assert (ScoreChange.objects.count(), len(stages(lead)), now_of(lead).updated_at) == (1, 2, before.updated_at)


def test_lead_on_hold_stays_where_it_is_and_goes_on_when_released(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, treatment_type="hold", **WISH, **REACHED)
    record_inbound(lead=lead, now=NOW, answers=None)
    assert stages(lead) == ["entrada"]
    edit_lead(lead=lead, now=NOW, by=None, treatment_type="automated_call")
    assert stages(lead) == ["entrada", "perfilamiento", "calificacion_financiera"]


def test_what_was_so_elsewhere_stays_so(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, cause="migration", **WISH, **REACHED)
    assert stages(lead) == ["entrada"]


def test_move_forwards_goes_on_by_the_table(broker: Broker, agent: User) -> None:
    lead = create_lead(broker=broker, now=NOW, name="Ana Soto", phone="+56987654321", **POOR)
    move(lead, "calificacion_financiera", agent)
    assert stages(lead)[1:] == ["perfilamiento", "calificacion_financiera", "perdido"]


def test_reopened_lead_is_not_lost_again_until_something_new_is_said(broker: Broker, agent: User) -> None:
    lead = create_lead(broker=broker, now=NOW, **WISH, **REACHED, **POOR)
    move(lead, "perfilamiento", agent)
    record_inbound(lead=lead, now=NOW, answers=None)
    recalculate_scores(clock=lambda: NOW)
    assert now_of(lead).pipeline_stage == "perfilamiento"
    edit_lead(lead=lead, now=NOW, by=agent, income_amount=1_200_000)
    assert now_of(lead).pipeline_stage == "calificacion_financiera"


def test_correction_stands(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, **WISH, **REACHED)
    move(lead, "entrada", an_admin(broker), cause="correction", reason="typing error")
    record_inbound(lead=lead, now=NOW, answers=None)
    recalculate_scores(clock=lambda: NOW)
    assert now_of(lead).pipeline_stage == "entrada"


def test_deleted_lead_moves_no_more(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, name="Ana Soto")
    Lead.objects.update(deleted_at=NOW, location="Macul")
    after_fact_change(lead=lead, now=NOW, cause="edit")
    assert stages(lead) == ["entrada"]


@pytest.mark.parametrize(("to", "reasons"), [(to, list(reasons.values)) for to, reasons in CLOSE_REASONS.items()])
def test_every_close_reason_is_kept(broker: Broker, agent: User, to: str, reasons: list[str]) -> None:
    for reason in reasons:
        lead = create_lead(broker=broker, now=NOW, stage="seguimiento")
        move(lead, to, agent, reason=reason)
    assert list(StageTransition.objects.filter(to_stage=to).order_by("id").values_list("reason", flat=True)) == reasons


@pytest.mark.parametrize(
    ("to", "reason", "refusal"),
    [
        ("perdido", "", "reason_required"),
        ("ganado", "", "reason_required"),
        ("perdido", "reserva", "reason_unknown"),
        ("ganado", "precio", "reason_unknown"),
        ("perdido", "Precio", "reason_unknown"),
    ],
)
def test_close_without_a_reason_of_the_list_is_refused(
    broker: Broker, agent: User, to: str, reason: str, refusal: str
) -> None:
    lead = create_lead(broker=broker, now=NOW, stage="seguimiento")
    with pytest.raises(Refused) as refused:
        move(lead, to, agent, reason=reason)
    assert (refused.value.reason, now_of(lead).pipeline_stage) == (refusal, "seguimiento")
    assert ", ".join(CLOSE_REASONS[to].values) in str(refused.value)


@pytest.mark.parametrize("cause", ["correction", "migration"])
def test_correction_and_what_was_so_elsewhere_have_words_of_their_own(broker: Broker, cause: str) -> None:
    lead = create_lead(broker=broker, now=NOW, stage="seguimiento")
    move(lead, "perdido", an_admin(broker), cause=cause, reason="entered twice by mistake")
    assert StageTransition.objects.get(to_stage="perdido").reason == "entered twice by mistake"
