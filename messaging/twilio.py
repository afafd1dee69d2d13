"""What every use of Twilio shares: the REST client, the signature of its webhooks, what its error codes mean to us."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import httpx
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import parse_http_date_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from brokers.refusal import Refused
from messaging.base import Adapter, Credential, Outcome, OutcomeKind
from messaging.twilio_wire import Wire

Answer = TypeVar("Answer")
E164 = re.compile(r"\+[1-9]\d{6,14}")
ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
API_KEY_SID = re.compile(r"SK[0-9a-fA-F]{32}")
# Without a region of its own, which the library would take from the environment.
NO_ENVIRONMENT = {"TWILIO_REGION": ""}
# Where Twilio does not say how long to wait; seconds.
PAUSE = 5.0
# With wrong credentials every message would be refused alike: seconds until the next one tries.
LOOK_AGAIN_AFTER = 60.0
# How long WhatsApp spares somebody who got too much advertising.
REST = timedelta(days=2).total_seconds()
LOST, MISUNDERSTOOD = "connection_lost", "reply_unknown"


class Meaning(NamedTuple):
    kind: OutcomeKind
    code: str


_LATER, _NEVER, _UNKNOWN = OutcomeKind.REFUSED_FOR_NOW, OutcomeKind.REFUSED, OutcomeKind.UNKNOWN
NOT_CONFIGURED = Meaning(_LATER, "not_configured")
TOO_MANY = Meaning(_LATER, "too_many")
NOBODY_THERE = Meaning(_NEVER, "invalid_address")
UNKNOWABLE = Meaning(_UNKNOWN, "provider_error")
US_MARKETING, MARKETING_LIMIT = Meaning(_NEVER, "us_marketing"), Meaning(_LATER, "marketing_limit")
# https://www.twilio.com/docs/api/errors
MEANINGS = {
    20003: NOT_CONFIGURED,  # the credentials are not accepted
    20404: NOT_CONFIGURED,  # there is no such account
    20429: TOO_MANY,
    20500: UNKNOWABLE,
    21211: NOBODY_THERE,  # no number
    21212: NOT_CONFIGURED,  # the sender is no number
    21214: NOBODY_THERE,  # cannot be called
    21606: NOT_CONFIGURED,  # the sender cannot send
    21609: NOT_CONFIGURED,  # our own address cannot be reached from outside
    21610: Meaning(_NEVER, "unsubscribed"),
    21617: Meaning(_NEVER, "too_long"),
    21614: NOBODY_THERE,  # no mobile number
    21635: NOBODY_THERE,  # a landline
    63003: NOBODY_THERE,  # not on WhatsApp
    63007: NOT_CONFIGURED,  # the sender is not on WhatsApp
    63014: Meaning(_NEVER, "blocked"),
    63016: Meaning(_NEVER, "needs_template"),
    63018: TOO_MANY,
    63024: NOBODY_THERE,  # not on WhatsApp
    63038: TOO_MANY,  # the account's messages of today
}
MARKETING_NOT_DELIVERED = 63049


class Failed(Exception):
    """Twilio did not do what it was asked; `outcome` says whether it is certain that nothing happened."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.error)


def meaning_of(code: int, address: str) -> Meaning:
    """What an error code means for a contact with `address`; codes that nobody knows refuse for good."""
    if code == MARKETING_NOT_DELIVERED:
        return US_MARKETING if address.startswith("+1") else MARKETING_LIMIT
    return MEANINGS.get(code) or Meaning(_NEVER, f"twilio_{code}")


def is_signed(request: HttpRequest, auth_token: str) -> bool:
    """Whether Twilio signed this call for the address under which the world knows us, whatever the Host header says.

    https://www.twilio.com/docs/usage/webhooks/webhooks-security
    """
    signature = request.headers.get("X-Twilio-Signature", "")
    if not auth_token or not signature:
        return False
    query = request.META.get("QUERY_STRING", "")
    url = f"{settings.PUBLIC_URL}{request.path}" + (f"?{query}" if query else "")
    validator = RequestValidator(auth_token)
    if is_form(request):
        return bool(validator.validate(url, request.POST, signature))
    try:
        body = request.body.decode()
    except ValueError:
        return False
    # The signature covers any other body by the hash in the address; without one it would cover no body at all.
    return "bodySHA256" in request.GET and bool(validator.validate(url, body, signature))


def is_form(request: HttpRequest) -> bool:
    return request.content_type == "application/x-www-form-urlencoded"


class Twilio(Adapter):
    """An account at Twilio. An API key may be used in place of the auth token, which still signs the webhooks."""

    credentials = (
        Credential(
            "account_sid",
            gettext_lazy("Account SID"),
            gettext_lazy("In Twilio's console under Account info; it begins with AC"),
            is_secret=False,
        ),
        Credential("auth_token", gettext_lazy("Auth token"), gettext_lazy("Beside the account SID")),
        Credential(
            "api_key_sid",
            gettext_lazy("API key SID"),
            gettext_lazy("Under Account, API keys; it begins with SK. Without one the auth token is used"),
            is_secret=False,
            is_required=False,
        ),
        Credential(
            "api_key_secret",
            gettext_lazy("API key secret"),
            gettext_lazy("Shown once, when the key is made"),
            is_required=False,
        ),
    )
    # Seconds. Giving up on an answer leaves the outcome unknown.
    waits: ClassVar[dict[str, float]] = {"connect": 5.0, "write": 10.0, "read": 30.0, "pool": 5.0}

    def faults(self) -> list[str]:
        found = []
        if not ACCOUNT_SID.fullmatch(self._secret("account_sid")):
            found.append(_("account_sid is missing: AC and 32 signs, from Twilio's console"))
        if not self._secret("auth_token"):
            found.append(_("auth_token is missing: beside the account SID in Twilio's console"))
        key = self._secret("api_key_sid")
        if (key or self._secret("api_key_secret")) and not (
            API_KEY_SID.fullmatch(key) and self._secret("api_key_secret")
        ):
            found.append(_("api_key_sid (SK and 32 signs) and api_key_secret go together; leave both out or give both"))
        if not E164.fullmatch(self.sender()):
            found.append(_("sender is missing: a number in the international form, such as +56912345678"))
        return found

    def sender(self) -> str:
        """The number that people see."""
        return self.account.sender.strip().removeprefix("whatsapp:")

    def check(self) -> str:
        if faults := self.faults():
            raise Refused("not_configured", "; ".join(faults))
        try:
            found = self.ask(lambda client: client.api.accounts(self._secret("account_sid")).fetch())
        except Failed as failed:
            raise Refused(failed.outcome.code, failed.outcome.error) from None
        if found.status != "active":
            raise Refused("not_configured", _("Twilio says that the account is %(status)s.") % {"status": found.status})
        return _("Connected to the Twilio account “%(name)s”.") % {"name": found.friendly_name}

    def verify(self, request: HttpRequest) -> bool:
        return is_signed(request, self._secret("auth_token"))

    def read(self, request: HttpRequest) -> Mapping[str, Any]:
        """The form as it came, with our own marks of the address and the token that repeated deliveries share."""
        payload: dict[str, Any] = request.POST.dict() if is_form(request) else dict(super().read(request))
        token = request.headers.get("I-Twilio-Idempotency-Token", "")
        return {**request.GET.dict(), **payload} | ({"idempotency_token": token} if token else {})

    def ask(self, question: Callable[[Client], Answer], address: str = "") -> Answer:
        """One request to Twilio. Raises Failed with what it means for a contact with `address`."""
        wire = Wire(self.waits)
        try:
            return question(self._client(wire))
        except TwilioException as error:
            raise Failed(self._refusal(error, wire.headers, address)) from None
        except (httpx.RequestError, OSError) as error:
            code = "timeout" if isinstance(error, httpx.TimeoutException) else LOST
            kind = _UNKNOWN if wire.was_sent else _LATER
            raise Failed(self._outcome(Meaning(kind, code), f"{type(error).__name__}: {error}")) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Failed(self._outcome(Meaning(_UNKNOWN, MISUNDERSTOOD), error)) from None

    def _client(self, wire: Wire) -> Client:
        account = self._secret("account_sid")
        user, password = self._secret("api_key_sid"), self._secret("api_key_secret")
        if not user:
            user, password = account, self._secret("auth_token")
        return Client(user, password, account, http_client=wire, environment=NO_ENVIRONMENT)

    def _refusal(self, error: TwilioException, headers: Mapping[str, str], address: str) -> Outcome:
        if not isinstance(error, TwilioRestException | TwilioServiceException):
            return not_configured(str(error))
        meaning = _meaning_of_answer(error.status, _whole(error.code), address)
        outcome = self._outcome(meaning, f"{error.code} {_words(error)}")
        if meaning == TOO_MANY:
            return replace(outcome, retry_after=seconds_of(headers.get("Retry-After", "")) or PAUSE)
        if meaning == NOT_CONFIGURED:
            return replace(outcome, retry_after=LOOK_AGAIN_AFTER)
        return replace(outcome, again_after=REST) if meaning == MARKETING_LIMIT else outcome

    def _outcome(self, meaning: Meaning, error: object) -> Outcome:
        return Outcome(meaning.kind, code=meaning.code, error=self._without_secrets(str(error)))

    def _without_secrets(self, text: str) -> str:
        """Whatever a provider or a proxy says back, no secret of ours is stored with it."""
        for name in ("auth_token", "api_key_secret"):
            if secret := self._secret(name):
                text = text.replace(secret, "…")
        return text[:500]

    def _secret(self, name: str) -> str:
        return str(cast(dict[str, Any], self.account.credentials).get(name) or "").strip()


def not_configured(error: str) -> Outcome:
    return Outcome(_LATER, code="not_configured", error=error, retry_after=LOOK_AGAIN_AFTER)


def seconds_of(retry_after: str) -> float | None:
    """A Retry-After header (RFC 9110), which says seconds or a date; None where it says nothing."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    moment = parse_http_date_safe(retry_after)
    return max(0.0, moment - timezone.now().timestamp()) if moment else None


def _meaning_of_answer(status: int, code: int, address: str) -> Meaning:
    """By the status first where it says whether anything was done at all, then by the code."""
    if status == 429:
        return TOO_MANY
    if 300 <= status < 400:
        return NOT_CONFIGURED  # somebody else answers at that address
    if not 400 <= status < 500 or status == 408:
        return UNKNOWABLE
    if code in MEANINGS or code == MARKETING_NOT_DELIVERED:
        return meaning_of(code, address)
    if status in (401, 404):
        return NOT_CONFIGURED
    # The library repeats the status where an answer has no code.
    return meaning_of(code, address) if code not in (0, status) else Meaning(_NEVER, f"http_{status}")


def _whole(code: Any) -> int:
    return int(code) if str(code).isdecimal() else 0


def _words(error: TwilioException) -> str:
    """Both of the library's kinds of error, in plain text: one of them paints its own for a terminal."""
    return str(getattr(error, "msg", "") or getattr(error, "detail", "") or getattr(error, "title", ""))
