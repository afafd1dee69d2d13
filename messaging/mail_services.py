"""E-mail through services that django-anymail speaks to, each by its own account and never by global settings.

A service is one class here: what it is called, what it needs, and how its reports are verified. Amazon SES (which needs
boto3) and services that sign nothing or send no headers of ours are left out.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import requests
from anymail.backends import brevo, mailgun, postmark, sparkpost
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
)
from anymail.inbound import AnymailInboundMessage
from anymail.webhooks.brevo import BrevoInboundWebhookView, BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunInboundWebhookView, MailgunTrackingWebhookView
from anymail.webhooks.postmark import PostmarkInboundWebhookView, PostmarkTrackingWebhookView
from anymail.webhooks.sparkpost import SparkPostInboundWebhookView, SparkPostTrackingWebhookView
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from brokers.refusal import Refused
from messaging.base import Adapter, Credential, Envelope, Event, Outcome, OutcomeKind
from messaging.mail import Mail, ascii_address, attached, compose, split_sender
from messaging.mail_reports import OWN_ID, as_payload, events_of
from messaging.twilio import seconds_of

LOOK_AGAIN_AFTER = 60.0
# Between two batches a connection is kept; after a longer pause the other side may have closed it unseen.
KEEP_SECONDS = 10.0
# A proxy's own trouble, a service that wants money, wrong credentials, a domain that is not theirs.
ACCOUNTS_FAULT = {401, 402, 403, 404, 407}
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MISREAD = (AnymailError, AnymailConfigurationError, AttributeError, LookupError, TypeError, ValueError)

WEBHOOK_SECRET = Credential(
    "webhook_secret",
    gettext_lazy("Webhook secret"),
    gettext_lazy("A user name and a password of your choice, such as embudo:a-long-random-word, given there too"),
    is_required=False,
)
API_URL = Credential(
    "api_url",
    gettext_lazy("Address of the API"),
    gettext_lazy("Only where the service has given you another one, as for data in the European Union"),
    is_secret=False,
    is_required=False,
)


class MailService(Adapter):
    """What all of them share. The classes below fill in the rest."""

    channels = frozenset({"email"})
    backend: ClassVar[type[Any]]
    tracking: ClassVar[type[Any]]
    inbound: ClassVar[type[Any]]
    # What the backend takes, by the names of the credentials.
    options: ClassVar[tuple[str, ...]]
    # The credential that proves who reports, by the name that the webhook views give it.
    proof: ClassVar[str] = "webhook_secret"
    headers: ClassVar[dict[str, str]] = {}
    # Seconds: to connect, and until the answer. Giving up on an answer leaves the outcome unknown.
    waits: ClassVar[tuple[float, float]] = (5.0, 30.0)

    def __init__(self, account: Any) -> None:
        super().__init__(account)
        self._own = threading.local()

    def faults(self) -> list[str]:
        needed = [credential for credential in self.credentials if credential.is_required]
        missing = [credential for credential in needed if not self._given(credential.name)]
        found = [_("%(name)s is missing: %(where)s") % {"name": one.name, "where": one.where} for one in missing]
        try:
            ascii_address(self._sender()[1])
        except ValueError:
            found.append(_("sender is missing: the address that people see, such as hola@example.com"))
        return found

    def send(self, envelope: Envelope) -> Outcome:
        if faults := self.faults():
            return _not_configured("; ".join(faults))
        name, address = self._sender()
        try:
            mail = compose(envelope, sender=address, sender_name=name)
        except ValueError as error:
            return Outcome(OutcomeKind.REFUSED, code="invalid_address", error=str(error))
        return self._hand_over(self._letter(mail, envelope))

    def connect(self, url: str) -> str:
        if not self._given(self.proof):
            raise Refused(
                "not_configured", _("%(name)s is missing: without it no report can be believed.") % {"name": self.proof}
            )
        return _(
            "At the service, set this address for reports about delivery, bounces, complaints and unsubscriptions, and "
            "for received mail, with the webhook secret as user name and password where it asks for them: %(url)s"
        ) % {"url": url}

    def longest_body(self, request: HttpRequest) -> int:
        """A received mail with all that is attached to it. It is believed by its head, before any of it is read."""
        return settings.INBOUND_MAIL_BYTES

    def verify(self, request: HttpRequest) -> bool:
        if not self._given(self.proof):
            return False
        try:
            view = self._view(self.tracking)
            view.run_validators(request)
        except MISREAD:
            return False
        return True

    def read(self, request: HttpRequest) -> Mapping[str, Any]:
        """Its events in anymail's words. The views know by themselves what is not meant for them."""
        _read_whole(request)
        try:
            try:
                return as_payload(self._view(self.tracking).parse_events(request))
            except AnymailConfigurationError:
                return as_payload(self._view(self.inbound).parse_events(request))
        except MISREAD as error:
            raise ValueError(str(error)) from error

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        return events_of(payload)

    def _view(self, view: type[Any]) -> Any:
        """Everything that the views would else look up in the settings is told to them."""
        return view(webhook_secret=[self._given("webhook_secret")] if self.proof == "webhook_secret" else [])

    def _letter(self, mail: Mail, envelope: Envelope) -> EmailMultiAlternatives:
        letter = EmailMultiAlternatives(
            subject=mail.subject,
            body=mail.text,
            from_email=_mailbox(mail.sender_name, mail.sender),
            to=[mail.recipient],
            headers=mail.headers | self.headers,
        )
        letter.attach_alternative(mail.html, "text/html")
        for attachment in mail.attachments:
            letter.attach(attached(attachment))
        letter.metadata = {OWN_ID: str(envelope.message_id)}  # type: ignore[attr-defined]
        return letter

    def _hand_over(self, letter: EmailMultiAlternatives) -> Outcome:
        try:
            self._backend().send_messages([letter])
        except AnymailRecipientsRefused as error:
            return self._clean(_refused(letter, str(error)))
        except AnymailAPIError as error:
            return self._clean(_failed(error))
        except AnymailInvalidAddress as error:
            return self._clean(Outcome(OutcomeKind.REFUSED, code="invalid_address", error=str(error)))
        except (AnymailError, AnymailConfigurationError) as error:
            return self._clean(_not_configured(str(error)))
        return _accepted(letter)

    def _backend(self) -> Any:
        """The calling thread's own, with its connection."""
        now = time.monotonic()
        if not hasattr(self._own, "backend"):
            given = {name: self._given(name) for name in (*self.options, "api_url") if self._given(name)}
            self._own.backend, self._own.used_at = self.backend(timeout=self.waits, **given), now
        if now - self._own.used_at > KEEP_SECONDS:
            self._own.backend.close()
        self._own.used_at = now
        self._own.backend.open()
        return self._own.backend

    def _clean(self, outcome: Outcome) -> Outcome:
        """Whatever the service says back, no secret of ours is stored with it."""
        error = outcome.error
        for credential in self.credentials:
            if credential.is_secret and (secret := self._given(credential.name)):
                error = error.replace(secret, "…")
        return Outcome(outcome.kind, code=outcome.code, error=error[:500], retry_after=outcome.retry_after)

    def _given(self, name: str) -> str:
        return str(cast(dict[str, Any], self.account.credentials).get(name) or "").strip()

    def _sender(self) -> tuple[str, str]:
        name, address = split_sender(self.account.sender)
        return name or self.account.name, address


def _read_whole(request: HttpRequest) -> None:
    """A mail in JSON may be longer than Django reads by itself; it was verified and measured before."""
    if request.content_type not in FORMS and not hasattr(request, "_body"):
        request._body = request.read()


def _mailbox(name: str, address: str) -> str:
    """As anymail takes it apart again: the name as it is, quoted."""
    quoted = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{quoted}" <{address}>' if name else address


def _accepted(letter: EmailMultiAlternatives) -> Outcome:
    status = letter.anymail_status  # type: ignore[attr-defined]
    words = status.status or set()
    if words <= {"sent", "queued"} and words:
        return Outcome(OutcomeKind.ACCEPTED, str(status.message_id or ""))
    if words == {"failed"}:
        return Outcome(OutcomeKind.REFUSED, code="refused", error=_("The service could not send it."))
    return Outcome(OutcomeKind.UNKNOWN, code="reply_unknown", error=f"status {sorted(map(str, words))}")


def _refused(letter: EmailMultiAlternatives, words: str) -> Outcome:
    """`rejected`: on the service's list of those that bounced, complained or unsubscribed; its reports say which."""
    status = letter.anymail_status.status  # type: ignore[attr-defined]
    code = "invalid_address" if status == {"invalid"} else "rejected"
    return Outcome(OutcomeKind.REFUSED, code=code, error=words)


def _failed(error: AnymailAPIError) -> Outcome:
    """By the HTTP status; without one by how the connection ended."""
    status = error.status_code
    if status is None:
        is_timeout = isinstance(error, requests.Timeout)
        kind = OutcomeKind.UNKNOWN if _was_sent(error) else OutcomeKind.REFUSED_FOR_NOW
        return Outcome(kind, code="timeout" if is_timeout else "connection_lost", error=str(error))
    if status == 429:
        pause = seconds_of(error.response.headers.get("Retry-After", ""))
        return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="too_many", error=str(error), retry_after=pause)
    if status in ACCOUNTS_FAULT or 300 <= status < 400:
        return _not_configured(str(error))
    if 400 <= status < 500 and status != 408:
        return Outcome(OutcomeKind.REFUSED, code=f"http_{status}", error=str(error))
    code = "reply_unknown" if status < 300 else f"http_{status}"
    return Outcome(OutcomeKind.UNKNOWN, code=code, error=str(error))


def _was_sent(error: AnymailAPIError) -> bool:
    """Whether the service may have got it: there was a connection to send it over."""
    reason = getattr(next(iter(getattr(error.__cause__, "args", ())), None), "reason", None)
    return not isinstance(reason, NewConnectionError | ConnectTimeoutError | ProxyError)


def _not_configured(words: str) -> Outcome:
    return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="not_configured", error=words, retry_after=LOOK_AGAIN_AFTER)


class Postmark(MailService):
    credentials = (
        Credential(
            "server_token", gettext_lazy("Server API token"), gettext_lazy("In Postmark under the server's API tokens")
        ),
        Credential(
            "message_stream",
            gettext_lazy("Message stream"),
            gettext_lazy("The ID of the one for campaigns, such as broadcast; empty is the transactional one"),
            is_secret=False,
            is_required=False,
        ),
        API_URL,
        WEBHOOK_SECRET,
    )
    backend, tracking, inbound = postmark.EmailBackend, PostmarkTrackingWebhookView, PostmarkInboundWebhookView
    options = ("server_token", "message_stream")
    # Answers refer to our own Message-ID.
    headers = {"X-PM-KeepID": "true"}


class Mailgun(MailService):
    credentials = (
        Credential("api_key", gettext_lazy("API key"), gettext_lazy("In Mailgun a sending key of the domain")),
        Credential(
            "sender_domain",
            gettext_lazy("Sending domain"),
            gettext_lazy("Where it is not that of the sender"),
            is_secret=False,
            is_required=False,
        ),
        Credential(
            "webhook_signing_key",
            gettext_lazy("Webhook signing key"),
            gettext_lazy("In Mailgun under API security"),
            is_required=False,
        ),
        API_URL,
    )
    backend, tracking, inbound = mailgun.EmailBackend, MailgunTrackingWebhookView, MailgunInboundWebhookView
    options = ("api_key", "sender_domain")
    proof = "webhook_signing_key"

    def longest_body(self, request: HttpRequest) -> int:
        """The signature stands in the body. What is attached to a form goes by unread; of the rest a little is read."""
        if request.content_type == "multipart/form-data":
            return settings.INBOUND_MAIL_BYTES
        return min(settings.INBOUND_MAIL_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

    def _view(self, view: type[Any]) -> Any:
        return view(webhook_secret=[], api_key=None, webhook_signing_key=self._given("webhook_signing_key"))


class NoDownloads(BrevoInboundWebhookView):
    """Brevo's attachments are fetched by a request each; their names are enough."""

    def _fetch_attachment(self, attachment: Mapping[str, Any]) -> AnymailInboundMessage:
        kind, name = attachment.get("ContentType"), attachment.get("Name")
        return AnymailInboundMessage.construct_attachment(kind or "application/octet-stream", b"", filename=name)


class Brevo(MailService):
    credentials = (
        Credential("api_key", gettext_lazy("API key"), gettext_lazy("In Brevo under SMTP & API, API keys; version 3")),
        API_URL,
        WEBHOOK_SECRET,
    )
    backend, tracking, inbound = brevo.EmailBackend, BrevoTrackingWebhookView, NoDownloads
    options = ("api_key",)

    def _view(self, view: type[Any]) -> Any:
        secret = [self._given("webhook_secret")]
        return view(webhook_secret=secret, api_key="") if view is NoDownloads else view(webhook_secret=secret)


class SparkPost(MailService):
    credentials = (
        Credential("api_key", gettext_lazy("API key"), gettext_lazy("In SparkPost one that may write transmissions")),
        API_URL,
        WEBHOOK_SECRET,
    )
    backend, tracking, inbound = sparkpost.EmailBackend, SparkPostTrackingWebhookView, SparkPostInboundWebhookView
    options = ("api_key",)
