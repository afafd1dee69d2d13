"""A condition is plain data; what is wrong with it is said by name."""

from typing import Any

import pytest

from brokers.refusal import Refused
from leads.filters import LeadFilter
from leads.models import Lead
from tests.building import NOW, a_broker, a_lead

SOUND: dict[str, list[Any]] = {
    "score_min": [0, 40, 100, "40"],
    "score_max": [0, 100],
    "stage": ["entrada", ["entrada", "ganado"], "entrada,ganado"],
    "status": ["hot", ["cold", "warm"]],
    "qualification": ["CALIFICADO"],
    "treatment": ["hold"],
    "inactivity_days": [1, 3650, "30"],
    "in_stage_days": [7],
    "tags_any": ["vip", ["vip", "norte"]],
    "tags_all": [["vip", "norte"]],
    "assigned": ["yes", "no", "12", 12],
    "source": ["portal", ["portal", "web"]],
    "language": ["es"],
    "location": ["Ñuñoa"],
    "location_any": ["Ñuñoa", ["Ñuñoa", "Providencia"]],
    "property_type": ["casa", ["casa", "departamento"]],
    "has_email": [True, False, "true"],
    "has_phone": [True, False],
    "has_telegram": [True, False],
    "budget_min": [0, 1_000_000, "1500000.50"],
    "budget_max": [1],
    "never_contacted": [True, False],
    "created_after": ["2026-01-31", "2026-01-31T10:00:00Z"],
    "created_before": ["2026-01-31 10:00"],
}
WRONG: dict[str, list[Any]] = {
    "score_min": [-1, 101, "many", True, 40.5, [40], {"a": 1}],
    "score_max": [101, "x"],
    "stage": ["vendido", ["entrada", "vendido"], 5, {"a": 1}, [None]],
    "status": ["tibio"],
    "qualification": ["calificado"],
    "treatment": ["automatic"],
    "inactivity_days": [0, -3, 3651, 1.5, "una semana", False],
    "in_stage_days": [0, "x"],
    "tags_any": [5, [5], {"a": 1}, [""], [["vip"]]],
    "tags_all": [5, True, "\x00"],
    "assigned": ["maybe", -1, True, [1]],
    "source": [5, "a\x00b", ["\ud83d"]],
    "language": [["es", 3]],
    "location": [["Ñuñoa"], {"a": 1}, 5, True],
    "location_any": [5, [""], {"a": 1}],
    "property_type": [5, [1]],
    "has_email": ["maybe", 5, ["x"], {"a": 1}],
    "has_phone": ["sí"],
    "has_telegram": [2],
    "budget_min": [-1, "mucho", "NaN", True, [1]],
    "budget_max": [-1],
    "never_contacted": ["x"],
    "created_after": ["ayer", 5, ["2026-01-31"], True],
    "created_before": ["31.01.2026"],
}


def each(table: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(key, value) for key, values in table.items() for value in values]


def test_every_condition_is_looked_at_here() -> None:
    assert (SOUND.keys(), WRONG.keys()) == (LeadFilter.base_filters.keys(), LeadFilter.base_filters.keys())


@pytest.mark.parametrize(("key", "value"), each(SOUND))
def test_sound_condition_is_one_clause(key: str, value: Any) -> None:
    clauses = LeadFilter.clauses({key: value}, now=NOW)
    assert [(clause.key, clause.value) for clause in clauses] == [(key, value)]


@pytest.mark.parametrize(("key", "value"), each(WRONG))
def test_wrong_value_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(Refused) as refused:
        LeadFilter.clauses({key: value}, now=NOW)
    assert (refused.value.reason, len(refused.value.faults)) == ("condition_invalid", 1)
    assert refused.value.faults[0].startswith(f"{key}={value!r}: ")


@pytest.mark.parametrize("key", ["score", "SCORE_MIN", "phone", "pipeline_stage", "", "last_call"])
def test_unknown_key_is_refused_naming_those_there_are(key: str) -> None:
    with pytest.raises(Refused, match="is no condition; allowed are score_min, score_max, stage") as refused:
        LeadFilter.clauses({key: 1}, now=NOW)
    assert refused.value.reason == "condition_invalid"


def test_every_fault_is_said_at_once() -> None:
    with pytest.raises(Refused) as refused:
        LeadFilter.clauses({"score": 1, "score_min": "x", "stage": "vendido", "has_email": True}, now=NOW)
    assert len(refused.value.faults) == 3


@pytest.mark.parametrize("data", [None, [], "score_min", 5, [("score_min", 3)]])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(Refused) as refused:
        LeadFilter.checked(data, now=NOW)
    assert refused.value.reason == "condition_invalid"


@pytest.mark.parametrize(("key", "value"), [("score_min", None), ("stage", []), ("location", ""), ("has_email", None)])
def test_condition_that_says_nothing_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(Refused) as refused:
        LeadFilter.clauses({key: value}, now=NOW)
    assert refused.value.faults[0].startswith(f"{key}={value!r} ")


def test_no_condition_is_no_clause() -> None:
    assert LeadFilter.clauses({}, now=NOW) == []


def test_empty_input_of_a_list_filter_chooses_everybody(db: None) -> None:
    lead = a_lead(a_broker())
    assert list(LeadFilter({"score_min": "", "stage": ""}, queryset=Lead.objects.all(), now=NOW).qs) == [lead]


CANONICAL: list[tuple[str, Any, Any]] = [
    ("score_min", "40", 40),
    ("inactivity_days", 30.0, 30),
    ("stage", "entrada, perfilamiento", ["entrada", "perfilamiento"]),
    ("tags_any", "vip", ["vip"]),
    ("has_email", "true", True),
    ("assigned", 12, "12"),
    ("location", " Ñuñoa ", "Ñuñoa"),
    ("budget_min", 1_000_000, 1_000_000),
    ("budget_max", "1500000.50", "1500000.50"),
    ("created_after", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00+00:00"),
]


@pytest.mark.parametrize(("key", "given", "stored"), CANONICAL)
def test_condition_is_stored_in_one_form(key: str, given: Any, stored: Any) -> None:
    once = LeadFilter.canonical({key: given}, now=NOW)
    assert (once, type(once[key])) == ({key: stored}, type(stored))
    assert LeadFilter.canonical(once, now=NOW) == once


def test_clauses_keep_their_order_and_stored_values() -> None:
    data = {"stage": "entrada,ganado", "score_min": "40"}
    assert [(clause.key, clause.value) for clause in LeadFilter.clauses(data, now=NOW)] == list(data.items())
