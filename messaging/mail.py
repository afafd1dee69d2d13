"""A message as an e-mail: a text and an HTML part, and the headers of campaign mail. For every adapter of e-mail."""

import re
from email.charset import QP, Charset
from email.utils import formataddr, parseaddr

from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from messaging.base import Envelope

WEB_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
CONTROLS = dict.fromkeys([*range(32), 127])
# Seven-bit lines of bounded length: no relay on the way has a reason to touch them.
CHARSET = Charset("utf-8")
CHARSET.body_encoding = QP


def compose(envelope: Envelope, *, sender: str, sender_name: str = "") -> EmailMultiAlternatives:
    """The whole mail. Raises ValueError when `sender` or the recipient is no address."""
    own_address = ascii_address(sender)
    mail = EmailMultiAlternatives(
        subject=one_line(envelope.subject) or one_line(sender_name),
        from_email=formataddr((one_line(sender_name), own_address)),
        to=[ascii_address(envelope.address)],
        headers=_headers(envelope, own_address),
    )
    mail.encoding = CHARSET
    with translation.override(envelope.language):
        mail.body = _text(envelope)
        mail.attach_alternative(_html(envelope), "text/html")
    return mail


def message_id(envelope: Envelope, sender: str) -> str:
    """`<embudo-<message>.<key>@<our domain>>`: the same for the same dispatch, and it names the message."""
    key = re.sub(r"[^A-Za-z0-9-]+", "-", envelope.key)
    return f"<embudo-{envelope.message_id}.{key}@{sender.rpartition('@')[2]}>"


def ascii_address(address: str) -> str:
    """The address as it goes over the wire, an international domain in its ASCII form. Raises ValueError."""
    local, _at, domain = address.strip().rpartition("@")
    wired = f"{local}@{domain.encode('idna').decode()}"
    try:
        validate_email(wired)
    except ValidationError as error:
        raise ValueError(f"{address!r} is no e-mail address") from error
    return wired


def split_sender(sender: str) -> tuple[str, str]:
    """The name, '' where there is none, and the address of `Aurora <hola@aurora.cl>`."""
    return parseaddr(sender)


def one_line(text: str) -> str:
    """A text for a header: no line ends, no control characters."""
    return " ".join(text.split()).translate(CONTROLS)


def linked(text: str) -> SafeString:
    """A text as HTML: everything escaped, web addresses clickable."""
    parts: list[str] = []
    end = 0
    for match in WEB_ADDRESS.finditer(text):
        address = match.group().rstrip(".,;:!?)»”…")
        parts += [escape(text[end : match.start()]), format_html('<a href="{0}">{0}</a>', address)]
        end = match.start() + len(address)
    parts.append(escape(text[end:]))
    return mark_safe("".join(parts))


def _headers(envelope: Envelope, sender: str) -> dict[str, str]:
    """Auto-Submitted (RFC 3834) keeps vacation replies away; List-Unsubscribe-Post is RFC 8058."""
    headers = {"Message-ID": message_id(envelope, sender), "Auto-Submitted": "auto-generated"}
    if envelope.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{envelope.unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _needs_footer(envelope: Envelope) -> bool:
    return bool(envelope.unsubscribe_url) and envelope.unsubscribe_url not in envelope.body


def _text(envelope: Envelope) -> str:
    if not _needs_footer(envelope):
        return envelope.body
    return f"{envelope.body}\n\n--\n{_('No more messages of this kind, please:')} {envelope.unsubscribe_url}\n"


def _html(envelope: Envelope) -> str:
    paragraphs = re.split(r"\n\s*\n", envelope.body.replace("\r\n", "\n").strip())
    return render_to_string(
        "messaging/email.html",
        {
            "language": envelope.language,
            "subject": one_line(envelope.subject),
            "paragraphs": [linked(paragraph) for paragraph in paragraphs],
            "unsubscribe_url": envelope.unsubscribe_url if _needs_footer(envelope) else "",
        },
    )
