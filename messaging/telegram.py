"""Telegram over its Bot API. A bot writes to people who have started it; docs/telegram.md says how they come to."""

import hmac
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, ClassVar, cast

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.refusal import Refused
from messaging.base import Adapter, Credential, Envelope, Event, Outcome, OutcomeKind
from messaging.models import ChannelAccount
from messaging.telegram_api import Answer, call
from messaging.telegram_updates import events_of

TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,100}")
# Telegram counts as UTF-16 does: most emoji are two.
LONGEST_TEXT = 4096
ALLOWED_UPDATES = ["message", "my_chat_member"]
SIGNED_BY = "X-Telegram-Bot-Api-Secret-Token"
# With a wrong token every message would be refused alike: seconds until the next one tries.
LOOK_AGAIN_AFTER = 300.0
# What a refusal for good means, by what stands in Telegram's words; the first that fits.
REFUSALS = (
    ("blocked by the user", "blocked"),
    ("user is deactivated", "invalid_address"),
    ("chat not found", "invalid_address"),
    ("user not found", "invalid_address"),
    ("peer_id_invalid", "invalid_address"),
    ("initiate conversation", "never_started"),
    ("message is too long", "too_long"),
)


class Telegram(Adapter):
    """A bot; `account.sender` is its name, as Telegram told us when the account was checked or connected."""

    channels = frozenset({"telegram"})
    credentials = (
        Credential(
            "token",
            gettext_lazy("Bot token"),
            gettext_lazy(
                "In Telegram, write /newbot to @BotFather; it answers with the token, such as 123456:ABC-DEF…"
            ),
        ),
    )
    default_rate = Decimal(30)
    rest = timedelta(seconds=1)
    # Seconds. Giving up on an answer leaves the outcome unknown.
    waits: ClassVar[dict[str, float]] = {"connect": 5.0, "write": 10.0, "read": 20.0, "pool": 5.0}

    def faults(self) -> list[str]:
        if not self._token():
            return [_("token is missing: @BotFather gives it, such as 123456:ABC-DEF…")]
        if not TOKEN.fullmatch(self._token()):
            return [_("token is not allowed; use the one that @BotFather gives, such as 123456:ABC-DEF…")]
        return []

    def send(self, envelope: Envelope) -> Outcome:
        faults = self.faults()
        if faults:
            return _not_configured("; ".join(faults))
        length = utf16_length(envelope.body)
        if length > LONGEST_TEXT:
            return Outcome(OutcomeKind.REFUSED, code="too_long", error=f"{length} > {LONGEST_TEXT}")
        answer = self._call("sendMessage", {"chat_id": envelope.address, "text": envelope.body})
        return outcome_of(answer, envelope.address)

    def check(self) -> str:
        """Telegram's own name for the bot, which is kept as the account's sender."""
        name = self._asked("getMe", {}).get("username")
        if not isinstance(name, str) or not name:
            raise Refused("reply_unknown", _("Telegram's answer cannot be understood."))
        self.account.sender = f"@{name}"
        ChannelAccount.objects.filter(pk=self.account.pk).update(sender=self.account.sender)
        return _("Telegram knows this bot as %(name)s.") % {"name": self.account.sender}

    def connect(self, url: str) -> str:
        self.check()
        wanted = {"url": url, "secret_token": self._secret(), "allowed_updates": ALLOWED_UPDATES}
        self._asked("setWebhook", wanted)
        return _("%(name)s reports what people write to it from now on.") % {"name": self.account.sender}

    def verify(self, request: HttpRequest) -> bool:
        secret = self._secret()
        return bool(secret) and constant_time_compare(request.headers.get(SIGNED_BY, ""), secret)

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        return events_of(payload)

    def _token(self) -> str:
        return str(cast(dict[str, Any], self.account.credentials).get("token") or "").strip()

    def _secret(self) -> str:
        """What Telegram shows with every update. Only who has the token can work it out; without one there is none."""
        token, about = self._token(), f"webhook:{self.account.webhook_token}"
        return hmac.new(token.encode(), about.encode(), sha256).hexdigest() if token else ""

    def _call(self, method: str, parameters: Mapping[str, Any]) -> Answer:
        return call(self._token(), method, parameters, self.waits)

    def _asked(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The result of a call about the bot itself. Raises Refused `not_configured` or with what Telegram said."""
        faults = self.faults()
        if faults:
            raise Refused("not_configured", faults=faults)
        answer = self._call(method, parameters)
        if answer.result is None:
            words = (
                _("Telegram says: %(words)s") if answer.is_understood else _("Telegram cannot be reached: %(words)s")
            )
            raise Refused(outcome_of(answer, "").code, words % {"words": answer.words})
        return answer.result if isinstance(answer.result, dict) else {}


def utf16_length(text: str) -> int:
    return len(text) + sum(sign > "\uffff" for sign in text)


def outcome_of(answer: Answer, chat: str) -> Outcome:
    """What an answer to sendMessage means for the message. What nobody can know stays unknown."""
    if answer.status == 0:
        kind = OutcomeKind.UNKNOWN if answer.was_sent else OutcomeKind.REFUSED_FOR_NOW
        return Outcome(kind, code=answer.fault, error=answer.error)
    if answer.status == 429:
        pause = _seconds(answer.body.get("parameters"))
        return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="too_many", error=answer.words, retry_after=pause)
    if answer.status in (401, 404) or 300 <= answer.status < 400:
        return _not_configured(answer.words)
    if 400 <= answer.status < 500:
        return _refusal(answer)
    if answer.status == 200 and answer.body.get("ok") is True:
        return _accepted(answer, chat)
    code = f"http_{answer.status}" if answer.status >= 500 else "reply_unknown"
    return Outcome(OutcomeKind.UNKNOWN, code=code, error=answer.words)


def _accepted(answer: Answer, chat: str) -> Outcome:
    """Telegram numbers messages within their chat only."""
    number = answer.result.get("message_id") if isinstance(answer.result, dict) else None
    if type(number) is not int:
        return Outcome(OutcomeKind.UNKNOWN, code="reply_unknown", error=answer.words)
    return Outcome(OutcomeKind.ACCEPTED, provider_id=f"{chat}:{number}")


def _refusal(answer: Answer) -> Outcome:
    """Somebody on the way who refuses in other words than Telegram's says nothing about the person."""
    if not answer.is_understood:
        return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="reply_unknown", error=answer.words)
    words = answer.words.lower()
    code = next((code for part, code in REFUSALS if part in words), "refused")
    return Outcome(OutcomeKind.REFUSED, code=code, error=answer.words)


def _not_configured(words: str) -> Outcome:
    return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="not_configured", error=words, retry_after=LOOK_AGAIN_AFTER)


def _seconds(parameters: Any) -> float | None:
    asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(asked) if isinstance(asked, int | float) and asked > 0 else None
