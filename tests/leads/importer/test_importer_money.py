"""Amounts are read where they are certain, and nowhere else."""

from decimal import Decimal

import pytest

from leads.importer import money


@pytest.mark.parametrize(
    ("said", "pesos"),
    [
        ("1.500.000", 1_500_000),
        ("$1,500,000", 1_500_000),
        ("$ 1.500.000.-", 1_500_000),
        ("1500000", 1_500_000),
        ("1500000.50", Decimal("1500000.50")),
        ("1.500.000,50", Decimal("1500000.50")),
        ("1,500,000.50", Decimal("1500000.50")),
        ("85 000 000", 85_000_000),
        ("85.000.000 pesos", 85_000_000),
        ("CLP 85000000", 85_000_000),
        ("1,5 MM", 1_500_000),
        ("1.5 millones", 1_500_000),
        ("MM$ 85", 85_000_000),
        ("85 millones de pesos", 85_000_000),
        ("hasta 85 millones", 85_000_000),
        ("500 mil", 500_000),
        ("500k", 500_000),
        ("800 lucas", 800_000),
        ("850.000 líquidos", 850_000),
        ("0", 0),
    ],
)
def test_amount_is_read_in_every_usual_writing(said: str, pesos: Decimal) -> None:
    assert money.amount(said, "CLP") == pesos


@pytest.mark.parametrize("said", ["3.000 UF", "UF 3.000", "3000uf", "UF3.500,5", "entre 3.000 y 4.000 UF"])
def test_amount_in_uf_is_never_pesos(said: str) -> None:
    assert money.amount(said, "CLP") is None


def test_amount_in_uf_is_converted_at_the_brokers_rate() -> None:
    assert money.amount("UF 3.000", "CLP", Decimal("38500.25")) == Decimal("115500750.00")


@pytest.mark.parametrize(
    "said",
    [
        "50 - 80 millones",
        "entre 50 y 80 millones",
        "85M",
        "1.500 MM",
        "medio millón",
        "a convenir",
        "US$ 150.000",
        "€ 90.000",
        "3500",
        "1.500",
        "-500000",
        "120%",
        "1.500.00",
        "1,5E+08",
        "desde 50 millones",
        "",
        "9" * 20,
    ],
)
def test_amount_that_is_not_certain_is_none(said: str) -> None:
    assert money.amount(said, "CLP") is None


@pytest.mark.parametrize(("said", "currency"), [("US$ 150,000", "USD"), ("$150.000", "USD"), ("S/ 150.000", "PEN")])
def test_amount_is_read_in_the_brokers_own_currency(said: str, currency: str) -> None:
    assert money.amount(said, currency) == 150_000


@pytest.mark.parametrize(
    ("said", "pesos"), [("no", 0), ("Sin deudas", 0), ("0", 0), ("$ 350.000", 350_000), ("sí", None)]
)
def test_debt_may_be_none_at_all(said: str, pesos: int | None) -> None:
    assert money.owed(said, "CLP") == pesos
