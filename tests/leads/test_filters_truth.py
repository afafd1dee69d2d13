"""Each condition both ways: for a lead for which it holds, and for one for which it does not."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from leads.filters import LeadFilter
from leads.models import Lead
from tests.building import DAY, NOW, a_broker, a_lead, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    return a_broker()


def holds(lead: Lead, **condition: Any) -> bool:
    return LeadFilter.apply(Lead.objects.filter(pk=lead.pk), condition, now=NOW).exists()


@pytest.mark.parametrize(
    ("columns", "yes", "no"),
    [
        ({"lead_score": 40}, {"score_min": 40}, {"score_min": 41}),
        ({"lead_score": 40}, {"score_max": 40}, {"score_max": 39}),
        ({"pipeline_stage": "ganado"}, {"stage": ["ganado", "perdido"]}, {"stage": "entrada"}),
        ({"pipeline_stage": "ganado"}, {"stage": "entrada,ganado"}, {"stage": "entrada,perdido"}),
        ({"status": "hot"}, {"status": ["hot"]}, {"status": ["cold", "warm"]}),
        ({"qualification": "POTENCIAL"}, {"qualification": "POTENCIAL"}, {"qualification": "CALIFICADO"}),
        ({"treatment_type": "hold"}, {"treatment": "hold"}, {"treatment": "automated_call"}),
        ({"last_activity_at": NOW - 30 * DAY}, {"inactivity_days": 30}, {"inactivity_days": 31}),
        ({"stage_entered_at": NOW - 7 * DAY}, {"in_stage_days": 7}, {"in_stage_days": 8}),
        ({"tags": ["vip", "norte"]}, {"tags_any": ["sur", "vip"]}, {"tags_any": ["sur", "vi"]}),
        ({"tags": ["vip", "norte"]}, {"tags_all": ["norte", "vip"]}, {"tags_all": ["norte", "sur"]}),
        ({"tags": []}, {"has_phone": True}, {"tags_any": ["vip"]}),
        ({"source": "portal"}, {"source": ["web", "portal"]}, {"source": "por"}),
        ({"language": "en"}, {"language": "en"}, {"language": "es"}),
        ({"location": "Ñuñoa, Santiago"}, {"location": "ñuñoa"}, {"location": "Nunoa"}),
        ({"location": "100% real"}, {"location": "100% r"}, {"location": "100%l"}),
        ({"location": "Ñuñoa"}, {"location_any": ["Macul", "ñuñoa"]}, {"location_any": ["Macul", "Maipú"]}),
        ({"metadata": {"property_type": "Casa nueva"}}, {"property_type": ["loft", "casa"]}, {"property_type": "loft"}),
        ({"metadata": {}}, {"has_phone": True}, {"property_type": "casa"}),
        ({"email": ""}, {"has_email": False}, {"has_email": True}),
        ({"email": "a@example.com"}, {"has_email": True}, {"has_email": False}),
        ({"phone": ""}, {"has_phone": False}, {"has_phone": True}),
        ({"telegram_chat_id": "4711"}, {"has_telegram": True}, {"has_telegram": False}),
        ({"budget_amount": Decimal(100)}, {"budget_min": 100}, {"budget_min": "100.01"}),
        ({"budget_amount": Decimal(100)}, {"budget_max": 100}, {"budget_max": "99.99"}),
        ({"budget_amount": None}, {"has_phone": True}, {"budget_min": 0}),
        ({"budget_amount": None}, {"has_phone": True}, {"budget_max": 10**9}),
        ({"last_contacted_at": None}, {"never_contacted": True}, {"never_contacted": False}),
        ({"last_contacted_at": NOW}, {"never_contacted": False}, {"never_contacted": True}),
        ({"created_at": NOW}, {"created_after": NOW.isoformat()}, {"created_after": "2026-03-04T15:00:01Z"}),
        ({"created_at": NOW}, {"created_before": "2026-03-04T15:00:01Z"}, {"created_before": NOW.isoformat()}),
    ],
)
def test_condition_holds_for_the_leads_it_means(
    broker: Broker, columns: dict[str, Any], yes: dict[str, Any], no: dict[str, Any]
) -> None:
    lead = a_lead(broker)
    Lead.objects.filter(pk=lead.pk).update(**columns)
    assert (holds(lead, **yes), holds(lead, **no)) == (True, False)


def test_assigned_asks_whether_and_to_whom(broker: Broker) -> None:
    agent = a_user(broker)
    mine, nobodys = a_lead(broker, assigned_to=agent), a_lead(broker)
    asked = ["yes", "no", str(agent.pk), str(agent.pk + 1)]
    assert [holds(mine, assigned=value) for value in asked] == [True, False, True, False]
    assert [holds(nobodys, assigned=value) for value in asked] == [False, True, False, False]


def test_all_conditions_must_hold(broker: Broker) -> None:
    lead = a_lead(broker)
    assert holds(lead, score_min=10, has_email=True)
    assert not holds(lead, score_min=10, has_email=False)


def test_no_condition_holds_for_every_lead(broker: Broker) -> None:
    assert holds(a_lead(broker))


def test_conditions_need_no_join(broker: Broker) -> None:
    """Every clause is about the lead's own columns."""
    condition = {"score_min": 1, "stage": "entrada", "tags_any": ["x"], "assigned": "yes", "never_contacted": True}
    with CaptureQueriesContext(connection) as queries:
        holds(a_lead(broker), **condition)
    assert "JOIN" not in queries.captured_queries[-1]["sql"]
