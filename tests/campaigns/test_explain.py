from collections.abc import Callable
from typing import Any

import pytest
from django.utils import translation

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import pause, stop_sending
from campaigns.clock import VirtualClock
from campaigns.explain import Explanation, NextDecision, as_text, explain
from campaigns.models import Campaign
from campaigns.reasons import REASONS
from leads.actions import edit_lead, record_permission
from tests.building import DAY, HOUR, NOW, a_broker, a_campaign, a_lead, enroll, message_step, run


def failed(explanation: Explanation) -> list[str]:
    return [check.name for check in explanation.obstacles if not check.passed]


def test_explain_says_why_a_lead_was_not_enrolled_by_the_score_trigger(broker: Broker) -> None:
    campaign = a_campaign(broker, triggered_by="lead_score", trigger_condition={"score_min": 90})
    lead = a_lead(broker)
    found = explain(campaign, lead, NOW)
    assert (found.entries, failed(found)) == ([], ["trigger", "became_true"])


def test_explain_names_a_paused_campaign_and_a_deleted_lead(broker: Broker) -> None:
    campaign = pause(campaign=a_campaign(broker), now=NOW)
    lead = a_lead(broker)
    type(lead).objects.filter(pk=lead.pk).update(deleted_at=NOW)
    found = explain(campaign, type(lead).objects.get(pk=lead.pk), NOW)
    assert failed(found) == ["campaign_active", "lead_present"]


def test_explain_tells_what_was_sent_and_with_which_checks(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    enroll(campaign, lead)
    run(clock)
    entry = explain(campaign, lead, NOW + HOUR).entries[0]
    assert (entry.status, entry.steps[0].status, entry.next) == ("completed", "sent", None)
    assert [check["check"] for check in entry.steps[0].checks][-2:] == ["window", "caps"]


def test_explain_says_what_the_next_step_waits_for(broker: Broker, clock: VirtualClock) -> None:
    campaign = a_campaign(broker, message_step(broker), message_step(broker, delay_hours=32))
    lead = a_lead(broker)
    enroll(campaign, lead)
    run(clock)
    following = explain(campaign, lead, NOW + HOUR).entries[0].next
    assert following is not None
    assert (following.outcome, following.reason) == ("postpone", "outside_hours")
    assert following.until == (NOW + 2 * DAY).replace(hour=12)


def test_explain_foresees_the_end_after_an_opt_out(broker: Broker, clock: VirtualClock) -> None:
    campaign = a_campaign(broker, message_step(broker), message_step(broker, delay_hours=24))
    lead = a_lead(broker)
    enroll(campaign, lead)
    run(clock)
    record_permission(broker=broker, lead=lead, kind="revoked", now=NOW + HOUR, source="test")
    following = explain(campaign, lead, NOW + HOUR).entries[0].next
    assert following is not None
    assert (following.outcome, following.reason) == ("exit", "opted_out")


def test_explain_changes_nothing(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    enroll(campaign, lead)
    first = explain(campaign, lead, NOW).as_json()
    assert explain(campaign, lead, NOW).as_json() == first


def test_explain_refuses_a_lead_of_another_brokerage(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        explain(a_campaign(broker), a_lead(a_broker("boreal")), NOW)
    assert refused.value.reason == "lead_unknown"


@pytest.mark.parametrize(("language", "words"), [("en", "The lead was never in"), ("es", "El lead nunca estuvo")])
def test_explanation_speaks_both_languages(broker: Broker, language: str, words: str) -> None:
    with translation.override(language):
        assert words in as_text(explain(a_campaign(broker), a_lead(broker), NOW))


def test_explanation_names_the_reason_and_the_remedy(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="")
    enroll(campaign, lead)
    run(clock)
    with translation.override("en"):
        text = as_text(explain(campaign, lead, NOW))
    assert "The lead has no address for this channel. Add the address." in text


def test_every_reason_is_in_the_engines_page(pytestconfig: Any) -> None:
    page = (pytestconfig.rootpath / "docs" / "engine.md").read_text()
    assert [code for code in REASONS if f"`{code}" not in page] == []


def paused(campaign: Campaign) -> None:
    pause(campaign=campaign, now=NOW)


def switched_off(campaign: Campaign) -> None:
    Broker.objects.update(is_active=False)


def stopped(campaign: Campaign) -> None:
    stop_sending(broker=campaign.broker, now=NOW)


@pytest.mark.parametrize(
    ("stand_still", "reason"),
    [(paused, "campaign_paused"), (switched_off, "broker_inactive"), (stopped, "sending_stopped")],
)
def test_explain_says_that_nothing_runs(broker: Broker, stand_still: Callable[..., None], reason: str) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    enroll(campaign, lead)
    stand_still(campaign)
    found = explain(Campaign.objects.get(pk=campaign.pk), lead, NOW + HOUR)
    assert found.entries[0].next == NextDecision("waits", reason, None, [])
    assert f"→ it waits\n     {REASONS[reason].means} {REASONS[reason].remedy}" in as_text(found)
