"""An outcome nobody could know is learnt after all: by the provider's callback, by a worker that comes back late, by
the end of a call (failures.md rows 2, 4 and 24). The log is corrected; the enrolment, which went on, never is."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import confirm_delivered, leave_unknown, send_again
from campaigns.correcting import TOLD_WITHIN, correct_unsettled
from campaigns.deciding import CALL_LEASE, SEND_LEASE, decide_batch, due_groups
from campaigns.models import CampaignLog
from campaigns.settling import settle
from leads.models import Lead
from messaging.base import Event
from messaging.clock import VirtualClock
from messaging.dispatching import dispatch_all
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message
from tests.building import (
    HOUR,
    NOW,
    a_broker,
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
)
from tests.campaigns.test_unknown_work_list import (
    VERBS,
    Verb,
    everything,
    leave,
    outcome,
    resend,
    unknown,
)
from tests.peers.counting import sends
from voice.models import VoiceCall

pytestmark = pytest.mark.django_db


def tell(message: Message, status: str, now: datetime, code: str = "") -> None:
    """The provider's callback, which carries our id."""
    account = ChannelAccount.objects.get(pk=message.account_id)
    event = Event(event_id=f"{message.pk}-{status}", kind="status", status=status, code=code, message_id=message.pk)
    receive_event(account=account, event=event, payload={}, now=now)


TOLD = pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        ("sent", "", ("sent", "")),
        ("delivered", "", ("sent", "")),
        ("read", "", ("sent", "")),
        ("failed", "63016", ("failed", "63016")),
        ("failed", "", ("failed", "refused")),
    ],
)


@TOLD
@pytest.mark.parametrize("before", ["outcome_unknown", "left_unknown", "resent"])
def test_callback_corrects_the_log_in_the_next_pass(
    broker: Broker,
    clock: VirtualClock,
    sent_file: Path,
    before: str,
    status: str,
    code: str,
    told: tuple[str, str],
) -> None:
    lead, log = unknown(broker, clock, sent_file, "timeout")
    if before == "left_unknown":
        leave(log, clock)
    if before == "resent":
        resend(log, clock)
    message = log_of(lead).message
    tell(message, status, clock.now(), code)
    run(clock)
    assert (outcome(lead), log_of(lead).message, log_of(lead).executed_at) == (told, message, clock.now())
    assert now_of(lead).last_contacted_at == (clock.now() if told[0] == "sent" else None)
    assert broken() == {}


def test_callback_moves_no_enrolment(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 11: the next step was scheduled when the first was given up, and is not again."""
    lead, _log = unknown(broker, clock, sent_file)
    before = log_of(lead, 2).due_at
    tell(Message.objects.get(), "delivered", clock.now())
    run(clock, passes=3)
    assert (outcome(lead), log_of(lead, 2).due_at, CampaignLog.objects.count()) == (("sent", ""), before, 2)
    run(clock, passes=30)
    assert (enrolment_of(lead).status, len(sends(sent_file))) == ("completed", 2)


def test_callback_after_the_last_step_leaves_the_enrolment_as_it_ended(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    counting_account(broker, sent_file, otherwise="timeout")
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    run(clock)
    clock.advance(HOUR)
    tell(Message.objects.get(), "delivered", clock.now())
    run(clock)
    entry = enrolment_of(lead)
    assert (outcome(lead), entry.status, entry.finished_at) == (("sent", ""), "completed", NOW)


def test_callbacks_in_any_order_end_where_they_should(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 24: failed after delivered changes nothing, before or after the pass."""
    lead, _log = unknown(broker, clock, sent_file)
    message = Message.objects.get()
    for status in ("read", "delivered", "failed", "sent"):
        tell(message, status, clock.now())
    run(clock)
    tell(message, "failed", clock.now(), "again")
    run(clock)
    assert (outcome(lead), Message.objects.get().status) == (("sent", ""), "read")


def test_callback_about_what_was_replaced_is_too_late(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """A person said that it did not arrive, and had it sent again; the log is the new message's to tell."""
    lead, log = unknown(broker, clock, sent_file, "refuse")
    resend(log, clock)
    tell(Message.objects.earliest("id"), "delivered", clock.now())
    run(clock)
    assert (outcome(lead), Message.objects.earliest("id").status) == (("failed", "refused"), "failed")


def test_callback_after_a_person_said_so_changes_the_message_only(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    lead, log = unknown(broker, clock, sent_file)
    confirm_delivered(log=log, now=clock.now())
    tell(Message.objects.get(), "read", clock.now())
    run(clock)
    assert (outcome(lead), Message.objects.get().status) == (("sent", ""), "read")


@VERBS
@pytest.mark.parametrize("status", ["delivered", "failed"])
def test_what_the_provider_told_a_moment_ago_is_not_spoken_about(
    broker: Broker, clock: VirtualClock, sent_file: Path, verb: Verb, status: str
) -> None:
    """failures.md row 4: the log says it with the next pass, but it is known already. It is not sent twice."""
    _lead, log = unknown(broker, clock, sent_file)
    tell(Message.objects.get(), status, clock.now(), "63016")
    before = everything()
    with pytest.raises(Refused) as refused:
        verb(log, clock)
    assert (refused.value.reason, everything() == before, len(sends(sent_file))) == ("not_unknown", True, 1)


def test_unknown_outcome_of_long_ago_is_not_asked_about_with_every_pass(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    lead, _log = unknown(broker, clock, sent_file)
    clock.advance(TOLD_WITHIN)
    tell(Message.objects.get(), "delivered", clock.now())
    run(clock)
    assert outcome(lead) == ("failed", "outcome_unknown")


@pytest.mark.parametrize("count", [1, 3])
def test_corrections_take_as_many_statements_for_many(
    broker: Broker, clock: VirtualClock, sent_file: Path, count: int
) -> None:
    counting_account(broker, sent_file, otherwise="timeout")
    enroll(a_campaign(broker), *[a_lead(broker) for _ in range(count)])
    run(clock)
    for message in Message.objects.all():
        tell(message, "delivered", clock.now())
    with CaptureQueriesContext(connection) as asked:
        corrected = correct_unsettled(batch=100, broker_id=None, now=clock.now())
    assert (corrected, len([one for one in asked if "SAVEPOINT" not in one["sql"]])) == (count, 3)


def late(broker: Broker, clock: VirtualClock, file: Path, word: str) -> tuple[Lead, Any]:
    """A slow worker has asked the provider, which answered so, when its lease was over and the others gave it up."""
    counting_account(broker, file, otherwise=word)
    lead = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker), message_step(broker, delay_hours=24)), lead)
    decided = decide_batch(groups=due_groups(batch=9, broker_id=None, now=NOW), size=9, now=NOW)
    outcomes = dispatch_all(decided.dispatches, clock)
    clock.advance(SEND_LEASE)
    run(clock)
    assert outcome(lead) == ("failed", "outcome_unknown")
    account = ChannelAccount.objects.get(provider="counting")
    account.credentials = account.credentials | {"otherwise": "accept"}
    account.save()
    return lead, outcomes


@pytest.mark.parametrize("word", ["accept", "refuse", "temporary", "timeout", "invalid"])
@pytest.mark.parametrize("then", ["accept", "refuse", "temporary", "timeout"])
def test_late_settle_leaves_what_was_sent_again_alone(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str, then: str
) -> None:
    lead, outcomes = late(broker, clock, sent_file, word)
    account = ChannelAccount.objects.get(provider="counting")
    account.credentials = account.credentials | {"otherwise": then}
    account.save()
    send_again(log=log_of(lead), clock=clock)
    before = list(CampaignLog.objects.values()), list(Message.objects.values())
    settle(outcomes, clock.now())
    run(clock)
    assert (list(CampaignLog.objects.values()), list(Message.objects.values())) == before
    assert broken() == {}


@pytest.mark.parametrize(
    ("word", "told"), [("accept", ("sent", "")), ("refuse", ("failed", "refused")), ("timeout", None)]
)
def test_late_settle_corrects_what_was_left(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str, told: tuple[str, str] | None
) -> None:
    lead, outcomes = late(broker, clock, sent_file, word)
    leave_unknown(log=log_of(lead), now=clock.now())
    settle(outcomes, clock.now())
    run(clock)
    assert (outcome(lead), broken()) == (told or ("failed", "left_unknown"), {})


@pytest.mark.parametrize("word", ["accept", "refuse", "timeout"])
def test_late_settle_does_not_unsay_what_a_person_confirmed(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str
) -> None:
    lead, outcomes = late(broker, clock, sent_file, word)
    confirm_delivered(log=log_of(lead), now=clock.now())
    settle(outcomes, clock.now())
    run(clock)
    assert (outcome(lead), Message.objects.get().status, broken()) == (("sent", ""), "sent", {})


@pytest.mark.django_db(transaction=True)
def test_worker_that_dies_while_sending_again_leaves_it_unknown_once_more(
    clock: VirtualClock, sent_file: Path, command_environment: dict[str, str]
) -> None:
    """failures.md row 2: in a process of its own, killed while it speaks with the provider."""
    lead, log = unknown(a_broker(), clock, sent_file, "die")
    command = [sys.executable, "-m", "tests.peers.resend_process", str(log.pk), clock.now().isoformat()]
    variables = command_environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    died = subprocess.run(command, cwd=django_settings.BASE_DIR, env=variables, check=False, timeout=60)
    assert (died.returncode, [send.word for send in sends(sent_file)]) == (-9, ["timeout", "die"])
    assert (outcome(lead), list(CampaignLog.objects.unsettled())) == (("failed", "resending"), [])
    run(clock)
    assert outcome(lead) == ("failed", "resending")
    clock.advance(SEND_LEASE)
    run(clock)
    message = log_of(lead).message
    assert (outcome(lead), message.status, message.error_code) == (
        ("failed", "outcome_unknown"),
        "unknown",
        "lease_over",
    )
    assert (list(CampaignLog.objects.unsettled()), broken()) == ([log], {})


@pytest.mark.django_db(transaction=True)
def test_callback_for_a_worker_that_died_while_sending_again_is_heard(
    clock: VirtualClock, sent_file: Path, command_environment: dict[str, str]
) -> None:
    lead, log = unknown(a_broker(), clock, sent_file, "die")
    command = [sys.executable, "-m", "tests.peers.resend_process", str(log.pk), clock.now().isoformat()]
    variables = command_environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run(command, cwd=django_settings.BASE_DIR, env=variables, check=False, timeout=60)
    tell(Message.objects.latest("id"), "delivered", clock.now())
    run(clock, passes=2, every=SEND_LEASE)
    assert (outcome(lead), Message.objects.latest("id").status) == (("sent", ""), "delivered")
    assert broken() == {}


def unknown_call(broker: Broker, clock: VirtualClock, digit: int) -> Lead:
    """A call whose worker died before it rang; the sandbox's phone with that last digit."""
    lead = a_lead(broker, phone=f"+5698765432{digit}", treatment_type="automated_call")
    enroll(a_campaign(broker, {"action": "make_call"}, message_step(broker, delay_hours=24)), lead)
    decide_batch(groups=due_groups(batch=9, broker_id=None, now=clock.now()), size=9, now=clock.now())
    clock.advance(CALL_LEASE)
    run(clock)
    assert outcome(lead) == ("failed", "outcome_unknown")
    return lead


@pytest.mark.parametrize(
    ("digit", "told", "status"),
    [
        (1, ("sent", ""), "delivered"),
        (8, ("failed", "busy"), "failed"),
        (9, ("failed", "no_answer"), "failed"),
    ],
)
def test_call_that_is_made_again_says_how_it_ended(
    broker: Broker, clock: VirtualClock, digit: int, told: tuple[str, str], status: str
) -> None:
    """Once: a phone nobody picks up is a person's to try again."""
    lead = unknown_call(broker, clock, digit)
    due_at = log_of(lead, 2).due_at
    log = send_again(log=log_of(lead), clock=clock)
    assert (log.reason, log.message.status) == ("resending", "sending")
    run(clock, passes=2)
    assert (outcome(lead), log_of(lead).message.status) == (told, status)
    assert (VoiceCall.objects.count(), log_of(lead, 2).due_at, broken()) == (2, due_at, {})


def test_call_that_is_made_again_and_never_ends_is_unknown_once_more(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    counting_account(broker, sent_file, channel="call")
    counting_account(broker, sent_file)
    lead = unknown_call(broker, clock, 1)
    send_again(log=log_of(lead), clock=clock)
    run(clock, passes=2, every=CALL_LEASE)
    assert (outcome(lead), log_of(lead).message.status) == (("failed", "outcome_unknown"), "unknown")
    assert list(CampaignLog.objects.unsettled()) == [log_of(lead)]


@pytest.mark.parametrize("is_left", [False, True])
@pytest.mark.parametrize(("ended", "told"), [("completed", ("sent", "")), ("no_answer", ("failed", "no_answer"))])
def test_end_of_a_call_that_is_told_after_its_lease_corrects_the_log(
    broker: Broker, clock: VirtualClock, ended: str, told: tuple[str, str], is_left: bool
) -> None:
    lead = unknown_call(broker, clock, 1)
    if is_left:
        leave_unknown(log=log_of(lead), now=clock.now())
    VoiceCall.objects.update(status=ended, duration=70)
    run(clock)
    assert (outcome(lead), VoiceCall.objects.count(), broken()) == (told, 1, {})
    assert now_of(lead).long_call_count == (ended == "completed")


@VERBS
def test_call_whose_end_was_told_a_moment_ago_is_not_spoken_about(
    broker: Broker, clock: VirtualClock, verb: Verb
) -> None:
    lead = unknown_call(broker, clock, 1)
    VoiceCall.objects.update(status="completed", duration=70)
    with pytest.raises(Refused) as refused:
        verb(log_of(lead), clock)
    assert (refused.value.reason, VoiceCall.objects.count()) == ("not_unknown", 1)
