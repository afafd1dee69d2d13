"""What the notices of a batch of meetings need to know, in a number of statements that does not grow with it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from leads.models import Appointment, ContactPermission, Lead
from messaging.jurisdictions import Law, law_for
from messaging.models import ChannelAccount, Direction, Message, MessageStatus
from messaging.policy import (
    EMAIL,
    TELEGRAM,
    WEEK,
    WHATSAPP,
    WHATSAPP_WINDOW,
    ContactFacts,
    Permission,
    address_of,
    binding_zones,
)
from messaging.reminders import Meeting

# In this order where nothing was ever written.
CHANNELS = (WHATSAPP, TELEGRAM, EMAIL)


class Contact(NamedTuple):
    """A message to or from a lead."""

    lead_id: int
    direction: str
    channel: str
    account_id: int | None
    sandbox: bool
    created_at: datetime


@dataclass(slots=True)
class Batch:
    """By lead, by broker and by address."""

    accounts: dict[int, list[ChannelAccount]]
    newest: dict[int, list[Contact]]
    recent: dict[int, list[Contact]]
    permissions: dict[int, list[tuple[bool, Permission]]]
    of_addresses: dict[tuple[int, str], list[tuple[bool, Permission]]]

    @classmethod
    def load(cls, appointments: Sequence[Appointment], now: datetime) -> "Batch":
        leads = [one.lead for one in appointments]
        brokers = {one.broker_id for one in appointments}
        batch = cls(defaultdict(list), defaultdict(list), defaultdict(list), defaultdict(list), defaultdict(list))
        accounts = ChannelAccount.objects.filter(broker__in=brokers, is_active=True, is_default=True)
        others = ChannelAccount.objects.filter(broker__in=brokers, is_active=True, is_default=False, sandbox=True)
        for account in (*accounts.order_by("pk"), *others.order_by("pk")):
            batch.accounts[account.broker_id].append(account)
        batch._load_contacts([lead.pk for lead in leads], now)
        batch._load_permissions(leads, brokers)
        return batch

    def _load_contacts(self, leads: Sequence[int], now: datetime) -> None:
        """The newest of each channel and direction, and the automatic ones of the last days."""
        rows = Message.objects.filter(lead__in=leads).exclude(channel="call")
        columns = ("lead_id", "direction", "channel", "account_id", "sandbox", "created_at")
        said = rows.exclude(status__in=(MessageStatus.FAILED, MessageStatus.CANCELLED))
        # A file for the calendar makes mail nobody's channel.
        said = said.exclude(dedupe_key__regex=r"^appointment:\d+:(invitation|withdrawal):")
        newest = said.order_by("lead_id", "channel", "direction", "-created_at", "-pk")
        for row in newest.distinct("lead_id", "channel", "direction").values_list(*columns):
            self.newest[row[0]].append(Contact(*row))
        ours = Message.objects.filter(lead__in=leads, direction=Direction.OUT, sent_by=None, created_at__gte=now - WEEK)
        counted = ours.exclude(status__in=(MessageStatus.FAILED, MessageStatus.CANCELLED))
        for row in counted.order_by("created_at", "pk").values_list(*columns):
            self.recent[row[0]].append(Contact(*row))

    def _load_permissions(self, leads: Sequence[Lead], brokers: set[int]) -> None:
        addresses = {address for lead in leads for address in _addresses(lead)}
        about = Q(lead__in=[lead.pk for lead in leads]) | Q(broker__in=brokers, address__in=addresses)
        for rule in ContactPermission.objects.filter(about):
            permission = Permission(rule.pk, rule.channel, rule.kind, rule.purpose, rule.at)
            said = bool(rule.evidence.get("sandbox")), permission
            self.permissions[rule.lead_id or 0].append(said)
            self.of_addresses[rule.broker_id, rule.address].append(said)

    def rules_of(self, lead: Lead, *, sandbox: bool) -> list[Permission]:
        """What was said on the sandbox binds there only."""
        found = [*self.permissions.get(lead.pk, ())]
        for address in _addresses(lead):
            found += self.of_addresses.get((lead.broker_id, address), ())
        return [rule for is_played, rule in found if sandbox or not is_played]


def _addresses(lead: Lead) -> list[str]:
    return [address for address in (lead.phone, lead.email, lead.telegram_chat_id) if address]


def accounts_for(appointment: Appointment, batch: Batch) -> dict[str, ChannelAccount]:
    """The accounts to tell this lead by: the sandbox's where all that was said to them was played there, else the real
    ones; the sandbox's where the brokerage has no other."""
    accounts = batch.accounts.get(appointment.broker_id, [])
    defaults = {account.channel: account for account in accounts if account.is_default}
    said = max(batch.newest.get(appointment.lead_id, ()), key=lambda one: one.created_at, default=None)
    spoken = defaults.get(said.channel) if said else None
    is_played = said is not None and said.sandbox and (spoken is None or spoken.sandbox)
    if is_played or not any(not account.sandbox for account in defaults.values()):
        return {account.channel: account for account in reversed(accounts) if account.sandbox}
    return {channel: account for channel, account in defaults.items() if not account.sandbox}


def channels_for(appointment: Appointment, batch: Batch) -> list[str]:
    """The lead's channel first: over which they last wrote, else over which they were last written to."""
    said = sorted(
        batch.newest.get(appointment.lead_id, ()),
        key=lambda one: (one.direction == Direction.IN, one.created_at),
        reverse=True,
    )
    return list(dict.fromkeys([*(one.channel for one in said), *CHANNELS]))


def contact_facts(
    appointment: Appointment, account: ChannelAccount, batch: Batch, now: datetime, *, has_provider_template: bool
) -> ContactFacts:
    lead, broker = appointment.lead, appointment.broker
    law = _law(appointment)
    recent = [one for one in batch.recent.get(lead.pk, ()) if one.sandbox == account.sandbox]
    return ContactFacts(
        channel=account.channel,
        purpose="transactional",
        address=address_of(lead, account.channel),
        phone=lead.phone,
        treatment=lead.treatment_type,
        unreachable=lead.unreachable,
        permissions=batch.rules_of(lead, sandbox=account.sandbox),
        lead_timezone=lead.timezone,
        broker_timezone=broker.timezone,
        window=law.window,
        recent=[one.created_at for one in recent],
        cap_24h=broker.cap_24h,
        cap_7d=broker.cap_7d,
        window_open=_is_window_open(lead, account, batch, now),
        has_provider_template=has_provider_template,
        recent_channels=[one.channel for one in recent],
        contacts_a_day=law.contacts_a_day,
        one_channel_days=law.one_channel_days,
        needs_grant=law.needs_grant,
        places=law.places,
        rules=law.version,
    )


def meeting_of(appointment: Appointment) -> Meeting:
    """What its plan is made from."""
    lead = appointment.lead
    assert appointment.starts_at is not None
    assert appointment.changed_at is not None
    return Meeting(
        is_live=appointment.is_live,
        is_cancelled=appointment.status == "cancelled",
        starts_at=appointment.starts_at,
        changed_at=appointment.changed_at,
        sequence=appointment.sequence,
        has_email=bool(lead.email),
        told=appointment.notices,
        window=_law(appointment).window,
        zones=_zones(appointment),
    )


def _law(appointment: Appointment) -> Law:
    lead, broker = appointment.lead, appointment.broker
    return law_for(
        phone=lead.phone, lead_timezone=lead.timezone, broker_country=broker.country, window=broker.rules.window
    )


def _zones(appointment: Appointment) -> tuple[str, ...]:
    lead = appointment.lead
    return binding_zones(lead.timezone, lead.phone, appointment.broker.timezone)


def _is_window_open(lead: Lead, account: ChannelAccount, batch: Batch, now: datetime) -> bool:
    """Only WhatsApp has such a window, and the sandbox has none."""
    if account.channel != WHATSAPP or account.sandbox:
        return True
    wrote = (one for one in batch.newest.get(lead.pk, ()) if one.direction == Direction.IN and one.channel == WHATSAPP)
    return any(one.account_id == account.pk and one.created_at > now - WHATSAPP_WINDOW for one in wrote)
