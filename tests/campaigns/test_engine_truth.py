"""What the log says is what happened (failures.md row 31): sent means accepted, and the sandbox is counted apart."""

from pathlib import Path

import pytest

from brokers.models import Broker
from campaigns.models import CampaignLog, Enrollment
from messaging.clock import VirtualClock
from messaging.models import ACCEPTED, Message
from tests.building import (
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    broken,
    counting_account,
    enroll,
    log_of,
    message_step,
    now_of,
    run,
    some_leads,
)
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db
WORDS = ["accept", "refuse", "temporary", "timeout", "invalid", "raise", "garbage"]


def test_sent_means_that_a_provider_accepted_it(free_broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 31, over providers that say everything there is to say."""
    leads = [a_lead(free_broker, telegram_chat_id=str(number)) for number in range(14)]
    script = {str(number): [WORDS[number % 7]] for number in range(14)}
    counting_account(free_broker, sent_file, script=script)
    enroll(a_campaign(free_broker, message_step(free_broker), message_step(free_broker, delay_hours=1)), *leads)
    run(clock, passes=30, every=HOUR / 2)
    accepted = {(send.key.rsplit(":", 1)[0]) for send in sends(sent_file) if send.word == "accept"}
    said = CampaignLog.objects.filter(status="sent").select_related("message")
    assert {f"step:{log.enrollment_id}:{log.step_number}" for log in said} == accepted
    assert {log.message.status for log in said} <= set(ACCEPTED)
    assert broken() == {}


def test_every_send_was_committed_before_and_said_why(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file)
    enroll(a_campaign(broker), *some_leads(broker, 3))
    run(clock)
    keys = {send.key for send in sends(sent_file)}
    assert set(Message.objects.exclude(basis={}).values_list("dedupe_key", flat=True)) == keys


def test_sandbox_is_told_apart_on_every_row(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    on_sandbox, real = some_leads(broker, 2)
    enroll(a_campaign(broker), on_sandbox)
    run(clock)
    counting_account(broker, sent_file)
    enroll(a_campaign(broker), real)
    run(clock)
    assert dict(Message.objects.values_list("lead", "sandbox")) == {on_sandbox.pk: True, real.pk: False}
    assert dict(Enrollment.objects.values_list("lead", "sandbox")) == {on_sandbox.pk: True, real.pk: False}


def test_contacts_on_the_sandbox_do_not_count_in_the_real_world(clock: VirtualClock, sent_file: Path) -> None:
    broker = a_broker(cap_24h=1)
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    run(clock)
    counting_account(broker, sent_file)
    real = a_campaign(broker)
    enroll(real, lead)
    run(clock)
    assert log_of(lead, campaign=real).status == "sent"


def test_enrolment_on_the_sandbox_never_reaches_a_real_person(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """The brokerage went live between two steps."""
    lead = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker), message_step(broker, delay_hours=1)), lead)
    run(clock)
    counting_account(broker, sent_file)
    run(clock, passes=3)
    assert (log_of(lead, 2).status, sends(sent_file)) == ("sent", [])
    assert set(Message.objects.values_list("sandbox", flat=True)) == {True}


def test_real_enrolment_never_counts_the_sandbox_as_sent(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """The account was switched off: the sandbox does not take its place."""
    account = counting_account(broker, sent_file)
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    account.is_active = False
    account.save()
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason, Message.objects.count()) == ("failed", "no_account", 0)


def test_contact_stamps_the_lead_only_when_it_was_accepted(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    leads = [a_lead(broker, telegram_chat_id=str(number)) for number in range(3)]
    counting_account(broker, sent_file, script={"0": ["accept"], "1": ["refuse"], "2": ["timeout"]})
    enroll(a_campaign(broker), *leads)
    run(clock)
    assert [now_of(lead).last_contacted_at for lead in leads] == [NOW, None, None]
