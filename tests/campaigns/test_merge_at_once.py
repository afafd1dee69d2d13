"""Merges beside the engine, beside each other and beside everybody who writes to the same leads."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import transaction

from brokers.refusal import Refused
from campaigns import engine
from campaigns.actions import ResumePolicy, go_on_sending, pause, resume, stop_enrollment, stop_sending
from campaigns.deciding import decide_batch, due_groups
from campaigns.models import Campaign, CampaignLog, Enrollment
from campaigns.settling import settle
from leads.actions import (
    create_task,
    merge_leads,
    receive_lead,
    record_consent,
    record_permission,
    suppress_addresses,
    unmerge_leads,
)
from leads.models import Lead, MergeRecord
from messaging.base import Event
from messaging.clock import VirtualClock
from messaging.inbound import receive_event
from messaging.links import StartLink
from messaging.models import ChannelAccount, Message
from messaging.preferences import turn_off_everything
from messaging.unsubscribe import Link, unsubscribe
from tests.building import (
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    an_admin,
    broken,
    counting_account,
    enroll,
    message_step,
    some_leads,
)
from tests.deadlocks import no_deadlock, report_what_happened
from tests.messages import a_message
from tests.peers.counting import WORDS, sends
from tests.together import meanwhile, together

pytestmark = pytest.mark.django_db(transaction=True)
ALWAYS = {day: ["00:00", "23:59:59.999999"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
ROUNDS = 60


def test_two_who_merge_the_same_pair_merge_it_once() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    records = together(*[lambda: merge_leads(into=into, from_=gone, now=NOW)] * 2)
    assert (len(set(records)), MergeRecord.objects.count(), broken()) == (1, 1, {})


def test_two_who_merge_a_pair_in_both_directions_leave_one_lead() -> None:
    broker = a_broker()
    one, other = a_lead(broker), a_lead(broker)
    with no_deadlock():
        said = together(
            lambda: merge_leads(into=one, from_=other, now=NOW), lambda: merge_leads(into=other, from_=one, now=NOW)
        )
    assert sorted(isinstance(answer, MergeRecord) for answer in said) == [False, True]
    assert (Lead.objects.present().count(), "lead_gone" in said, broken()) == (1, True, {})


def test_two_who_undo_a_merge_undo_it_once() -> None:
    broker = a_broker()
    record = merge_leads(into=a_lead(broker), from_=a_lead(broker), now=NOW)
    together(*[lambda: unmerge_leads(record=record, now=NOW)] * 2)
    assert (Lead.objects.present().count(), broken()) == (2, {})


def test_worker_that_waits_for_a_merge_settles_with_the_one_who_was_kept() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    enroll(a_campaign(broker, message_step(broker), message_step(broker, delay_hours=9)), gone)
    groups = due_groups(batch=100, broker_id=None, now=NOW)
    held = decide_batch(groups=groups, size=100, now=NOW).dispatches
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        begin(lambda: settle([(one, WORDS["accept"](one.envelope, 0)) for one in held], NOW))
    rows = CampaignLog.objects.order_by("id").values_list("lead", "step_number", "status")
    assert list(rows) == [(into.pk, 1, "sent"), (into.pk, 2, "pending")]
    assert (Lead.objects.get(pk=into.pk).last_contacted_at, broken()) == (NOW, {})


def test_task_that_waits_for_a_merge_is_refused_by_the_one_who_is_gone() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        said = begin(lambda: create_task(lead=gone, title="Call", due_at=NOW, now=NOW))
    assert (said, gone.tasks.count()) == (["lead_merged"], 0)


def test_stop_that_waits_for_a_merge_is_told_to_look_again() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    enroll(a_campaign(broker, message_step(broker)), gone)
    entry = Enrollment.objects.get()
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        said = begin(lambda: stop_enrollment(enrollment=entry, now=NOW))
    assert (said, Enrollment.objects.get().status) == (["lead_merged"], "active")


def test_arrival_that_waits_for_a_merge_is_the_kept_ones() -> None:
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    inquiry = {"source": "portal", "external_id": "7"}
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        said = begin(lambda: receive_lead(broker=broker, now=NOW, phone=gone.phone, inquiry=inquiry))
    assert ([arrival.lead for arrival in said], into.inquiries.count()) == ([into], 1)


@pytest.mark.parametrize("has", [{}, {"email": ""}])
def test_message_that_waits_for_a_merge_is_the_kept_ones(has: dict[str, str]) -> None:
    """Also of one that gives its address to the kept lead."""
    broker = a_broker()
    into, gone = a_lead(broker, **has), a_lead(broker)
    account = ChannelAccount.objects.get(broker=broker, channel="email")
    event = Event(event_id="e1", kind="inbound", address=gone.email, text="Hola")
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        begin(lambda: receive_event(account=account, event=event, payload={}, now=NOW))
    assert list(Message.objects.values_list("lead", flat=True)) == [into.pk]


def test_start_link_that_waits_for_a_merge_gives_its_chat_to_the_kept_one() -> None:
    broker = a_broker()
    into, gone = a_lead(broker, telegram_chat_id=""), a_lead(broker, telegram_chat_id="")
    bot = ChannelAccount.objects.create(broker=broker, channel="telegram", provider="telegram", created_at=NOW)
    link = StartLink(broker.pk, gone.pk).payload()
    event = Event(event_id="e1", kind="inbound", address="4242", text="/start", start=link)
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        begin(lambda: receive_event(account=bot, event=event, payload={}, now=NOW))
    assert list(Lead.objects.present().values_list("pk", "telegram_chat_id")) == [(into.pk, "4242")]


@pytest.mark.parametrize("verb", ["reply", "consent"])
def test_who_waited_for_one_who_is_gone_gives_up_its_lock_before_taking_the_kept_ones(verb: str) -> None:
    """Whoever takes both begins with the kept one, whose id is the lower one."""
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    account = ChannelAccount.objects.get(broker=broker, channel="email")

    def say() -> None:
        if verb == "reply":
            event = Event(event_id="e1", kind="inbound", address=gone.email, text="STOP")
            receive_event(account=account, event=event, payload={}, now=NOW)
        else:
            record_consent(broker=broker, kind="revoked", source="api", address=gone.email, now=NOW)
        report_what_happened()

    def merge_again() -> None:
        merge_leads(into=into, from_=gone, now=NOW)
        report_what_happened()

    with no_deadlock():
        with meanwhile() as begin, transaction.atomic():
            merge_leads(into=into, from_=gone, now=NOW)
            begin(say)
            begin(merge_again)
        report_what_happened()
    assert Lead.objects.get(pk=into.pk).opted_out_at == NOW


def test_refusal_that_waits_for_a_merge_binds_the_kept_one() -> None:
    """failures.md row 19: the provider says that they blocked us."""
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    message = a_message(gone, status="sent", provider_id="p1")
    event = Event(event_id="e1", kind="status", provider_id="p1", status="failed", code="blocked")
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        begin(lambda: receive_event(account=message.account, event=event, payload={}, now=NOW))  # type: ignore[arg-type]
    assert Message.objects.get().status == "failed"
    assert list(into.permissions.values_list("kind", "channel")) == [("revoked", "telegram")]


@pytest.mark.parametrize("choose", [unsubscribe, partial(turn_off_everything, level="nothing")])
def test_link_that_waits_for_a_merge_binds_the_kept_one(choose: Callable[..., bool]) -> None:
    """failures.md row 19."""
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    link = Link(broker.pk, gone.pk, "email", gone.email)
    with meanwhile() as begin, transaction.atomic():
        merge_leads(into=into, from_=gone, now=NOW)
        begin(lambda: choose(link=link, now=NOW))
    assert Lead.objects.get(pk=into.pk).opted_out_at == NOW


def test_lead_who_is_taken_in_in_the_moment_of_the_merge_is_not_contacted(sent_file: Path) -> None:
    """Neither waits for the other; the enrolment stays with who is gone, and ends."""
    broker = a_broker()
    counting_account(broker, sent_file)
    into, gone = a_lead(broker), a_lead(broker)
    campaign = a_campaign(broker, message_step(broker))
    with meanwhile() as begin, transaction.atomic():
        enroll(campaign, gone)
        begin(lambda: merge_leads(into=into, from_=gone, now=NOW))
    assert broken() == {}
    engine.run(clock=VirtualClock(NOW))
    assert list(CampaignLog.objects.values_list("lead", "status", "reason")) == [(gone.pk, "skipped", "deleted")]
    assert (sends(sent_file), broken()) == ([], {})


@pytest.mark.parametrize("policy", ["shift", "send", "skip"])
def test_merge_and_resume_take_the_rows_of_a_campaign_in_one_order(policy: str) -> None:
    """The merge ends the later of two rows and moves the earlier one; a resume meets the earlier one first."""
    broker = a_broker()
    into, gone = a_lead(broker), a_lead(broker)
    campaign = a_campaign(broker, message_step(broker, delay_hours=1))
    enroll(campaign, gone)
    enroll(campaign, into, now=NOW + HOUR)
    pause(campaign=campaign, now=NOW + HOUR)

    def merge() -> None:
        merge_leads(into=into, from_=gone, now=NOW + 2 * HOUR)
        report_what_happened()

    def go_on() -> None:
        resume(campaign=campaign, policy=policy, now=NOW + 9 * HOUR)
        report_what_happened()

    with no_deadlock():
        with meanwhile() as begin, transaction.atomic():
            CampaignLog.objects.select_for_update(no_key=True).get(lead=into)
            begin(merge)
            begin(go_on)
        report_what_happened()
    assert (CampaignLog.objects.filter(lead=into).count(), broken()) == (2, {})


@pytest.mark.timeout(300)
def test_merges_beside_engines_and_people_wait_for_nobody_and_break_nothing(
    sent_file: Path, settings: LazySettings
) -> None:
    """failures.md rows 1, 11 and 22."""
    settings.ENGINE_BATCH = 8
    broker = a_broker(contact_window=ALWAYS, cap_24h=40, cap_7d=90, human_contact_days=0)
    counting_account(broker, sent_file)
    leads = some_leads(broker, 8)
    # Clocks go by seconds: who waits for a lock must not be later than the ledger forgives.
    steps = [message_step(broker, delay_hours="0.01"), message_step(broker), {"action": "schedule_meeting"}]
    campaigns = [a_campaign(broker, *steps, reentry_after_days=1, priority=n) for n in range(3)]
    clock, busy, events = VirtualClock(NOW), set[int](), count(1)
    telegram = ChannelAccount.objects.get(broker=broker, channel="telegram", provider="counting")
    by = an_admin(broker)

    def present(chance: random.Random) -> Lead:
        return chance.choice(list(Lead.objects.present()))

    def merge(chance: random.Random) -> None:
        merge_leads(into=present(chance), from_=present(chance), now=clock.now())

    def part(chance: random.Random) -> None:
        records = list(MergeRecord.objects.filter(undone_at=None))
        if records:
            unmerge_leads(record=chance.choice(records), now=clock.now())

    def take_in(chance: random.Random) -> None:
        enroll(chance.choice(campaigns), now=clock.now())

    def hear(chance: random.Random) -> None:
        chat = chance.choice(leads).telegram_chat_id
        event = Event(event_id=f"e{next(events)}", kind="inbound", address=chat, text=chance.choice(["Hola", "STOP"]))
        receive_event(account=telegram, event=event, payload={}, now=clock.now())

    def permit(chance: random.Random) -> None:
        record_permission(broker=broker, lead=present(chance), kind="granted", source="form", now=clock.now())

    def stand_still(chance: random.Random) -> None:
        campaign = Campaign.objects.get(pk=chance.choice(campaigns).pk)
        go_on = partial(resume, policy=chance.choice(ResumePolicy.values))
        (pause if campaign.status == "active" else go_on)(campaign=campaign, now=clock.now())

    def stand_still_all(chance: random.Random) -> None:
        stop_sending(broker=broker, now=clock.now())
        go_on_sending(broker=broker, now=clock.now())

    def stop(chance: random.Random) -> None:
        newest = list(Enrollment.objects.order_by("-id")[:10])
        if newest:
            stop_enrollment(enrollment=chance.choice(newest), now=clock.now())

    def report(chance: random.Random) -> None:
        newest = list(Message.objects.filter(direction="out", account=telegram).order_by("-id")[:10])
        if newest:
            status, code = chance.choice([("delivered", ""), ("read", ""), ("failed", "blocked")])
            about = {"message_id": chance.choice(newest).pk, "status": status, "code": code}
            event = Event(event_id=f"e{next(events)}", kind="status", **about)
            assert receive_event(account=telegram, event=event, payload={}, now=clock.now()).error == ""

    def leave(chance: random.Random) -> None:
        lead = chance.choice(leads)
        unsubscribe(link=Link(broker.pk, lead.pk, "email", lead.email), now=clock.now())

    def object_to(chance: random.Random) -> None:
        phones = "\n".join(lead.phone for lead in chance.sample(leads, 4))
        said = {"reach": "phone", "purpose": "marketing", "source": "REPEP", "wording": ""}
        suppress_addresses(broker=broker, text=phones, by=by, now=clock.now(), **said)

    happenings = [merge, merge, part, part, part, take_in, take_in, hear, permit, permit, stand_still, stand_still]
    happenings += [stand_still_all, stop, report, leave, object_to]

    def somebody(seed: int) -> object:
        busy.add(seed)

        def work() -> None:
            chance = random.Random(seed)
            try:
                for _ in range(ROUNDS):
                    with suppress(Refused):
                        chance.choice(happenings)(chance)
            finally:
                busy.discard(seed)
            report_what_happened()

        return work

    def worker() -> None:
        while busy:
            clock.advance(timedelta(seconds=10))
            engine.run(clock=clock)
        report_what_happened()

    with no_deadlock():
        together(*(somebody(seed) for seed in range(3)), worker, worker, patience=280)  # type: ignore[arg-type]
    keys = [send.key for send in sends(sent_file)]
    assert (len(keys), broken()) == (len(set(keys)), {})
    assert MergeRecord.objects.filter(undone_at=None).count() == Lead.objects.exclude(merged_into=None).count()
