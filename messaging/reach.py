"""How a person may reach one lead just now: the account, the facts and the verdict, channel by channel."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from leads.models import Lead
from messaging.accounts import Accounts, is_on_sandbox
from messaging.facts import contact_facts, free_at, heard_at, load_permissions, open_conversations
from messaging.models import ChannelAccount, Direction, Message, MessageStatus
from messaging.policy import WEEK, WHATSAPP, ContactFacts, Verdict, is_answered_at, judge_person
from messaging.providers import rest_of
from templates_app.models import Channel
from templates_app.variants import Template

# People call by their own phone.
WRITABLE = (Channel.TELEGRAM, Channel.WHATSAPP, Channel.EMAIL)
REACHES_NOBODY = (MessageStatus.FAILED, MessageStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Way:
    """One channel to one lead. `said_at` is the lead's last message, over whichever channel."""

    channel: str
    account: ChannelAccount | None
    sandbox: bool
    facts: ContactFacts
    said_at: datetime | None

    def judged(self, now: datetime, override: str = "") -> Verdict:
        if self.account is None:
            return Verdict((), "no_account")
        return judge_person(self.facts, now, said_at=self.said_at, override=override)

    def is_answer(self, now: datetime) -> bool:
        return is_answered_at(self.said_at, now)


def ways_to(
    lead: Lead, now: datetime, *, channels: Iterable[str] = WRITABLE, template: Template | None = None
) -> dict[str, Way]:
    """By channel. Without a template for what the person says in their own words. To write by one of them, hold the
    lead."""
    accounts, permissions = Accounts([lead.broker_id]), load_permissions([lead])
    conversations = open_conversations([lead.pk], now) if WHATSAPP in channels else set()
    is_about_appointment = template is not None and template.is_about_appointment and _has_appointment(lead, now)
    ways: dict[str, Way] = {}
    for channel in channels:
        sandbox = is_on_sandbox(lead.broker_id, channel)
        account = _account(lead, channel, accounts, sandbox)
        said_at = last_said_at(lead, sandbox)
        recent = list(_recent(lead, sandbox, now).values_list("created_at", "channel"))
        facts = contact_facts(
            lead=lead,
            broker=lead.broker,
            channel=channel,
            purpose="transactional" if is_about_appointment or is_answered_at(said_at, now) else "marketing",
            permissions=permissions.concerning(lead, sandbox),
            recent=[at for at, _channel in recent],
            recent_channels=[over for _at, over in recent],
            window_open=sandbox or (account is not None and (lead.pk, account.pk) in conversations),
            has_provider_template=template is not None and bool(template.provider_template_id),
            free_at=_free_at(lead, channel, account, now),
        )
        ways[channel] = Way(channel, account, sandbox, facts, said_at)
    return ways


def last_said_at(lead: Lead, sandbox: bool) -> datetime | None:
    """When the lead last wrote to us. What was played on the sandbox is answered there only."""
    said_at = lead.last_inbound_at
    messages = Message.objects.filter(lead=lead, direction=Direction.IN)
    if said_at is None or not messages.filter(created_at=said_at, sandbox=not sandbox).exists():
        return said_at
    replies = messages.filter(sandbox=sandbox).exclude(basis__has_key="automatic")
    return replies.order_by("-created_at", "-id").values_list("created_at", flat=True).first()


def _account(lead: Lead, channel: str, accounts: Accounts, sandbox: bool) -> ChannelAccount | None:
    """The one that the lead wrote to, as long as it is there; else the channel's default."""
    told = Message.objects.filter(lead=lead, channel=channel, direction=Direction.IN, sandbox=sandbox)
    newest = told.order_by("-created_at", "-id").values("account")[:1]
    rows = ChannelAccount.objects.filter(pk__in=newest, broker=lead.broker_id, channel=channel, is_active=True)
    return rows.first() or accounts.get(lead.broker_id, channel, sandbox)


def _recent(lead: Lead, sandbox: bool, now: datetime) -> QuerySet[Message]:
    """The contacts of a week, those of people too: the law counts them all."""
    ours = Message.objects.filter(lead=lead, direction=Direction.OUT, sandbox=sandbox, created_at__gte=now - WEEK)
    return ours.exclude(status__in=REACHES_NOBODY).order_by("created_at", "id")


def _has_appointment(lead: Lead, now: datetime) -> bool:
    return lead.appointments.live().filter(starts_at__gte=now).exists()


def _free_at(lead: Lead, channel: str, account: ChannelAccount | None, now: datetime) -> datetime | None:
    rests = account is not None and rest_of(account) is not None
    return free_at(account, heard_at([lead.pk], channel, now).get(lead.pk)) if rests else None
