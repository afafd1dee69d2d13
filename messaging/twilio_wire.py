"""How the twilio library reaches Twilio: over the calling thread's own connections, once, with time-outs."""

import ssl
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx
from django.conf import settings
from twilio.http import HttpClient
from twilio.http.response import Response

TWILIO = "https://api.twilio.com"
# Between two batches a connection is kept; after a longer pause the other side may have closed it unseen.
KEEP_SECONDS = 10.0


class Wire(HttpClient):
    """For one request: it remembers whether the whole of it had left, and the headers of the answer, both of which the
    library's exceptions leave out."""

    def __init__(self, waits: Mapping[str, float]) -> None:
        self.waits = httpx.Timeout(**waits)
        self.was_sent = False
        self.headers: Mapping[str, str] = {}

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        answer = _own.client.request(
            method,
            uri.replace(TWILIO, settings.TWILIO_API_URL, 1),
            params=params,
            data=data,
            headers=headers,
            auth=auth,
            timeout=self.waits,
            extensions={"trace": self._notice},
        )
        self.headers = answer.headers
        return Response(answer.status_code, answer.text, answer.headers)

    def _notice(self, step: str, about: Mapping[str, Any]) -> None:
        """Until the last byte was handed to the system nobody can have acted on the request."""
        self.was_sent = self.was_sent or step == "http11.send_request_body.complete"


class _Client(httpx.Client):
    """Closes its connections when its thread ends."""

    def __del__(self) -> None:
        self.close()


class _Own(threading.local):
    """One client a thread: a shared one makes its threads wait for each other."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_keepalive_connections=1, keepalive_expiry=KEEP_SECONDS)
        self.client = _Client(verify=_trusted(), limits=limits, follow_redirects=False)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Reading the certificates of the world takes longer than a message."""
    return httpx.create_ssl_context()


_own = _Own()
