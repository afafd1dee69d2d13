"""A provider that says no: for now, for good, or asks to wait."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.models import Broker
from leads.models import Appointment, Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message
from tests.building import (
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    a_user,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    now_of,
    run,
    sent_bodies,
    some_leads,
)
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def entered(broker: Broker, file: Path, *words: str) -> Lead:
    """A lead of two messages, of whose first the provider says these words, an attempt each."""
    lead = a_lead(broker, telegram_chat_id="4711")
    counting_account(broker, file, script={"4711": list(words)})
    counting_account(broker, file, channel="whatsapp")
    enroll(a_campaign(broker, message_step(broker, "uno"), message_step(broker, "dos", channel="whatsapp")), lead)
    return lead


def keys(file: Path) -> list[str]:
    """Step and attempt of what went to the chat with that script."""
    return [send.key.split(":", 2)[2] for send in sends(file) if send.address == "4711"]


def test_refused_for_now_is_tried_again_with_a_new_key(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead = entered(broker, sent_file, "temporary", "accept")
    run(clock)
    log = log_of(lead)
    assert (log.status, log.reason, log.attempts, log.dispatched_at) == ("pending", "too_many", 1, None)
    assert NOW + MINUTE <= log.due_at <= NOW + 1.25 * MINUTE
    run(clock, passes=3, every=MINUTE)
    assert (keys(sent_file), log_of(lead).status, log_of(lead).attempts) == (["1:1", "1:2"], "sent", 2)


def test_each_attempt_is_a_message_of_its_own(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead = entered(broker, sent_file, "temporary", "accept")
    run(clock, passes=4, every=MINUTE)
    first, second = Message.objects.filter(channel="telegram").order_by("id")
    assert (first.status, first.error_code, first.error, first.failed_at) == ("failed", "too_many", "429", NOW)
    assert (second.status, second.error_code, log_of(lead).message) == ("sent", "", second)


def test_refused_for_now_too_often_is_given_up(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 18."""
    lead = entered(broker, sent_file, "temporary")
    run(clock, passes=60, every=5 * MINUTE)
    assert keys(sent_file) == [f"1:{attempt}" for attempt in range(1, 6)]
    assert (log_of(lead).status, log_of(lead).reason, sent_bodies(lead)) == ("failed", "gave_up", ["dos"])


def test_refusals_do_not_count_against_the_caps(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead = entered(broker, sent_file, "temporary", "temporary", "temporary", "accept")
    run(clock, passes=40, every=2 * MINUTE)
    assert log_of(lead).status == "sent"
    assert Message.objects.filter(status="sent").earliest("id").basis["caps"]["24h"]["sent"] == 0


def test_refused_for_good_is_never_tried_again(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 18."""
    lead = entered(broker, sent_file, "refuse")
    run(clock, passes=20)
    message = Message.objects.get(channel="telegram")
    assert (keys(sent_file), log_of(lead).status, log_of(lead).reason) == (["1:1"], "failed", "refused")
    assert (message.status, message.error_code, message.error) == ("failed", "refused", "no")
    assert now_of(lead).unreachable == {}


def test_address_nobody_has_is_marked_and_not_tried_by_another_campaign(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """failures.md row 18: the cause is said once, and known to whoever comes after."""
    lead = entered(broker, sent_file, "invalid")
    run(clock)
    assert (log_of(lead).reason, now_of(lead).unreachable) == ("invalid_address", {"telegram": "invalid_address"})
    assert now_of(lead).score_components["invalid_address"] == -10
    other = a_campaign(broker)
    enroll(other, lead, now=clock.now())
    run(clock)
    assert (logs(campaign=other), keys(sent_file)) == ([(1, "skipped", "unreachable")], ["1:1"])


def test_wait_that_the_provider_asks_for_is_kept(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead = entered(broker, sent_file, "temporary:90", "accept")
    run(clock)
    assert log_of(lead).due_at == NOW + 90 * SECOND
    clock.advance(89 * SECOND)
    run(clock)
    assert log_of(lead).status == "pending"
    clock.advance(SECOND)
    run(clock)
    assert log_of(lead).status == "sent"


@pytest.mark.parametrize("rate", [None, Decimal(100)])
def test_wait_that_the_provider_asks_for_slows_the_whole_account(
    free_broker: Broker, clock: VirtualClock, sent_file: Path, rate: Decimal | None
) -> None:
    """One row was told to wait a minute; the others of that account do not try meanwhile (failures.md row 18)."""
    first, other = a_lead(free_broker, telegram_chat_id="1"), a_lead(free_broker)
    counting_account(free_broker, sent_file, script={"1": ["temporary:60", "accept"]}, rate=rate)
    campaign = a_campaign(free_broker)
    enroll(campaign, first)
    run(clock)
    enroll(campaign, other, now=clock.now())
    clock.advance(10 * SECOND)
    run(clock)
    assert len(sends(sent_file)) == 1
    clock.advance(50 * SECOND)
    run(clock)
    assert [status for _step, status, _reason in logs()] == ["sent", "sent"]


def test_wait_slows_no_other_account(free_broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    slowed = counting_account(free_broker, sent_file, otherwise="temporary:60")
    counting_account(free_broker, sent_file, channel="whatsapp")
    for channel in ("telegram", "whatsapp"):
        enroll(
            a_campaign(free_broker, message_step(free_broker, channel=channel), channel=channel),
            *some_leads(free_broker, 2),
        )
    run(clock)
    waiting = ChannelAccount.objects.filter(next_slot_at__gt=NOW)
    assert [(account.pk, account.next_slot_at) for account in waiting] == [(slowed.pk, NOW + MINUTE)]


def test_meeting_that_is_tried_again_proposes_one_appointment(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    counting_account(broker, sent_file, otherwise="temporary")
    lead = a_lead(broker, telegram_chat_id="1", assigned_to=a_user(broker))
    step = message_step(broker, "{{booking_link}}", action="schedule_meeting")
    enroll(a_campaign(broker, step), lead)
    run(clock, passes=12, every=10 * MINUTE)
    meeting = Appointment.objects.get()
    assert log_of(lead).attempts > 2
    assert all(meeting.token in body for body in Message.objects.values_list("body", flat=True))
    assert log_of(lead).appointment == meeting


def test_meeting_that_was_called_off_meanwhile_is_proposed_anew(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    lead = a_lead(broker, telegram_chat_id="1", assigned_to=a_user(broker))
    counting_account(broker, sent_file, script={"1": ["temporary", "accept"]})
    enroll(a_campaign(broker, message_step(broker, "{{booking_link}}", action="schedule_meeting")), lead)
    run(clock)
    Appointment.objects.update(status="cancelled")
    run(clock, passes=3, every=MINUTE)
    meeting = Appointment.objects.get(status="proposed")
    assert (log_of(lead).appointment, meeting.token in sent_bodies(lead)[0]) == (meeting, True)


def test_batch_of_mixed_answers_gives_each_its_own(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    words = ["accept", "refuse", "temporary", "invalid", "timeout", "raise"]
    leads = [a_lead(broker, telegram_chat_id=str(number)) for number in range(len(words))]
    counting_account(broker, sent_file, script={str(number): [word] for number, word in enumerate(words)})
    enroll(a_campaign(broker), *leads)
    run(clock)
    assert [(log_of(lead).status, log_of(lead).reason) for lead in leads] == [
        ("sent", ""),
        ("failed", "refused"),
        ("pending", "too_many"),
        ("failed", "invalid_address"),
        ("failed", "outcome_unknown"),
        ("failed", "outcome_unknown"),
    ]


def test_last_step_that_fails_completes_the_enrolment(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file, otherwise="refuse")
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    run(clock)
    assert (enrolment_of(lead).status, enrolment_of(lead).exit_reason) == ("completed", "")


def test_retry_waits_for_the_window_like_everything_else(broker: Broker, sent_file: Path) -> None:
    evening = NOW + 8 * HOUR - MINUTE / 2
    clock = VirtualClock(evening)
    counting_account(broker, sent_file, otherwise="temporary")
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead, now=evening)
    run(clock)
    clock.advance(5 * MINUTE)
    run(clock)
    assert (log_of(lead).reason, log_of(lead).attempts) == ("outside_hours", 1)


def test_accounts_are_told_apart(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """An account whose credentials change is spoken to with the new ones."""
    account = counting_account(broker, sent_file, otherwise="refuse")
    one, two = some_leads(broker, 2)
    campaign = a_campaign(broker)
    enroll(campaign, one)
    run(clock)
    account.credentials = account.credentials | {"otherwise": "accept"}
    account.save()
    enroll(campaign, two)
    run(clock)
    assert (log_of(one).status, log_of(two).status) == ("failed", "sent")
