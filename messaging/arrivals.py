"""Who writes to us without being known by their address: strangers, and leads who followed their own link."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from leads.actions import create_lead, create_task, edit_lead, record_inquiry
from leads.families import known_by, survivor_id
from leads.models import Lead
from messaging.base import Event
from messaging.links import StartLink
from messaging.models import ChannelAccount, WebhookEvent

# Where a stranger who writes becomes a lead, and the column of their address. A mailbox gets too much that nobody
# wrote, and on the sandbox there are no strangers.
WELCOME = {"telegram": "telegram_chat_id", "whatsapp": "phone"}
LONGEST_NAME = 200
# Who writes after nobody wrote for so long comes anew.
CONVERSATION = timedelta(days=7)


def is_welcome(account: ChannelAccount) -> bool:
    return account.channel in WELCOME and not account.sandbox


def welcome(*, account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> Lead:
    """A stranger becomes a lead who arrives, with an inquiry of what they wrote.

    Raises Refused `address_taken` when another event of theirs was quicker, else as `create_lead` does.
    """
    address: dict[str, Any] = {WELCOME[account.channel]: event.address.strip()}
    inquiry = _inquiry(account, stored, event)
    return create_lead(
        broker=account.broker,
        now=now,
        source=account.channel,
        name=event.name[:LONGEST_NAME],
        inquiry=inquiry,
        **address,
    )


def note_arrival(*, lead: Lead, account: ChannelAccount, stored: WebhookEvent, event: Event, now: datetime) -> None:
    """A lead who is known comes again: by a link, or of their own accord after a week without a word from either side.
    The rest is conversation. The caller holds the lead, as it was before this event."""
    words = [at for at in (lead.last_inbound_at, lead.last_contacted_at, lead.last_answered_at) if at is not None]
    if event.start or now - max(words, default=lead.created_at) > CONVERSATION:
        record_inquiry(lead=lead, now=now, **_inquiry(account, stored, event))


def _inquiry(account: ChannelAccount, stored: WebhookEvent, event: Event) -> dict[str, Any]:
    return {
        "source": account.channel,
        "external_id": f"{account.pk}:{stored.event_id}",
        "text": event.text,
        "raw": {"media": list(event.media)} if event.media else {},
    }


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
    while True:
        with suppress(_Changed), transaction.atomic():
            return _locked_once(account, link, event.address)


class _Changed(Exception):
    """One of them was merged while we waited: look again, with all locks given up."""


def _locked_once(account: ChannelAccount, link: StartLink, chat: str) -> tuple[Lead | None, Lead | None]:
    lead_id, by_merge = known = _known(account, link, chat)
    present = Lead.objects.present().filter(broker=account.broker_id).select_related("broker")
    either = present.filter(Q(pk__in={lead_id, *by_merge}) | Q(telegram_chat_id=chat)).order_by("pk")
    leads = list(either.select_for_update(no_key=True, of=("self",)))
    if _known(account, link, chat) != known:
        raise _Changed
    whose = next((one for one in leads if (one.broker_id, one.pk) == (link.broker_id, lead_id)), None)
    holder = next((one for one in leads if one.telegram_chat_id == chat), None)
    return whose, holder or next((one for one in leads if one.pk in by_merge), None)


def _known(account: ChannelAccount, link: StartLink, chat: str) -> tuple[int, set[int]]:
    """Who stands for the link's lead now, and to whom the chat came by a merge."""
    by_merge = known_by(account.broker_id, "telegram_chat_id", chat)
    return survivor_id(link.lead_id), set(by_merge.values_list("pk", flat=True))


def _ask_whether_one(lead: Lead, event: Event, now: datetime) -> None:
    """Once, however often they press."""
    origin = f"telegram_link:{event.address}"[:60]
    if lead.tasks.open().filter(origin=origin).exists():
        return
    with translation.override(lead.broker.language):
        title = _("%(name)s opened this lead's Telegram link from another chat: the same person?")
        title %= {"name": event.name or event.address}
    create_task(lead=lead, title=title[:200], due_at=now, now=now, origin=origin)
