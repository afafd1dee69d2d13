"""What tests need of a brokerage, a line each: leads, templates, accounts, campaigns that run."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from brokers.models import Broker, Role, User
from campaigns import engine
from campaigns.actions import activate, create_campaign, save_steps
from campaigns.enrollment import Intake, enroll_leads
from campaigns.ledger import verify
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.actions import book_appointment, create_lead, propose_appointment, record_inbound
from leads.models import Appointment, Availability, Calendar, Lead, RoutingSettings
from messaging.accounts import open_brokerage
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message
from templates_app.models import MessageTemplate

# A Wednesday, noon in Santiago.
NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MANY = 10_000
# A Content template at Twilio.
CONTENT_SID = "HX" + "0f" * 16

_numbers = itertools.count(1)


def a_broker(slug: str = "aurora", *, touch_within_minutes: int | None = None, **fields: Any) -> Broker:
    """Unless a test is about it, no lead is escalated because no person wrote to it."""
    values = {"name": slug.title(), "country": "CL", "timezone": "America/Santiago", "now": NOW}
    broker = open_brokerage(slug=slug, **values | fields)
    RoutingSettings.objects.create(broker=broker, touch_within_minutes=touch_within_minutes)
    return broker


def a_free_broker(slug: str = "aurora", **fields: Any) -> Broker:
    """One whose caps never bind."""
    return a_broker(slug, cap_24h=MANY, cap_7d=MANY, **fields)


def a_user(broker: Broker, username: str = "carla", **fields: Any) -> User:
    return User.objects.create(username=f"{username}-{broker.slug}", broker=broker, **fields)


def an_admin(broker: Broker) -> User:
    return a_user(broker, "admin", role=Role.ADMIN)


def a_lead(broker: Broker, **fields: Any) -> Lead:
    """A lead that can be reached on every channel; their phone is answered when called."""
    number = next(_numbers)
    known = {
        "name": f"Ana {number}",
        "phone": f"+5698{number:06d}1",
        "email": f"ana{number}@example.com",
        "telegram_chat_id": str(100_000 + number),
    }
    return create_lead(broker=broker, **{"now": NOW} | known | fields)


def some_leads(broker: Broker, count: int, **fields: Any) -> list[Lead]:
    return [a_lead(broker, **fields) for _ in range(count)]


def now_of(lead: Lead) -> Lead:
    """The lead as it is in the database."""
    return Lead.objects.select_related("broker").get(pk=lead.pk)


def a_template(broker: Broker, content: str = "Hola {{first_name|amigo}}", **fields: Any) -> MessageTemplate:
    """One for WhatsApp is approved there."""
    channel = fields.get("channel", "telegram")
    values = {"name": f"{channel} {next(_numbers)}", "channel": "telegram", "content": content}
    if channel == "whatsapp":
        values["provider_template_id"] = CONTENT_SID
    return MessageTemplate.objects.create(broker=broker, **values | fields)


def message_step(broker: Broker, content: str = "Hola {{first_name|amigo}}", **spec: Any) -> dict[str, Any]:
    channel = spec.get("channel") or "telegram"
    template = spec.pop("message_template", None) or a_template(broker, content, channel=channel)
    return {"action": "send_message", "message_template": template, **spec}


def a_draft(broker: Broker, *steps: dict[str, Any], now: datetime = NOW, **settings: Any) -> Campaign:
    """A campaign with these steps; without any, with one message."""
    values = {"name": f"Campaign {next(_numbers)}", "channel": "telegram"}
    campaign = create_campaign(broker=broker, now=now, **values | settings)
    save_steps(campaign=campaign, specs=steps or (message_step(broker),), now=now)
    return campaign


def a_campaign(broker: Broker, *steps: dict[str, Any], now: datetime = NOW, **settings: Any) -> Campaign:
    """The same, active."""
    return activate(campaign=a_draft(broker, *steps, now=now, **settings), now=now)


def enroll(campaign: Campaign, *leads: Lead, now: datetime = NOW, **how: Any) -> Intake:
    """These leads, or all of the brokerage."""
    wanted = Lead.objects.filter(pk__in=[lead.pk for lead in leads]) if leads else Lead.objects.all()
    return enroll_leads(campaign=campaign, leads=wanted, trigger="manual", now=now, **how)


def run(clock: VirtualClock, *, passes: int = 1, every: timedelta = HOUR, **how: Any) -> engine.Pass:
    """Passes of the engine; between two of them time goes by."""
    done = engine.run(clock=clock, **how)
    for _ in range(passes - 1):
        clock.advance(every)
        done = engine.run(clock=clock, **how)
    return done


def at(moment: datetime) -> VirtualClock:
    return VirtualClock(moment)


def broken() -> dict[str, list[str]]:
    """What verify_ledger complains about."""
    return {finding.invariant: [row.detail for row in finding.rows] for finding in verify() if finding.count}


def log_of(lead: Lead, step: int = 1, **which: Any) -> CampaignLog:
    return CampaignLog.objects.get(lead=lead, step_number=step, **which)


def logs(**which: Any) -> list[tuple[int, str, str]]:
    """(step, status, reason) of every log, in the order of enrolments and steps."""
    rows = CampaignLog.objects.filter(**which).order_by("enrollment_id", "step_number")
    return list(rows.values_list("step_number", "status", "reason"))


def enrolment_of(lead: Lead, **which: Any) -> Enrollment:
    return Enrollment.objects.get(lead=lead, **which)


def sent_bodies(lead: Lead) -> list[str]:
    rows = Message.objects.filter(lead=lead, direction="out", status__in=("sent", "delivered", "read"))
    return list(rows.order_by("id").values_list("body", flat=True))


def reply(lead: Lead, now: datetime) -> None:
    record_inbound(lead=lead, now=now, answers=None)


def book(lead: Lead, now: datetime, *, starts_at: datetime | None = None) -> Appointment:
    starts_at = starts_at or now + 2 * DAY
    appointment = propose_appointment(lead=lead, now=now)
    return book_appointment(appointment=appointment, starts_at=starts_at, ends_at=starts_at + HOUR, now=now)


def counting_account(
    broker: Broker,
    file: Path,
    *,
    channel: str = "telegram",
    script: dict[str, list[str]] | None = None,
    otherwise: str = "accept",
    is_default: bool = True,
    **fields: Any,
) -> ChannelAccount:
    """An account at the provider of tests/peers/counting.py; without more words the channel's default from now on."""
    if is_default:
        ChannelAccount.objects.filter(broker=broker, channel=channel).update(is_default=False)
    return ChannelAccount.objects.create(
        broker=broker,
        channel=channel,
        provider="counting",
        is_default=is_default,
        credentials={"file": str(file), "script": script or {}, "otherwise": otherwise},
        created_at=NOW,
        **fields,
    )


def a_meeting(lead: Lead, starts_at: datetime = NOW + 2 * DAY, **fields: Any) -> Appointment:
    """One that is in the agent's diary, and nothing came of it."""
    values = {"status": "scheduled", "ends_at": starts_at + HOUR, "booked_at": NOW, "created_at": NOW}
    return Appointment.objects.create(
        broker=lead.broker, lead=lead, agent=lead.assigned_to, starts_at=starts_at, **values | fields
    )


def a_calendar(agent: User, *hours: tuple[int, str, str], **settings: Any) -> Calendar:
    """`hours` are (weekday, from, to); without any, every day from 9 to 18."""
    calendar = Calendar.objects.create(broker=agent.broker, agent=agent, **settings)
    for weekday, opens, closes in hours or [(day, "09:00", "18:00") for day in range(7)]:
        Availability.objects.create(broker=agent.broker, calendar=calendar, weekday=weekday, opens=opens, closes=closes)
    return calendar
