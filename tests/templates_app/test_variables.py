from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from templates_app.variables import STANDARD, Surroundings, values_for

# 21:30 in Santiago the day before.
AROUND = Surroundings(
    broker_name="Inmobiliaria Aurora",
    timezone="America/Santiago",
    language="es",
    now=datetime(2026, 3, 5, 0, 30, tzinfo=UTC),
    agent_name="Carla Díaz",
    agent_phone="+56222222222",
    property_ref="Depto 12-B",
    booking_link="http://x/book/abc/",
    unsubscribe_link="http://x/u/abc/",
    preferences_link="http://x/preferences/abc/",
    telegram_link="https://t.me/aurora_bot?start=abc",
    appointment_at=datetime(2026, 3, 6, 13, 5, tzinfo=UTC),
)
NOTHING = Surroundings(broker_name="A", timezone="UTC", language="es", now=AROUND.now)


def a_lead(**fields: Any) -> SimpleNamespace:
    known: dict[str, Any] = {
        "name": "",
        "phone": "",
        "email": "",
        "location": "",
        "lead_score": 0,
        "pipeline_stage": "entrada",
        "budget_amount": None,
        "income_amount": None,
        "debt_amount": None,
        "dicom_status": "",
        "metadata": {},
    }
    return SimpleNamespace(**known | fields)


def value(variable: str, around: Surroundings = AROUND, /, **fields: Any) -> str:
    return values_for(a_lead(**fields), around, [variable])[variable]


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("name", {"name": "Ana María Pérez"}, "Ana María Pérez"),
        ("first_name", {"name": "Ana María Pérez"}, "Ana"),
        ("phone", {"phone": "+56987654321"}, "+56987654321"),
        ("email", {"email": "ana@example.com"}, "ana@example.com"),
        ("location", {"location": "Ñuñoa"}, "Ñuñoa"),
        ("score", {"lead_score": 42}, "42"),
        ("score", {"lead_score": 0}, "0"),
        ("stage", {"pipeline_stage": "agendado"}, "Booked"),
        ("budget", {"metadata": {"budget": "3.000 UF"}, "budget_amount": Decimal(9)}, "3.000 UF"),
        ("timeline", {"metadata": {"timeline": "3 meses"}}, "3 meses"),
        ("property_type", {"metadata": {"property_type": "casa"}}, "casa"),
        ("dicom_status", {"dicom_status": "clean"}, "clean"),
        ("mascota", {"metadata": {"mascota": "gato"}}, "gato"),
        ("bedrooms", {"metadata": {"bedrooms": 3}}, "3"),
    ],
)
def test_variable_takes_its_value_from_the_lead(name: str, fields: dict[str, Any], expected: str) -> None:
    around = Surroundings(broker_name="A", timezone="UTC", language="en", now=AROUND.now)
    assert value(name, around, **fields) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("broker_name", "Inmobiliaria Aurora"),
        ("agent_name", "Carla Díaz"),
        ("agent_phone", "+56222222222"),
        ("property", "Depto 12-B"),
        ("booking_link", "http://x/book/abc/"),
        ("unsubscribe_link", "http://x/u/abc/"),
        ("preferences_link", "http://x/preferences/abc/"),
        ("telegram_link", "https://t.me/aurora_bot?start=abc"),
        ("date", "4 de marzo de 2026"),
        ("appointment_date", "6 de marzo de 2026"),
        ("appointment_time", "10:05"),
    ],
)
def test_variable_takes_its_value_from_the_surroundings(name: str, expected: str) -> None:
    assert value(name) == expected


@pytest.mark.parametrize("amount", ["budget", "monthly_income", "debt"])
def test_variable_writes_amounts_as_people_do(amount: str) -> None:
    column = {"budget": "budget_amount", "monthly_income": "income_amount", "debt": "debt_amount"}[amount]
    assert value(amount, **{column: Decimal("1500000.00")}) == "$1.500.000"


@pytest.mark.parametrize("name", sorted(STANDARD - {"score", "stage", "broker_name", "date"}))
def test_variable_is_empty_where_nothing_is_known(name: str) -> None:
    assert value(name, NOTHING) == ""


@pytest.mark.parametrize("name", ["", " ", "\u00a0", "\t\n"])
def test_first_name_of_a_blank_name_is_empty(name: str) -> None:
    """failures.md row 5: a name of blanks must not break the batch it is in."""
    assert value("first_name", name=name) == ""


def test_values_are_those_that_are_wanted() -> None:
    assert values_for(a_lead(name="Ana"), AROUND, ["name"]) == {"name": "Ana"}
