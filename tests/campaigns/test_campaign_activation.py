"""Activation checks everything and says every fault at once."""

from typing import Any

import pytest
from django.conf import LazySettings

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import activate
from campaigns.models import Campaign, CampaignStep, CampaignVersion, Enrollment
from messaging.models import ChannelAccount
from tests.building import (
    DAY,
    NOW,
    a_broker,
    a_campaign,
    a_draft,
    a_lead,
    a_template,
    an_admin,
    message_step,
    some_leads,
)

pytestmark = pytest.mark.django_db


def faults_of(campaign: Campaign) -> list[str]:
    with pytest.raises(Refused) as refused:
        activate(campaign=Campaign.objects.get(pk=campaign.pk), now=NOW)
    assert refused.value.reason == "not_activatable"
    assert Campaign.objects.get(pk=campaign.pk).status == "draft"
    return refused.value.faults


def test_activation_starts_collecting_and_writes_the_version(broker: Broker) -> None:
    admin = an_admin(broker)
    campaign = activate(campaign=a_draft(broker, goal_stage="agendado"), now=NOW, by=admin)
    version = CampaignVersion.objects.get(campaign=campaign)
    assert (campaign.status, campaign.activated_at, campaign.collects_from) == ("active", NOW, NOW)
    assert (version.number, version.approved_by, version.at, len(version.fingerprint)) == (1, admin, NOW, 64)
    assert version.settings == {
        "triggered_by": "manual",
        "trigger_condition": {},
        "exit_on_reply": True,
        "goal_stage": "agendado",
        "reentry_after_days": None,
    }


def test_campaign_without_steps_is_refused(broker: Broker) -> None:
    campaign = a_draft(broker)
    campaign.steps.all().delete()
    assert "a campaign needs at least one step" in faults_of(campaign)[0]


def test_campaign_with_a_gap_is_refused(broker: Broker) -> None:
    campaign = a_draft(broker, message_step(broker), message_step(broker), message_step(broker))
    campaign.steps.filter(step_number=2).delete()
    assert faults_of(campaign) == ["steps: number 2 is missing"]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"action": "send_message"}, "step 1: message_template is missing"),
        ({"action": "update_stage"}, "step 1: target_stage=''"),
        ({"action": "send_message", "channel": "call"}, "step 1: channel=call is not allowed for a message"),
    ],
)
def test_step_that_lacks_something_is_refused(broker: Broker, step: dict[str, Any], says: str) -> None:
    assert faults_of(a_draft(broker, step))[0].startswith(says)


def test_template_of_another_channel_is_refused(broker: Broker) -> None:
    template = a_template(broker, channel="email", name="carta")
    [fault] = faults_of(a_draft(broker, message_step(broker, message_template=template)))
    assert fault == "step 1: template carta is for email, the step contacts by telegram"


def test_inactive_template_is_refused(broker: Broker) -> None:
    template = a_template(broker, is_active=False, name="vieja")
    assert faults_of(a_draft(broker, message_step(broker, message_template=template))) == [
        "step 1: template vieja is not active"
    ]


def test_template_with_a_variable_that_became_unknown_is_refused() -> None:
    broker = a_broker(custom_fields=[{"key": "mascota"}])
    campaign = a_draft(broker, message_step(broker, "{{mascota|}}"))
    Broker.objects.update(custom_fields=[])
    assert "has the unknown variable mascota" in faults_of(campaign)[0]


def test_meeting_needs_its_link_in_the_template(broker: Broker) -> None:
    step = {"action": "schedule_meeting", "message_template": a_template(broker, "Juntémonos")}
    assert faults_of(a_draft(broker, step)) == ["step 1: the template of a meeting must contain {{booking_link}}"]


def test_channel_without_account_is_refused(broker: Broker) -> None:
    ChannelAccount.objects.filter(channel="whatsapp").update(is_active=False)
    assert faults_of(a_draft(broker, message_step(broker, channel="whatsapp"))) == [
        "account: no sandbox account for whatsapp"
    ]


def test_account_on_the_other_side_is_refused(broker: Broker, settings: LazySettings) -> None:
    """A campaign on the sandbox never reaches a real person by its second channel."""
    ChannelAccount.objects.filter(channel="email").delete()
    ChannelAccount.objects.create(broker=broker, channel="email", provider="smtp", is_default=True, created_at=NOW)
    campaign = a_draft(broker, message_step(broker, channel="email"))
    assert faults_of(campaign) == ["account: no sandbox account for email"]


def test_account_that_cannot_send_is_refused(broker: Broker) -> None:
    ChannelAccount.objects.filter(channel="email").update(is_default=False)
    ChannelAccount.objects.create(
        broker=broker, channel="email", provider="smtp", is_default=True, name="Correo", created_at=NOW
    )
    campaign = a_draft(broker, message_step(broker, channel="email"), channel="email")
    assert [fault.split(":")[0] for fault in faults_of(campaign)] == ["account Correo"] * len(faults_of(campaign))


def test_window_that_never_opens_is_refused(broker: Broker) -> None:
    campaign = a_draft(broker)
    Broker.objects.update(contact_window={})
    assert faults_of(campaign) == ["contact_window: the brokerage's contact window never opens"]


def test_every_fault_is_said_at_once(broker: Broker) -> None:
    campaign = a_draft(broker, {"action": "send_message"}, {"action": "update_stage"}, channel="whatsapp")
    ChannelAccount.objects.update(is_active=False)
    Broker.objects.update(contact_window={})
    Campaign.objects.update(trigger_condition={"edad": 3})
    assert [fault.split(":")[0] for fault in faults_of(campaign)] == [
        "step 1",
        "step 2",
        "trigger_condition",
        "account",
        "contact_window",
    ]


def test_step_conditions_are_checked_again(broker: Broker) -> None:
    campaign = a_draft(broker)
    CampaignStep.objects.update(conditions={"edad": 3})
    assert faults_of(campaign)[0].startswith("step 1: edad is no condition")


def test_active_campaign_is_not_activated_again(broker: Broker) -> None:
    campaign = a_campaign(broker)
    with pytest.raises(Refused) as refused:
        activate(campaign=campaign, now=NOW)
    assert refused.value.reason == "wrong_status"


def test_activation_takes_in_who_matches_already_if_asked(broker: Broker) -> None:
    high, _low = a_lead(broker, location="Ñuñoa"), a_lead(broker)
    a_lead(a_broker("boreal"), location="Ñuñoa")
    draft = a_draft(broker, triggered_by="lead_score", trigger_condition={"score_min": 20})
    campaign = activate(campaign=draft, now=NOW + DAY, include_matching=True)
    assert list(Enrollment.objects.values_list("lead", "trigger")) == [(high.pk, "lead_score")]
    assert campaign.enrolled_count == 1


def test_activation_takes_nobody_in_unless_asked(broker: Broker) -> None:
    some_leads(broker, 2)
    a_campaign(broker, triggered_by="lead_score", trigger_condition={"score_min": 0})
    assert Enrollment.objects.count() == 0


def test_manual_campaign_has_no_condition_to_match(broker: Broker) -> None:
    some_leads(broker, 2)
    draft = a_draft(broker)
    with pytest.raises(Refused) as refused:
        activate(campaign=draft, now=NOW, include_matching=True)
    draft.refresh_from_db()
    assert (refused.value.reason, draft.status, Enrollment.objects.count()) == ("no_trigger", "draft", 0)
