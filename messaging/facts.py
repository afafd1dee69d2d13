"""What the policy looks at, read for a batch of leads or for one: for campaigns, people and the
notices of meetings alike."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from brokers.models import Broker
from messaging import sql
from messaging.dispatching import SEND_LEASE
from messaging.jurisdictions import law_for
from messaging.models import ChannelAccount
from messaging.policy import WHATSAPP, WHATSAPP_WINDOW, ContactFacts, Permission, address_of
from messaging.providers import rest_of


@dataclass(slots=True)
class Permissions:
    """Rules with whether they were said on the sandbox."""

    of_leads: dict[int, list[tuple[bool, Permission]]] = field(default_factory=lambda: defaultdict(list))
    of_addresses: dict[tuple[int, str], list[tuple[bool, Permission]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def concerning(self, lead: Any, sandbox: bool) -> Sequence[Permission]:
        """The rules of the lead itself and of its addresses within its broker; one may be both, and come twice. What
        somebody played on the sandbox binds there only."""
        found = [*self.of_leads.get(lead.id, ())]
        for address in (lead.phone, lead.email, lead.telegram_chat_id):
            if address:
                found += self.of_addresses.get((lead.broker_id, address), ())
        return [rule for is_played, rule in found if sandbox or not is_played]


def load_permissions(leads: Sequence[Any]) -> Permissions:
    """What was given or taken back by these leads, or for their addresses; each is a Lead or has its columns."""
    params = {"leads": [lead.id for lead in leads], "brokers": list({lead.broker_id for lead in leads})}
    found = Permissions()
    for broker_id, lead_id, address, is_played, *rule in sql.rows(sql.PERMISSIONS, params):
        permission = is_played, Permission(*rule)
        found.of_leads[lead_id].append(permission)
        found.of_addresses[broker_id, address].append(permission)
    return found


def open_conversations(leads: Sequence[int], now: datetime) -> set[tuple[int, int]]:
    """(lead, account) of those who may be written to over WhatsApp in one's own words."""
    params = {"leads": list(leads), "channel": WHATSAPP, "since": now - WHATSAPP_WINDOW}
    return set(sql.rows(sql.OPEN_CONVERSATIONS, params))


def heard_at(leads: Sequence[int], channel: str, now: datetime) -> dict[int, datetime]:
    """When these leads were last written to over the channel, by anybody: the moment after which nothing was sent. Only
    of the last minutes. The leads must be locked, so that nobody else begins meanwhile."""
    params = {"leads": list(leads), "channel": channel, "since": now - SEND_LEASE, "now": now}
    return dict(sql.rows(sql.HEARD, params))


def free_at(account: ChannelAccount | None, heard: datetime | None) -> datetime | None:
    """From when on its provider takes another message for an address that it heard of then."""
    rest = rest_of(account) if account and heard else None
    return heard + rest if heard and rest else None


def contact_facts(
    *,
    lead: Any,
    broker: Broker,
    channel: str,
    purpose: str,
    permissions: Sequence[Permission],
    recent: Sequence[datetime],
    recent_channels: Sequence[str],
    reserved: int = 0,
    window_open: bool = True,
    has_provider_template: bool = False,
    free_at: datetime | None = None,
) -> ContactFacts:
    """The facts of one contact, the law of where the lead is among them. `lead` is a Lead or has its columns."""
    law = law_for(
        phone=lead.phone, lead_timezone=lead.timezone, broker_country=broker.country, window=broker.rules.window
    )
    return ContactFacts(
        channel=channel,
        purpose=purpose,
        address=address_of(lead, channel),
        phone=lead.phone,
        treatment=lead.treatment_type,
        unreachable=lead.unreachable,
        permissions=permissions,
        lead_timezone=lead.timezone,
        broker_timezone=broker.timezone,
        window=law.window,
        recent=recent,
        cap_24h=broker.cap_24h,
        cap_7d=broker.cap_7d,
        reserved=reserved,
        window_open=window_open,
        has_provider_template=has_provider_template,
        recent_channels=recent_channels,
        free_at=free_at,
        contacts_a_day=law.contacts_a_day,
        one_channel_days=law.one_channel_days,
        needs_grant=law.needs_grant,
        places=law.places,
        rules=law.version,
    )
