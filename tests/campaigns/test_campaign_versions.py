"""Who is under way stays on the version they entered (failures.md row 13)."""

from typing import Any

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import edit_campaign, fingerprint, pause, save_steps
from campaigns.models import Campaign, CampaignStep, CampaignVersion, Enrollment
from messaging.clock import VirtualClock
from tests.building import (
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    a_template,
    enroll,
    enrolment_of,
    logs,
    message_step,
    reply,
    run,
    sent_bodies,
    some_leads,
)

pytestmark = pytest.mark.django_db


def two_messages(broker: Broker, first: str, second: str) -> list[dict[str, Any]]:
    return [message_step(broker, first), message_step(broker, second, delay_hours=24)]


def versions(campaign: Campaign) -> list[int]:
    return list(campaign.versions.order_by("number").values_list("number", flat=True))


def test_steps_of_an_active_campaign_become_its_next_version(broker: Broker) -> None:
    campaign = a_campaign(broker, *two_messages(broker, "a", "b"))
    save_steps(campaign=campaign, specs=[message_step(broker, "c")], now=NOW)
    counts = {number: campaign.steps.filter(version=number).count() for number in (1, 2)}
    assert (campaign.version, versions(campaign), counts) == (2, [1, 2], {1: 2, 2: 1})


def test_who_is_under_way_stays_on_their_version(broker: Broker, clock: VirtualClock) -> None:
    early, late = some_leads(broker, 2)
    campaign = a_campaign(broker, *two_messages(broker, "uno", "dos"))
    enroll(campaign, early)
    run(clock)
    save_steps(campaign=campaign, specs=two_messages(broker, "eins", "zwei"), now=clock.now())
    enroll(campaign, late, now=clock.now())
    run(clock, passes=30)
    assert (sent_bodies(early), sent_bodies(late)) == (["uno", "dos"], ["eins", "zwei"])
    assert list(Enrollment.objects.order_by("id").values_list("version", flat=True)) == [1, 2]


def test_shorter_version_takes_nothing_from_who_is_under_way(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    campaign = a_campaign(broker, *two_messages(broker, "uno", "dos"))
    enroll(campaign, lead)
    run(clock)
    save_steps(campaign=campaign, specs=[message_step(broker, "solo")], now=clock.now())
    run(clock, passes=30)
    assert (sent_bodies(lead), logs()) == (["uno", "dos"], [(1, "sent", ""), (2, "sent", "")])


def test_settings_that_enrolments_live_by_make_a_version(broker: Broker, clock: VirtualClock) -> None:
    """The early one entered when a reply ended it, the late one when it does not any more."""
    early, late = some_leads(broker, 2)
    campaign = a_campaign(broker, *two_messages(broker, "uno", "dos"))
    enroll(campaign, early)
    edited = edit_campaign(campaign=campaign, now=NOW, exit_on_reply=False)
    enroll(campaign, late)
    run(clock)
    for lead in (early, late):
        reply(lead, clock.now() + HOUR)
    run(clock, passes=30)
    assert (edited.version, versions(campaign)) == (2, [1, 2])
    assert (sent_bodies(early), enrolment_of(early).exit_reason) == (["uno"], "replied")
    assert (sent_bodies(late), enrolment_of(late).status) == (["uno", "dos"], "completed")


def test_settings_that_bind_nobody_make_no_version(broker: Broker) -> None:
    campaign = a_campaign(broker)
    edit_campaign(campaign=campaign, now=NOW, name="Otra", max_contacts=9, priority=3, holdout_percent=10)
    edit_campaign(campaign=campaign, now=NOW, exit_on_reply=True)
    assert versions(campaign) == [1]


def test_version_of_new_settings_has_the_same_steps(broker: Broker) -> None:
    campaign = a_campaign(broker, *two_messages(broker, "a", "b"))
    edit_campaign(campaign=campaign, now=NOW, goal_stage="agendado")
    fields = ("step_number", "action", "delay_hours", "message_template", "conditions")
    one, two = (list(campaign.steps.filter(version=number).values_list(*fields)) for number in (1, 2))
    assert one == two


def test_successor_that_could_not_be_activated_is_refused_whole(broker: Broker) -> None:
    campaign = a_campaign(broker)
    template = a_template(broker, is_active=False)
    with pytest.raises(Refused) as refused:
        save_steps(campaign=campaign, specs=[message_step(broker, message_template=template)], now=NOW)
    assert refused.value.reason == "steps_invalid"
    assert (Campaign.objects.get().version, versions(campaign), CampaignStep.objects.count()) == (1, [1], 1)


def test_steps_of_a_paused_campaign_make_a_version_too(broker: Broker) -> None:
    campaign = a_campaign(broker)
    pause(campaign=campaign, now=NOW)
    save_steps(campaign=campaign, specs=[message_step(broker)], now=NOW)
    assert versions(campaign) == [1, 2]


def test_activated_version_stays_as_it_was(broker: Broker) -> None:
    campaign = a_campaign(broker)
    before = CampaignVersion.objects.values().get()
    steps = list(CampaignStep.objects.values())
    save_steps(campaign=campaign, specs=two_messages(broker, "a", "b"), now=NOW + HOUR)
    edit_campaign(campaign=campaign, now=NOW + HOUR, reentry_after_days=3)
    assert CampaignVersion.objects.values().get(number=1) == before
    assert list(CampaignStep.objects.filter(version=1).values()) == steps


def test_fingerprint_is_that_of_settings_and_steps(broker: Broker) -> None:
    campaign = a_campaign(broker, message_step(broker, delay_hours="1.50"))
    version = campaign.versions.get()
    steps = list(campaign.steps.all())
    assert fingerprint(version.settings, steps) == version.fingerprint
    steps[0].delay_hours = 2
    assert fingerprint(version.settings, steps) != version.fingerprint
    assert fingerprint(version.settings | {"goal_stage": "ganado"}, list(campaign.steps.all())) != version.fingerprint


def test_fingerprint_does_not_depend_on_how_a_number_is_written(broker: Broker) -> None:
    template = a_template(broker)
    marks = {
        a_campaign(broker, message_step(broker, message_template=template, delay_hours=hours))
        .versions.get()
        .fingerprint
        for hours in (2, "2.0", 2.0, "2.00")
    }
    assert len(marks) == 1
