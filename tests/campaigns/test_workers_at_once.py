"""Workers at once over one lead, one campaign, one room: caps and room hold, nobody waits for ever."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction

from brokers.models import Broker
from campaigns import engine
from campaigns.actions import pause
from campaigns.deciding import decide_batch, due_groups
from campaigns.models import Campaign, CampaignLog, Enrollment
from campaigns.triggers import fire
from leads.actions import edit_lead, move_stage
from leads.models import Lead, StageTransition
from messaging.clock import SystemClock, VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_free_broker,
    a_lead,
    broken,
    counting_account,
    enroll,
    message_step,
    now_of,
    reply,
    some_leads,
)
from tests.peers.counting import sends
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def a_worker() -> engine.Pass:
    return engine.run(clock=VirtualClock(NOW))


def until_nothing_waits() -> None:
    while CampaignLog.objects.waiting().exists():
        engine.run(clock=SystemClock())


@pytest.mark.parametrize("cap", [1, 2])
def test_workers_and_campaigns_at_once_keep_the_caps_of_one_lead(cap: int) -> None:
    """failures.md row 22: two workers, one lead in five campaigns, over and over."""
    broker = a_broker(cap_24h=cap)
    campaigns = [a_campaign(broker) for _ in range(5)]
    for _ in range(6):
        lead = a_lead(broker)
        for campaign in campaigns:
            enroll(campaign, lead)
        together(a_worker, a_worker)
        a_worker()  # what both left to each other
        counts = Counter(CampaignLog.objects.filter(lead=lead).values_list("status", flat=True))
        assert counts == {"sent": cap, "pending": 5 - cap}
        assert Message.objects.filter(lead=lead).count() == cap
    assert broken() == {}


def test_workers_at_once_send_each_step_once(sent_file: Path) -> None:
    """failures.md row 1."""
    broker = a_free_broker()
    counting_account(broker, sent_file, otherwise="slow:0.002")
    enroll(a_campaign(broker, *[message_step(broker) for _ in range(3)]), *some_leads(broker, 20))
    together(*[a_worker] * 4)
    a_worker()
    keys = [send.key for send in sends(sent_file)]
    assert len(keys) == len(set(keys)) == 60
    assert set(CampaignLog.objects.values_list("status", "attempts")) == {("sent", 1)}


def test_workers_at_once_fill_the_room_exactly() -> None:
    """failures.md row 11: several ways in at once."""
    broker = a_broker()
    campaign = a_campaign(broker, max_contacts=25)
    some_leads(broker, 40)
    intakes = together(*[lambda: enroll(campaign, slice_size=3)] * 4)
    assert sum(intake.enrolled for intake in intakes) == 25
    assert Enrollment.objects.count() == Campaign.objects.get().enrolled_count == 25


def test_workers_at_once_enrol_each_lead_once() -> None:
    """failures.md rows 1 and 11: by triggers and by hand."""
    broker = a_broker()
    stage = {"triggered_by": "stage_change", "trigger_condition": {"stage": "entrada"}}
    campaign = a_campaign(broker, **stage)
    some_leads(broker, 15, now=NOW + HOUR)
    together(
        *[lambda: fire(now=NOW + HOUR, is_virtual=True)] * 2,
        *[lambda: enroll(campaign, slice_size=4)] * 2,
    )
    assert Enrollment.objects.count() == CampaignLog.objects.count() == Campaign.objects.get().enrolled_count == 15


def test_workers_at_once_move_a_lead_once() -> None:
    broker = a_free_broker()
    leads = some_leads(broker, 10)
    for _ in range(2):
        enroll(a_campaign(broker, {"action": "update_stage", "target_stage": "perfilamiento"}), *leads)
    together(*[a_worker] * 3)
    moves = StageTransition.objects.filter(to_stage="perfilamiento", cause="campaign")
    assert moves.count() == moves.values("lead").distinct().count() == 10
    assert Counter(CampaignLog.objects.values_list("status", "reason")) == {
        ("sent", ""): 10,
        ("skipped", "move_refused"): 10,
    }


def test_people_and_workers_at_once_wait_for_nobody_for_ever() -> None:
    """Replies, edits and moves while the engine works on the same leads: no deadlock, and the ledger is clean."""
    broker = a_free_broker()
    leads = some_leads(broker, 12)
    for _ in range(3):
        enroll(a_campaign(broker, *[message_step(broker) for _ in range(3)]), *leads)

    def people() -> None:
        for number, lead in enumerate(leads):
            reply(lead, NOW)
            edit_lead(lead=now_of(lead), now=NOW, by=None, notes=f"nota {number}")
            move_stage(lead=now_of(lead), to="perfilamiento", now=NOW, cause="agent")

    together(a_worker, people, a_worker)
    a_worker()
    assert CampaignLog.objects.waiting().count() == 0
    assert Lead.objects.filter(pipeline_stage="perfilamiento", inbound_count=1).count() == 12
    assert broken() == {}


def claim(size: int = 100) -> int:
    return decide_batch(groups=due_groups(batch=size, broker_id=None, now=NOW), size=size, now=NOW).taken


def test_claimed_rows_are_taken_by_nobody_else() -> None:
    """failures.md rows 3 and 26: they leave the selection, and nobody waits for them."""
    broker = a_free_broker()
    enroll(a_campaign(broker), *some_leads(broker, 6))
    with transaction.atomic():
        mine = claim(4)
        [others] = together(claim)
    assert (mine, others) == (4, 2)


def test_lead_that_is_decided_about_is_left_alone_in_its_other_campaigns() -> None:
    """failures.md row 22: the row of the other campaign is free, the lead is not."""
    broker = a_free_broker()
    lead, other = some_leads(broker, 2)
    for _ in range(2):
        enroll(a_campaign(broker), lead)
    enroll(a_campaign(broker), other)
    with transaction.atomic():
        mine = claim(1)
        [others] = together(claim)
    assert (mine, others, CampaignLog.objects.waiting().get().lead) == (1, 1, lead)


def test_pause_waits_for_no_batch_and_stops_the_next(sent_file: Path) -> None:
    """failures.md row 10."""
    broker = a_free_broker()
    counting_account(broker, sent_file)
    campaign = a_campaign(broker)
    enroll(campaign, *some_leads(broker, 6))
    with transaction.atomic():
        decide_batch(groups=due_groups(batch=3, broker_id=None, now=NOW), size=3, now=NOW)
        together(lambda: pause(campaign=campaign, now=NOW))
    a_worker()
    assert (CampaignLog.objects.in_flight().count(), CampaignLog.objects.waiting().count()) == (3, 3)


def test_pause_between_two_batches_of_a_pass_stops_the_second(sent_file: Path, settings: LazySettings) -> None:
    """failures.md row 10: it is read in every decision, not once a pass."""
    settings.ENGINE_BATCH = 2
    broker = a_free_broker()
    counting_account(broker, sent_file)
    campaign = a_campaign(broker)
    enroll(campaign, *some_leads(broker, 6))
    after_the_first = iter([lambda: None, lambda: pause(campaign=campaign, now=NOW)])

    def people() -> bool:
        together(next(after_the_first, lambda: None))
        return False

    engine.run(clock=VirtualClock(NOW), should_stop=people)
    assert (len(sends(sent_file)), CampaignLog.objects.waiting().count()) == (2, 4)


def test_engine_by_the_clock_of_the_machine_paces_two_workers(sent_file: Path, settings: Any) -> None:
    """Both reserve their slots on one account; what goes out in a second stays within its rate."""
    always = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    broker: Broker = a_free_broker(contact_window=always)
    counting_account(broker, sent_file, rate=40)
    now = datetime.now(UTC)
    enroll(a_campaign(broker, now=now), *some_leads(broker, 80), now=now)
    began = datetime.now(UTC)
    together(*[until_nothing_waits] * 2)
    lasted = (datetime.now(UTC) - began).total_seconds()
    assert len({send.key for send in sends(sent_file)}) == 80
    assert CampaignLog.objects.filter(status="sent").count() == 80
    assert lasted >= 79 / 40 - 0.1


def test_campaigns_at_once_do_not_lock_their_leads_against_new_rows() -> None:
    """A note, a message or an inquiry about a lead that is being decided about can be written meanwhile."""
    broker = a_free_broker()
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead)
    with transaction.atomic():
        decide_batch(groups=due_groups(batch=9, broker_id=None, now=NOW), size=9, now=NOW)
        together(lambda: lead.inquiries.create(broker=broker, text="¿sigue disponible?", at=NOW + DAY))
    assert lead.inquiries.count() == 1
    assert connection.in_atomic_block is False
