"""An outcome nobody can know is shown and never sent again (failures.md row 4); what is learnt later corrects it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import transaction

from brokers.models import Broker
from campaigns.deciding import CALL_LEASE, SEND_LEASE, Decided, decide_batch, due_groups
from campaigns.models import CampaignLog
from campaigns.settling import settle
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.dispatching import dispatch_all
from messaging.models import Message
from tests.building import (
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    now_of,
    run,
    some_leads,
)
from tests.peers.counting import sends
from voice.models import VoiceCall

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def entered(broker: Broker, count: int = 1) -> list[Lead]:
    leads = some_leads(broker, count)
    enroll(a_campaign(broker, message_step(broker), message_step(broker, delay_hours=1)), *leads)
    return leads


def decided(clock: VirtualClock) -> Decided:
    """The first third of a batch; what follows is what a worker that died did not do."""
    groups = due_groups(batch=100, broker_id=None, now=clock.now())
    return decide_batch(groups=groups, size=100, now=clock.now())


def test_time_out_after_sending_is_never_sent_again(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 4."""
    counting_account(broker, sent_file, otherwise="timeout")
    [lead] = entered(broker)
    run(clock)
    message = Message.objects.get()
    assert (logs()[0], message.status, message.unknown_at) == ((1, "failed", "outcome_unknown"), "unknown", NOW)
    run(clock, passes=10)
    assert [send.key.split(":", 2)[2] for send in sends(sent_file)] == ["1:1", "2:1"]
    assert now_of(lead).last_contacted_at is None


def test_unknown_outcome_lets_the_next_step_follow(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file, otherwise="timeout")
    [lead] = entered(broker)
    run(clock)
    assert (log_of(lead, 2).status, log_of(lead, 2).due_at) == ("pending", NOW + HOUR)


def test_unknown_outcome_counts_against_the_caps(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file, otherwise="timeout")
    entered(broker)
    run(clock, passes=3)
    assert Message.objects.latest("id").basis["caps"]["24h"]["sent"] == 1


def test_row_of_a_worker_that_died_is_nobodys_until_its_lease_is_over(broker: Broker, clock: VirtualClock) -> None:
    """failures.md rows 2 and 26."""
    [lead] = entered(broker)
    decided(clock)
    log = log_of(lead)
    assert (log.status, log.dispatched_at, log.lease_until) == ("pending", NOW, NOW + SEND_LEASE)
    clock.sleep_until(NOW + SEND_LEASE - SECOND)
    run(clock)
    assert (log_of(lead).status, Message.objects.get().status) == ("pending", "sending")
    clock.advance(SECOND)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("failed", "outcome_unknown")
    message = Message.objects.get()
    assert (message.status, message.error_code, message.unknown_at) == ("unknown", "lease_over", clock.now())
    assert log_of(lead, 2).due_at == clock.now() + HOUR


def test_row_of_a_worker_that_died_is_never_sent_by_another(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """failures.md rows 1 and 4."""
    counting_account(broker, sent_file)
    entered(broker, 3)
    decided(clock)
    run(clock, passes=3, every=SEND_LEASE)
    assert sends(sent_file) == []
    assert [reason for step, _status, reason in logs() if step == 1] == ["outcome_unknown"] * 3


def crash_in_the_decision(clock: VirtualClock) -> None:
    with transaction.atomic():
        decided(clock)
        raise ZeroDivisionError


def test_crash_before_the_commit_leaves_everything_due(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 2."""
    [lead] = entered(broker)
    with pytest.raises(ZeroDivisionError):
        crash_in_the_decision(clock)
    assert (log_of(lead).status, log_of(lead).dispatched_at, Message.objects.count()) == ("pending", None, 0)
    run(clock)
    assert (log_of(lead).status, log_of(lead).attempts) == ("sent", 1)


def sent_by(clock: VirtualClock) -> list[Any]:
    """A batch that is decided and sent, and not settled."""
    return dispatch_all(decided(clock).dispatches, clock)


def late(broker: Broker, clock: VirtualClock) -> tuple[Lead, Any]:
    """A lead whose message a slow worker has sent, when its lease was over and the others had given it up."""
    [lead] = entered(broker)
    outcomes = sent_by(clock)
    clock.advance(SEND_LEASE)
    run(clock)
    assert log_of(lead).reason == "outcome_unknown"
    return lead, outcomes


def test_late_settle_corrects_what_was_unknown(broker: Broker, clock: VirtualClock) -> None:
    lead, outcomes = late(broker, clock)
    settle(outcomes, clock.now())
    message = Message.objects.get()
    assert (log_of(lead).status, log_of(lead).reason, message.status) == ("sent", "", "delivered")
    assert now_of(lead).last_contacted_at == clock.now()


def test_late_settle_schedules_nothing_twice(broker: Broker, clock: VirtualClock) -> None:
    """failures.md rows 11 and 26."""
    lead, outcomes = late(broker, clock)
    due_at = log_of(lead, 2).due_at
    clock.advance(HOUR / 2)
    settle(outcomes, clock.now())
    assert (CampaignLog.objects.count(), log_of(lead, 2).due_at, enrolment_of(lead).status) == (2, due_at, "active")


def test_late_settle_of_the_last_step_leaves_the_enrolment_completed(broker: Broker, clock: VirtualClock) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    outcomes = sent_by(clock)
    clock.advance(SEND_LEASE)
    run(clock)
    finished = enrolment_of(lead).finished_at
    clock.advance(HOUR)
    settle(outcomes, clock.now())
    entry = enrolment_of(lead)
    assert (entry.status, entry.finished_at, logs()) == ("completed", finished, [(1, "sent", "")])


def test_late_refusal_corrects_the_reason(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file, otherwise="refuse")
    lead, outcomes = late(broker, clock)
    settle(outcomes, clock.now())
    assert (log_of(lead).status, log_of(lead).reason) == ("failed", "refused")
    assert Message.objects.get().status == "failed"


def test_late_wish_to_try_again_changes_nothing_but_the_message(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """The step has been given up and the next one is on its way; it does not come back."""
    counting_account(broker, sent_file, otherwise="temporary")
    lead, outcomes = late(broker, clock)
    settle(outcomes, clock.now())
    log = log_of(lead)
    assert (log.status, log.reason, log.attempts, len(sends(sent_file))) == ("failed", "outcome_unknown", 1, 1)
    assert (log.dispatched_at, log.due_at, Message.objects.get().status) == (NOW, NOW, "failed")


def test_settling_twice_is_settling_once(broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 11."""
    [lead] = entered(broker)
    outcomes = sent_by(clock)
    for _ in range(2):
        settle(outcomes, clock.now())
        clock.advance(SECOND)
    assert (logs(), log_of(lead).executed_at) == ([(1, "sent", ""), (2, "pending", "")], NOW)


def test_call_has_the_lease_of_the_longest_call(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file, channel="call")
    counting_account(broker, sent_file)
    lead = a_lead(broker, treatment_type="automated_call")
    enroll(a_campaign(broker, {"action": "make_call"}), lead)
    run(clock)
    log = log_of(lead)
    assert (log.status, log.lease_until, Message.objects.get().status) == ("pending", NOW + CALL_LEASE, "sending")
    clock.sleep_until(NOW + CALL_LEASE)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("failed", "outcome_unknown")


@pytest.mark.parametrize(
    ("status", "outcome"), [("completed", ("sent", "")), ("busy", ("failed", "busy")), ("failed", ("failed", "failed"))]
)
@pytest.mark.parametrize("batch", [1, 1000])
def test_call_whose_end_is_learnt_after_its_lease_is_no_unknown(
    broker: Broker,
    clock: VirtualClock,
    sent_file: Path,
    settings: LazySettings,
    batch: int,
    status: str,
    outcome: tuple[str, str],
) -> None:
    """The engine was away for an hour; the calls had ended long before."""
    settings.ENGINE_BATCH = batch
    counting_account(broker, sent_file, channel="call")
    counting_account(broker, sent_file)
    leads = some_leads(broker, 2, treatment_type="automated_call")
    enroll(a_campaign(broker, {"action": "make_call"}), *leads)
    run(clock)
    VoiceCall.objects.update(status=status, duration=30)
    clock.advance(CALL_LEASE + HOUR)
    run(clock)
    assert [(row_status, reason) for _step, row_status, reason in logs()] == [outcome] * 2


def test_message_that_was_known_to_arrive_is_no_unknown(broker: Broker, clock: VirtualClock) -> None:
    """The worker died, but the provider's callback came."""
    [lead] = entered(broker)
    decided(clock)
    Message.objects.update(status="delivered", sent_at=clock.now(), delivered_at=clock.now())
    clock.advance(SEND_LEASE)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason, Message.objects.get().status) == ("sent", "", "delivered")
