"""A poison row fails alone (failures.md row 5): whatever is wrong with one, the others are sent once and in time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models import JSONField, Value

from brokers.models import Broker
from campaigns.models import Campaign, CampaignStep
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import Message
from templates_app.models import MessageTemplate
from tests.building import (
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    counting_account,
    enroll,
    log_of,
    message_step,
    run,
    sent_bodies,
    some_leads,
)
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db
# What a provider or its adapter may do to one row, and what its log says then.
WORDS = {
    "raise": ("failed", "outcome_unknown"),
    "garbage": ("failed", "outcome_unknown"),
    "nul": ("sent", ""),
    "temporary:1e15": ("pending", "too_many"),
    "temporary:nan": ("pending", "too_many"),
    "temporary:-5": ("pending", "too_many"),
}


@pytest.mark.parametrize(("word", "outcome"), WORDS.items(), ids=WORDS)
def test_adapter_that_fails_for_one_fails_for_one(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str, outcome: tuple[str, str]
) -> None:
    """failures.md row 5."""
    before, after = some_leads(broker, 3), some_leads(broker, 3)
    poison = a_lead(broker, telegram_chat_id="4711")
    counting_account(broker, sent_file, script={"4711": [word]})
    enroll(a_campaign(broker), *before, poison, *after)
    run(clock)
    assert (log_of(poison).status, log_of(poison).reason) == outcome
    assert [log_of(lead).status for lead in before + after] == ["sent"] * 6
    assert len(sends(sent_file)) == len({send.key for send in sends(sent_file)}) == 7


def spoil_lead(**columns: Any) -> Callable[[Lead, Campaign], object]:
    return lambda lead, campaign: Lead.objects.filter(pk=lead.pk).update(**columns)


def spoil_step(**columns: Any) -> Callable[[Lead, Campaign], object]:
    return lambda lead, campaign: CampaignStep.objects.filter(campaign=campaign).update(**columns)


def spoil_template(**columns: Any) -> Callable[[Lead, Campaign], object]:
    templates = CampaignStep.objects.values("message_template")
    return lambda lead, campaign: MessageTemplate.objects.filter(pk__in=templates.filter(campaign=campaign)).update(
        **columns
    )


def lose_steps(lead: Lead, campaign: Campaign) -> None:
    CampaignStep.objects.filter(campaign=campaign).delete()


NULL = Value(None, JSONField())
# Written past every check; "pending" rows wait for a repair.
SPOILED: dict[str, tuple[Callable[[Lead, Campaign], object], str]] = {
    "zone": (spoil_lead(timezone="Mars/Phobos"), "pending"),
    "blank_name": (spoil_lead(name=" \u00a0"), "sent"),
    "metadata": (spoil_lead(metadata=["x"]), "pending"),
    "metadata_null": (spoil_lead(metadata=NULL), "sent"),
    "unreachable": (spoil_lead(unreachable=[1]), "pending"),
    "template": (spoil_template(content="Hola {% x %}"), "pending"),
    "template_variables": (spoil_template(variables=NULL), "sent"),
    "conditions": (spoil_step(conditions={"edad": 3}), "skipped"),
    "conditions_list": (spoil_step(conditions=[3]), "skipped"),
    "delay": (spoil_step(delay_hours=0), "sent"),
    "action": (spoil_step(action="send_pigeon"), "skipped"),
    "steps": (lose_steps, "pending"),
}


@pytest.mark.parametrize(("spoil", "status"), SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("batch", [1, 1000])
def test_row_that_cannot_be_read_stands_in_nobodys_way(
    broker: Broker,
    clock: VirtualClock,
    settings: LazySettings,
    batch: int,
    spoil: Callable[[Lead, Campaign], object],
    status: str,
) -> None:
    """failures.md rows 5 and 21."""
    settings.ENGINE_BATCH = batch
    poison, others = a_lead(broker), some_leads(broker, 3)
    campaign = a_campaign(broker, message_step(broker, "Hola {{first_name|}} {{timeline|}}"))
    enroll(campaign, poison)
    spoil(poison, campaign)
    enroll(a_campaign(broker), *others, now=clock.now())
    for _ in range(2):
        run(clock)
        clock.advance(HOUR)
    assert [log_of(lead).status for lead in others] == ["sent"] * 3
    assert log_of(poison).status == status


def test_row_that_cannot_be_read_is_tried_again_after_its_repair(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    Lead.objects.update(timezone="Mars/Phobos")
    run(clock)
    assert (log_of(lead).reason, log_of(lead).due_at, log_of(lead).attempts) == ("internal_error", NOW + HOUR, 0)
    Lead.objects.update(timezone="")
    clock.advance(HOUR)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("sent", "")


def test_brokerage_whose_rules_cannot_be_read_stops_no_other(
    broker: Broker, free_broker: Broker, clock: VirtualClock
) -> None:
    leads = [a_lead(owner) for owner in (broker, free_broker)]
    for lead in leads:
        enroll(a_campaign(lead.broker), lead)
    Broker.objects.filter(pk=broker.pk).update(contact_window={"mon": ["9", "8"]})
    run(clock)
    assert [log_of(lead).status for lead in leads] == ["pending", "sent"]


def test_trigger_that_cannot_be_read_stops_no_other(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 5: its condition was changed past its check."""
    condition = {"stage": "entrada"}
    campaigns = [
        a_campaign(broker, triggered_by="stage_change", trigger_condition=condition, priority=number)
        for number in range(4)
    ]
    spoiled: list[Any] = [{"stage": "entrada", "edad": 3}, {"stage": "entrada", "score_min": "x"}, ["entrada"]]
    for campaign, value in zip(campaigns, spoiled, strict=False):
        Campaign.objects.filter(pk=campaign.pk).update(trigger_condition=value)
    lead = a_lead(broker, now=NOW + HOUR)
    clock.advance(HOUR)
    run(clock)
    assert list(lead.enrollments.values_list("campaign", flat=True)) == [campaigns[3].pk]


def test_poison_row_is_sent_to_nobody_twice(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 5: not the good ones either, however often the engine comes by."""
    leads = some_leads(broker, 5)
    counting_account(broker, sent_file, script={leads[2].telegram_chat_id: ["raise"]})
    enroll(a_campaign(broker), *leads)
    run(clock, passes=6)
    assert sorted(send.address for send in sends(sent_file)) == sorted(lead.telegram_chat_id for lead in leads)
    assert [len(sent_bodies(lead)) for lead in leads] == [1, 1, 0, 1, 1]
    assert Message.objects.count() == 5
