"""The worked table: the score, status, qualification, stage and priority that docs/scoring.md gives to leads, by the
verbs themselves."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from brokers.models import Broker
from brokers.score_rules import QualificationRules
from leads.actions import create_lead, edit_lead, record_call, record_inbound, record_permission
from leads.advancing import is_real_name
from leads.models import Appointment, Lead, StageTransition
from leads.priority import priority_of
from leads.qualification import qualify
from tests.building import NOW, a_broker, a_user, book, now_of

RULES = QualificationRules()
WISH = {"name": "Ana Soto", "location": "Ñuñoa", "metadata": {"budget": "3.000 UF", "timeline": "ya"}}
REACHED = {"phone": "+56987654321", "email": "ana@example.com"}
MEANS = {"income_amount": 1_000_000, "dicom_status": "clean"}


def standing(lead: Lead) -> tuple[int, str, str, str, str]:
    fresh = now_of(lead)
    return (
        fresh.lead_score,
        fresh.status,
        fresh.qualification,
        fresh.pipeline_stage,
        priority_of(fresh).name,
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "comes_to"),
    [
        ({}, (0, "cold", "", "entrada", "ALTA")),
        ({"name": "Ana Soto"}, (5, "cold", "", "entrada", "ALTA")),
        ({"name": "+56 9 8765 4321", **REACHED}, (15, "cold", "", "entrada", "ALTA")),
        ({"name": "Ana Soto", "email": "ana@example.com"}, (10, "cold", "", "entrada", "ALTA")),
        ({"name": "Ana Soto", "location": "Macul"}, (12, "cold", "", "perfilamiento", "ALTA")),
        ({"name": "Ana Soto", "budget_amount": 90_000_000}, (17, "cold", "", "perfilamiento", "ALTA")),
        ({"name": "Ana Soto", **REACHED}, (17, "cold", "", "perfilamiento", "ALTA")),
        # The wish is known: 37 points are too few, 41 enough (income 500,000 is worth 4, 1,000,000 is 8).
        ({**WISH, **REACHED}, (37, "warm", "", "perfilamiento", "ALTA")),
        ({**WISH, **REACHED, "income_amount": 499_999}, (37, "warm", "", "perfilamiento", "ALTA")),
        ({**WISH, **REACHED, "income_amount": 500_000}, (43, "warm", "", "calificacion_financiera", "MEDIA")),
        ({**WISH, **REACHED, **MEANS}, (57, "hot", "CALIFICADO", "calificacion_financiera", "ALTA")),
        ({**WISH, **REACHED, **MEANS, "income_amount": 999_999}, (54, "hot", "POTENCIAL", "seguimiento", "MEDIA")),
        ({**WISH, **REACHED, **MEANS, "income_amount": 499_999}, (35, "lost", "NO_CALIFICADO", "perdido", "ARCHIVADO")),
        ({**WISH, **REACHED, **MEANS, "treatment_type": "hold"}, (53, "hot", "CALIFICADO", "entrada", "ARCHIVADO")),
    ],
)
def test_new_lead_stands_where_its_facts_put_it(facts: dict[str, Any], comes_to: tuple[Any, ...]) -> None:
    assert standing(create_lead(broker=a_broker(), now=NOW, **facts)) == comes_to


@pytest.mark.parametrize(
    ("income", "debt", "dicom", "value"),
    [
        (None, None, "", ""),
        (None, None, "clean", ""),
        (None, 600_000, "has_debt", ""),
        (400_000, None, "", ""),
        (2_000_000, None, "", ""),
        (499_999, None, "clean", "NO_CALIFICADO"),
        (500_000, None, "clean", "POTENCIAL"),
        (999_999, None, "clean", "POTENCIAL"),
        (1_000_000, None, "clean", "CALIFICADO"),
        (1_000_000, 0, "clean", "CALIFICADO"),
        (1_000_000, 1, "clean", "POTENCIAL"),
        (1_000_000, 500_001, "clean", "NO_CALIFICADO"),
        (1_000_000, None, "has_debt", ""),
        (400_000, None, "has_debt", ""),
        (1_000_000, 0, "has_debt", "POTENCIAL"),
        (1_000_000, 500_000, "has_debt", "POTENCIAL"),
        (1_000_000, 500_001, "has_debt", "NO_CALIFICADO"),
        (499_999, 500_000, "has_debt", "NO_CALIFICADO"),
    ],
)
def test_qualification_follows_the_table(income: int | None, debt: int | None, dicom: str, value: str) -> None:
    known = [None if amount is None else Decimal(amount) for amount in (income, debt)]
    assert qualify(known[0], known[1], dicom, RULES).value == value


@pytest.mark.parametrize(
    ("income", "debt", "dicom", "says"),
    [
        (None, None, "", ["Monthly income is not known.", "DICOM is not known."]),
        (1_000_000, None, "has_debt", ["DICOM shows debt; how much is not known."]),
        (400_000, 600_000, "clean", ["Monthly income 400,000 is below 500,000.", "Debt 600,000 is above 500,000."]),
        (
            2_000_000,
            None,
            "clean",
            ["Monthly income 2,000,000 is at least 1,000,000.", "DICOM is clean and there is no debt."],
        ),
    ],
)
def test_qualification_says_why(income: int | None, debt: int | None, dicom: str, says: list[str]) -> None:
    known = [None if amount is None else Decimal(amount) for amount in (income, debt)]
    with translation.override("en"):
        assert qualify(known[0], known[1], dicom, RULES).sentences() == says


def test_qualification_follows_the_brokers_own_amounts() -> None:
    own = QualificationRules.parse({"income_min": 10, "income_qualified": 20, "debt_max": 5})
    found = [qualify(Decimal(income), Decimal(debt), "clean", own).value for income, debt in ((9, 0), (19, 5), (20, 0))]
    assert found == ["NO_CALIFICADO", "POTENCIAL", "CALIFICADO"]


@pytest.mark.parametrize("name", ["Ana", "Ana Soto", "Íñigo", "李小龍", "  ana  ", "O'Higgins", "José María"])
def test_real_name_is_one(name: str) -> None:
    assert is_real_name(name) is True


@pytest.mark.parametrize(
    "name",
    ["", " ", "A", "?", "+56 9 8765 4321", "ana@example.com", "Usuario 4821", "Sin  Nombre", "TEST", "www.casa.cl"],
)
def test_what_stands_in_a_names_place_is_none(name: str) -> None:
    assert is_real_name(name) is False


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker()


def path(lead: Lead) -> list[tuple[str, str, str]]:
    rows = StageTransition.objects.filter(lead=lead).order_by("id")
    return list(rows.values_list("to_stage", "cause", "reason"))


def test_every_step_of_the_way_is_a_row(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, **WISH, **REACHED, **MEANS | {"income_amount": 499_999})
    assert path(lead) == [
        ("entrada", "arrival", ""),
        ("perfilamiento", "auto", ""),
        ("calificacion_financiera", "auto", ""),
        ("perdido", "auto", "no_califica"),
    ]


def test_lead_goes_on_when_the_fortieth_point_comes(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, **WISH, **REACHED)
    record_inbound(lead=lead, now=NOW, answers=None)
    assert standing(lead)[:4] == (43, "warm", "", "calificacion_financiera")


def test_calls_points_stay(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, name="Ana Soto")
    for points in (20, 20, -10):
        record_call(lead=lead, now=NOW, seconds=30, points=points)
    fresh = now_of(lead)
    assert (fresh.call_score, fresh.score_components) == (30, {"name": 5, "calls": 20})


def test_booking_and_what_became_of_it_move_the_lead(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, assigned_to=a_user(broker), **WISH, **REACHED, **MEANS)
    book(lead, NOW)
    assert standing(lead) == (66, "hot", "CALIFICADO", "agendado", "URGENTE")
    Appointment.objects.update(status="completed")
    edit_lead(lead=lead, now=NOW, by=None, notes="they came")
    assert standing(lead)[2:] == ("CALIFICADO", "seguimiento", "MEDIA")


def test_opt_out_costs_thirty_points(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, **WISH, **REACHED)
    record_permission(broker=broker, lead=lead, kind="revoked", now=NOW, source="form")
    assert standing(lead) == (7, "cold", "", "perfilamiento", "BAJA")


def test_reply_that_waits_is_urgent_until_a_person_answers(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, name="Ana Soto")
    record_inbound(lead=lead, now=NOW, answers=None)
    waiting = standing(lead)[4]
    Lead.objects.update(last_answered_at=NOW + timedelta(minutes=1))
    assert (waiting, standing(lead)[4]) == ("URGENTE", "BAJA")
