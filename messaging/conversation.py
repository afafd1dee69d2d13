"""What was said between a lead and us, over every channel, with what became of it and why it was allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from leads.models import Lead
from leads.zones import local_zone
from messaging.mail import linked
from messaging.models import Direction, Message, MessageStatus
from messaging.reasons import sentence
from messaging.telling import basis_told

SHOWN_MESSAGES = 50
NOT_SENT = (MessageStatus.FAILED, MessageStatus.CANCELLED, MessageStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Said:
    """One message; `who` said it, `fault` is why it did not arrive, `why` the lines of why it was allowed."""

    message: Message
    who: str
    html: SafeString
    fault: str
    why: Sequence[str]

    @property
    def is_ours(self) -> bool:
        return self.message.direction == Direction.OUT

    @property
    def at(self) -> datetime:
        return self.message.created_at


def conversation_with(lead: Lead, *, most: int = SHOWN_MESSAGES) -> list[Said]:
    """The newest messages, the oldest of them first. Moments in `why` are by the clock where the lead is."""
    zone = ZoneInfo(local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=lead.broker.timezone))
    newest = Message.objects.filter(lead=lead).select_related("sent_by").order_by("-created_at", "-id")[:most]
    return [_said(message, lead, zone) for message in reversed(newest)]


def _said(message: Message, lead: Lead, zone: ZoneInfo) -> Said:
    is_ours = message.direction == Direction.OUT
    return Said(
        message=message,
        who=_who(message, lead),
        html=linked(message.body),
        fault=_fault(message),
        why=basis_told(message.basis, zone) if is_ours else (),
    )


def _who(message: Message, lead: Lead) -> str:
    if message.direction == Direction.IN:
        return str(lead)
    return str(message.sent_by) if message.sent_by else _("Automatic")


def _fault(message: Message) -> str:
    if message.status not in NOT_SENT or not message.error_code:
        return ""
    return " ".join(filter(None, [sentence(message.error_code), f"({message.error})" if message.error else ""]))
