"""What a person says of an outcome nobody can know: it was delivered, send it again, leave it (failures.md row 4)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import (
    confirm_delivered,
    leave_unknown,
    pause,
    pause_enrollment,
    send_again,
    stop_platform,
    stop_sending,
)
from campaigns.deciding import SEND_LEASE
from campaigns.models import CampaignLog
from leads.actions import delete_lead, edit_lead, record_permission
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message
from tests.building import (
    DAY,
    HOUR,
    MANY,
    a_broker,
    a_campaign,
    a_lead,
    a_template,
    an_admin,
    broken,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    message_step,
    now_of,
    run,
)
from tests.peers.counting import sends
from tests.together import together

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
Verb = Callable[[CampaignLog, VirtualClock], CampaignLog]


def confirm(log: CampaignLog, clock: VirtualClock) -> CampaignLog:
    return confirm_delivered(log=log, now=clock.now())


def resend(log: CampaignLog, clock: VirtualClock) -> CampaignLog:
    return send_again(log=log, clock=clock)


def leave(log: CampaignLog, clock: VirtualClock) -> CampaignLog:
    return leave_unknown(log=log, now=clock.now())


VERBS = pytest.mark.parametrize("verb", [confirm, resend, leave])


def unknown(broker: Broker, clock: VirtualClock, file: Path, *words: str, **step: Any) -> tuple[Lead, CampaignLog]:
    """A lead of two messages, a day apart; what became of the first nobody knows. The provider says these words of
    what is sent again, an attempt each."""
    lead = a_lead(broker, telegram_chat_id="4711")
    counting_account(broker, file, script={"4711": ["timeout"]})
    steps = message_step(broker, "uno", **step), message_step(broker, "dos", delay_hours=24)
    enroll(a_campaign(broker, *steps), lead)
    run(clock)
    say(*words or ("accept",))
    clock.advance(HOUR)
    return lead, log_of(lead)


def say(*words: str) -> None:
    account = ChannelAccount.objects.get(provider="counting", channel="telegram")
    account.credentials = account.credentials | {"script": {"4711": list(words)}}
    account.save()


def everything() -> list[Any]:
    """All rows that a verb about an unknown outcome could touch."""
    return [list(model.objects.order_by("pk").values()) for model in (CampaignLog, Message, Lead, ChannelAccount)]


def outcome(lead: Lead) -> tuple[str, str]:
    log = log_of(lead)
    return log.status, log.reason


def test_work_list_holds_what_nobody_knows(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    _lead, log = unknown(broker, clock, sent_file)
    run(clock, passes=3)
    assert list(CampaignLog.objects.unsettled()) == [log]


@VERBS
def test_work_list_loses_what_somebody_spoke_about(
    broker: Broker, clock: VirtualClock, sent_file: Path, verb: Verb
) -> None:
    _lead, log = unknown(broker, clock, sent_file)
    verb(log, clock)
    assert list(CampaignLog.objects.unsettled()) == []


@VERBS
def test_word_of_a_person_is_kept(broker: Broker, clock: VirtualClock, sent_file: Path, verb: Verb) -> None:
    """Which message, who, when; beside the checks that were made when it was decided."""
    admin = an_admin(broker)
    _lead, log = unknown(broker, clock, sent_file)
    if verb is resend:
        send_again(log=log, clock=clock, by=admin)
    else:
        {confirm: confirm_delivered, leave: leave_unknown}[verb](log=log, now=clock.now(), by=admin)
    response = CampaignLog.objects.get(pk=log.pk).response
    [said] = response["said"]
    word = {confirm: "delivered", resend: "send_again", leave: "leave"}[verb]
    assert said == {
        "what": word,
        "message": log.message_id,
        "by": admin.pk,
        "name": str(admin),
        "at": clock.now().isoformat(),
    }
    assert response["checks"] == log.response["checks"]


@VERBS
def test_enrolment_goes_on_as_it_would_have(broker: Broker, clock: VirtualClock, sent_file: Path, verb: Verb) -> None:
    """failures.md row 8: whatever is said, the next step stays where it was, and comes once."""
    lead, log = unknown(broker, clock, sent_file)
    before = log_of(lead, 2)
    verb(log, clock)
    assert (log_of(lead, 2).due_at, enrolment_of(lead).status) == (before.due_at, "active")
    run(clock, passes=30)
    assert [send.key.rsplit(":", 2)[1] for send in sends(sent_file) if send.key.startswith("step")] == ["1", "2"]
    assert (enrolment_of(lead).status, broken()) == ("completed", {})


def test_delivered_makes_it_sent(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead, log = unknown(broker, clock, sent_file)
    told = confirm(log, clock)
    message = Message.objects.get()
    assert (told.status, told.reason, told.executed_at) == ("sent", "", clock.now())
    assert (message.status, message.sent_at, message.error_code) == ("sent", clock.now(), "")
    assert (now_of(lead).last_contacted_at, len(sends(sent_file)), broken()) == (clock.now(), 1, {})


def test_what_is_left_may_still_be_spoken_about(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead, log = unknown(broker, clock, sent_file)
    leave(log, clock)
    assert (outcome(lead), Message.objects.get().status) == (("failed", "left_unknown"), "unknown")
    confirm(log, clock)
    assert outcome(lead) == ("sent", "")
    assert [said["what"] for said in log_of(lead).response["said"]] == ["leave", "delivered"]


def test_sent_again_is_a_message_with_a_key_of_its_own(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead, log = unknown(broker, clock, sent_file)
    told = resend(log, clock)
    first, second = Message.objects.order_by("id")
    assert (told.status, told.reason, told.message, told.attempts) == ("sent", "", second, 1)
    assert (first.status, first.error_code, first.failed_at) == ("failed", "not_delivered", clock.now())
    assert (second.status, second.dedupe_key, second.sent_at) == ("sent", f"resend:{log.pk}:1", clock.now())
    assert [send.key for send in sends(sent_file)] == [first.dedupe_key, second.dedupe_key]
    same = ("body", "subject", "channel", "template", "address", "purpose", "sandbox", "lead", "account", "broker")
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]
    assert (now_of(lead).last_contacted_at, broken()) == (clock.now(), {})


def test_sent_again_says_why_it_was_allowed_and_who_wanted_it(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    admin = an_admin(broker)
    _lead, log = unknown(broker, clock, sent_file)
    send_again(log=log, clock=clock, by=admin)
    basis = Message.objects.latest("id").basis
    assert {"rules", "address", "permission", "window", "caps"} <= set(basis)
    assert (basis["resent_by"], basis["caps"]["24h"]) == (admin.pk, {"sent": 0, "cap": 2})


def test_caps_count_what_is_sent_again_and_not_what_it_replaces(clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 22: with room for one, it is sent again; the next contact waits for a day after that."""
    broker = a_broker(cap_24h=1)
    lead, log = unknown(broker, clock, sent_file)
    resend(log, clock)
    run(clock, passes=24)
    waiting = log_of(lead, 2)
    assert (waiting.reason, waiting.due_at > clock.now(), len(sends(sent_file))) == ("frequency_cap", True, 2)
    run(clock, passes=5)
    assert (log_of(lead, 2).status, broken()) == ("sent", {})


def test_sent_again_and_again_has_a_key_each(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    lead, log = unknown(broker, clock, sent_file, "timeout")
    resend(log, clock)
    assert (outcome(lead), list(CampaignLog.objects.unsettled())) == (("failed", "outcome_unknown"), [log])
    say("accept")
    resend(log, clock)
    keys = list(Message.objects.order_by("id").values_list("dedupe_key", "status"))
    assert keys[1:] == [(f"resend:{log.pk}:1", "failed"), (f"resend:{log.pk}:2", "sent")]
    assert (outcome(lead), broken()) == (("sent", ""), {})


@pytest.mark.parametrize(
    ("word", "told", "status", "is_listed"),
    [
        ("accept", ("sent", ""), "sent", False),
        ("refuse", ("failed", "refused"), "failed", False),
        ("invalid", ("failed", "invalid_address"), "failed", False),
        ("temporary", ("failed", "not_resent"), "failed", True),
        ("timeout", ("failed", "outcome_unknown"), "unknown", True),
        ("raise", ("failed", "outcome_unknown"), "unknown", True),
    ],
)
def test_log_says_what_became_of_what_was_sent_again(
    broker: Broker,
    clock: VirtualClock,
    sent_file: Path,
    word: str,
    told: tuple[str, str],
    status: str,
    is_listed: bool,
) -> None:
    lead, log = unknown(broker, clock, sent_file, word)
    resend(log, clock)
    run(clock, passes=3, every=SEND_LEASE)
    assert (outcome(lead), log_of(lead).message.status) == (told, status)
    assert list(CampaignLog.objects.unsettled()) == [log] * is_listed
    assert now_of(lead).unreachable == ({"telegram": "invalid_address"} if word == "invalid" else {})
    assert broken() == {}


def test_not_resent_is_sent_again_or_left_but_was_not_delivered(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    lead, log = unknown(broker, clock, sent_file, "temporary")
    resend(log, clock)
    with pytest.raises(Refused, match="You said that it did not arrive") as refused:
        confirm(log, clock)
    assert (refused.value.reason, outcome(lead)) == ("not_unknown", ("failed", "not_resent"))
    say("accept")
    resend(log, clock)
    assert (outcome(lead), broken()) == (("sent", ""), {})


def test_wait_that_the_provider_asks_for_holds_what_is_sent_again(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    lead, log = unknown(broker, clock, sent_file, "temporary:90")
    resend(log, clock)
    assert ChannelAccount.objects.get(provider="counting").next_slot_at == clock.now() + 90 * SECOND
    with pytest.raises(Refused) as refused:
        resend(log, clock)
    assert (refused.value.reason, outcome(lead)) == ("paced", ("failed", "not_resent"))


def opt_out(lead: Lead, log: CampaignLog, clock: VirtualClock) -> None:
    record_permission(broker=lead.broker, lead=lead, kind="revoked", now=clock.now(), source="form")


def other_contact(lead: Lead, log: CampaignLog, clock: VirtualClock) -> None:
    enroll(a_campaign(lead.broker), lead, now=clock.now())
    run(clock)
    Broker.objects.update(cap_24h=1)


def other_account(lead: Lead, log: CampaignLog, clock: VirtualClock) -> None:
    ChannelAccount.objects.filter(provider="counting").update(is_active=False)


def more_important(lead: Lead, log: CampaignLog, clock: VirtualClock) -> None:
    Broker.objects.update(cap_24h=1)
    enroll(a_campaign(lead.broker, priority=5), lead, now=clock.now())


IN_THE_WAY: dict[str, Callable[[Lead, CampaignLog, VirtualClock], Any]] = {
    "opted_out": opt_out,
    "outside_hours": lambda lead, log, clock: clock.advance(12 * HOUR),
    "frequency_cap": other_contact,
    "yields_to_priority": more_important,
    "sending_stopped": lambda lead, log, clock: stop_sending(broker=lead.broker, now=clock.now()),
    "platform_stopped": lambda lead, log, clock: stop_platform(now=clock.now()),
    "broker_inactive": lambda lead, log, clock: Broker.objects.update(is_active=False),
    "campaign_paused": lambda lead, log, clock: pause(campaign=log.campaign, now=clock.now()),
    "deleted": lambda lead, log, clock: delete_lead(lead=lead, now=clock.now()),
    "hold": lambda lead, log, clock: edit_lead(lead=lead, now=clock.now(), by=None, treatment_type="hold"),
    "no_address": lambda lead, log, clock: edit_lead(lead=lead, now=clock.now(), by=None, telegram_chat_id=""),
    "no_account": other_account,
    "paced": lambda lead, log, clock: ChannelAccount.objects.filter(provider="counting").update(
        rate=Decimal("0.01"), next_slot_at=clock.now() + 50 * SECOND
    ),
}


@pytest.mark.parametrize("reason", IN_THE_WAY)
def test_what_may_not_be_sent_again_changes_nothing(
    broker: Broker, clock: VirtualClock, sent_file: Path, reason: str
) -> None:
    """failures.md row 19: through policy, like everything else that reaches a provider."""
    lead, log = unknown(broker, clock, sent_file)
    IN_THE_WAY[reason](lead, log, clock)
    before, count = everything(), len(sends(sent_file))
    with pytest.raises(Refused) as refused:
        resend(log, clock)
    assert refused.value.reason == reason.replace("platform_stopped", "sending_stopped")
    assert (everything() == before, len(sends(sent_file))) == (True, count)


def test_refusal_for_now_says_from_when(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    _lead, log = unknown(broker, clock, sent_file)
    clock.advance(12 * HOUR)
    with pytest.raises(Refused, match=r"outside the contact hours.*2026-03-05 12:00"):
        resend(log, clock)


def test_paused_enrolment_does_not_keep_from_sending_again(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """The pause is of what comes; what went wrong before is a person's to settle."""
    lead, log = unknown(broker, clock, sent_file)
    pause_enrollment(enrollment=enrolment_of(lead), until=clock.now() + 9 * DAY, now=clock.now())
    resend(log, clock)
    assert outcome(lead) == ("sent", "")


@VERBS
@pytest.mark.parametrize("word", ["accept", "refuse", "temporary"])
def test_what_is_known_is_not_spoken_about(
    broker: Broker, clock: VirtualClock, sent_file: Path, verb: Verb, word: str
) -> None:
    lead = a_lead(broker, telegram_chat_id="4711")
    counting_account(broker, sent_file, otherwise=word)
    enroll(a_campaign(broker), lead)
    run(clock)
    before = everything()
    with pytest.raises(Refused) as refused:
        verb(log_of(lead), clock)
    assert (refused.value.reason, everything() == before) == ("not_unknown", True)


@VERBS
@pytest.mark.parametrize("first", [confirm, resend])
def test_what_is_settled_is_settled_once(
    broker: Broker, clock: VirtualClock, sent_file: Path, first: Verb, verb: Verb
) -> None:
    _lead, log = unknown(broker, clock, sent_file)
    first(log, clock)
    before = everything()
    with pytest.raises(Refused) as refused:
        verb(log, clock)
    assert (refused.value.reason, everything() == before) == ("not_unknown", True)


def test_sent_again_goes_the_way_it_went(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """By the step's fallback channel, where that was taken."""
    lead = a_lead(broker, telegram_chat_id="")
    counting_account(broker, sent_file)
    mail = counting_account(broker, sent_file, channel="email", otherwise="timeout")
    text = a_template(broker, "por correo", channel="email", subject="Hola")
    enroll(a_campaign(broker, message_step(broker, fallback_channel="email", fallback_template=text)), lead)
    run(clock)
    mail.credentials = mail.credentials | {"otherwise": "accept"}
    mail.save()
    assert outcome(lead) == ("failed", "outcome_unknown")
    resend(log_of(lead), clock)
    message = Message.objects.latest("id")
    assert (message.channel, message.account, message.template, message.body, message.subject, message.address) == (
        "email",
        mail,
        text,
        "por correo",
        "Hola",
        lead.email,
    )
    assert (outcome(lead), broken()) == (("sent", ""), {})


@pytest.mark.django_db(transaction=True)
def test_two_people_who_send_again_at_once_send_once(clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 1."""
    lead, log = unknown(a_broker(), clock, sent_file, "slow:0.2")
    said = together(*[lambda: resend(log, clock).status] * 2)
    assert sorted(said) == ["not_unknown", "sent"]
    assert ([send.word for send in sends(sent_file)], outcome(lead)) == (["timeout", "slow"], ("sent", ""))
    assert broken() == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", [confirm, leave])
def test_two_people_who_say_different_things_at_once_are_heard_one_after_the_other(
    clock: VirtualClock, sent_file: Path, verb: Verb
) -> None:
    lead, log = unknown(a_broker(cap_24h=MANY), clock, sent_file)
    said = together(lambda: resend(log, clock).status, lambda: verb(log, clock).status)
    words = [word["what"] for word in log_of(lead).response["said"]]
    assert len(words) == sum(answer != "not_unknown" for answer in said)
    assert len(sends(sent_file)) == 1 + ("send_again" in words)
    assert outcome(lead) == ("sent", "")
    assert broken() == {}
