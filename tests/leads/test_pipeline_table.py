"""The transition table of the design, every from and every to."""

import itertools

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import allowed_moves, move_stage
from leads.models import Lead, Stage
from tests.building import NOW, a_broker, a_lead, a_meeting, a_user, an_admin

pytestmark = pytest.mark.django_db

TABLE = {
    "entrada": {"perfilamiento", "calificacion_financiera", "agendado", "perdido"},
    "perfilamiento": {"calificacion_financiera", "agendado", "perdido"},
    "calificacion_financiera": {"agendado", "seguimiento", "perdido"},
    "agendado": {"seguimiento", "ganado", "perdido"},
    "seguimiento": {"calificacion_financiera", "agendado", "ganado", "perdido"},
    "ganado": {"referidos"},
    "referidos": set(),
    "perdido": {"perfilamiento"},
}
PAIRS = list(itertools.product(Stage.values, Stage.values))


@pytest.fixture
def broker() -> Broker:
    return a_broker()


def lead_in(broker: Broker, stage: str, *, is_booked: bool = True) -> Lead:
    """On hold, where nothing moves by itself."""
    lead = a_lead(broker, stage=stage, assigned_to=a_user(broker), treatment_type="hold")
    if is_booked:
        a_meeting(lead)
    return lead


def move(lead: Lead, to: str) -> Lead:
    return move_stage(lead=lead, to=to, now=NOW, cause="agent", reason="otro" if to in ("perdido", "ganado") else "")


def test_table_speaks_of_every_stage() -> None:
    assert TABLE.keys() == set(Stage.values)


@pytest.mark.parametrize(("start", "to"), [pair for pair in PAIRS if pair[1] in TABLE[pair[0]]])
def test_move_of_the_table_is_made(broker: Broker, start: str, to: str) -> None:
    assert move(lead_in(broker, start), to).pipeline_stage == to


@pytest.mark.parametrize(("start", "to"), [pair for pair in PAIRS if pair[1] not in TABLE[pair[0]]])
def test_move_outside_the_table_is_refused(broker: Broker, start: str, to: str) -> None:
    lead = lead_in(broker, start)
    with pytest.raises(Refused) as refused:
        move(lead, to)
    assert refused.value.reason == "stage_not_allowed"
    assert all(word in str(refused.value) for word in (start, to, *TABLE[start]))
    assert Lead.objects.get(pk=lead.pk).pipeline_stage == start


@pytest.mark.parametrize("stage", Stage.values)
def test_allowed_moves_are_those_of_the_table(broker: Broker, stage: str) -> None:
    assert set(allowed_moves(lead_in(broker, stage))) == TABLE[stage]


@pytest.mark.parametrize("stage", [stage for stage in TABLE if "agendado" in TABLE[stage]])
def test_booked_stage_needs_a_live_appointment(broker: Broker, stage: str) -> None:
    lead = lead_in(broker, stage, is_booked=False)
    with pytest.raises(Refused) as refused:
        move(lead, "agendado")
    assert (refused.value.reason, "agendado" in allowed_moves(lead)) == ("stage_not_allowed", False)


@pytest.mark.parametrize("status", ["proposed", "cancelled", "completed", "no_show"])
def test_appointment_that_is_not_live_books_nothing(broker: Broker, status: str) -> None:
    lead = lead_in(broker, "entrada")
    lead.appointments.update(status=status)
    assert "agendado" not in allowed_moves(lead)


@pytest.mark.parametrize(("start", "to"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_correction_goes_anywhere(broker: Broker, start: str, to: str) -> None:
    lead = lead_in(broker, start, is_booked=False)
    admin = an_admin(broker)
    moved = move_stage(lead=lead, to=to, now=NOW, cause="correction", by=admin, reason="typing error")
    assert moved.pipeline_stage == to


@pytest.mark.parametrize("stage", Stage.values)
def test_correction_to_the_same_stage_is_refused(broker: Broker, stage: str) -> None:
    lead = lead_in(broker, stage)
    with pytest.raises(Refused):
        move_stage(lead=lead, to=stage, now=NOW, cause="correction", by=an_admin(broker), reason="x")


def test_unknown_stage_is_refused_naming_those_there_are(broker: Broker) -> None:
    with pytest.raises(Refused, match=r"stage='vendido' .+ entrada, perfilamiento") as refused:
        move(a_lead(broker), "vendido")
    assert refused.value.reason == "stage_unknown"
