from typing import Any

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import create_campaign, edit_campaign
from campaigns.models import Campaign
from tests.building import NOW, a_campaign, a_draft, an_admin, enroll, some_leads

pytestmark = pytest.mark.django_db
SOUND: dict[str, Any] = {"name": "Bienvenida", "channel": "telegram"}


def test_new_campaign_is_a_draft_of_its_maker(broker: Broker) -> None:
    admin = an_admin(broker)
    campaign = create_campaign(broker=broker, now=NOW, by=admin, **SOUND)
    fresh = Campaign.objects.get(pk=campaign.pk)
    assert (fresh.status, fresh.version, fresh.triggered_by, fresh.created_by) == ("draft", 1, "manual", admin)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "name"),
        ({"channel": "fax"}, "channel='fax'"),
        ({"goal_stage": "vendido"}, "goal_stage='vendido'"),
        ({"holdout_percent": 100}, "holdout_percent=100"),
        ({"holdout_percent": -1}, "holdout_percent=-1"),
        ({"reentry_after_days": 0}, "reentry_after_days=0"),
        ({"max_contacts": -1}, "max_contacts=-1"),
        ({"triggered_by": "moon"}, "triggered_by='moon'"),
        ({"status": "active"}, "status is no setting of a campaign"),
        ({"enrolled_count": 3}, "enrolled_count is no setting of a campaign"),
        ({"version": 3}, "version is no setting of a campaign"),
        ({"triggered_by": "lead_score"}, "trigger_condition: lead_score needs score_min or score_max"),
        ({"triggered_by": "stage_change", "trigger_condition": {"score_min": 1}}, "stage_change needs stage"),
        ({"triggered_by": "inactivity", "trigger_condition": {}}, "inactivity needs inactivity_days"),
        ({"trigger_condition": {"edad": 3}}, "trigger_condition: edad is no condition"),
        ({"trigger_condition": {"score_min": "x"}}, "trigger_condition: score_min='x'"),
        ({"trigger_condition": [1]}, "trigger_condition"),
        ({"triggered_by": "lead_score", "trigger_condition": {"score_min": ""}}, "score_min=''"),
        ({"triggered_by": "lead_score", "trigger_condition": {"score_min": None}}, "score_min=None"),
        ({"triggered_by": "stage_change", "trigger_condition": {"stage": []}}, "stage=[]"),
        ({"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": None}}, "inactivity_days=None"),
    ],
)
def test_wrong_setting_is_refused_by_name(broker: Broker, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as refused:
        create_campaign(broker=broker, now=NOW, **SOUND | changes)
    assert (refused.value.reason, Campaign.objects.count()) == ("campaign_invalid", 0)
    assert says in refused.value.faults[0]


def test_settings_of_a_draft_are_changed_in_place(broker: Broker) -> None:
    campaign = edit_campaign(campaign=a_draft(broker), now=NOW, name="Otra", goal_stage="agendado", max_contacts=5)
    fresh = Campaign.objects.get(pk=campaign.pk)
    assert (fresh.name, fresh.goal_stage, fresh.max_contacts, fresh.version) == ("Otra", "agendado", 5, 1)


def test_refused_setting_changes_nothing(broker: Broker) -> None:
    draft = a_draft(broker)
    with pytest.raises(Refused):
        edit_campaign(campaign=draft, now=NOW, name="Otra", holdout_percent=500)
    assert Campaign.objects.get(pk=draft.pk).name == draft.name


def test_room_is_not_made_smaller_than_who_is_in(broker: Broker) -> None:
    campaign = a_campaign(broker)
    enroll(campaign, *some_leads(broker, 3))
    with pytest.raises(Refused, match="3 leads are enrolled already"):
        edit_campaign(campaign=campaign, now=NOW, max_contacts=2)
    assert edit_campaign(campaign=campaign, now=NOW, max_contacts=3).max_contacts == 3


def test_channel_of_an_activated_campaign_stays(broker: Broker) -> None:
    """Who is under way would get a text that was written for another channel."""
    campaign = a_campaign(broker)
    with pytest.raises(Refused) as refused:
        edit_campaign(campaign=campaign, now=NOW, channel="email")
    assert (refused.value.reason, Campaign.objects.get(pk=campaign.pk).channel) == ("campaign_invalid", "telegram")


def test_condition_given_as_text_is_stored_in_one_form(broker: Broker) -> None:
    given = {"stage": "entrada, perfilamiento", "score_min": "40"}
    stored = {"stage": ["entrada", "perfilamiento"], "score_min": 40}
    campaign = create_campaign(broker=broker, now=NOW, **SOUND, triggered_by="stage_change", trigger_condition=given)
    assert Campaign.objects.get(pk=campaign.pk).trigger_condition == stored
    edit_campaign(campaign=campaign, now=NOW, trigger_condition=given | {"score_min": "50"})
    assert Campaign.objects.get(pk=campaign.pk).trigger_condition == stored | {"score_min": 50}


def test_same_condition_in_another_form_makes_no_version(broker: Broker) -> None:
    campaign = a_campaign(broker, triggered_by="lead_score", trigger_condition={"score_min": 40})
    assert edit_campaign(campaign=campaign, now=NOW, trigger_condition={"score_min": "40"}).version == 1
