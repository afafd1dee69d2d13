"""What the sandbox's phone shows: a lead's conversation on each channel, as the lead would see it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from leads.models import Lead, LeadQuerySet
from leads.zones import local_zone
from messaging.inbound import receive_event
from messaging.mail import linked
from messaging.models import ACCEPTED, ChannelAccount, Direction, Message, MessageStatus, WebhookEvent
from messaging.policy import address_of
from messaging.providers import adapter_for
from messaging.storable import storable_text
from templates_app.models import Channel

TABS = (Channel.TELEGRAM, Channel.WHATSAPP, Channel.EMAIL, Channel.CALL)
# Those on which a lead writes back.
WRITTEN = frozenset(TABS) - {Channel.CALL}
SHOWN_MESSAGES = 100
LISTED_LEADS = 50
# Messages that reached the phone, and every call.
SHOWN = Q(status__in=[*ACCEPTED, MessageStatus.RECEIVED]) | Q(channel=Channel.CALL)
# How many of the newest leads the list looks at: its cost is bounded however many leads there are.
SEARCHED_LEADS = 2000


@dataclass(frozen=True, slots=True)
class Tab:
    channel: str
    label: str
    address: str
    messages: int


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message or call; `at` in the lead's zone, `day` where a new one begins."""

    message: Message
    html: SafeString
    at: datetime
    day: date | None

    @property
    def is_ours(self) -> bool:
        return self.message.direction == Direction.OUT


@dataclass(frozen=True, slots=True)
class Phone:
    lead: Lead
    tabs: list[Tab]
    current: Tab
    bubbles: list[Bubble]
    zone: ZoneInfo
    account: ChannelAccount | None

    @property
    def can_answer(self) -> bool:
        return self.account is not None and bool(self.current.address) and self.current.channel in WRITTEN

    @property
    def is_cut(self) -> bool:
        return len(self.bubbles) == SHOWN_MESSAGES


def phone_of(lead: Lead, channel: str = "") -> Phone:
    """A lead's phone with one channel open: the wanted one, else that of the newest message."""
    shown = Message.objects.filter(SHOWN, lead=lead, sandbox=True)
    tabs = _tabs(lead, dict(shown.values_list("channel").annotate(Count("id"))))
    current = next((tab for tab in tabs if tab.channel == channel), None) or _default_tab(tabs, shown)
    newest = shown.filter(channel=current.channel).order_by("-created_at", "-id")
    zone = zone_of(lead)
    bubbles = _bubbles(reversed(newest[:SHOWN_MESSAGES]), zone)
    return Phone(lead, tabs, current, bubbles, zone, _sandbox_account(lead, current.channel))


def leads_with_messages(user: User) -> LeadQuerySet:
    """The newest leads that got something on the sandbox, with `last_at` and `last_text` of the last one."""
    newest = Lead.objects.present().visible_to(user).order_by("-id").values("pk")[:SEARCHED_LEADS]
    last = Message.objects.filter(lead=OuterRef("pk"), sandbox=True).order_by("-created_at")
    leads = Lead.objects.filter(pk__in=newest).select_related("broker")
    # An EXISTS could be planned as a join over all messages; a sub-query with LIMIT stays a look-up a lead.
    with_last = leads.annotate(last_at=Subquery(last.values("created_at")[:1])).exclude(last_at=None)
    return with_last.annotate(last_text=Subquery(last.values("body")[:1])).order_by("-last_at", "-id")[:LISTED_LEADS]


def answer_as_lead(*, lead: Lead, channel: str, text: str, form_id: UUID, now: datetime) -> WebhookEvent:
    """Let a lead write to the brokerage over the sandbox: the very path of a real webhook.

    The same text from the same form is the same event, so a second click changes nothing. Raises Refused
    `no_sandbox_account`, `no_address` or `empty`.
    """
    account = _sandbox_account(lead, channel) if channel in WRITTEN else None
    if account is None:
        raise Refused("no_sandbox_account", _("This channel is not on the sandbox."))
    address, text = address_of(lead, channel), storable_text(text)
    if not address:
        raise Refused("no_address", _("This lead has no address on this channel."))
    if not text.strip():
        raise Refused("empty", _("Write something first."))
    event_id = str(uuid5(form_id, text))
    payload = {"event_id": event_id, "address": address, "text": text, "answers": _last_to(lead, channel)}
    [event] = adapter_for(account).parse(payload)
    return receive_event(account=account, event=event, payload=payload, now=now)


def zone_of(lead: Lead) -> ZoneInfo:
    """Where the lead's clock stands."""
    return ZoneInfo(local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=lead.broker.timezone))


def _tabs(lead: Lead, counts: dict[str, int]) -> list[Tab]:
    return [
        Tab(str(channel), str(channel.label), address_of(lead, channel), counts.get(channel, 0)) for channel in TABS
    ]


def _default_tab(tabs: list[Tab], shown: QuerySet[Message]) -> Tab:
    newest = shown.order_by("-created_at", "-id").values_list("channel", flat=True).first()
    reachable = [tab for tab in tabs if tab.channel == newest or (newest is None and tab.address)]
    return (reachable or tabs)[0]


def _bubbles(messages: Iterable[Message], zone: ZoneInfo) -> list[Bubble]:
    bubbles: list[Bubble] = []
    before = None
    for message in messages:
        at = message.created_at.astimezone(zone)
        day = at.date()
        bubbles.append(Bubble(message, linked(message.body), at, day if day != before else None))
        before = day
    return bubbles


def _sandbox_account(lead: Lead, channel: str) -> ChannelAccount | None:
    accounts = ChannelAccount.objects.filter(broker=lead.broker_id, channel=channel, sandbox=True, is_active=True)
    return accounts.order_by("-is_default", "id").first()


def _last_to(lead: Lead, channel: str) -> int | None:
    """The message that an answer on this channel answers, as a mail's In-Reply-To would say."""
    ours = Message.objects.filter(lead=lead, channel=channel, sandbox=True, direction=Direction.OUT)
    return ours.order_by("-created_at", "-id").values_list("pk", flat=True).first()
