"""Phone cells, in the formats that really arrive, against a Chilean broker."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.importer import phones
from leads.importer.values import Invalid


@pytest.mark.parametrize(
    "cell",
    [
        "9 8765 4321",
        "+56 9 8765 4321",
        "(09) 8765-4321",
        "09 8765 4321",
        "56987654321",
        "0056987654321",
        "+56 09 8765 4321",
        "56 56987654321",
        "p:+56987654321",
        "tel:+56-9-8765-4321",
        "WhatsApp: 9.8765.4321",
        "987654321 (Juan)",
        "56987654321.0",
        "5.6987654321E+10",
        "9,8765432100E8",
        "\u202a+56\u00a09 8765\u20114321\u202c",
        "９ ８７６５ ４３２１",
        "9 8765 4321 anexo 12",
        "+987654321",
    ],
)
def test_phone_is_e164_in_every_local_format(cell: str) -> None:
    assert phones.e164(cell, "CL") == "+56987654321"


@pytest.mark.parametrize(
    "cell",
    [
        "9 8765 4321 / 9 5555 0101",
        "9 8765 4321; 955550101",
        "9 8765 4321 - 9 5555 0101",
        "987654321 955550101",
        "12345, 9 8765 4321",
        "9 8765 4321\n9 5555 0101",
        "no tiene fijo, cel 9 8765 4321 o 9 5555 0101",
    ],
)
def test_phone_is_the_first_valid_of_several(cell: str) -> None:
    assert phones.e164(cell, "CL") == "+56987654321"


@pytest.mark.parametrize(
    ("cell", "country", "number"),
    [
        ("+54 9 11 5555 6666", "CL", "+5491155556666"),
        ("5491155556666", "CL", "+5491155556666"),
        ("+1 305 555 0123", "CL", "+13055550123"),
        ("2 2345 6789", "CL", "+56223456789"),
        ("011 15 5555 6666", "AR", "+5491155556666"),
        ("300 123 4567", "CO", "+573001234567"),
        ("987 654 321", "PE", "+51987654321"),
        ("+521 55 1234 5678", "MX", "+525512345678"),
        ("612 345 678", "ES", "+34612345678"),
    ],
)
def test_phone_follows_its_own_country_and_else_the_brokers(cell: str, country: str, number: str) -> None:
    assert phones.e164(cell, country) == number


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("12345", "has 5 digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…)"),
        ("no tiene", "has no digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…)"),
        ("98765432101", "has 11 digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…)"),
        ("999999999", "is a placeholder, not a phone number"),
        ("+56 9 9999 9999", "is a placeholder, not a phone number"),
        (
            "5,69877E+10",
            "was turned into a rounded number by Excel and its last digits are lost; "
            "format the column as text in the original and export again",
        ),
    ],
)
def test_phone_that_is_none_says_why(cell: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        phones.e164(cell, "CL")
    assert str(refused.value) == reason


def test_phone_of_an_unknown_country_is_refused() -> None:
    with pytest.raises(Invalid, match="knows no country 'XX'"):
        phones.e164("987654321", "XX")


@given(
    country=st.sampled_from(["CL", "MX", "ES"]),
    prefix=st.sampled_from(["", "0", "+56", "56", "+52", "52", "+34", "34", "00"]),
    national=st.from_regex(r"[2-9]\d{7,9}", fullmatch=True),
)
def test_phone_read_fast_is_what_phonenumbers_reads(country: str, prefix: str, national: str) -> None:
    plan = phones._plan(country)
    assert plan is not None
    fast = phones._plain(prefix + national, plan)
    if fast:
        assert fast == phones._careful(prefix + national, country)
        assert phonenumbers.is_valid_number(phonenumbers.parse(fast))
