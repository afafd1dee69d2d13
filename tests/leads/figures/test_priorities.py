"""How many leads each contact priority has, as each of them alone would say."""

from collections import Counter

import pytest

from brokers.models import Broker, User
from leads.figures import PriorityCount, contact_priorities, scope_for, scope_of
from leads.models import Lead
from leads.priority import Priority, priority_of
from tests.building import NOW, a_broker, a_lead

pytestmark = pytest.mark.django_db


def test_every_priority_counts_the_leads_that_have_it(broker: Broker) -> None:
    waiting, gone, _new = (a_lead(broker) for _ in range(3))
    a_lead(broker, treatment_type="hold")
    a_lead(broker, stage="perdido")
    a_lead(a_broker("boreal"))
    Lead.objects.filter(pk=waiting.pk).update(last_inbound_at=NOW)
    Lead.objects.filter(pk=gone.pk).update(deleted_at=NOW)
    alone = Counter(map(priority_of, Lead.objects.present().filter(broker=broker)))
    assert (alone.total(), len(alone)) == (4, 3)
    found = contact_priorities(scope_of(broker=broker, now=NOW))
    assert found == [PriorityCount(priority, alone[priority]) for priority in Priority]


def test_agent_counts_own_leads(broker: Broker, agent: User, lead: Lead) -> None:
    a_lead(broker)
    assert sum(one.leads for one in contact_priorities(scope_for(user=agent, now=NOW))) == 1
