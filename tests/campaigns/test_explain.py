import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import leave_unknown, pause, stop_platform, stop_sending
from campaigns.explain import Explanation, NextDecision, explain
from campaigns.models import Campaign
from campaigns.reasons import CHECKS, ENTRY_REMEDIES, REASONS
from campaigns.telling import as_text
from leads.actions import edit_lead, record_permission
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_user,
    at,
    counting_account,
    enroll,
    log_of,
    message_step,
    now_of,
    run,
)


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


def next_of(campaign: Campaign, lead: Lead, now: datetime) -> NextDecision:
    following = explain(Campaign.objects.get(pk=campaign.pk), now_of(lead), now).entries[-1].next
    assert following is not None
    return following


def test_first_moment_is_the_one_at_which_the_engine_does_it(broker: Broker, clock: VirtualClock) -> None:
    """Two caps and a night lie between; an engine that passes every minute agrees."""
    lead = a_lead(broker)
    for _ in range(2):
        enroll(a_campaign(broker), lead)
    run(clock)
    campaign = a_campaign(broker, message_step(broker, delay_hours=11))
    enroll(campaign, lead)
    first_at = next_of(campaign, lead, NOW + HOUR).first_at
    assert first_at == NOW + DAY + timedelta(seconds=1)
    for moment, status in ((first_at - timedelta(seconds=1), "pending"), (first_at, "sent")):
        run(at(moment))
        assert log_of(lead, campaign=campaign).status == status


def test_first_moment_waits_for_a_person_and_then_for_the_morning(broker: Broker) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    type(lead).objects.filter(pk=lead.pk).update(last_answered_at=NOW - 2 * DAY + 10 * HOUR)
    enroll(campaign, lead)
    following = next_of(campaign, lead, NOW)
    assert (following.reason, following.until) == ("human_in_contact", NOW + DAY + 10 * HOUR)
    assert following.first_at == (NOW + 2 * DAY).replace(hour=12)


def test_what_time_alone_does_not_mend_is_said(broker: Broker) -> None:
    campaign = a_campaign(broker, message_step(broker, conditions={"score_min": 90}))
    lead = a_lead(broker)
    enroll(campaign, lead)
    following = next_of(campaign, lead, NOW)
    assert (following.outcome, following.first_at, following.to_change) == ("skip", None, ["condition:score_min"])
    [check] = [check for check in following.checks if check["check"] == "condition"]
    assert (check["value"], check["found"]) == (90, now_of(lead).lead_score)


def test_first_moment_of_a_limited_account_is_its_next_slot(broker: Broker) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    enroll(campaign, lead)
    ChannelAccount.objects.update(next_slot_at=NOW + HOUR)
    assert next_of(campaign, lead, NOW).first_at == NOW + HOUR


def test_negative_answer_names_what_was_found_and_what_to_change(broker: Broker) -> None:
    campaign = a_campaign(broker, triggered_by="lead_score", trigger_condition={"score_min": 90})
    found = explain(campaign, a_lead(broker), NOW)
    [trigger] = [check for check in found.obstacles if check.name == "trigger"]
    assert (trigger.values["value"], trigger.values["found"], found.may_enter_at) == (90, 15, None)
    assert str(ENTRY_REMEDIES["became_true"]) in as_text(found)


def test_negative_answer_says_when_the_lead_may_enter_again(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = a_campaign(broker, reentry_after_days=30), a_lead(broker)
    enroll(campaign, lead)
    run(clock)
    assert explain(campaign, lead, NOW + DAY).may_enter_at == NOW + 30 * DAY
    assert explain(campaign, lead, NOW + 31 * DAY).may_enter_at == NOW + 31 * DAY


def test_every_check_has_words_and_every_obstacle_a_remedy(broker: Broker) -> None:
    campaign = a_campaign(broker, triggered_by="inactivity", trigger_condition={"inactivity_days": 3})
    names = {check.name for check in explain(campaign, a_lead(broker), NOW).obstacles}
    assert names == set(ENTRY_REMEDIES)
    assert names <= set(CHECKS)


def test_explanation_is_plain_data(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    enroll(campaign, lead)
    run(clock)
    data = json.loads(json.dumps(explain(campaign, lead, NOW).as_json(), default=str))
    assert data["entries"][0]["steps"][0]["status"] == "sent"
    assert data["obstacles"][2] == {
        "check": "may_enter",
        "passed": False,
        "entries": 1,
        "reentry_after_days": None,
    }


def test_explanation_tells_what_a_person_said(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file, otherwise="timeout")
    campaign, lead = a_campaign(broker), a_lead(broker)
    enroll(campaign, lead)
    run(clock)
    leave_unknown(log=log_of(lead), now=NOW, by=a_user(broker))
    assert "carla-aurora said: leave it, 2026-03-04 12:00" in as_text(explain(campaign, lead, NOW))


def test_every_reason_is_in_the_engines_page(pytestconfig: Any) -> None:
    page = (pytestconfig.rootpath / "docs" / "engine.md").read_text()
    assert [code for code in REASONS if f"`{code}" not in page] == []


def paused(campaign: Campaign) -> None:
    pause(campaign=campaign, now=NOW)


def switched_off(campaign: Campaign) -> None:
    Broker.objects.update(is_active=False)


def stopped(campaign: Campaign) -> None:
    stop_sending(broker=campaign.broker, now=NOW)


def all_stopped(campaign: Campaign) -> None:
    stop_platform(now=NOW)


@pytest.mark.parametrize(
    ("stand_still", "reason"),
    [
        (paused, "campaign_paused"),
        (switched_off, "broker_inactive"),
        (stopped, "sending_stopped"),
        (all_stopped, "platform_stopped"),
    ],
)
def test_explain_says_that_nothing_runs(broker: Broker, stand_still: Callable[..., None], reason: str) -> None:
    campaign, lead = a_campaign(broker), a_lead(broker)
    enroll(campaign, lead)
    stand_still(campaign)
    found = explain(Campaign.objects.get(pk=campaign.pk), lead, NOW + HOUR)
    following = found.entries[0].next
    assert following is not None
    assert (following.outcome, following.reason, following.first_at) == ("waits", reason, None)
    assert following.to_change == [reason]
    assert f"→ it waits\n     {REASONS[reason].means} {REASONS[reason].remedy}" in as_text(found)
