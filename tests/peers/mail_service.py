"""A mail service on a free port of the loopback: any of those that anymail speaks to, when it takes a mail; Postmark in
all that it may say; and the secret that it shows with its reports.

What it does with the next mail is `word`: one of WORDS, or an HTTP status such as `http_503`.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from threading import Event
from typing import Any
from urllib.parse import parse_qsl

from tests.peers.web import Answer, Asked, Web, serving

TOKEN = "11111111-2222-3333-4444-555555555555"
TO = "ana@example.com"
INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive. Found inactive addresses: ana@example.com. "
    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression."
)


@dataclass
class MailPeer:
    """`letters` is what was accepted, by the service's id; `requests` all that was asked."""

    service: str = "postmark"
    word: str = "accept"
    web: Web = field(default_factory=Web)
    letters: dict[str, Any] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)
    closing: Event = field(default_factory=Event)

    @property
    def asked(self) -> int:
        return len(self.requests)

    def answer(self, asked: Asked) -> Answer | None:
        self.requests.append(asked)
        if TOKEN not in credentials_of(asked):
            return as_json(401, {"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"})
        if self.word.startswith("http_"):
            return Answer(int(self.word.removeprefix("http_")), b"no")
        return WORDS[self.word](self, asked)

    def accept(self, asked: Asked) -> Answer:
        number = f"00000000-0000-0000-0000-{len(self.letters) + 1:012d}"
        self.letters[number] = letter_of(asked)
        return ACCEPTED[self.service](number)

    @property
    def texts(self) -> list[str]:
        return [text_of(letter) for letter in self.letters.values()]


def credentials_of(asked: Asked) -> str:
    """Whatever of a request may name who asks: a header in any form, or, as Mandrill has it, the body."""
    login = asked.headers.get("Authorization", "").removeprefix("Basic ")
    decoded = base64.b64decode(login).decode() if re.fullmatch(r"[A-Za-z0-9+/]+=*", login) else ""
    key = str(letter_of(asked).get("key", "")) if asked.path.endswith("send.json") else ""
    return f"{dict(asked.headers)} {decoded} {key}"


def letter_of(asked: Asked) -> dict[str, Any]:
    """The request's body: JSON, or a form as Mailgun has it."""
    kind = asked.headers.get("Content-Type", "")
    if kind.startswith("multipart/"):
        parts = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + asked.body)
        found = {str(part.get_param("name", "", "content-disposition")): part for part in parts.iter_parts()}  # type: ignore[attr-defined]
        return {name: part.get_payload(decode=True).decode() for name, part in found.items()}
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(asked.body.decode()))
    return json.loads(asked.body)  # type: ignore[no-any-return]


TEXTS = {"TextBody", "TextPart", "textContent", "text", "plain_body", "plaintext", "value"}


def text_of(letter: Any) -> str:
    """The mail's text, wherever the service wants it: the first that stands under one of its names."""
    if isinstance(letter, list):
        return next((found for one in letter if (found := text_of(one))), "")
    if not isinstance(letter, dict):
        return ""
    own = next((letter[name] for name in TEXTS if isinstance(letter.get(name), str)), "")
    is_header = "field" in letter or letter.get("type") == "text/html"
    return own if own and not is_header else text_of(list(letter.values()))


# How each says that it has taken a mail to ana@example.com.
ACCEPTED: dict[str, Callable[[str], Answer]] = {
    "brevo": lambda number: as_json(201, {"messageId": f"<{number}@brevo>"}),
    "mailersend": lambda number: Answer(202, b"", {"X-Message-Id": number, "Content-Type": "text/html"}),
    "mailgun": lambda number: as_json(200, {"id": f"<{number}@mailgun>", "message": "Queued. Thank you."}),
    "mailjet": lambda number: as_json(
        200, {"Messages": [{"Status": "success", "To": [{"Email": TO, "MessageID": number}]}]}
    ),
    "mailtrap": lambda number: as_json(200, {"success": True, "message_ids": [number]}),
    "mandrill": lambda number: as_json(200, [{"email": TO, "status": "sent", "_id": number}]),
    "postal": lambda number: as_json(200, {"status": "success", "data": {"messages": {TO: {"id": number}}}}),
    "postmark": lambda number: as_json(200, {"To": TO, "MessageID": number, "ErrorCode": 0, "Message": "OK"}),
    "resend": lambda number: as_json(200, {"id": number}),
    "scaleway": lambda number: as_json(200, {"emails": [{"id": number, "mail_rcpt": TO, "status": "new"}]}),
    "sendgrid": lambda number: Answer(202, b""),
    "sparkpost": lambda number: as_json(
        200, {"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": number}}
    ),
    "unisender_go": lambda number: as_json(200, {"status": "success", "job_id": number, "emails": [TO]}),
}


def _silence(peer: MailPeer, asked: Asked) -> None:
    peer.accept(asked)
    peer.closing.wait(10)


def _cut(peer: MailPeer, asked: Asked) -> None:
    peer.accept(asked)


def _garbage(peer: MailPeer, asked: Asked) -> Answer:
    peer.accept(asked)
    return Answer(200, b"<html>ok</html>", {"Content-Type": "application/json"})


def _no_words(peer: MailPeer, asked: Asked) -> Answer:
    peer.accept(asked)
    return as_json(200, {"unheard": "of"})


def _says(status: int, body: Any) -> Callable[[MailPeer, Asked], Answer]:
    return lambda peer, asked: as_json(status, body)


WORDS: dict[str, Callable[[MailPeer, Asked], Answer | None]] = {
    "accept": lambda peer, asked: peer.accept(asked),
    "accept_then_silence": _silence,
    "accept_then_cut": _cut,
    "no_json": _garbage,
    "no_words": _no_words,
    "too_many": lambda peer, asked: Answer(429, b"{}", {"Retry-After": "7"}),
    "says_the_token": lambda peer, asked: Answer(400, f"you sent {TOKEN}".encode()),
    # Postmark's.
    "inactive": _says(422, {"ErrorCode": 406, "Message": INACTIVE}),
    "invalid": _says(422, {"ErrorCode": 300, "Message": f"Invalid 'To' address: '{TO}'."}),
    "wrong_sender": _says(422, {"ErrorCode": 400, "Message": "The sender is not known."}),
    "no_id": _says(200, {"ErrorCode": 0, "Message": "OK"}),
    "for_nobody": _says(200, {"ErrorCode": 0, "Message": "OK", "MessageID": "1"}),
    # Of those whose HTTP status says little.
    "postal_key": _says(200, {"status": "error", "data": {"code": "InvalidServerAPIKey"}}),
    "postal_parameter": _says(200, {"status": "parameter-error", "data": {}}),
    "mandrill_key": _says(500, {"status": "error", "code": -1, "name": "Invalid_Key"}),
    "mandrill_parameter": _says(500, {"status": "error", "code": -2, "name": "ValidationError"}),
    "mandrill_broken": _says(500, {"status": "error", "code": -9, "name": "GeneralError"}),
}


def as_json(status: int, body: Any) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def basic(secret: str) -> dict[str, str]:
    """How a service shows a webhook secret."""
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


@contextmanager
def mail_peer(service: str = "postmark") -> Iterator[MailPeer]:
    peer = MailPeer(service)
    with serving(peer.answer) as peer.web:
        yield peer
        peer.closing.set()
