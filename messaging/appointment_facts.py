"""What the notices of a batch of meetings need to know, in a number of statements that does not grow with it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from leads.models import Appointment
from messaging.accounts import Accounts
from messaging.facts import Permissions, contact_facts, free_at, heard_at, load_permissions, open_conversations
from messaging.jurisdictions import law_for
from messaging.models import ChannelAccount, Direction, Message, MessageStatus
from messaging.policy import EMAIL, TELEGRAM, WEEK, WHATSAPP, ContactFacts, binding_zones
from messaging.reminders import Meeting

# In this order where nothing was ever written.
CHANNELS = (WHATSAPP, TELEGRAM, EMAIL)


class Contact(NamedTuple):
    """A message to or from a lead."""

    lead_id: int
    direction: str
    channel: str
    sandbox: bool
    created_at: datetime


@dataclass(slots=True)
class Batch:
    """What was read for all of them; `newest` and `recent` are by lead, `heard` is of Telegram's chats."""

    accounts: Accounts
    permissions: Permissions
    conversations: set[tuple[int, int]]
    heard: dict[int, datetime] = field(default_factory=dict)
    newest: dict[int, list[Contact]] = field(default_factory=lambda: defaultdict(list))
    recent: dict[int, list[Contact]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def load(cls, appointments: Sequence[Appointment], now: datetime) -> "Batch":
        """The leads must be locked."""
        ids = [one.lead_id for one in appointments]
        batch = cls(
            accounts=Accounts(one.broker_id for one in appointments),
            permissions=load_permissions([one.lead for one in appointments]),
            conversations=open_conversations(ids, now),
        )
        if batch.accounts.rest_on(TELEGRAM):
            batch.heard = heard_at(ids, TELEGRAM, now)
        batch._load_contacts(ids, now)
        return batch

    def _load_contacts(self, leads: Sequence[int], now: datetime) -> None:
        """The newest of each channel and direction, and the automatic ones of the last days."""
        rows = Message.objects.filter(lead__in=leads).exclude(channel="call")
        said = rows.exclude(status__in=(MessageStatus.FAILED, MessageStatus.CANCELLED))
        # A file for the calendar makes mail nobody's channel.
        said = said.exclude(dedupe_key__regex=r"^appointment:\d+:(invitation|withdrawal):")
        newest = said.order_by("lead_id", "channel", "direction", "-created_at", "-pk")
        for row in newest.distinct("lead_id", "channel", "direction").values_list(*Contact._fields):
            self.newest[row[0]].append(Contact(*row))
        ours = Message.objects.filter(lead__in=leads, direction=Direction.OUT, sent_by=None, created_at__gte=now - WEEK)
        counted = ours.exclude(status__in=(MessageStatus.FAILED, MessageStatus.CANCELLED))
        for row in counted.order_by("created_at", "pk").values_list(*Contact._fields):
            self.recent[row[0]].append(Contact(*row))


def accounts_for(appointment: Appointment, batch: Batch) -> dict[str, ChannelAccount]:
    """The accounts to tell this lead by: the sandbox's where all that was said to them was played there, else the real
    ones; the sandbox's where the brokerage has no other."""
    real = _accounts(appointment, batch, sandbox=False)
    defaults = {channel: account for channel, account in real.items() if account.is_default}
    said = max(batch.newest.get(appointment.lead_id, ()), key=lambda one: one.created_at, default=None)
    is_played = said is not None and said.sandbox and said.channel not in defaults
    return defaults if defaults and not is_played else _accounts(appointment, batch, sandbox=True)


def _accounts(appointment: Appointment, batch: Batch, *, sandbox: bool) -> dict[str, ChannelAccount]:
    found = {channel: batch.accounts.get(appointment.broker_id, channel, sandbox) for channel in CHANNELS}
    return {channel: account for channel, account in found.items() if account is not None}


def channels_for(appointment: Appointment, batch: Batch) -> list[str]:
    """The lead's channel first: over which they last wrote, else over which they were last written to."""
    said = sorted(
        batch.newest.get(appointment.lead_id, ()),
        key=lambda one: (one.direction == Direction.IN, one.created_at),
        reverse=True,
    )
    return list(dict.fromkeys([*(one.channel for one in said), *CHANNELS]))


def facts_of(
    appointment: Appointment, account: ChannelAccount, batch: Batch, *, has_provider_template: bool
) -> ContactFacts:
    """Of telling this lead over this account."""
    lead, channel = appointment.lead, account.channel
    recent = [one for one in batch.recent.get(lead.pk, ()) if one.sandbox == account.sandbox]
    needs_window = channel == WHATSAPP and not account.sandbox
    return contact_facts(
        lead=lead,
        broker=appointment.broker,
        channel=channel,
        purpose="transactional",
        permissions=batch.permissions.concerning(lead, account.sandbox),
        recent=[one.created_at for one in recent],
        recent_channels=[one.channel for one in recent],
        window_open=not needs_window or (lead.pk, account.pk) in batch.conversations,
        has_provider_template=has_provider_template,
        free_at=free_at(account, batch.heard.get(lead.pk) if channel == TELEGRAM else None),
    )


def meeting_of(appointment: Appointment) -> Meeting:
    """What its plan is made from."""
    lead, broker = appointment.lead, appointment.broker
    assert appointment.starts_at is not None
    assert appointment.changed_at is not None
    law = law_for(
        phone=lead.phone, lead_timezone=lead.timezone, broker_country=broker.country, window=broker.rules.window
    )
    return Meeting(
        is_live=appointment.is_live,
        is_cancelled=appointment.status == "cancelled",
        starts_at=appointment.starts_at,
        changed_at=appointment.changed_at,
        sequence=appointment.sequence,
        has_email=bool(lead.email),
        told=appointment.notices,
        window=law.window,
        zones=binding_zones(lead.timezone, lead.phone, broker.timezone),
    )
