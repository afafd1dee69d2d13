"""WhatsApp through Twilio.

Within 24 hours of the lead's last message the text goes out as it is; later the approved Content template whose SID the
message template names, with the variables numbered from 1 in the order in which they first appear in our own text. The
policy (messaging/policy.py) refuses beforehand what WhatsApp would not take.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from messaging.base import Envelope, Event, Outcome, OutcomeKind
from messaging.twilio import E164, Failed, Twilio, meaning_of, not_configured
from messaging.webhooks import webhook_url

PREFIX = "whatsapp:"
CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
LONGEST_TEXT = 1600
# Twilio's words in ours. What it has taken it has taken, however far it got.
STATUSES = {
    "accepted": "sent",
    "scheduled": "sent",
    "queued": "sent",
    "sending": "sent",
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
# WhatsApp writes some numbers in a form of its own: Mexican ones with the 1 that was dropped in 2019, Brazilian mobile
# ones without the 9 that was added.
OWN_FORMS = (
    (re.compile(r"\+521(\d{10})"), r"+52\1"),
    (re.compile(r"\+55(\d\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
)


class TwilioWhatsapp(Twilio):
    channels = frozenset({"whatsapp"})
    default_rate = Decimal(80)

    def send(self, envelope: Envelope) -> Outcome:
        if faults := self.faults():
            return not_configured("; ".join(faults))
        if not E164.fullmatch(envelope.address):
            return Outcome(OutcomeKind.REFUSED, code="invalid_address", error=_("No number to send to"))
        if envelope.window_open and len(envelope.body) > LONGEST_TEXT:
            return Outcome(OutcomeKind.REFUSED, code="too_long", error=f"{len(envelope.body)} > {LONGEST_TEXT}")
        content = content_of(envelope)
        if content is None:
            return Outcome(OutcomeKind.REFUSED, code="needs_template", error=_("No approved template to send"))
        try:
            message = self.ask(
                lambda client: client.messages.create(
                    from_=PREFIX + self.sender(),
                    to=PREFIX + envelope.address,
                    status_callback=self._callback(envelope),
                    **content,
                ),
                envelope.address,
            )
        except Failed as failed:
            return failed.outcome
        return self._accepted(message.sid, message.error_code, envelope)

    def connect(self, url: str) -> str:
        return _(
            "In Twilio's console, under Messaging, Senders, WhatsApp senders, open %(sender)s and set this address as "
            "the webhook for incoming messages (HTTP POST): %(url)s What becomes of sent messages is reported there by "
            "itself."
        ) % {"sender": self.sender(), "url": url}

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        if "MessageStatus" not in payload and payload.get("From"):
            return [_inbound(payload)]
        return [_status(payload)]

    def _callback(self, envelope: Envelope) -> str:
        """Where Twilio tells what became of this message, by our own id."""
        return f"{webhook_url(self.account)}?{urlencode({'message': envelope.message_id})}"

    def _accepted(self, sid: Any, error_code: Any, envelope: Envelope) -> Outcome:
        if not isinstance(sid, str) or not sid:
            return Outcome(OutcomeKind.UNKNOWN, code="reply_unknown", error=_("The answer names no message"))
        if error_code:
            kind, code = meaning_of(int(error_code), envelope.address)
            return Outcome(kind, sid, code, str(error_code))
        return Outcome(OutcomeKind.ACCEPTED, sid)


def content_of(envelope: Envelope) -> dict[str, str] | None:
    """The text while the lead's window is open, else the approved template; None where there is none."""
    if envelope.window_open:
        return {"body": envelope.body}
    if not CONTENT_SID.fullmatch(envelope.provider_template_id):
        return None
    return {"content_sid": envelope.provider_template_id, "content_variables": numbered(envelope.variables)}


def numbered(variables: tuple[str, ...]) -> str:
    """`{"1": …, "2": …}`. WhatsApp takes no line ends in a value, and Twilio misreads apostrophes not escaped."""
    values = {str(number): " ".join(value.split()) for number, value in enumerate(variables, start=1)}
    return json.dumps(values).replace("'", "\\u0027")


def _inbound(payload: Mapping[str, Any]) -> Event:
    return Event(
        event_id=_event_id(payload),
        kind="inbound",
        address=as_stored(str(payload["From"])),
        text=str(payload.get("Body") or ""),
        provider_id=_sid(payload),
        name=str(payload.get("ProfileName") or ""),
        media=_media(payload),
        raw=payload,
    )


def _status(payload: Mapping[str, Any]) -> Event:
    word = str(payload.get("MessageStatus") or "")
    status = STATUSES.get(word, word)
    own_id, error = str(payload.get("message") or ""), str(payload.get("ErrorCode") or "")
    code = meaning_of(int(error), as_stored(str(payload.get("To") or ""))).code if error.isdecimal() else error
    return Event(
        event_id=_event_id(payload),
        kind="status",
        message_id=int(own_id) if own_id.isdecimal() else None,
        provider_id=_sid(payload),
        status=status,
        code=(code or word) if status == "failed" else "",
        raw=payload,
    )


def as_stored(address: str) -> str:
    """A number as leads carry it, E.164."""
    number = address.removeprefix(PREFIX).strip()
    for form, ours in OWN_FORMS:
        if form.fullmatch(number):
            return form.sub(ours, number)
    return number


def _event_id(payload: Mapping[str, Any]) -> str:
    """A message comes in once and reaches each status once, so a repeated delivery has the same id, in whatever order
    it comes."""
    sid, word = _sid(payload), str(payload.get("MessageStatus") or "")
    if sid:
        return f"{sid}:{word}" if word else sid
    token = payload.get("idempotency_token")
    return str(token or sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest())


def _sid(payload: Mapping[str, Any]) -> str:
    return str(payload.get("MessageSid") or payload.get("SmsSid") or "")


def _media(payload: Mapping[str, Any]) -> tuple[str, ...]:
    count = str(payload.get("NumMedia") or "0")
    found = [payload.get(f"MediaUrl{number}") for number in range(min(int(count), 20) if count.isdecimal() else 0)]
    return tuple(str(address) for address in found if address)
