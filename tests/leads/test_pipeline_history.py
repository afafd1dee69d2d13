"""Who moved a lead, when and why: from its birth on."""

from datetime import timedelta
from typing import Any

import pytest

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions import move_stage
from leads.models import Lead, ScoreChange, StageTransition
from tests.building import DAY, NOW, a_broker, a_lead, a_user, an_admin, now_of

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=3)


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker)


def history(lead: Lead) -> list[tuple[str, str, str]]:
    return list(lead.transitions.order_by("id").values_list("from_stage", "to_stage", "cause"))


def test_new_lead_has_its_birth(lead: Lead) -> None:
    assert history(lead) == [("", "entrada", "arrival")]


def test_lead_born_in_a_later_stage_has_its_birth_there(broker: Broker) -> None:
    migrated = a_lead(broker, stage="seguimiento", cause="migration")
    assert history(migrated) == [("", "seguimiento", "migration")]


def test_move_writes_its_row_with_who_and_why(broker: Broker, lead: Lead) -> None:
    agent = a_user(broker)
    move_stage(lead=lead, to="perdido", now=LATER, cause="agent", by=agent, reason="precio")
    row = StageTransition.objects.get(lead=lead, to_stage="perdido")
    assert (row.broker, row.from_stage, row.at, row.by, row.cause, row.reason) == (
        broker,
        "entrada",
        LATER,
        agent,
        "agent",
        "precio",
    )


def test_move_stamps_the_lead(lead: Lead) -> None:
    moved = move_stage(lead=lead, to="perfilamiento", now=LATER, cause="agent")
    fresh = now_of(lead)
    assert (fresh.stage_entered_at, fresh.updated_at, fresh.last_activity_at) == (LATER, LATER, LATER)
    assert (moved.pipeline_stage, moved.lead_score) == (fresh.pipeline_stage, fresh.lead_score)


@pytest.mark.parametrize("cause", ["auto", "campaign", "import", "api"])
def test_move_by_a_machine_is_no_sign_of_life(lead: Lead, cause: str) -> None:
    move_stage(lead=lead, to="perfilamiento", now=LATER, cause=cause)
    assert now_of(lead).last_activity_at == NOW


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (["perdido"], "lost"),
        (["perdido", "perfilamiento"], "cold"),
        (["calificacion_financiera", "seguimiento", "ganado"], "converted"),
        (["calificacion_financiera", "seguimiento", "ganado", "referidos"], "converted"),
    ],
)
def test_move_sets_the_status(lead: Lead, path: list[str], status: str) -> None:
    for stage in path:
        lead = move_stage(lead=lead, to=stage, now=LATER, cause="agent", reason="otro")
    assert now_of(lead).status == status


def test_move_changes_the_score_and_writes_it_down(lead: Lead) -> None:
    before = lead.lead_score
    move_stage(lead=lead, to="perfilamiento", now=LATER, cause="agent")
    change = ScoreChange.objects.get(lead=lead, at=LATER)
    assert (change.from_score, change.to_score, change.cause) == (before, before + 2, "stage")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"to": "perdido", "cause": "agent"}, "reason_required"),
        ({"to": "perdido", "cause": "campaign"}, "reason_required"),
        ({"to": "ganado", "cause": "correction"}, "reason_required"),
        ({"to": "ganado", "cause": "correction", "reason": "x"}, "not_admin"),
    ],
)
def test_refused_move_changes_nothing(lead: Lead, how: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        move_stage(lead=lead, now=LATER, **how)
    assert (refused.value.reason, history(lead)) == (reason, [("", "entrada", "arrival")])
    assert now_of(lead).updated_at == NOW


def test_agent_may_not_correct(broker: Broker, lead: Lead) -> None:
    with pytest.raises(Refused) as refused:
        move_stage(lead=lead, to="ganado", now=NOW, cause="correction", by=a_user(broker), reason="x")
    assert refused.value.reason == "not_admin"


def test_correction_marks_row_and_score_so_that_nothing_fires(broker: Broker, lead: Lead) -> None:
    move_stage(lead=lead, to="ganado", now=LATER, cause="correction", by=an_admin(broker), reason="typing error")
    assert history(lead)[-1] == ("entrada", "ganado", "correction")
    assert ScoreChange.objects.get(lead=lead, at=LATER).cause == "correction"


def test_operator_may_correct(lead: Lead) -> None:
    operator = User.objects.create(username="root", is_superuser=True)
    moved = move_stage(lead=lead, to="ganado", now=LATER, cause="correction", by=operator, reason="x")
    assert moved.pipeline_stage == "ganado"


def test_stage_seen_earlier_is_refused_after_somebody_moved_it(lead: Lead) -> None:
    seen = now_of(lead)
    move_stage(lead=lead, to="calificacion_financiera", now=LATER, cause="agent")
    with pytest.raises(Refused, match=r"entrada .+ calificacion_financiera") as refused:
        move_stage(lead=seen, to="perfilamiento", now=LATER, cause="agent")
    assert (refused.value.reason, len(history(lead))) == ("stage_changed", 2)


def test_edit_of_another_column_does_not_stop_a_move(lead: Lead) -> None:
    Lead.objects.filter(pk=lead.pk).update(notes="llamar el lunes")
    move_stage(lead=lead, to="perfilamiento", now=LATER, cause="agent")
    assert now_of(lead).notes == "llamar el lunes"


def test_stage_cannot_be_assigned(lead: Lead) -> None:
    with pytest.raises(AttributeError, match="pipeline_stage"):
        lead.pipeline_stage = "ganado"
    assert now_of(lead).pipeline_stage == "entrada"


def test_move_keeps_the_moment_of_birth(lead: Lead) -> None:
    move_stage(lead=lead, to="perfilamiento", now=NOW + DAY, cause="agent")
    assert lead.transitions.get(from_stage="").at == NOW
