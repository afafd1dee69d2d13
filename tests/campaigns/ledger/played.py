"""A brokerage in which everything has happened that leaves a trace in the ledger, and its neighbour."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from brokers.models import Broker
from campaigns.actions import complete, move_enrollments, save_steps, send_again, stop_enrollment
from campaigns.deciding import decide_batch, due_groups
from leads.actions import merge_leads, record_inquiry, record_permission, unmerge_leads
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount
from messaging.writing import write_message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_template,
    a_user,
    at,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    message_step,
    reply,
    run,
    some_leads,
)

BUSY, ANSWERED = "+56987654328", "+56987654321"
SCRIPT = {
    "retried": ["temporary", "accept"],
    "refused": ["refuse"],
    "refused too": ["refuse"],
    "unknown": ["timeout"],
    "again": ["timeout"],
}
CHATS = {name: str(number) for number, name in enumerate(SCRIPT, start=1)}
MOVE = {"action": "update_stage", "target_stage": "perfilamiento"}


def play_everything(file: Path) -> None:
    """`file` is where the counting provider writes; its wiring is the caller's."""
    broker, clock = a_broker(), at(NOW)
    script = {CHATS[name]: words for name, words in SCRIPT.items()}
    counting_account(broker, file, script=script)
    counting_account(broker, file, channel="whatsapp")
    write(broker, clock)
    call_and_meet(broker, clock)
    send_what_was_unknown_again(broker, clock)
    stop_and_move(broker, clock)
    people_write(broker, clock)
    merge_and_part(broker, clock)
    leave_one_in_flight(broker, clock)
    neighbour(a_broker("boreal"), clock)


def write(broker: Broker, clock: VirtualClock) -> None:
    """Messages that were accepted, tried again, refused, unknown; moves; an exit; a hand-over; a hold-out."""
    steps = [message_step(broker), MOVE, message_step(broker, delay_hours=20, conditions={"has_email": True})]
    letters = a_campaign(broker, *steps, message_step(broker, delay_hours=24 * 10), name="letters")
    people = [a_lead(broker, name=name, telegram_chat_id=CHATS[name]) for name in CHATS if name != "again"]
    people += [a_lead(broker, name=name) for name in ("plain", "replier")]
    people += [a_lead(broker, name="no mail", email=""), a_lead(broker, treatment_type="manual_follow_up")]
    enroll(letters, *people)
    fallback = message_step(broker, fallback_channel="whatsapp")
    fallback["fallback_template"] = a_template(broker, channel="whatsapp")
    enroll(a_campaign(broker, fallback, name="fallback"), a_lead(broker, telegram_chat_id=""))
    short = a_campaign(broker, message_step(broker), MOVE, name="short")
    enroll(short, *some_leads(broker, 2))
    enroll(a_campaign(broker, message_step(broker), holdout_percent=50, name="held"), *some_leads(broker, 24))
    reader = a_lead(broker, name="reader")
    for kind in ("revoked", "granted"):
        record_permission(broker=broker, lead=reader, kind=kind, source="form", channel="email", now=NOW - DAY)
    enroll(a_campaign(broker, message_step(broker, channel="email"), channel="email", name="mail"), reader)
    run(clock, passes=3, every=HOUR)
    complete(campaign=short, now=clock.now())
    reply(Lead.objects.get(name="replier"), clock.now())
    run(clock, passes=4, every=7 * HOUR)


def call_and_meet(broker: Broker, clock: VirtualClock) -> None:
    """Calls that were answered and not, twice; a meeting."""
    calls = a_campaign(broker, {"action": "make_call"}, channel="call", reentry_after_days=1, name="calls", now=NOW)
    people = [a_lead(broker, phone=phone, treatment_type="automated_call") for phone in (BUSY, ANSWERED)]
    agent = a_user(broker)
    meeting = a_campaign(broker, {"action": "schedule_meeting"}, name="meeting", now=NOW)
    enroll(meeting, *some_leads(broker, 2, assigned_to=agent), now=clock.now())
    for _ in range(2):
        enroll(calls, *people, now=clock.now())
        run(clock, passes=5, every=6 * HOUR)
        clock.advance(DAY)


def send_what_was_unknown_again(broker: Broker, clock: VirtualClock) -> None:
    """Unknown, sent again and unknown once more, sent again and accepted."""
    lead = a_lead(broker, name="again", telegram_chat_id=CHATS["again"])
    enroll(a_campaign(broker, message_step(broker), name="again"), lead, now=clock.now())
    run(clock)
    send_again(log=log_of(lead), clock=clock)
    ChannelAccount.objects.filter(provider="counting", channel="telegram").update(
        credentials=counting_credentials(broker)
    )
    send_again(log=log_of(lead), clock=clock)


def counting_credentials(broker: Broker) -> dict[str, Any]:
    account = ChannelAccount.objects.get(broker=broker, provider="counting", channel="telegram")
    return account.credentials | {"script": {}}


def stop_and_move(broker: Broker, clock: VirtualClock) -> None:
    """One enrolment stopped, one moved to a version that goes on, one to a version that has no such step."""
    tour = a_campaign(broker, message_step(broker), message_step(broker, delay_hours=900), name="tour")
    leads = some_leads(broker, 3)
    enroll(tour, *leads, now=clock.now())
    run(clock)
    stop_enrollment(enrollment=enrolment_of(leads[0]), now=clock.now())
    save_steps(campaign=tour, specs=[message_step(broker), message_step(broker, delay_hours=9)], now=clock.now())
    move_enrollments(campaign=tour, to=2, now=clock.now())
    one = a_campaign(broker, message_step(broker), message_step(broker, delay_hours=900), name="cut")
    enroll(one, a_lead(broker), now=clock.now())
    run(clock)
    save_steps(campaign=one, specs=[message_step(broker)], now=clock.now())
    move_enrollments(campaign=one, to=2, now=clock.now())


def people_write(broker: Broker, clock: VirtualClock) -> None:
    """First words, at whatever hour it is, and an answer to who is on hold."""
    by = a_user(broker, "diego", role="admin")
    held = a_lead(broker, treatment_type="hold")
    reply(held, clock.now())
    for lead in (a_lead(broker), held):
        now = Lead.objects.select_related("broker").get(pk=lead.pk)
        said = {"form_id": uuid4(), "text": "Le escribo yo", "override": "Me lo pidió"}
        write_message(lead=now, channel="telegram", by=by, clock=clock, **said)


def merge_and_part(broker: Broker, clock: VirtualClock) -> None:
    """Two who were in a campaign, one further than the other; two that were merged by mistake."""
    campaign = a_campaign(broker, MOVE, message_step(broker), message_step(broker, delay_hours=900), name="merged")
    (kept, other), gone = some_leads(broker, 2), a_lead(broker, name="parted")
    record_inquiry(lead=gone, now=clock.now(), source="portal", text="moved")
    enroll(campaign, gone, other, now=clock.now())
    run(clock)
    enroll(campaign, kept, now=clock.now())
    merge_leads(into=kept, from_=gone, now=clock.now())
    unmerge_leads(record=merge_leads(into=kept, from_=other, now=clock.now()), now=clock.now())


def leave_one_in_flight(broker: Broker, clock: VirtualClock) -> None:
    enroll(a_campaign(broker, message_step(broker), name="flight"), a_lead(broker), now=clock.now())
    groups = due_groups(batch=100, broker_id=None, now=clock.now())
    decide_batch(groups=groups, size=100, now=clock.now())


def neighbour(broker: Broker, clock: VirtualClock) -> None:
    a_user(broker)
    enroll(a_campaign(broker, name="next door"), a_lead(broker), now=clock.now())
