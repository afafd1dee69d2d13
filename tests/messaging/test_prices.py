"""What a message costs: by the longest prefix that fits, and on WhatsApp by its kind."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation

from messaging.prices import Prices, amount_of, cost_of, kind_of, prefix_of, valid_prices

TABLE = {
    "currency": "USD",
    "prices": {
        "": {"own_words": "0.005", "marketing": "0.1", "utility": "0.03"},
        "+56": {"marketing": "0.09"},
        "+569": {"marketing": "0.08", "own_words": "0"},
    },
}


@pytest.mark.parametrize(
    ("address", "kind", "cost"),
    [
        ("+56987654321", "marketing", "0.08"),
        ("+56222222222", "marketing", "0.09"),
        ("+5491122223333", "marketing", "0.1"),
        ("+56987654321", "own_words", "0"),
        ("+56222222222", "own_words", "0.005"),
        ("+56987654321", "utility", "0.03"),
        ("+56987654321", "message", None),
        ("ana@example.com", "marketing", "0.1"),
    ],
)
def test_longest_prefix_that_has_a_price_of_the_kind_counts(address: str, kind: str, cost: str | None) -> None:
    found = cost_of(Prices.parse(TABLE), address=address, kind=kind)
    assert found == (None if cost is None else Decimal(cost))


def test_without_prices_nobody_knows() -> None:
    assert cost_of(Prices.parse({}), address="+56987654321") is None


@pytest.mark.parametrize(
    ("channel", "purpose", "own", "kind"),
    [
        ("email", "marketing", True, "message"),
        ("call", "marketing", True, "message"),
        ("whatsapp", "marketing", True, "own_words"),
        ("whatsapp", "transactional", True, "own_words"),
        ("whatsapp", "marketing", False, "marketing"),
        ("whatsapp", "transactional", False, "utility"),
    ],
)
def test_whatsapp_has_three_kinds_of_messages_and_others_one(channel: str, purpose: str, own: bool, kind: str) -> None:
    assert kind_of(channel=channel, purpose=purpose, is_own_words=own) == kind


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("+56", "+56"),
        ("56", "+56"),
        ("+56 9", "+569"),
        ("cl", "+56"),
        ("CL", "+56"),
        ("US", "+1"),
        ("+1 (809)", "+1809"),
    ],
)
def test_destination_is_a_prefix_or_a_country(text: str, prefix: str) -> None:
    assert prefix_of(text) == prefix


@pytest.mark.parametrize("text", ["", "XX", "Chile", "DO", "CA", "+0", "+", "1234567890123456", "+56a"])
def test_destination_that_says_nothing_certain_is_refused(text: str) -> None:
    """The Dominican Republic shares +1 with others."""
    with pytest.raises(ValueError):
        prefix_of(text)


@pytest.mark.parametrize(("text", "amount"), [("0.05", "0.05"), ("0,05", "0.05"), (" 3 ", "3"), ("0", "0")])
def test_price_is_read_as_people_write_it(text: str, amount: str) -> None:
    assert amount_of(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "x", "-1", "1000000", "0.0000001", "nan", "inf", "1.000,5"])
def test_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        amount_of(text)


@pytest.mark.parametrize(
    "data",
    [
        {"prices": {}},
        {"currency": "usd", "prices": {}},
        {"currency": "USD"},
        {"currency": "USD", "prices": {}, "more": 1},
        {"currency": "USD", "prices": {"56": {"message": "1"}}},
        {"currency": "USD", "prices": {"": {"letter": "1"}}},
        {"currency": "USD", "prices": {"": {"message": "x"}}},
        {"currency": "USD", "prices": {"": 7}},
        {"currency": "USD", "prices": []},
        [1],
        7,
    ],
)
def test_table_that_is_none_is_not_stored(data: Any) -> None:
    with translation.override("en"), pytest.raises(ValidationError):
        valid_prices(data)


def test_table_is_stored_as_it_is_read() -> None:
    assert Prices.parse(TABLE).as_json() == TABLE
