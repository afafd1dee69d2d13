"""Leads that lie still in a stage: found by the filter, and by an index among many."""

import pytest
from django.db.models import QuerySet

from brokers.models import Broker
from leads.filters import LeadFilter
from leads.models import Lead
from tests.building import DAY, NOW, a_broker, a_lead
from tests.many import analyze, committed_rows, copies_of_lead

STAMPS = ("stage_entered_at", "last_activity_at")
STILL = {"stage": ["perfilamiento"], "in_stage_days": 14, "inactivity_days": 7}


def found(broker: Broker, **condition: object) -> QuerySet[Lead]:
    return LeadFilter.apply(Lead.objects.filter(broker=broker).present(), condition, now=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("in_stage", "silent", "is_still"), [(14, 7, True), (13, 7, False), (14, 6, False), (30, 30, True)]
)
def test_lead_that_lies_still_is_found(in_stage: int, silent: int, is_still: bool) -> None:
    broker = a_broker()
    a_lead(broker, stage="perfilamiento")
    Lead.objects.update(stage_entered_at=NOW - in_stage * DAY, last_activity_at=NOW - silent * DAY)
    assert found(broker, **STILL).exists() is is_still
    assert found(broker, **STILL | {"stage": ["entrada"]}).exists() is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ({"stage": ["perfilamiento"], "in_stage_days": 365}, "idx_pipeline_stage"),
        ({"inactivity_days": 365}, "idx_last_activity"),
    ],
)
def test_few_among_many_are_found_by_an_index(condition: dict[str, object], index: str) -> None:
    """failures.md row 16."""
    with committed_rows():
        broker = a_broker()
        ages = {name: f"o.{name} - interval '1 hour' * mod(i, 8800)" for name in STAMPS}
        stages = "(ARRAY['entrada', 'perfilamiento', 'seguimiento'])[1 + mod(i, 3)]"
        copies_of_lead(a_lead(broker), 20_000, pipeline_stage=stages, **ages)
        analyze("leads_lead")
        plan = found(broker, **condition).order_by("stage_entered_at").explain()
    assert (index in plan, "Seq Scan on leads_lead" in plan) == (True, False), plan
