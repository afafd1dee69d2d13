"""Who asks anew goes before whoever is followed up, until somebody writes to them: in Python and in SQL alike."""

from datetime import datetime
from typing import Any

import pytest

from leads.actions import record_inquiry
from leads.models import Lead
from leads.priority import Priority, priority_of
from tests.building import DAY, NOW, a_broker, a_lead

pytestmark = pytest.mark.django_db
BEFORE, AFTER = NOW - DAY, NOW + DAY


def priorities(**columns: Any) -> tuple[Priority, Priority]:
    """By Python and by SQL, of a lead who was contacted long ago and asks now."""
    lead = a_lead(a_broker(), now=BEFORE)
    record_inquiry(lead=lead, now=NOW, source="portal")
    Lead.objects.filter(pk=lead.pk).update(**{"last_contacted_at": BEFORE} | columns)
    row: Any = Lead.objects.with_priority().get(pk=lead.pk)
    return priority_of(row), Priority(row.priority)


def test_known_lead_who_asks_again_is_among_the_high() -> None:
    assert priorities() == (Priority.ALTA, Priority.ALTA)


def test_whoever_bought_and_asks_again_is_no_archive() -> None:
    assert priorities(pipeline_stage="ganado") == (Priority.ALTA, Priority.ALTA)


@pytest.mark.parametrize(
    "columns", [{"last_contacted_at": AFTER}, {"last_answered_at": AFTER}, {"opted_out_at": BEFORE}]
)
def test_answer_or_objection_ends_it(columns: dict[str, datetime]) -> None:
    by_python, by_sql = priorities(**columns)
    assert (by_python == by_sql, by_python > Priority.ALTA) == (True, True)
