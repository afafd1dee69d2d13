from collections.abc import Iterator
from dataclasses import asdict
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation

from brokers.rules import (
    ContactWindow,
    default_contact_window,
    validate_contact_window,
    validate_custom_fields,
    validate_qualification_rules,
    validate_score_thresholds,
    validate_score_weights,
    validate_timezone,
)
from brokers.score_rules import QualificationRules, ScoreRules

NINE, EIGHT_PM = time(9), time(20)


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


def test_default_window_is_monday_to_saturday() -> None:
    assert ContactWindow.parse(default_contact_window()).days == ((NINE, EIGHT_PM),) * 6 + (None,)


def test_window_is_closed_on_days_left_out() -> None:
    assert ContactWindow.parse({"tue": ["09:00", "20:00"]}).days == (None, (NINE, EIGHT_PM), *[None] * 5)


@pytest.mark.parametrize(("data", "opens"), [({}, False), ({"sun": None}, False), ({"sun": ["09:00", "09:01"]}, True)])
def test_window_knows_whether_it_ever_opens(data: dict[str, Any], opens: bool) -> None:
    assert ContactWindow.parse(data).ever_opens is opens


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"lunes": None}, "lunes"),
        ({"mon": ["20:00", "09:00"]}, "mon"),
        ({"mon": ["09:00", "09:00"]}, "must open before it closes"),
        ({"mon": ["9", "x"]}, "mon"),
        ({"mon": ["09:00"]}, "mon"),
        ({"mon": 9}, "mon"),
        ({"mon": ["25:00", "26:00"]}, "mon"),
        ([1], "1"),
        ("mon", "mon"),
        (None, "None"),
    ],
)
def test_window_refuses_what_it_cannot_read(data: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        validate_contact_window(data)


def test_score_rules_overlay_the_defaults() -> None:
    rules = ScoreRules.parse({"name": 7, "income_tiers": [[10, 1], [20, 2]]}, {"cold_max": 10})
    changed = {key: value for key, value in asdict(rules).items() if value != asdict(ScoreRules())[key]}
    assert changed == {"name": 7, "income_tiers": ((20, 2), (10, 1)), "cold_max": 10}


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"nombre": 1}, "nombre"),
        ({"name": "5"}, "name='5'"),
        ({"name": True}, "name=True"),
        ({"name": 1.5}, "name=1.5"),
        ({"income_tiers": 3}, "income_tiers=3"),
        ({"income_tiers": [[1]]}, "income_tiers"),
        ({"income_tiers": [["a", 1]]}, "income_tiers"),
    ],
)
def test_score_weights_are_refused_by_name(weights: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        validate_score_weights(weights)


@pytest.mark.parametrize(
    "thresholds",
    [{"cold_max": 50}, {"cold_max": -1}, {"warm_max": 101}, {"cold_max": 60, "warm_max": 40}, {"hot": 3}],
)
def test_score_thresholds_must_rise(thresholds: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        validate_score_thresholds(thresholds)


def test_qualification_rules_overlay_the_defaults() -> None:
    assert QualificationRules.parse({"debt_max": "1.5"}) == QualificationRules(debt_max=Decimal("1.5"))


@pytest.mark.parametrize(
    "data", [{"debt": 1}, {"debt_max": -1}, {"debt_max": "x"}, {"debt_max": "NaN"}, {"debt_max": None}]
)
def test_qualification_rules_are_refused_by_name(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="debt"):
        validate_qualification_rules(data)


@pytest.mark.parametrize("zone", ["America/Santiago", "UTC", ""])
def test_timezone_known_or_empty_is_taken(zone: str) -> None:
    validate_timezone(zone)


@pytest.mark.parametrize("zone", ["Santiago", "America/Nowhere", "../etc/passwd", "GMT+25"])
def test_timezone_nobody_knows_is_refused(zone: str) -> None:
    """failures.md row 21: zones are validated on write."""
    with pytest.raises(ValidationError, match="is not allowed"):
        validate_timezone(zone)


def test_custom_fields_are_taken() -> None:
    validate_custom_fields([{"key": "mascota", "label": "Mascota"}, {"key": "pisos", "type": "number"}])


@pytest.mark.parametrize(
    "fields",
    [
        [{"key": "con espacio"}],
        [{"label": "sin key"}],
        [{"key": "a"}, {"key": "a"}],
        [{"key": "a", "type": "json"}],
        [{"key": "1a"}],
        ["mascota"],
        {"key": "a"},
    ],
)
def test_custom_fields_are_refused(fields: Any) -> None:
    with pytest.raises(ValidationError):
        validate_custom_fields(fields)
