"""A fortnight at Aurora on a virtual clock: the engine runs every hour, leads answer, agents work."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from brokers.models import User
from brokers.refusal import Refused
from campaigns import engine
from campaigns.demo.seed import Aurora
from campaigns.enrollment import enroll_leads
from campaigns.models import Campaign, Trigger
from leads.actions import choose_slot, complete_appointment, edit_lead, miss_appointment, move_stage
from leads.calendars import free_slots
from leads.filters import LeadFilter
from leads.models import Appointment, Cause, Lead
from messaging.clock import VirtualClock
from messaging.inbound import receive_event
from messaging.models import ACCEPTED, ChannelAccount, Message
from messaging.providers import adapter_for

DAYS = 14
TICK = timedelta(hours=1)
LAUNCH_DAY = 2
ANSWERS = (
    "Hola, sí, sigo buscando",
    "Me interesa, ¿tienen estacionamiento?",
    "¿Cuál es el valor del gasto común?",
    "Gracias, lo reviso con mi pareja",
    "Estoy buscando algo más central",
    "Baja",
)


def prepare_leads(aurora: Aurora, now: datetime) -> None:
    """What the file does not say: who may be called, who linked Telegram, who is on hold."""
    leads = Lead.objects.filter(broker=aurora.broker).order_by("id")
    rng = random.Random(56)
    for lead in leads.filter(lead_score__gte=30).exclude(phone="")[:250]:
        changes = {"treatment_type": "automated_call"}
        if rng.random() < 0.6:
            changes["telegram_chat_id"] = str(700_000_000 + lead.pk)
        edit_lead(lead=lead, now=now, by=aurora.admin, **changes)
    for lead, treatment in zip(leads.filter(lead_score__lt=30)[:24], ["manual_follow_up", "hold"] * 12, strict=False):
        edit_lead(lead=lead, now=now, by=aurora.admin, treatment_type=treatment)


Answer = Callable[[ChannelAccount, Message, str, datetime], None]


def play_fortnight(
    aurora: Aurora,
    launch: Campaign,
    clock: VirtualClock,
    tick: Callable[[], object] = lambda: None,
    *,
    answer: Answer | None = None,
    days: int = DAYS,
) -> None:
    """Two weeks in hourly passes; always the same ones, from a fixed seed. `answer` is how leads write back."""
    rng = random.Random(2026)
    for hour in range(days * 24):
        engine.run(clock=clock, broker=aurora.broker)
        if hour == LAUNCH_DAY * 24 + 14:
            _launch(launch, clock.now())
        if 9 <= clock.now().hour - 3 < 19:
            _leads_answer(aurora, clock.now(), rng, answer or _answer_on_sandbox)
            _leads_book(aurora, clock.now(), rng)
        if clock.now().hour == 22:
            _agents_work(aurora, clock.now(), rng)
            _agents_met(aurora, clock.now(), rng)
        clock.advance(TICK)
        tick()


def _launch(campaign: Campaign, now: datetime) -> None:
    """The manual campaign: those who can pay for it and are in reach by Telegram."""
    fitting = LeadFilter.apply(
        Lead.objects.filter(broker=campaign.broker_id), {"has_telegram": True, "score_min": 30}, now=now
    )
    enroll_leads(campaign=campaign, leads=fitting, trigger=Trigger.MANUAL, now=now)


def _leads_answer(aurora: Aurora, now: datetime, rng: random.Random, answer: Answer) -> None:
    """Some of those who were written to in the last hour write back."""
    for message in _just_written(aurora, now):
        if rng.random() > 0.06:
            continue
        account = ChannelAccount.objects.get(pk=message.account_id or 0)
        at = now - timedelta(minutes=rng.randrange(1, 50))
        answer(account, message, rng.choice(ANSWERS), max(at, message.created_at))


def _just_written(aurora: Aurora, now: datetime) -> list[Message]:
    written = Message.objects.filter(
        broker=aurora.broker, direction="out", status__in=ACCEPTED, created_at__gt=now - TICK
    )
    return list(written.exclude(channel="call").order_by("id"))


def _answer_on_sandbox(account: ChannelAccount, message: Message, text: str, now: datetime) -> None:
    """By the path that a webhook takes."""
    payload = {"event_id": f"demo-{message.pk}", "address": message.address, "text": text}
    for event in adapter_for(account).parse(payload):
        receive_event(account=account, event=event, payload=payload, now=now)


def _leads_book(aurora: Aurora, now: datetime, rng: random.Random) -> None:
    """Some of those who got an invitation pick a free time, which moves them on."""
    invited = Appointment.objects.filter(broker=aurora.broker, status="proposed", created_at__gt=now - TICK)
    for appointment in invited.select_related("lead", "agent"):
        if appointment.agent is None or rng.random() > 0.3:
            continue
        slots = free_slots(agents=[appointment.agent], start=now, end=now + timedelta(days=5), now=now)
        if slots:
            choose_slot(appointment=appointment, starts_at=rng.choice(slots).starts_at, now=now)


def _agents_work(aurora: Aurora, now: datetime, rng: random.Random) -> None:
    """At the end of the day the agents move those who wrote to them."""
    today = Lead.objects.filter(broker=aurora.broker, last_inbound_at__gt=now - timedelta(days=1))
    for lead in today.select_related("assigned_to").order_by("id"):
        if lead.pipeline_stage in ("entrada", "perfilamiento") and lead.opted_out_at is None:
            _move(lead, rng.choice(("perfilamiento", "calificacion_financiera")), now, lead.assigned_to)


def _agents_met(aurora: Aurora, now: datetime, rng: random.Random) -> None:
    """At the end of the day they say who came to their meetings; some of those buy."""
    over = Appointment.objects.live().filter(broker=aurora.broker, ends_at__lte=now).order_by("id")
    for meeting in over.select_related("lead", "agent"):
        verb = complete_appointment if rng.random() < 0.8 else miss_appointment
        verb(appointment=meeting, now=now, by=meeting.agent)
        if verb is complete_appointment and rng.random() < 0.25:
            _move(meeting.lead, "ganado", now, meeting.agent, reason=rng.choice(("reserva", "compra_directa")))


def _move(lead: Lead, to: str, now: datetime, by: User | None, reason: str = "") -> None:
    try:
        move_stage(lead=Lead.objects.get(pk=lead.pk), to=to, now=now, cause=Cause.AGENT, by=by, reason=reason)
    except Refused:
        return
