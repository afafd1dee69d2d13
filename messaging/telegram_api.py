"""The network's door to Telegram's Bot API: one call, and what came of it. The token is in no text that leaves here."""

import json
import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import httpx
from django.conf import settings

# Between two batches a connection is kept; after a longer pause the other side may have closed it unseen.
KEEP_SECONDS = 10.0
SHOWN_INSTEAD = "<token>"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` is HTTP's, 0 when nothing came; then `fault` and `error` say why, and `was_sent`
    whether the whole request had left before."""

    status: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    error: str = ""
    was_sent: bool = True

    @property
    def is_understood(self) -> bool:
        """Whether it is the Bot API that spoke, and no proxy or other server."""
        return isinstance(self.body.get("ok"), bool)

    @property
    def result(self) -> Any:
        return self.body.get("result") if self.body.get("ok") is True else None

    @property
    def words(self) -> str:
        return self.error or str(self.body.get("description") or f"HTTP {self.status}")


def call(token: str, method: str, parameters: Mapping[str, Any], waits: Mapping[str, float]) -> Answer:
    """Ask once; never raises for what happens on the way. `waits` are seconds: connect, write, read, pool."""
    is_sent = _Sent()
    try:
        response = _own.client.post(
            f"{settings.TELEGRAM_API_URL}/bot{token}/{method}",
            content=json.dumps(parameters).encode(),
            headers={"Content-Type": "application/json"},
            timeout=httpx.Timeout(**waits),
            extensions={"trace": is_sent.notice},
        )
    except (httpx.RequestError, OSError) as error:
        fault = "timeout" if isinstance(error, httpx.TimeoutException) else "connection_lost"
        words = f"{type(error).__name__}: {error}".replace(token, SHOWN_INSTEAD)
        return Answer(fault=fault, error=words, was_sent=is_sent.whole)
    return Answer(status=response.status_code, body=_object(response.content, token))


class _Sent:
    """Notices when the last byte of a request was handed to the system: until then nobody can have acted on it."""

    whole = False

    def notice(self, step: str, about: Mapping[str, Any]) -> None:
        self.whole = self.whole or step == "http11.send_request_body.complete"


def _object(content: bytes, token: str) -> Mapping[str, Any]:
    try:
        body = json.loads(content.decode().replace(token, SHOWN_INSTEAD))
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


class _Client(httpx.Client):
    """Closes its connections when its thread ends."""

    def __del__(self) -> None:
        self.close()


class _Own(threading.local):
    """One client a thread: a shared one makes its threads wait for each other."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_keepalive_connections=1, keepalive_expiry=KEEP_SECONDS)
        self.client = _Client(verify=_trusted(), limits=limits)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Reading the certificates of the world takes longer than a message."""
    return httpx.create_ssl_context()


class _HidesTokens(logging.Filter):
    """httpx writes whole addresses into its log lines, and a bot's address holds its token."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "/bot" in text:
            record.msg, record.args = _without_tokens(text), ()
        return True


def _without_tokens(text: str) -> str:
    head, *others = text.split("/bot")
    return head + "".join(f"/bot{SHOWN_INSTEAD}/{rest.partition('/')[2]}" for rest in others)


_own = _Own()
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_HidesTokens())
