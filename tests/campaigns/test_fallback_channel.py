"""A step whose channel does not reach the lead goes out over its fallback channel: the same step, once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from brokers.models import Broker
from campaigns.actions import activate, save_steps
from campaigns.deciding import SEND_LEASE, decide_batch, due_groups
from campaigns.models import Campaign, CampaignLog
from campaigns.settling import settle
from leads.actions import edit_lead, mark_unreachable, record_permission
from leads.models import Appointment, Lead
from messaging.clock import VirtualClock
from messaging.dispatching import dispatch_all
from messaging.models import ChannelAccount, Message
from templates_app.models import MessageTemplate
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_draft,
    a_lead,
    a_template,
    a_user,
    broken,
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
from tests.campaigns.test_campaign_activation import faults_of
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def by_mail(broker: Broker, **spec: Any) -> dict[str, Any]:
    """A Telegram message that becomes a mail."""
    text = a_template(broker, "por correo", channel="email", subject="Hola {{first_name|amigo}}")
    return message_step(broker, "por chat", fallback_channel="email", fallback_template=text, **spec)


def entered(broker: Broker, *steps: dict[str, Any], **lead: Any) -> Lead:
    person = a_lead(broker, **lead)
    enroll(a_campaign(broker, *(steps or (by_mail(broker),))), person)
    return person


@pytest.mark.parametrize(
    ("lead", "instead_of"),
    [
        ({"telegram_chat_id": ""}, "no_address"),
        ({"telegram_chat_id": "@ana"}, "address_invalid"),
        ({}, "unreachable"),
    ],
)
def test_channel_that_does_not_reach_the_lead_falls_back(
    broker: Broker, clock: VirtualClock, lead: dict[str, Any], instead_of: str
) -> None:
    """The message has the fallback's template, account, channel and address; the log its channel."""
    person = entered(broker, name="Ana Pérez", **lead)
    if instead_of == "unreachable":
        mark_unreachable(lead=person, channel="telegram", code="invalid_address", now=NOW)
    run(clock)
    message, log = Message.objects.get(), log_of(person)
    assert (message.channel, message.address, message.body, message.subject) == (
        "email",
        person.email,
        "por correo",
        "Hola Ana",
    )
    assert message.account == ChannelAccount.objects.get(broker=broker, channel="email")
    assert message.template == MessageTemplate.objects.get(channel="email")
    assert message.dedupe_key == f"step:{log.enrollment_id}:1:1"
    assert (log.status, log.reason, log.channel, log.attempts) == ("sent", "", "email", 1)
    assert (enrolment_of(person).status, broken()) == ("completed", {})


def test_call_that_is_not_wanted_falls_back_to_a_message(broker: Broker, clock: VirtualClock) -> None:
    """`treatment`: only leads on automated_call are called."""
    called, written = a_lead(broker, treatment_type="automated_call"), a_lead(broker)
    text = a_template(broker, "Le escribimos")
    step = {"action": "make_call", "fallback_channel": "telegram", "fallback_template": text}
    enroll(a_campaign(broker, step), called, written)
    run(clock)
    assert [lead.messages.get().channel for lead in (called, written)] == ["call", "telegram"]
    assert (sent_bodies(written), logs(), broken()) == (["Le escribimos"], [(1, "sent", "")] * 2, {})


def test_channel_that_reaches_the_lead_does_not_fall_back(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker)
    run(clock)
    assert (sent_bodies(lead), log_of(lead).channel) == (["por chat"], "telegram")


def test_fallback_says_what_was_asked_of_both(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, telegram_chat_id="")
    run(clock)
    checks = {(check["check"], check.get("channel")): check["passed"] for check in log_of(lead).response["checks"]}
    assert (checks["address", "telegram"], checks["fallback", "email"], checks["address", "email"]) == (
        False,
        True,
        True,
    )


def test_lead_that_neither_channel_reaches_is_skipped_for_the_first_reason(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, by_mail(broker), message_step(broker, channel="whatsapp"), telegram_chat_id="@a", email="")
    run(clock)
    assert logs() == [(1, "skipped", "address_invalid"), (2, "sent", "")]
    assert lead.messages.get().channel == "whatsapp"


@pytest.mark.parametrize("channel", ["telegram", "email", "*"])
@pytest.mark.parametrize("address", ["", "4711"])
def test_opt_out_ends_it_and_never_falls_back(broker: Broker, clock: VirtualClock, channel: str, address: str) -> None:
    """failures.md row 19: of the step's own channel, reached or not; of the fallback where that would be taken."""
    lead = a_lead(broker, telegram_chat_id=address)
    record_permission(broker=broker, lead=lead, kind="revoked", channel=channel, now=NOW - HOUR, source="form")
    enroll(a_campaign(broker, by_mail(broker)), lead)
    run(clock)
    told = (["por chat"], "") if channel == "email" and address else ([], "opted_out")
    assert (sent_bodies(lead), enrolment_of(lead).exit_reason) == told
    assert broken() == {}


@pytest.mark.parametrize(
    ("cap", "hour", "reason"), [(0, 0, "frequency_cap"), (9, 12, "outside_hours")], ids=["caps", "hours"]
)
def test_fallback_waits_for_its_moment(cap: int, hour: int, reason: str) -> None:
    broker, moment = a_broker(cap_24h=cap), NOW + hour * HOUR
    lead = a_lead(broker, telegram_chat_id="")
    enroll(a_campaign(broker, by_mail(broker)), lead, now=moment)
    run(VirtualClock(moment))
    assert (log_of(lead).status, log_of(lead).reason, sent_bodies(lead)) == ("pending", reason, [])


def test_fallback_counts_against_the_caps(clock: VirtualClock) -> None:
    """failures.md row 22."""
    broker = a_broker(cap_24h=1)
    lead = entered(broker, by_mail(broker), message_step(broker, channel="whatsapp"), telegram_chat_id="")
    run(clock)
    assert logs() == [(1, "sent", ""), (2, "pending", "frequency_cap")]
    assert (sent_bodies(lead), broken()) == (["por correo"], {})


def refusing(broker: Broker, file: Path, **words: str) -> None:
    """Accounts whose provider says this word, by channel."""
    for channel, word in words.items():
        counting_account(broker, file, channel=channel, otherwise=word)


def keys(file: Path) -> list[tuple[str, str]]:
    """(step and attempt, word) of what was sent."""
    return [(send.key.split(":", 2)[2], send.word) for send in sends(file)]


def test_address_that_the_provider_does_not_know_falls_back_as_the_next_attempt(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """failures.md row 1: the same step, over the other channel, exactly once."""
    refusing(broker, sent_file, telegram="invalid", email="accept")
    lead = entered(broker)
    run(clock)
    first, second = Message.objects.order_by("id")
    assert (first.status, first.error_code, first.channel) == ("failed", "invalid_address", "telegram")
    assert (second.status, second.channel, second.body) == ("sent", "email", "por correo")
    assert keys(sent_file) == [("1:1", "invalid"), ("1:2", "accept")]
    log = log_of(lead)
    assert (log.status, log.reason, log.attempts, log.channel, log.message) == ("sent", "", 2, "email", second)
    assert now_of(lead).unreachable == {"telegram": "invalid_address"}
    run(clock, passes=5)
    assert (len(sends(sent_file)), enrolment_of(lead).status, broken()) == (2, "completed", {})


@pytest.mark.parametrize("batch", [1, 1000])
def test_batch_in_which_some_fall_back_gives_each_its_own(
    free_broker: Broker, clock: VirtualClock, sent_file: Path, settings: Any, batch: int
) -> None:
    """failures.md row 15."""
    settings.ENGINE_BATCH = batch
    leads = some_leads(free_broker, 4)
    script = {leads[0].telegram_chat_id: ["invalid"], leads[2].telegram_chat_id: ["refuse"]}
    counting_account(free_broker, sent_file, script=script)
    counting_account(free_broker, sent_file, channel="email")
    enroll(a_campaign(free_broker, by_mail(free_broker)), *leads)
    run(clock)
    assert [(log_of(lead).status, log_of(lead).reason, sent_bodies(lead)) for lead in leads] == [
        ("sent", "", ["por correo"]),
        ("sent", "", ["por chat"]),
        ("failed", "refused", []),
        ("sent", "", ["por chat"]),
    ]
    assert broken() == {}


@pytest.mark.parametrize(("word", "reason"), [("invalid", "invalid_address"), ("refuse", "refused")])
def test_fallback_that_is_refused_too_is_the_end_of_the_step(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str, reason: str
) -> None:
    """failures.md row 18: it does not go back to the first."""
    refusing(broker, sent_file, telegram="invalid", email=word)
    lead = entered(broker)
    run(clock, passes=6)
    assert (keys(sent_file), logs()) == ([("1:1", "invalid"), ("1:2", word)], [(1, "failed", reason)])
    assert set(now_of(lead).unreachable) == ({"telegram", "email"} if word == "invalid" else {"telegram"})
    assert (enrolment_of(lead).status, broken()) == ("completed", {})


@pytest.mark.parametrize("word", ["refuse", "timeout", "raise"])
def test_other_refusals_do_not_fall_back(broker: Broker, clock: VirtualClock, sent_file: Path, word: str) -> None:
    """failures.md row 4: least of all an outcome nobody can know."""
    refusing(broker, sent_file, telegram=word, email="accept")
    lead = entered(broker)
    run(clock, passes=6)
    assert (len(sends(sent_file)), log_of(lead).status, log_of(lead).channel) == (1, "failed", "telegram")


def test_refusal_without_a_fallback_is_the_end_of_the_step(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    refusing(broker, sent_file, telegram="invalid")
    entered(broker, message_step(broker))
    run(clock, passes=3)
    assert (len(sends(sent_file)), logs()) == (1, [(1, "failed", "invalid_address")])


def test_fallback_that_is_refused_for_now_is_tried_again_over_the_fallback(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    refusing(broker, sent_file, telegram="invalid")
    lead = a_lead(broker, email="ana@example.com")
    counting_account(broker, sent_file, channel="email", script={"ana@example.com": ["accept", "temporary", "accept"]})
    enroll(a_campaign(broker, by_mail(broker)), lead)
    run(clock, passes=3)
    assert keys(sent_file) == [("1:1", "invalid"), ("1:2", "temporary"), ("1:3", "accept")]
    assert (log_of(lead).status, log_of(lead).attempts, broken()) == ("sent", 3, {})


def test_address_that_was_corrected_meanwhile_goes_out_over_the_first_channel(
    broker: Broker, clock: VirtualClock
) -> None:
    lead = entered(broker, by_mail(broker, delay_hours=1), telegram_chat_id="")
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711")
    run(clock, passes=2)
    assert sent_bodies(lead) == ["por chat"]


def test_refusal_that_comes_after_the_lease_does_not_fall_back(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """failures.md row 11: the step was given up, and the next one is on its way."""
    refusing(broker, sent_file, telegram="invalid", email="accept")
    lead = entered(broker, by_mail(broker), message_step(broker, channel="email", delay_hours=24))
    decided = decide_batch(groups=due_groups(batch=9, broker_id=None, now=NOW), size=9, now=NOW)
    outcomes = dispatch_all(decided.dispatches, clock)
    clock.advance(SEND_LEASE)
    run(clock)
    settle(outcomes, clock.now())
    run(clock, passes=2)
    assert (log_of(lead).status, log_of(lead).reason, len(sends(sent_file))) == ("failed", "invalid_address", 1)
    assert (CampaignLog.objects.count(), broken()) == (2, {})


def test_pace_of_the_fallback_is_that_of_its_account(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """Whatever the step's own account may send: a mail a second, and in the second pass no more slowly either."""
    counting_account(broker, sent_file)
    counting_account(broker, sent_file, channel="email", rate=1)
    leads = [a_lead(broker, telegram_chat_id="") for _ in range(4)]
    enroll(a_campaign(broker, by_mail(broker)), *leads)
    run(clock)
    assert [sent_bodies(lead) for lead in leads] == [["por correo"], [], [], []]
    run(clock, passes=2, every=SECOND)
    assert [sent_bodies(lead) for lead in leads] == [["por correo"]] * 4
    assert clock.now() >= NOW + 3 * SECOND


def test_invitation_falls_back_with_the_same_appointment(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """The text that is built in serves every channel."""
    refusing(broker, sent_file, telegram="invalid", email="accept")
    lead = entered(
        broker, {"action": "schedule_meeting", "fallback_channel": "email"}, assigned_to=a_user(broker, "agente")
    )
    run(clock)
    meeting = Appointment.objects.get()
    assert (log_of(lead).status, log_of(lead).appointment) == ("sent", meeting)
    assert [meeting.token in message.body for message in Message.objects.all()] == [True, True]


def test_fallback_whose_account_is_gone_is_skipped_for_the_first_reason(broker: Broker, clock: VirtualClock) -> None:
    lead = entered(broker, telegram_chat_id="")
    ChannelAccount.objects.filter(channel="email").update(is_active=False)
    run(clock)
    assert (log_of(lead).status, log_of(lead).reason) == ("skipped", "no_address")


def test_fallback_is_part_of_what_was_approved(broker: Broker) -> None:
    """Another fallback is another version with another fingerprint."""
    step = by_mail(broker)
    campaign = a_campaign(broker, step)
    plain = {key: value for key, value in step.items() if not key.startswith("fallback")}
    save_steps(campaign=campaign, specs=[plain], now=NOW + DAY)
    one, two = campaign.versions.order_by("number").values_list("fingerprint", flat=True)
    assert (one != two, broken()) == (True, {})


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"fallback_channel": "telegram"}, "fallback_channel=telegram is the step's own channel; use another"),
        ({"fallback_channel": "call"}, "fallback_channel=call is not allowed for a message; choose another channel"),
        ({"fallback_channel": "email"}, "fallback_template is missing; choose a template for the fallback channel"),
        ({"fallback_template": "telegram"}, "fallback_template needs a fallback_channel"),
        ({"fallback_channel": "email", "fallback_template": "telegram"}, "is for telegram, the step contacts by email"),
        ({"fallback_channel": "email", "fallback_template": "inactive"}, "is not active"),
    ],
)
def test_fallback_that_cannot_work_is_not_activated(broker: Broker, spec: dict[str, Any], fault: str) -> None:
    templates = {
        "telegram": lambda: a_template(broker),
        "inactive": lambda: a_template(broker, channel="email", is_active=False),
    }
    if "fallback_template" in spec:
        spec = spec | {"fallback_template": templates[spec["fallback_template"]]()}
    draft = a_draft(broker, message_step(broker) | spec)
    assert [fault in said for said in faults_of(draft)].count(True) == 1
    assert Campaign.objects.get().status == "draft"


def test_fallback_of_an_invitation_needs_its_link(broker: Broker) -> None:
    text = a_template(broker, "Hola", channel="email")
    step = {"action": "schedule_meeting", "fallback_channel": "email", "fallback_template": text}
    assert faults_of(a_draft(broker, step)) == ["step 1: the template of a meeting must contain {{booking_link}}"]


def test_fallback_needs_an_account(broker: Broker) -> None:
    ChannelAccount.objects.filter(channel="email").update(is_active=False)
    assert faults_of(a_draft(broker, by_mail(broker))) == ["account: no sandbox account for email"]


def test_fallback_that_can_work_is_activated(broker: Broker) -> None:
    assert activate(campaign=a_draft(broker, by_mail(broker)), now=NOW).status == "active"
