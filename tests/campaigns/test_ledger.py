"""verify_ledger over what is right: nothing is found, in few statements, whatever happened to whom."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from campaigns.actions import confirm_delivered, edit_campaign, leave_unknown, send_again, stop_enrollment
from campaigns.deciding import decide_batch, due_groups
from campaigns.ledger import invariants, verify
from campaigns.models import CampaignLog
from campaigns.settling import settle
from leads.actions import edit_lead, move_stage, record_inbound
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.dispatching import dispatch_all
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    broken,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    message_step,
    now_of,
    run,
    some_leads,
)
from tests.many import copies_of_lead

pytestmark = pytest.mark.django_db
UNKNOWN, TEMPORARY, REFUSED = "timeout", "temporary", "refuse"


def statements(only: tuple[str, ...] = ()) -> int:
    with CaptureQueriesContext(connection) as asked:
        list(verify(only))
    return len(asked)


def test_verify_asks_as_often_whatever_there_is(broker: Broker, clock: VirtualClock) -> None:
    enroll(a_campaign(broker), a_lead(broker))
    run(clock)
    one = statements()
    for _ in range(2):
        enroll(a_campaign(broker, message_step(broker), message_step(broker)), *some_leads(broker, 3))
    run(clock)
    assert statements() == one


def test_verify_can_check_one_invariant_only(broker: Broker) -> None:
    a_lead(broker)
    Lead.objects.update(lead_score=99, pipeline_stage="seguimiento")
    assert [(finding.invariant, finding.count) for finding in verify(["score_matches_history"])] == [
        ("score_matches_history", 1)
    ]


def test_one_invariant_costs_one_statement(broker: Broker) -> None:
    """And those around it: a savepoint, the settings, and the end."""
    assert statements(("caps_hold",)) == 4


def test_verify_says_of_each_invariant_that_it_holds(broker: Broker) -> None:
    a_lead(broker)
    assert [(finding.invariant, finding.count, finding.rows) for finding in verify()] == [
        (name, 0, []) for name in invariants()
    ]


def test_verify_counts_all_and_shows_a_hundred(broker: Broker) -> None:
    lead = a_lead(broker)
    copies_of_lead(lead, 120)
    Lead.objects.update(lead_score=77)
    [finding] = verify(["score_matches_history"])
    ids = list(Lead.objects.order_by("id").values_list("id", flat=True))
    assert (finding.count, [row.row_id for row in finding.rows]) == (121, ids[:100])


def test_histories_are_read_in_the_order_of_writing(broker: Broker) -> None:
    """Their moments are of different clocks; the lead's lock puts them in order."""
    lead = a_lead(broker)
    record_inbound(lead=lead, now=NOW + DAY, answers=None)
    edit_lead(lead=lead, now=NOW, by=None, location="Ñuñoa")
    move_stage(lead=lead, to="perfilamiento", now=NOW + DAY, cause="agent")
    move_stage(lead=now_of(lead), to="calificacion_financiera", now=NOW, cause="agent")
    assert broken() == {}


def test_another_hold_out_percentage_breaks_nothing_that_was(broker: Broker) -> None:
    campaign = a_campaign(broker, holdout_percent=60)
    enroll(campaign, *some_leads(broker, 20))
    for percent in (10, 0, 90):
        edit_campaign(campaign=campaign, now=NOW, holdout_percent=percent)
        enroll(campaign, *some_leads(broker, 5), now=NOW + timedelta(seconds=percent + 1))
    assert broken() == {}


def entered(broker: Broker, file: Path, word: str) -> Lead:
    """A lead of two messages, of whose first the provider says this."""
    lead = a_lead(broker, telegram_chat_id="4711")
    counting_account(broker, file, script={"4711": [word]})
    enroll(a_campaign(broker, message_step(broker), message_step(broker, delay_hours=1)), lead)
    return lead


@pytest.mark.parametrize("word", ["accept", UNKNOWN, TEMPORARY, REFUSED])
def test_stopped_while_its_step_was_being_sent_is_no_violation(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str
) -> None:
    lead = entered(broker, sent_file, word)
    decided = decide_batch(groups=due_groups(batch=9, broker_id=None, now=NOW), size=9, now=NOW)
    stop_enrollment(enrollment=enrolment_of(lead), now=NOW + HOUR)
    assert broken() == {}
    settle(dispatch_all(decided.dispatches, clock), clock.now())
    assert (broken(), CampaignLog.objects.exclude(status="pending").count()) == ({}, 1)


@pytest.mark.parametrize("verb", [confirm_delivered, leave_unknown])
def test_what_a_person_said_of_an_unknown_outcome_is_no_violation(
    broker: Broker, clock: VirtualClock, sent_file: Path, verb: Callable[..., CampaignLog]
) -> None:
    lead = entered(broker, sent_file, UNKNOWN)
    run(clock)
    verb(log=log_of(lead), now=clock.now())
    assert broken() == {}


@pytest.mark.parametrize("word", ["accept", UNKNOWN, TEMPORARY, REFUSED])
def test_what_became_of_a_message_sent_again_is_no_violation(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str
) -> None:
    lead = entered(broker, sent_file, UNKNOWN)
    run(clock)
    counting_account(broker, sent_file, script={"4711": [word]})
    send_again(log=log_of(lead), clock=clock)
    assert broken() == {}


@pytest.mark.parametrize("batch", [1, 1000])
def test_fallback_after_a_refusal_is_no_violation(
    broker: Broker, clock: VirtualClock, sent_file: Path, settings: LazySettings, batch: int
) -> None:
    settings.ENGINE_BATCH = batch
    counting_account(broker, sent_file, otherwise="invalid")
    counting_account(broker, sent_file, channel="whatsapp")
    spec = message_step(broker, fallback_channel="whatsapp")
    spec["fallback_template"] = message_step(broker, channel="whatsapp")["message_template"]
    leads = some_leads(broker, 2)
    enroll(a_campaign(broker, spec), *leads)
    run(clock, passes=2)
    assert ([log_of(lead).channel for lead in leads], broken()) == (["whatsapp"] * 2, {})
