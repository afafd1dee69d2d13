"""What is due by group: a pass looks anew from the oldest row that it knew, not from all that was worked off before."""

import pytest

from brokers.models import Broker
from campaigns.deciding import decide_batch, due_groups
from campaigns.models import CampaignLog
from tests.building import HOUR, NOW, a_broker, a_campaign, a_lead, enroll, message_step

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Broker:
    """With two leads whose step is due."""
    broker = a_broker()
    campaign = a_campaign(broker, message_step(broker))
    enroll(campaign, a_lead(broker), a_lead(broker))
    return broker


def test_a_group_says_since_when_it_is_due(broker: Broker) -> None:
    CampaignLog.objects.filter(pk=CampaignLog.objects.earliest("pk").pk).update(due_at=NOW - HOUR)
    assert [(group.due, group.oldest) for group in due_groups(batch=9, broker_id=None, now=NOW)] == [(2, NOW - HOUR)]


def test_a_known_group_is_looked_at_from_its_oldest_row_on(broker: Broker) -> None:
    known = due_groups(batch=9, broker_id=None, now=NOW)
    CampaignLog.objects.filter(pk=CampaignLog.objects.earliest("pk").pk).update(due_at=NOW - HOUR)
    assert [group.due for group in due_groups(batch=9, broker_id=None, now=NOW, known=known)] == [1]
    assert [group.due for group in due_groups(batch=9, broker_id=None, now=NOW)] == [2]


def test_a_batch_takes_no_row_from_before_the_look(broker: Broker) -> None:
    groups = due_groups(batch=9, broker_id=None, now=NOW)
    CampaignLog.objects.filter(pk=CampaignLog.objects.earliest("pk").pk).update(due_at=NOW - HOUR)
    assert decide_batch(groups=groups, size=9, now=NOW).taken == 1
