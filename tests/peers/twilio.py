"""Twilio's REST API on a free port of the loopback, and the webhooks it sends, signed as Twilio signs them.

It does what its script says for a number: a list of words, one an attempt (the last one repeats). A word is `accept`,
an error code of Twilio's such as `21610` (`20429:3` adds a Retry-After of 3 seconds), or one of ODDITIES.
"""

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

import httpx

from tests.peers.web import Answer, Asked, Web, serving

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "f00dfeedf00dfeedf00dfeedf00dfeed"
FORM = "application/x-www-form-urlencoded"
API = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
HTTP_STATUSES = {20003: 401, 20404: 404, 20429: 429, 20500: 500}


class Request(NamedTuple):
    """What somebody asked: by whom they said to be, and with which form."""

    method: str
    path: str
    user: str
    form: dict[str, str]


class Callback(NamedTuple):
    """A call of a webhook, ready to be sent: as often as one likes."""

    url: str
    form: dict[str, str]
    headers: dict[str, str]

    @property
    def body(self) -> str:
        return urlencode(self.form)


@dataclass
class TwilioPeer:
    """`requests` is all that was asked, `messages` what was accepted, by SID, `said` the words it acted."""

    script: dict[str, list[str]] = field(default_factory=dict)
    otherwise: str = "accept"
    web: Web = field(default_factory=Web)
    account_status: str = "active"
    requests: list[Request] = field(default_factory=list)
    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    closing: Event = field(default_factory=Event)
    lock: Any = field(default_factory=Lock)
    tried: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return self.web.url

    def answer(self, asked: Asked) -> Answer | None:
        user, password = basic_login(asked)
        form = {name: values[-1] for name, values in parse_qs(asked.body.decode(), keep_blank_values=True).items()}
        with self.lock:
            self.requests.append(Request(asked.method, asked.path, user, form))
        if (user, password) != (ACCOUNT_SID, AUTH_TOKEN):
            return refusal(20003, "Authenticate")
        route = ROUTES.get((asked.method, asked.path))
        return route(self, form) if route else refusal(20404, "The requested resource was not found")

    def accept(self, form: Mapping[str, str]) -> dict[str, Any]:
        with self.lock:
            sid = f"SM{len(self.messages) + 1:032x}"
            self.messages[sid] = dict(form)
        return message_json(sid, form)

    def word_for(self, number: str) -> str:
        with self.lock:
            words = self.script.get(number) or [self.otherwise]
            self.tried[number] += 1
            return words[min(self.tried[number], len(words)) - 1]

    def status(self, sid: str, status: str, error: int = 0, **extra: str) -> Callback:
        """What Twilio tells about a message it accepted, at the address that came with the message."""
        form = self.messages[sid]
        told = {
            "AccountSid": ACCOUNT_SID,
            "MessageSid": sid,
            "SmsSid": sid,
            "MessageStatus": status,
            "SmsStatus": status,
            "From": form["From"],
            "To": form["To"],
            "ApiVersion": "2010-04-01",
        }
        return callback(form["StatusCallback"], told | ({"ErrorCode": str(error)} if error else {}) | extra)

    def inbound(self, url: str, **said: str) -> Callback:
        """Somebody wrote to us."""
        form = {
            "AccountSid": ACCOUNT_SID,
            "MessageSid": "SM" + "a" * 32,
            "SmsStatus": "received",
            "From": "whatsapp:+56987654321",
            "To": "whatsapp:+14155238886",
            "ProfileName": "Ana",
            "Body": "Hola",
            "NumMedia": "0",
        }
        return callback(url, form | said)


def create_message(peer: TwilioPeer, form: dict[str, str]) -> Answer | None:
    word, _colon, number = peer.word_for(form["To"].removeprefix("whatsapp:")).partition(":")
    with peer.lock:
        peer.said[word] += 1
    if word == "accept":
        return as_json(201, peer.accept(form))
    if word in ODDITIES:
        return ODDITIES[word](peer, form)
    return refusal(int(word), "The message was not sent", {"Retry-After": number} if number else {})


def account(peer: TwilioPeer, form: dict[str, str]) -> Answer:
    return as_json(200, {"sid": ACCOUNT_SID, "friendly_name": "Aurora", "status": peer.account_status})


ROUTES: dict[tuple[str, str], Callable[[TwilioPeer, dict[str, str]], Answer | None]] = {
    ("POST", f"{API}/Messages.json"): create_message,
    ("GET", f"{API}.json"): account,
}


def _accepted_but_fails(peer: TwilioPeer, form: dict[str, str]) -> Answer:
    peer.accept(form)
    return refusal(20500, "Internal server error")


def _accepted_but_silent(peer: TwilioPeer, form: dict[str, str]) -> None:
    peer.accept(form)
    peer.closing.wait(10)


def _accepted_but_cut(peer: TwilioPeer, form: dict[str, str]) -> None:
    peer.accept(form)


ODDITIES: dict[str, Callable[[TwilioPeer, dict[str, str]], Answer | None]] = {
    "accept_then_500": _accepted_but_fails,
    "accept_then_silence": _accepted_but_silent,
    "accept_then_cut": _accepted_but_cut,
    "bad_gateway": lambda peer, form: Answer(502, b"<html>Bad gateway</html>", {}),
    "no_json": lambda peer, form: Answer(201, b"<html>ok</html>", {}),
    "no_object": lambda peer, form: as_json(201, ["SM1"]),
    "no_sid": lambda peer, form: as_json(201, {"status": "queued"}),
    "no_utf8": lambda peer, form: Answer(201, b"\xff\xfe", {}),
    "redirect": lambda peer, form: Answer(307, b"", {"Location": "/elsewhere"}),
    "forbidden": lambda peer, form: Answer(403, b"no", {}),
    "accept_as_failed": lambda peer, form: as_json(201, peer.accept(form) | {"status": "failed", "error_code": 63003}),
    "says_the_token": lambda peer, form: refusal(21617, f"you sent {AUTH_TOKEN}"),
    "problem": lambda peer, form: as_json(400, PROBLEM),
}
# The form of its newer APIs (RFC 9457).
PROBLEM = {"type": "https://www.twilio.com/docs/api/errors/21610", "title": "Stopped", "status": 400, "code": 21610}


def message_json(sid: str, form: Mapping[str, str]) -> dict[str, Any]:
    return {
        "sid": sid,
        "account_sid": ACCOUNT_SID,
        "from": form["From"],
        "to": form["To"],
        "body": form.get("Body", ""),
        "status": "queued",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "date_created": "Wed, 04 Nov 2026 15:00:00 +0000",
        "date_updated": "Wed, 04 Nov 2026 15:00:00 +0000",
        "date_sent": None,
        "uri": f"{API}/Messages/{sid}.json",
    }


def as_json(status: int, body: Any, headers: Mapping[str, str] = {}) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


def refusal(code: int, message: str, headers: Mapping[str, str] = {}) -> Answer:
    status = HTTP_STATUSES.get(code, 400)
    more = f"https://www.twilio.com/docs/errors/{code}"
    return as_json(status, {"code": code, "message": message, "more_info": more, "status": status}, headers)


def basic_login(asked: Asked) -> tuple[str, str]:
    given = asked.headers.get("Authorization", "").removeprefix("Basic ")
    user, _colon, password = base64.b64decode(given).decode().partition(":")
    return user, password


def callback(url: str, form: dict[str, str]) -> Callback:
    token = hashlib.md5(f"{url} {sorted(form.items())}".encode()).hexdigest()
    return Callback(url, form, {"X-Twilio-Signature": signature(url, form), "I-Twilio-Idempotency-Token": token})


def signature(url: str, form: Mapping[str, str], token: str = AUTH_TOKEN) -> str:
    """As https://www.twilio.com/docs/usage/webhooks/webhooks-security says, without the library's help."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def post(call: Callback) -> int:
    """Send it over the wire; the HTTP status of the answer."""
    headers = {"Content-Type": FORM, **call.headers}
    return httpx.post(call.url, content=call.body, headers=headers).status_code


@contextmanager
def twilio_peer(**options: Any) -> Iterator[TwilioPeer]:
    """A peer that serves until the block ends."""
    peer = TwilioPeer(**options)
    with serving(peer.answer) as peer.web:
        yield peer
        peer.closing.set()
