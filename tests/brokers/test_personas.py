"""Who sees what, before any page or filter narrows it."""

from collections.abc import Callable

import pytest
from django.test import Client

from brokers.models import Broker, User
from leads.models import Lead


def test_admins_see_their_brokers_leads_and_agents_their_own(
    admin: User, agent: User, colleague: User, outsider: User, lead: Lead, outsiders_lead: Lead
) -> None:
    seen = {user: list(Lead.objects.visible_to(user)) for user in (admin, agent, colleague, outsider)}
    assert seen == {admin: [lead], agent: [lead], colleague: [], outsider: [outsiders_lead]}


def test_operator_sees_both_brokers(operator: User, lead: Lead, outsiders_lead: Lead) -> None:
    assert set(Lead.objects.visible_to(operator)) == {lead, outsiders_lead}
    assert Broker.objects.visible_to(operator).count() == 2


def test_equal_leads_differ_in_their_broker_only(lead: Lead, outsiders_lead: Lead) -> None:
    for name in ("name", "phone", "email", "telegram_chat_id", "lead_score", "pipeline_stage"):
        assert getattr(lead, name) == getattr(outsiders_lead, name)
    assert lead.broker != outsiders_lead.broker


@pytest.mark.parametrize(("name", "status"), [("operator", 200), ("admin", 200), ("outsider", 200), ("agent", 302)])
def test_admin_site_is_for_operators_and_broker_admins(
    name: str, status: int, browser_of: Callable[[User], Client], request: pytest.FixtureRequest
) -> None:
    assert browser_of(request.getfixturevalue(name)).get("/admin/").status_code == status
