"""What mail services report, from anymail's words to ours. Pure but for the mail that is taken apart."""

import re
from collections.abc import Iterable, Mapping
from email.utils import parseaddr
from hashlib import sha256
from typing import Any

from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent
from django.utils.dateparse import parse_datetime
from django.utils.html import strip_tags

from messaging.base import Event

# Under this name our message's id travels with the mail, and comes back with every report.
OWN_ID = "embudo_message"
OWN_MESSAGE_ID = re.compile(r"<embudo-(\d{1,18})\.")
# Accepted by the service is sent. Who opens or clicks has got it, though what opened it may be a machine.
STATUSES = {
    "queued": "sent",
    "sent": "sent",
    "delivered": "delivered",
    "opened": "delivered",
    "clicked": "delivered",
    "complained": "delivered",
    "bounced": "failed",
    "rejected": "failed",
    "failed": "failed",
}
# No news of the message.
NO_NEWS = {"deferred", "autoresponded", "subscribed", "unsubscribed", "inbound_failed"}
# What people did, whatever became of this mail.
OBJECTIONS = {"unsubscribed": "unsubscribed", "complained": "blocked"}
OPT_OUTS = set(OBJECTIONS.values())
REJECTIONS = {
    "invalid": "invalid_address",
    "bounced": "invalid_address",
    "unsubscribed": "unsubscribed",
    "spam": "blocked",
}
# By each service's own word: that nobody is at the address (a full mailbox or a filter is something else), and what it
# remembers of earlier mails. Where the word stands in its report, and what it means.
NOBODY = "invalid_address"
BOUNCES: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "brevo": (("event",), {"hard_bounce": NOBODY, "invalid_email": NOBODY}),
    "mailersend": (("data.type",), {"hard_bounced": NOBODY}),
    "mailgun": (
        ("event-data.reason",),
        {
            "bounce": NOBODY,
            "suppress-bounce": NOBODY,
            "suppress-unsubscribe": "unsubscribed",
            "suppress-complaint": "blocked",
        },
    ),
    "mailjet": (("hard_bounce",), {"True": NOBODY}),
    "mailtrap": (("event",), {"bounce": NOBODY}),
    "mandrill": (("event",), {"hard_bounce": NOBODY}),
    "postmark": (("Type", "SuppressionReason"), {"HardBounce": NOBODY}),
    "resend": (("data.bounce.type",), {"Permanent": NOBODY}),
    "sendgrid": (("type",), {"bounce": NOBODY}),
    "sparkpost": (("msys.*.bounce_class",), {"10": NOBODY, "30": NOBODY}),
    "unisender_go": (
        ("delivery_info.delivery_status",),
        {"err_user_unknown": NOBODY, "err_user_inactive": NOBODY, "err_domain_inactive": NOBODY},
    ),
}
# Of a mail's text, in signs: a book is no answer.
LONGEST_TEXT = 200_000
# Where an answer begins to repeat what it answers.
QUOTE = re.compile(
    r"^(>|-{2,} ?(original message|mensaje original)|_{10,}$|(el|on) .{5,200}(escribió|wrote):\s*$)",
    re.IGNORECASE | re.MULTILINE,
)


def as_payload(events: Iterable[AnymailTrackingEvent | AnymailInboundEvent]) -> dict[str, Any]:
    """Anymail's events as JSON, which is what is stored."""
    told = [event for event in events if event is not None]
    return {"events": [_received(event) if hasattr(event, "message") else _reported(event) for event in told]}


def events_of(payload: Mapping[str, Any], service: str) -> list[Event]:
    return [event for told in payload["events"] for event in _events(told, service)]


def own_tag(message_id: int) -> str:
    """Our message's id for services that carry nothing else of ours."""
    return f"{OWN_ID}-{message_id}"


def _events(told: Mapping[str, Any], service: str) -> list[Event]:
    """One, none, or two where a report says both what became of a mail and that somebody wants no more of them."""
    if told["type"] == "inbound":
        return [_inbound(told)]
    code = _code(told, service)
    found = [] if told["type"] in NO_NEWS else [_status(told, code)]
    return [*found, _revoked(told, code)] if code in OPT_OUTS and told["recipient"] else found


def _reported(event: AnymailTrackingEvent) -> dict[str, Any]:
    raw = event.esp_event
    return {
        "type": str(event.event_type),
        "event_id": _text(event.event_id),
        "at": event.timestamp.isoformat() if event.timestamp else "",
        "message_id": _text(event.message_id),
        "own_id": _text((event.metadata or {}).get(OWN_ID)) or _tagged(event.tags or ()),
        "recipient": _text(event.recipient),
        "reject_reason": _text(event.reject_reason),
        "words": _text(event.mta_response or event.description),
        "raw": dict(raw.items()) if isinstance(raw, Mapping) else {},
    }


def _tagged(tags: Iterable[Any]) -> str:
    head = own_tag(0)[:-1]
    return next((str(tag).removeprefix(head) for tag in tags if str(tag).startswith(head)), "")


def _received(event: AnymailInboundEvent) -> dict[str, Any]:
    mail = event.message
    headers = {name: str(value) for name, value in mail.items()}
    if mail.envelope_sender == "":
        headers["Return-Path"] = "<>"
    return {
        "type": "inbound",
        "event_id": _text(event.event_id),
        "from": str(mail["From"] or mail.envelope_sender or ""),
        "subject": str(mail["Subject"] or ""),
        "text": _words_of(mail),
        "headers": headers,
        "attachments": [part.get_filename() or "" for part in mail.attachments],
    }


def _words_of(mail: AnymailInboundMessage) -> str:
    """What was written this time, without what it answers."""
    if mail.stripped_text:
        return str(mail.stripped_text).strip()[:LONGEST_TEXT]
    text = (mail.text or strip_tags((mail.html or "")[:LONGEST_TEXT]))[:LONGEST_TEXT]
    return without_quote(text) or str(mail["Subject"] or "").strip()


def without_quote(text: str) -> str:
    """The text up to where it begins to repeat the mail it answers; all of it where nothing stands before that."""
    found = QUOTE.search(text)
    return (text[: found.start()] if found else text).strip() or text.strip()


def _inbound(told: Mapping[str, Any]) -> Event:
    name, address = parseaddr(told["from"])
    headers = {key.lower(): value for key, value in told["headers"].items()}
    answers = OWN_MESSAGE_ID.search(f"{headers.get('in-reply-to', '')} {headers.get('references', '')}")
    message_id = headers.get("message-id", "").strip()
    return Event(
        event_id=f"in:{told['event_id'] or message_id or _hash(told)}",
        kind="inbound",
        address=address,
        text=told["text"],
        message_id=int(answers.group(1)) if answers else None,
        provider_id=message_id,
        name=name,
        raw=told,
    )


def _status(told: Mapping[str, Any], code: str) -> Event:
    status = STATUSES.get(told["type"], told["type"])
    return Event(
        event_id=f"{told['type']}:{told['event_id'] or _hash(told)}",
        kind="status",
        address=told["recipient"],
        message_id=_own_id(told),
        provider_id=told["message_id"],
        status=status,
        code=code if status == "failed" else "",
        at=parse_datetime(told["at"]) if told["at"] else None,
        raw=told,
    )


def _revoked(told: Mapping[str, Any], code: str) -> Event:
    """Told apart from the status, because it holds although nobody knows the mail (any more)."""
    return Event(
        event_id=f"revoked:{told['event_id'] or _hash(told)}",
        kind="revoked",
        address=told["recipient"],
        message_id=_own_id(told),
        code=code,
        at=parse_datetime(told["at"]) if told["at"] else None,
        raw=told,
    )


def _own_id(told: Mapping[str, Any]) -> int | None:
    return int(told["own_id"]) if told["own_id"].isdecimal() and len(told["own_id"]) < 19 else None


def _code(told: Mapping[str, Any], service: str) -> str:
    """Why it failed, or that somebody objected; '' for everything else."""
    if told["type"] == "bounced":
        paths, meanings = BOUNCES.get(service, ((), {}))
        words = [word for path in paths for word in _words_at(told["raw"], path.split("."))]
        return next((meanings[word] for word in words if word in meanings), "bounced")
    if told["type"] in ("rejected", "failed"):
        return REJECTIONS.get(told["reject_reason"], told["type"])
    return OBJECTIONS.get(told["type"], "")


def _words_at(raw: Any, path: list[str]) -> list[str]:
    """What stands at a path; `*` is every name."""
    if not path:
        return [str(raw)]
    if not isinstance(raw, Mapping):
        return []
    inner = raw.values() if path[0] == "*" else [raw[path[0]]] if path[0] in raw else []
    return [word for one in inner for word in _words_at(one, path[1:])]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _hash(told: Mapping[str, Any]) -> str:
    """Of services that number nothing: the same report comes again with the same words."""
    return sha256(repr(sorted(told.items())).encode()).hexdigest()
