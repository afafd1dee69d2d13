"""Who writes to us without being known by their address: strangers, and leads who followed their own link."""

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from leads.actions import create_lead, create_task, edit_lead
from leads.models import Lead
from messaging.base import Event
from messaging.links import StartLink
from messaging.models import ChannelAccount, WebhookEvent

# Where a stranger who writes becomes a lead, and the column of their address. A mailbox gets too much that nobody
# wrote, and on the sandbox there are no strangers.
WELCOME = {"telegram": "telegram_chat_id", "whatsapp": "phone"}
LONGEST_NAME = 200


def is_welcome(account: ChannelAccount) -> bool:
    return account.channel in WELCOME and not account.sandbox


def welcome(*, account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> Lead:
    """A stranger becomes a lead who arrives, with an inquiry of what they wrote.

    Raises Refused `address_taken` when another event of theirs was quicker, else as `create_lead` does.
    """
    address: dict[str, Any] = {WELCOME[account.channel]: event.address.strip()}
    inquiry = {
        "source": account.channel,
        "external_id": f"{account.pk}:{stored.event_id}",
        "text": event.text,
        "raw": {"media": list(event.media)} if event.media else {},
    }
    return create_lead(
        broker=account.broker,
        now=now,
        source=account.channel,
        name=event.name[:LONGEST_NAME],
        inquiry=inquiry,
        **address,
    )


def follow_link(*, account: ChannelAccount, event: Event, now: datetime) -> Lead | None:
    """The lead whose link was followed; the chat is theirs from now on. None when the link is nobody's here.

    The first chat that follows a link gets it: a link may be passed on. Where the chat is another lead's, or the lead
    has another chat that works, nothing moves: whoever writes is found by the chat as always (None), and a task asks
    a person whether the two are one.
    """
    lead, holder = _locked_pair(account, event)
    if lead is None or holder == lead:
        return lead
    is_free = holder is None and (not lead.telegram_chat_id or "telegram" in lead.unreachable)
    if is_free:
        try:
            return edit_lead(lead=lead, now=now, by=None, telegram_chat_id=event.address)
        except Refused as refused:
            if refused.reason != "address_taken":
                raise
    _ask_whether_one(lead, event, now)
    return None


def _locked_pair(account: ChannelAccount, event: Event) -> tuple[Lead | None, Lead | None]:
    """Whose link it is, and whose chat; locked in the order of their ids, as everybody does."""
    try:
        link = StartLink.parse(event.start)
    except ValueError:
        return None, None
    present = Lead.objects.present().filter(broker=account.broker_id).select_related("broker")
    either = present.filter(Q(pk=link.lead_id) | Q(telegram_chat_id=event.address)).order_by("pk")
    leads = list(either.select_for_update(no_key=True, of=("self",)))
    whose = next((one for one in leads if (one.broker_id, one.pk) == (link.broker_id, link.lead_id)), None)
    return whose, next((one for one in leads if one.telegram_chat_id == event.address), None)


def _ask_whether_one(lead: Lead, event: Event, now: datetime) -> None:
    """Once, however often they press."""
    origin = f"telegram_link:{event.address}"[:60]
    if lead.tasks.open().filter(origin=origin).exists():
        return
    with translation.override(lead.broker.language):
        title = _("%(name)s opened this lead's Telegram link from another chat: the same person?")
        title %= {"name": event.name or event.address}
    create_task(lead=lead, title=title[:200], due_at=now, now=now, origin=origin)
