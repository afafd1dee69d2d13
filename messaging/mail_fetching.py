"""Received mail of services that only announce it: what is needed of it is fetched, within seconds, attachments by
their names alone."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin

import requests
from anymail.inbound import AnymailInboundMessage
from anymail.webhooks.brevo import BrevoInboundWebhookView
from anymail.webhooks.mailtrap import MailtrapInboundWebhookView
from anymail.webhooks.resend import ResendInboundWebhookView

# Seconds: to connect, and until the answer. Whoever reports waits for us meanwhile.
WAITS = (3.0, 8.0)


class BrevoMail(BrevoInboundWebhookView):
    """Its text comes along."""

    def _fetch_attachment(self, attachment: Mapping[str, Any]) -> AnymailInboundMessage:
        return _name_of(attachment.get("Name"), attachment.get("ContentType"))


class ResendMail(ResendInboundWebhookView):
    def _fetch_inbound_email(self, email_id: str) -> AnymailInboundMessage:
        mail = _fetched(urljoin(self.api_url, f"emails/receiving/{quote(str(email_id), safe='')}"), self.api_key).json()
        message = AnymailInboundMessage.construct(
            from_email=mail.get("from"),
            to=", ".join(mail.get("to") or []) or None,
            subject=mail.get("subject"),
            headers=[(name, str(value)) for name, value in (mail.get("headers") or {}).items()],
            text=mail.get("text"),
            html=mail.get("html"),
            attachments=[
                _name_of(one.get("filename"), one.get("content_type")) for one in mail.get("attachments") or []
            ],
        )
        if mail.get("message_id") and "Message-ID" not in message:
            message["Message-ID"] = mail["message_id"]
        return message


class MailtrapMail(MailtrapInboundWebhookView):
    def fetch_inbound_message(self, inbox_id: int, message_id: str) -> Any:
        path = f"inbound/inboxes/{quote(str(inbox_id), safe='')}/messages/{quote(message_id, safe='')}"
        return _fetched(urljoin(self.api_url, path), self.api_token).json()

    def fetch_raw_message_chunks(self, raw_message_url: str) -> Iterator[bytes]:
        yield _fetched(raw_message_url).content


def _fetched(url: str, key: str = "") -> requests.Response:
    """Raises requests.RequestException; the service then reports again."""
    response = requests.get(url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=WAITS)
    response.raise_for_status()
    return response


def _name_of(name: Any, kind: Any) -> AnymailInboundMessage:
    return AnymailInboundMessage.construct_attachment(str(kind or "application/octet-stream"), b"", filename=name)
