"""What somebody needs before them who is about to write to a lead: the channels that are open, and the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from leads.models import Lead
from leads.zones import local_zone
from messaging.models import Direction, Message
from messaging.policy import EMAIL, WHATSAPP, Verdict
from messaging.reach import Way, ways_to
from messaging.reasons import remedy_for_people, sentence
from templates_app.models import Channel, MessageTemplate
from templates_app.preview import rendered, surroundings_of
from templates_app.variants import compiled

# A reason stands against these.
HOURS = ("outside_hours", "window_never_opens")
# With these a channel is open all the same: to a reason, or in a moment.
OPEN_REASONS = ("", "chat_busy", *HOURS)
OFFERED_TEMPLATES = 50


@dataclass(frozen=True, slots=True)
class OpenWay:
    channel: str
    label: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A template as it reads for the lead; `fault` is why it cannot be sent to them."""

    row: MessageTemplate
    subject: str = ""
    body: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """`closed` says of each other channel why; `hours` what has to be explained, '' within the contact hours."""

    open: Sequence[OpenWay]
    closed: Sequence[str]
    hours: str
    templates: Mapping[int, Offer]
    subject: str
    first_channel: str

    @property
    def template_choices(self) -> list[tuple[int, str]]:
        return [(pk, str(offer.row)) for pk, offer in self.templates.items() if not offer.fault]


def desk_for(lead: Lead, now: datetime) -> Desk:
    """How things stand at `now`."""
    ways = ways_to(lead, now)
    verdicts = {channel: way.judged(now) for channel, way in ways.items()}
    obstacles = {channel: verdict for channel, verdict in verdicts.items() if verdict.reason not in OPEN_REASONS}
    if WHATSAPP in obstacles and obstacles[WHATSAPP].reason == "needs_template" and _has_approved_template(lead):
        verdicts[WHATSAPP] = _by_approved_template(ways[WHATSAPP]).judged(now)
    channels = [channel for channel, verdict in verdicts.items() if verdict.reason in OPEN_REASONS]
    late = [verdicts[channel] for channel in channels if verdicts[channel].reason in HOURS]
    return Desk(
        open=[_open_way(ways[channel]) for channel in channels],
        closed=[_obstacle(channel, verdict) for channel, verdict in obstacles.items()],
        hours=_hours(lead, late[0], now) if late else "",
        templates=_offers(lead, channels, now),
        subject=_answering_subject(lead) if EMAIL in channels else "",
        first_channel=_last_channel(lead, channels),
    )


def _has_approved_template(lead: Lead) -> bool:
    rows = MessageTemplate.objects.active().filter(broker=lead.broker_id, channel=WHATSAPP)
    return rows.exclude(provider_template_id="").exists()


def _by_approved_template(way: Way) -> Way:
    return replace(way, facts=replace(way.facts, has_provider_template=True))


def _open_way(way: Way) -> OpenWay:
    side = f" · {_('sandbox')}" if way.sandbox else ""
    return OpenWay(way.channel, f"{Channel(way.channel).label} · {way.facts.address}{side}")


def _obstacle(channel: str, verdict: Verdict) -> str:
    return f"{Channel(channel).label}: {sentence(verdict.reason)} {remedy_for_people(verdict.reason)}"


def _hours(lead: Lead, verdict: Verdict, now: datetime) -> str:
    zone = local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=lead.broker.timezone)
    values = {"now": _local(now, zone), "zone": zone}
    if verdict.until is None:
        when = _("It is %(now)s where the lead is (%(zone)s), and the contact window never opens.") % values
    else:
        values |= {"opening": _local(verdict.until, zone)}
        when = _("Contact hours begin at %(opening)s where the lead is (%(zone)s); it is %(now)s there now.") % values
    rule = _("What you say here is kept. An answer within 24 hours of the lead's message needs no reason.")
    return f"{when} {rule}"


def _local(moment: datetime, zone: str) -> str:
    return formats.date_format(moment.astimezone(ZoneInfo(zone)), "SHORT_DATETIME_FORMAT")


def _offers(lead: Lead, channels: Sequence[str], now: datetime) -> dict[int, Offer]:
    """Of each template the one in the lead's language, else the first."""
    language = lead.language or lead.broker.language
    rows = MessageTemplate.objects.active().filter(broker=lead.broker_id, channel__in=channels)
    chosen: dict[tuple[str, str], MessageTemplate] = {}
    for row in rows.order_by("channel", "name", "language")[: 2 * OFFERED_TEMPLATES]:
        if (row.channel, row.name) not in chosen or row.language == language:
            chosen[row.channel, row.name] = row
    around = {spoken: surroundings_of(lead, spoken, now) for spoken in {row.language for row in chosen.values()}}
    offers: dict[int, Offer] = {}
    for row in list(chosen.values())[:OFFERED_TEMPLATES]:
        try:
            said = rendered(compiled(row), lead, around[row.language])
            offers[row.pk] = Offer(row, said.subject, said.body)
        except Refused as refused:
            offers[row.pk] = Offer(row, fault=" ".join(refused.faults))
    return offers


def _answering_subject(lead: Lead) -> str:
    """'Re: ' and the subject of the last e-mail; '' where there was none."""
    mails = Message.objects.filter(lead=lead, channel=EMAIL).exclude(subject="").order_by("-created_at", "-id")
    last = mails.values_list("subject", flat=True).first() or ""
    return last if not last or last.lower().startswith("re:") else f"Re: {last}"


def _last_channel(lead: Lead, channels: Sequence[str]) -> str:
    """Where the lead last wrote, if that is open."""
    theirs = Message.objects.filter(lead=lead, direction=Direction.IN).order_by("-created_at", "-id")
    last = theirs.values_list("channel", flat=True).first() or ""
    return last if last in channels else next(iter(channels), "")
