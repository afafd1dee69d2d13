"""E-mail through any service that django-anymail speaks to, each by its own account and never by global settings.

`account.service` says which one; messaging/mail_table.py has a line for each.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

import requests
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
)
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.utils.translation import gettext as _
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from brokers.refusal import Refused
from messaging.base import Adapter, Credential, Envelope, Event, Outcome, OutcomeKind
from messaging.mail import Mail, attached, compose, sender_faults, sender_of
from messaging.mail_reports import OWN_ID, as_payload, events_of, own_tag
from messaging.mail_table import SECRET, SERVICES, Door, Service
from messaging.twilio import seconds_of
from messaging.webhooks import webhook_url

LOOK_AGAIN_AFTER = 60.0
# Between two batches a connection is kept; after a longer pause the other side may have closed it unseen.
KEEP_SECONDS = 10.0
# A proxy's own trouble, a service that wants money, wrong credentials, a domain that is not theirs.
ACCOUNTS_FAULT = {401, 402, 403, 404, 407}
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MISREAD = (AnymailError, AnymailConfigurationError, AttributeError, LookupError, TypeError, ValueError)


class Anymail(Adapter):
    channels = frozenset({"email"})
    services = {word: service.name for word, service in SERVICES.items()}
    # Seconds: to connect, and until the answer. Giving up on an answer leaves the outcome unknown.
    waits: ClassVar[tuple[float, float]] = (5.0, 30.0)

    def __init__(self, account: Any) -> None:
        super().__init__(account)
        self._own = threading.local()

    @classmethod
    def asks(cls, service: str = "") -> tuple[Credential, ...]:
        return SERVICES[service].credentials if service in SERVICES else ()

    @property
    def service(self) -> Service | None:
        return SERVICES.get(self.account.service)

    def faults(self) -> list[str]:
        if self.service is None:
            return [_("service is missing: which mail service the account is at")]
        needed = [credential for credential in self.service.credentials if credential.is_required]
        missing = [credential for credential in needed if not self._given(credential.name)]
        found = [_("%(name)s is missing: %(where)s") % {"name": one.name, "where": one.where} for one in missing]
        return found + sender_faults(self.account)

    def send(self, envelope: Envelope) -> Outcome:
        service, faults = self.service, self.faults()
        if service is None or faults:
            return _not_configured("; ".join(faults))
        name, address = sender_of(self.account)
        try:
            mail = compose(envelope, sender=address, sender_name=name)
        except ValueError as error:
            return Outcome(OutcomeKind.REFUSED, code="invalid_address", error=str(error))
        try:
            backend = self._backend(service)
        except MISREAD as error:
            return self._clean(_not_configured(str(error)))
        return self._clean(_handed_over(backend, self._letter(mail, envelope, service), service))

    def connect(self, url: str) -> str:
        doors = self.service.doors if self.service else ()
        if not doors:
            raise Refused("not_configured", _("This service reports nothing that can be believed."))
        if not self._open_doors():
            missing = " / ".join(dict.fromkeys(door.proof for door in doors))
            raise Refused(
                "not_configured", _("%(name)s is missing: without it no report can be believed.") % {"name": missing}
            )
        return _(
            "At the service, set this address for reports about delivery, bounces, complaints and unsubscriptions, and "
            "for received mail, with the webhook secret as user name and password where it asks for them: %(url)s"
        ) % {"url": url}

    def longest_body(self, request: HttpRequest) -> int:
        """A received mail with all that is attached to it, where it is believed by its head, before any of it is read.
        Where the whole is signed, what is attached to a form goes by unread, and of the rest a little is read."""
        is_signed = any(door.proof != SECRET for door in self._open_doors())
        if not is_signed or request.content_type == "multipart/form-data":
            return settings.INBOUND_MAIL_BYTES
        return min(settings.INBOUND_MAIL_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

    def verify(self, request: HttpRequest) -> bool:
        return any(True for _door, _view in self._believing(request))

    def read(self, request: HttpRequest) -> Mapping[str, Any]:
        """Its events in anymail's words. Only a door that believes the request reads it; most of them know by
        themselves what is not meant for them."""
        for door, view in self._believing(request):
            _read_whole(request)
            try:
                if door.is_for(request):
                    return as_payload(view.parse_events(request))
            except AnymailConfigurationError:
                continue
            except MISREAD as error:
                raise ValueError(str(error)) from error
        raise ValueError("nobody here reads this")

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        return events_of(payload, self.account.service)

    def _open_doors(self) -> list[Door]:
        """Those that have what proves who reports; the others stay shut."""
        return [door for door in (self.service.doors if self.service else ()) if self._given(door.proof)]

    def _believing(self, request: HttpRequest) -> Iterator[tuple[Door, Any]]:
        for door in self._open_doors():
            try:
                view = self._view(door)
                view.run_validators(request)
            except MISREAD:
                continue
            yield door, view

    def _view(self, door: Door) -> Any:
        """Everything that the views would else look up in the settings is told to them."""
        known = {argument: name and self._given(name) for argument, name in door.also.items()}
        arguments: dict[str, Any] = {argument: value for argument, value in known.items() if value != ""}
        arguments |= {"webhook_secret": [], door.argument: self._given(door.proof)}
        if door.argument == "webhook_key":
            arguments["webhook_url"] = webhook_url(self.account)  # what Mandrill signs
        return door.view(**arguments)

    def _letter(self, mail: Mail, envelope: Envelope, service: Service) -> EmailMultiAlternatives:
        headers = mail.headers | dict(service.headers)
        letter = EmailMultiAlternatives(
            subject=mail.subject,
            body=mail.text,
            from_email=_mailbox(mail.sender_name, mail.sender),
            to=[mail.recipient],
            headers={name: value for name, value in headers.items() if name not in service.without},
        )
        letter.attach_alternative(mail.html, "text/html")
        for attachment in mail.attachments:
            letter.attach(attached(attachment))
        if service.has_tags:
            letter.tags = [own_tag(envelope.message_id)]  # type: ignore[attr-defined]
        else:
            letter.metadata = {OWN_ID: str(envelope.message_id)}  # type: ignore[attr-defined]
        return letter

    def _backend(self, service: Service) -> Any:
        """The calling thread's own, with its connection. Raises one of MISREAD."""
        now = time.monotonic()
        if not hasattr(self._own, "backend"):
            given = {name: self._given(name) for name in (*service.options, "api_url") if self._given(name)}
            self._own.backend, self._own.used_at = service.backend(timeout=self.waits, **given), now
        if now - self._own.used_at > KEEP_SECONDS:
            self._own.backend.close()
        self._own.used_at = now
        self._own.backend.open()
        return self._own.backend

    def _clean(self, outcome: Outcome) -> Outcome:
        """Whatever the service says back, no secret of ours is stored with it."""
        error = outcome.error
        for credential in self.asks(self.account.service):
            if credential.is_secret and (secret := self._given(credential.name)):
                error = error.replace(secret, "…")
        return replace(outcome, error=error[:500])

    def _given(self, name: str) -> str:
        return str(cast(dict[str, Any], self.account.credentials).get(name) or "").strip()


def _read_whole(request: HttpRequest) -> None:
    """A mail in JSON may be longer than Django reads by itself; it was verified and measured before."""
    if request.content_type not in FORMS and not hasattr(request, "_body"):
        request._body = request.read()


def _handed_over(backend: Any, letter: EmailMultiAlternatives, service: Service) -> Outcome:
    """Once it has left, an answer that cannot be read tells nobody what became of it."""
    try:
        backend.send_messages([letter])
    except AnymailRecipientsRefused as error:
        return _refused(letter, str(error))
    except AnymailAPIError as error:
        return _failed(error, service)
    except AnymailInvalidAddress as error:
        return Outcome(OutcomeKind.REFUSED, code="invalid_address", error=str(error))
    except (AnymailError, AnymailConfigurationError) as error:
        return _not_configured(str(error))
    except MISREAD as error:
        return Outcome(OutcomeKind.UNKNOWN, code="reply_unknown", error=f"{type(error).__name__}: {error}")
    return _accepted(letter)


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


def _failed(error: AnymailAPIError, service: Service) -> Outcome:
    """By the HTTP status, where the service says no more; without one by how the connection ended."""
    status = error.status_code
    if status is None and not isinstance(error, requests.RequestException):
        return Outcome(OutcomeKind.UNKNOWN, code="reply_unknown", error=str(error))
    if status is None:
        is_timeout = isinstance(error, requests.Timeout)
        kind = OutcomeKind.UNKNOWN if _was_sent(error) else OutcomeKind.REFUSED_FOR_NOW
        return Outcome(kind, code="timeout" if is_timeout else "connection_lost", error=str(error))
    meant = service.refusals(_answer_of(error))
    if meant == "not_configured":
        return _not_configured(str(error))
    if meant:
        return Outcome(OutcomeKind.REFUSED, code=meant, error=str(error))
    if status == 429:
        pause = seconds_of(error.response.headers.get("Retry-After", ""))
        return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="too_many", error=str(error), retry_after=pause)
    if status in ACCOUNTS_FAULT or 300 <= status < 400:
        return _not_configured(str(error))
    if 400 <= status < 500 and status != 408:
        return Outcome(OutcomeKind.REFUSED, code=f"http_{status}", error=str(error))
    code = "reply_unknown" if status < 300 else f"http_{status}"
    return Outcome(OutcomeKind.UNKNOWN, code=code, error=str(error))


def _answer_of(error: AnymailAPIError) -> Mapping[str, Any]:
    try:
        answer = error.response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _was_sent(error: AnymailAPIError) -> bool:
    """Whether the service may have got it: there was a connection to send it over."""
    reason = getattr(next(iter(getattr(error.__cause__, "args", ())), None), "reason", None)
    return not isinstance(reason, NewConnectionError | ConnectTimeoutError | ProxyError)


def _not_configured(words: str) -> Outcome:
    return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="not_configured", error=words, retry_after=LOOK_AGAIN_AFTER)
