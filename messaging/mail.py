"""A message as an e-mail: a text and an HTML part, and the headers of campaign mail.

For every adapter that speaks e-mail. Nothing that a lead or a broker wrote can become a header or a tag.
"""

import re
from dataclasses import dataclass, field
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import formataddr, formatdate, parseaddr

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from messaging.base import Attachment, Envelope
from messaging.models import ChannelAccount

WEB_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
CONTROLS = dict.fromkeys([*range(32), 127])
# Seven-bit lines of bounded length: no relay on the way has a reason to touch them.
SEVEN_BIT = Charset("utf-8")
SEVEN_BIT.body_encoding = QP
LONGEST_WORD = 60
BOUNDARY = "=_embudo"  # quoted-printable text holds no "=_"
# Header values are folded here already. Left to itself, the library breaks the line before a long address.
AS_IT_STANDS = compat32.clone(max_line_length=None)


@dataclass(frozen=True, slots=True)
class Mail:
    """Both parts, who writes to whom, and the headers beside From, To, Subject and Date."""

    sender: str
    sender_name: str
    recipient: str
    subject: str
    text: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()

    def as_bytes(self) -> bytes:
        """The mail as it goes over the wire, but for its line ends."""
        parts = [MIMEText(self.text, "plain", SEVEN_BIT), MIMEText(self.html, "html", SEVEN_BIT)]  # type: ignore[arg-type]
        message = MIMEMultipart("alternative", BOUNDARY, parts)
        if self.attachments:
            message = MIMEMultipart("mixed", f"{BOUNDARY}-all", [message, *map(attached, self.attachments)])
        message["Subject"] = _folded("Subject", self.subject)
        message["From"] = _mailbox(self.sender_name, self.sender)
        message["To"] = self.recipient
        message["Date"] = formatdate()
        for name, value in self.headers.items():
            message[name] = value
        return message.as_bytes(policy=AS_IT_STANDS)


def compose(envelope: Envelope, *, sender: str, sender_name: str = "") -> Mail:
    """The mail of a message. Raises ValueError when `sender` or the recipient is no address."""
    own_address = ascii_address(sender)
    with translation.override(envelope.language):
        return Mail(
            sender=own_address,
            sender_name=one_line(sender_name),
            recipient=ascii_address(envelope.address),
            subject=one_line(envelope.subject) or one_line(sender_name),
            text=_text(envelope),
            html=_html(envelope),
            headers=_headers(envelope, own_address),
            attachments=envelope.attachments,
        )


def attached(attachment: Attachment) -> MIMEText:
    """As a part of its own."""
    part = MIMEText(attachment.content, attachment.subtype, SEVEN_BIT)  # type: ignore[arg-type]
    for name, value in attachment.parameters:
        part.set_param(name, value)
    part.add_header("Content-Disposition", "attachment", filename=attachment.name)
    return part


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


def sender_of(account: ChannelAccount) -> tuple[str, str]:
    """The name that people see, and the address, '' where there is none, of `Aurora <hola@aurora.cl>`."""
    name, address = parseaddr(account.sender)
    return name or account.name, address


def sender_faults(account: ChannelAccount) -> list[str]:
    try:
        ascii_address(sender_of(account)[1])
    except ValueError:
        return [_("sender is missing: the address that people see, such as hola@example.com")]
    return []


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


def _folded(name: str, text: str) -> str:
    """A header's text in lines of 76, encoded (RFC 2047) where it has to be."""
    return Header(text, None if _is_plain(text) else "utf-8", header_name=name).encode()


def _is_plain(text: str) -> bool:
    """Whether it may stand as it is: signs of ASCII in words that fit into a line."""
    return text.isascii() and "=?" not in text and all(len(word) < LONGEST_WORD for word in text.split())


def _mailbox(name: str, address: str) -> str:
    if _is_plain(name):
        return formataddr((name, address))
    return f"{_folded('From', name)}\n <{address}>"


def _headers(envelope: Envelope, sender: str) -> dict[str, str]:
    """Auto-Submitted (RFC 3834) keeps vacation replies away; List-Unsubscribe-Post is RFC 8058."""
    headers = {"Message-ID": message_id(envelope, sender)}
    if envelope.is_automatic:
        headers["Auto-Submitted"] = "auto-generated"
    if envelope.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{envelope.unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _footer(envelope: Envelope) -> dict[str, str]:
    """The links that stand below a text: those that are not in it already."""
    links = {"unsubscribe_url": envelope.unsubscribe_url, "preferences_url": envelope.preferences_url}
    return {name: url for name, url in links.items() if url and url not in envelope.body}


def _text(envelope: Envelope) -> str:
    wishes = {
        "unsubscribe_url": _("No more messages of this kind, please:"),
        "preferences_url": _("Choose what you receive:"),
    }
    lines = [f"{wishes[name]} {url}\n" for name, url in _footer(envelope).items()]
    return "".join([envelope.body, *(["\n\n-- \n"] if lines else []), *lines])


def _html(envelope: Envelope) -> str:
    paragraphs = re.split(r"\n\s*\n", envelope.body.replace("\r\n", "\n").strip())
    return render_to_string(
        "messaging/email.html",
        {
            "language": envelope.language,
            "subject": one_line(envelope.subject),
            "paragraphs": [linked(paragraph) for paragraph in paragraphs],
            "footer": _footer(envelope),
        },
    )
