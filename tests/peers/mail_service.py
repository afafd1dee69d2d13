"""A mail service on a free port of the loopback: Postmark's API to send mail, and the reports it posts.

What it does with the next mail is `word`: `accept`, an HTTP status, one of Postmark's error codes, or of ODDITIES.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from tests.peers.web import Answer, Asked, Web, serving

TOKEN = "11111111-2222-3333-4444-555555555555"
INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive. Found inactive addresses: ana@example.com. "
    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression."
)


@dataclass
class PostmarkPeer:
    """`letters` is what was accepted, by the service's id."""

    word: str = "accept"
    web: Web = field(default_factory=Web)
    letters: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0
    closing: Event = field(default_factory=Event)

    def answer(self, asked: Asked) -> Answer | None:
        self.asked += 1
        letter = json.loads(asked.body)
        if asked.headers.get("X-Postmark-Server-Token") != TOKEN:
            return as_json(401, {"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"})
        if (asked.method, asked.path) != ("POST", "/email"):
            return as_json(404, {"ErrorCode": 404, "Message": "not found"})
        return WORDS[self.word](self, letter)

    def accept(self, letter: dict[str, Any]) -> dict[str, Any]:
        number = f"00000000-0000-0000-0000-{len(self.letters) + 1:012d}"
        self.letters[number] = letter
        return {"To": letter["To"], "MessageID": number, "ErrorCode": 0, "Message": "OK"}

    @property
    def texts(self) -> list[str]:
        return [letter["TextBody"] for letter in self.letters.values()]


def _silence(peer: PostmarkPeer, letter: dict[str, Any]) -> None:
    peer.accept(letter)
    peer.closing.wait(10)


def _cut(peer: PostmarkPeer, letter: dict[str, Any]) -> None:
    peer.accept(letter)


WORDS: dict[str, Callable[[PostmarkPeer, dict[str, Any]], Answer | None]] = {
    "accept": lambda peer, letter: as_json(200, peer.accept(letter)),
    "accept_then_silence": _silence,
    "accept_then_cut": _cut,
    "inactive": lambda peer, letter: as_json(422, {"ErrorCode": 406, "Message": INACTIVE}),
    "invalid": lambda peer, letter: as_json(
        422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'ana@example.com'."}
    ),
    "wrong_sender": lambda peer, letter: as_json(422, {"ErrorCode": 400, "Message": "The sender is not known."}),
    "no_json": lambda peer, letter: Answer(200, b"<html>ok</html>"),
    "no_id": lambda peer, letter: as_json(200, {"ErrorCode": 0, "Message": "OK"}),
    "for_nobody": lambda peer, letter: as_json(200, {"ErrorCode": 0, "Message": "OK", "MessageID": "1"}),
    "too_many": lambda peer, letter: Answer(429, b"{}", {"Retry-After": "7"}),
    "broken": lambda peer, letter: Answer(503, b"later"),
    "unpaid": lambda peer, letter: Answer(402, b"pay"),
    "too_large": lambda peer, letter: Answer(413, b"too large"),
    "moved": lambda peer, letter: Answer(308, b""),
    "says_the_token": lambda peer, letter: Answer(400, f"you sent {TOKEN}".encode()),
}


def as_json(status: int, body: Any) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def basic(secret: str) -> dict[str, str]:
    """How a service shows a webhook secret."""
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


@contextmanager
def postmark_peer() -> Iterator[PostmarkPeer]:
    peer = PostmarkPeer()
    with serving(peer.answer) as peer.web:
        yield peer
        peer.closing.set()
