"""Whom to turn to first: the table of docs/scoring.md, and that SQL says the same as Python of every lead."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from leads.models import Lead
from leads.priority import Priority, priority_of
from tests.building import NOW, a_broker, a_lead

EARLIER = NOW - timedelta(hours=1)
TOUCHED = {"last_contacted_at": EARLIER}
COLUMNS = {
    "pipeline_stage": ["entrada", "perfilamiento", "calificacion_financiera", "agendado", "seguimiento", "ganado",
                       "referidos", "perdido"],
    "status": ["cold", "warm", "hot"],
    "qualification": ["", "CALIFICADO", "POTENCIAL", "NO_CALIFICADO"],
    "treatment_type": ["automated_telegram", "hold"],
    "last_contacted_at": [None, EARLIER],
    "last_inbound_at": [None, NOW],
    "last_answered_at": [None, EARLIER, NOW],
    "opted_out_at": [None, NOW],
}  # fmt: skip
NOBODY = dict.fromkeys(("last_contacted_at", "last_inbound_at", "last_answered_at", "opted_out_at")) | {
    "pipeline_stage": "entrada",
    "status": "cold",
    "qualification": "",
    "treatment_type": "automated_telegram",
}


@pytest.mark.parametrize(
    ("facts", "priority"),
    [
        ({}, "ALTA"),
        (TOUCHED, "BAJA"),
        ({"opted_out_at": NOW}, "BAJA"),
        ({**TOUCHED, "pipeline_stage": "agendado", "status": "hot", "qualification": "CALIFICADO"}, "URGENTE"),
        ({**TOUCHED, "pipeline_stage": "agendado", "status": "warm", "qualification": "CALIFICADO"}, "MEDIA"),
        ({**TOUCHED, "pipeline_stage": "agendado", "status": "hot", "qualification": "POTENCIAL"}, "MEDIA"),
        ({**TOUCHED, "last_inbound_at": NOW}, "URGENTE"),
        ({**TOUCHED, "last_inbound_at": NOW, "last_answered_at": EARLIER}, "URGENTE"),
        ({**TOUCHED, "last_inbound_at": NOW, "last_answered_at": NOW}, "BAJA"),
        ({**TOUCHED, "last_inbound_at": NOW, "opted_out_at": NOW}, "BAJA"),
        ({"pipeline_stage": "ganado", "last_inbound_at": NOW, "status": "converted"}, "URGENTE"),
        (
            {**TOUCHED, "pipeline_stage": "calificacion_financiera", "status": "hot", "qualification": "CALIFICADO"},
            "ALTA",
        ),
        ({**TOUCHED, "pipeline_stage": "perfilamiento", "status": "warm"}, "MEDIA"),
        ({**TOUCHED, "pipeline_stage": "perfilamiento", "status": "cold"}, "BAJA"),
        ({**TOUCHED, "pipeline_stage": "seguimiento", "qualification": "POTENCIAL"}, "MEDIA"),
        ({**TOUCHED, "pipeline_stage": "seguimiento"}, "BAJA"),
        ({"pipeline_stage": "perdido", "status": "lost", "qualification": "NO_CALIFICADO"}, "ARCHIVADO"),
        ({"pipeline_stage": "perdido", "status": "lost"}, "ARCHIVADO"),
        ({"pipeline_stage": "ganado", "status": "converted"}, "ARCHIVADO"),
        ({"treatment_type": "hold", "last_inbound_at": NOW}, "ARCHIVADO"),
    ],
)
def test_priority_follows_the_table(facts: dict[str, Any], priority: str) -> None:
    assert priority_of(Lead(**NOBODY | facts)).name == priority


@pytest.mark.django_db
def test_sql_says_the_same_of_every_lead_there_can_be() -> None:
    broker, stamps = (
        a_broker(),
        dict.fromkeys(("stage_entered_at", "last_activity_at", "created_at", "updated_at"), NOW),
    )
    every = [dict(zip(COLUMNS, values, strict=True)) for values in itertools.product(*COLUMNS.values())]
    Lead.objects.bulk_create((Lead(broker=broker, **stamps, **one) for one in every), batch_size=1000)
    found = Lead.objects.with_priority()
    assert len(every) == len(found) == 4608
    assert [lead.pk for lead in found if lead.priority != priority_of(lead)] == []
    assert {lead.priority for lead in found} == set(Priority.values)


@pytest.mark.django_db
def test_priority_is_as_it_is_without_a_batch() -> None:
    lead = a_lead(a_broker())
    assert Lead.objects.with_priority().get(pk=lead.pk).priority == Priority.ALTA
