"""Workers, people, providers and the office at the same leads at once: no deadlock, and the ledger is clean.

Who comes first differs from run to run; what must hold afterwards does not.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from brokers.models import Broker, User
from brokers.refusal import Refused
from campaigns import engine
from campaigns.actions import (
    ResumePolicy,
    confirm_delivered,
    enroll_again,
    go_on_platform,
    go_on_sending,
    leave_unknown,
    move_enrollments,
    pause,
    pause_enrollment,
    resume,
    save_steps,
    send_again,
    stop_enrollment,
    stop_platform,
    stop_sending,
)
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.actions import assign_leads, edit_lead, move_stage, record_permission
from leads.models import Lead
from messaging.base import Event
from messaging.clock import VirtualClock
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message
from tests.building import (
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    a_user,
    book,
    broken,
    counting_account,
    enroll,
    message_step,
    now_of,
    some_leads,
)
from tests.deadlocks import no_deadlock, report_what_happened
from tests.peers.counting import sends
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
ALWAYS = {day: ["00:00", "23:59:59.999999"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
LEADS, ROUNDS = 12, 150
QUARTER = timedelta(minutes=15)
STAGES = ("perfilamiento", "calificacion_financiera", "seguimiento", "perdido")
LONGEST = 500


class Office:
    """A brokerage of twelve leads, whom five campaigns write to over two providers; one asks to wait now and then."""

    def __init__(self, slug: str, file: Path) -> None:
        self.broker: Broker = a_broker(slug, contact_window=ALWAYS, cap_24h=40, cap_7d=90, human_contact_days=0)
        script = {"9": ["temporary:20", "accept"], "8": ["timeout"], "7": ["refuse"], "6": ["invalid"]}
        counting_account(self.broker, file, script=script, rate=200)
        counting_account(self.broker, file, channel="whatsapp")
        agents = [a_user(self.broker, name) for name in ("carla", "diego")]
        self.agents: list[User] = agents
        self.leads: list[Lead] = some_leads(self.broker, LEADS - 4, assigned_to=agents[0])
        self.leads += [a_lead(self.broker, telegram_chat_id=chat, assigned_to=agents[1]) for chat in script]
        triggers: list[dict[str, Any]] = [
            {"reentry_after_days": 1},
            {"triggered_by": "stage_change", "trigger_condition": {"stage": "perfilamiento"}, "exit_on_reply": False},
            {"triggered_by": "lead_score", "trigger_condition": {"score_min": 20}, "goal_stage": "seguimiento"},
            {"max_contacts": 9},
            {"priority": 3, "exit_on_reply": False},
        ]
        self.campaigns: list[Campaign] = [a_campaign(self.broker, *self.steps(), **settings) for settings in triggers]

    def steps(self) -> list[dict[str, Any]]:
        return [
            message_step(self.broker, delay_hours="0.25"),
            message_step(self.broker, channel="whatsapp"),
            {"action": "update_stage", "target_stage": "perfilamiento"},
            {"action": "schedule_meeting", "delay_hours": "0.5"},
            message_step(self.broker, conditions={"has_email": True}),
            message_step(self.broker, delay_hours=1),
        ]


def of_people(office: Office, chance: random.Random, now: datetime) -> None:
    """What one lead does, or somebody who works with them."""
    lead = now_of(chance.choice(office.leads))
    telegram = ChannelAccount.objects.get(broker=office.broker, channel="telegram", provider="counting")
    happenings: list[Callable[[], Any]] = [
        lambda: hear(telegram, now, kind="inbound", address=lead.telegram_chat_id, text="Hola"),
        lambda: hear(telegram, now, kind="inbound", address=lead.telegram_chat_id, text="Hola", is_automatic=True),
        lambda: edit_lead(lead=lead, now=now, by=None, location=chance.choice(["", "Ñuñoa"])),
        lambda: move_stage(lead=lead, to=chance.choice(STAGES), now=now, cause="agent", reason="x"),
        lambda: book(lead, now, starts_at=now + chance.randint(1, 900) * timedelta(hours=1)),
        lambda: record_permission(broker=office.broker, lead=lead, kind="granted", now=now, source="form"),
        lambda: record_permission(
            broker=office.broker, lead=lead, kind="revoked", channel="whatsapp", now=now, source="form"
        ),
    ]
    chance.choice(happenings)()


def of_providers(office: Office, chance: random.Random, now: datetime) -> None:
    """What became of a message, told in any order and more than once."""
    sent = Message.objects.filter(broker=office.broker, direction="out").order_by("-id")[: 3 * LEADS]
    if messages := list(sent.select_related("account")):
        message = chance.choice(messages)
        status = chance.choice(["sent", "delivered", "read", "failed"])
        assert message.account is not None
        hear(message.account, now, kind="status", message_id=message.pk, status=status)


def of_the_office(office: Office, chance: random.Random, now: datetime) -> None:
    """What a broker admin does with campaigns and with everybody's leads, and the operator with the platform."""
    campaign = chance.choice(office.campaigns)
    how = {"campaign": campaign, "now": now}
    verbs: list[Callable[[], Any]] = [
        lambda: pause(**how),
        lambda: resume(**how, collect=chance.random() < 0.5),
        lambda: resume(**how, policy=chance.choice(ResumePolicy.values), collect=chance.random() < 0.5),
        lambda: enroll(campaign, *office.leads, now=now, slice_size=5),
        lambda: enroll(campaign, now=now),
        lambda: save_steps(**how, specs=office.steps()),
        lambda: move_enrollments(**how, to=Campaign.objects.get(pk=campaign.pk).version),
        lambda: assign_leads(
            leads=Lead.objects.filter(broker=office.broker), agents=chance.sample(office.agents, 2), now=now, rule="x"
        ),
        lambda: chance.choice([stop_sending, go_on_sending, go_on_sending])(broker=office.broker, now=now),
        lambda: chance.choice([stop_platform, go_on_platform, go_on_platform])(now=now),
    ]
    chance.choice(verbs)()


def of_agents(office: Office, chance: random.Random, now: datetime) -> None:
    """What somebody does to one lead's way through a campaign, and says of outcomes that nobody knew."""
    newest = list(Enrollment.objects.filter(broker=office.broker).order_by("-id")[:30])
    entry = chance.choice(newest) if newest else None
    unknown = CampaignLog.objects.filter(broker=office.broker, reason="outcome_unknown").order_by("id").last()
    verbs: list[Callable[[], Any]] = []
    if entry is not None:
        verbs += [
            lambda: stop_enrollment(enrollment=entry, now=now),
            lambda: pause_enrollment(enrollment=entry, until=now + QUARTER, now=now),
            lambda: enroll_again(enrollment=entry, now=now),
        ]
    if unknown is not None:
        verbs += [
            lambda: confirm_delivered(log=unknown, now=now),
            lambda: leave_unknown(log=unknown, now=now),
            lambda: send_again(log=unknown, clock=VirtualClock(now)),
        ]
    if verbs:
        chance.choice(verbs)()


_events = count(1)


def hear(account: ChannelAccount, now: datetime, **event: Any) -> None:
    receive_event(account=account, event=Event(event_id=f"e{next(_events)}", **event), payload={}, now=now)


EVERYBODY = (of_people, of_providers, of_the_office, of_agents)


@pytest.mark.timeout(600)
def test_everybody_at_once_waits_for_nobody_for_ever_and_breaks_nothing(
    sent_file: Path, settings: LazySettings
) -> None:
    """failures.md rows 1, 3, 11 and 22: two workers beside everybody else, over two brokerages."""
    settings.ENGINE_BATCH = 16
    clock = VirtualClock(NOW)
    offices = [Office("aurora", sent_file), Office("boreal", sent_file)]
    busy = set[int]()

    def somebody(happen: Callable[[Office, random.Random, datetime], None], seed: int) -> Callable[[], None]:
        busy.add(seed)

        def work() -> None:
            chance = random.Random(seed)
            try:
                for _ in range(ROUNDS):
                    with suppress(Refused):
                        happen(chance.choice(offices), chance, clock.now())
            finally:
                busy.discard(seed)
            report_what_happened()

        return work

    def worker(broker: Broker | None) -> Callable[[], None]:
        def work() -> None:
            while busy:
                clock.advance(QUARTER)
                engine.run(clock=clock, broker=broker)
            report_what_happened()

        return work

    people = [somebody(happen, seed) for seed, happen in enumerate(EVERYBODY)]
    with no_deadlock():
        together(*people, worker(None), worker(None), worker(offices[0].broker), patience=LONGEST)
    finish(offices, clock)
    keys = [send.key for send in sends(sent_file)]
    assert len(keys) == len(set(keys))
    # What was sent again has a key of its own, which that invariant does not know yet.
    assert {name: rows for name, rows in broken().items() if name != "message_belongs_to_its_row"} == {}


def finish(offices: list[Office], clock: VirtualClock) -> None:
    """Everything that was stopped goes on, until nothing waits any more."""
    go_on_platform(now=clock.now())
    for office in offices:
        go_on_sending(broker=office.broker, now=clock.now())
        for campaign in Campaign.objects.filter(broker=office.broker, status="paused"):
            resume(campaign=campaign, now=clock.now())
    for _ in range(400):
        if not CampaignLog.objects.filter(status="pending").exists():
            return
        clock.advance(timedelta(hours=1))
        engine.run(clock=clock)
    raise AssertionError("something waits for ever")
