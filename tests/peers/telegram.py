"""A server that speaks Telegram's Bot API on a free port of the loopback. It keeps what it accepts, with the moment.

What it does is said by words: `script` is a list by chat, one a message (the last one repeats), `otherwise` is the word
for every other chat. A word may carry a number: `429:30`. As a process of its own, for load, it is begun by
`telegram_process`; there it accepts everything, and `/accepted` tells what it did.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, NamedTuple

TOKEN = "4711:AAE-secret_of_the_bot_0123456789abc"
BOT_NAME = "aurora_bot"
ACCEPTING = ("accept", "500", "timeout", "cut", "garbage", "no_number", "half")
GARBAGE = b"<html>\xff\x00 not json"
REFUSALS = {
    "400": (400, "Bad Request: chat not found"),
    "400_other": (400, "Bad Request: wrong parameter"),
    "401": (401, "Unauthorized"),
    "403": (403, "Forbidden: bot was blocked by the user"),
    "403_gone": (403, "Forbidden: user is deactivated"),
    "403_never": (403, "Forbidden: bot can't initiate conversation with a user"),
    "404": (404, "Not Found"),
}


class Accepted(NamedTuple):
    at: float
    token: str
    chat: str
    text: str


@dataclass
class TelegramPeer:
    """`latency` is how many seconds it thinks before it answers; what it accepts is accepted before. `per_chat` is how
    many seconds must lie between two messages to a chat, by its own clock; who does not wait is refused, with 429."""

    script: dict[str, list[str]] = field(default_factory=dict)
    otherwise: str = "accept"
    latency: float = 0
    per_chat: float = 0
    too_soon: int = 0
    token: str = TOKEN
    port: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    # The words that it acted.
    said: Counter[str] = field(default_factory=Counter)
    transports: set[asyncio.Transport] = field(default_factory=set)
    loop: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.accepted]

    def hang_up(self) -> None:
        """Close every connection that waits for a next request, and come back when that is done."""
        closed = asyncio.run_coroutine_threadsafe(_close(self.transports), self.loop)
        closed.result(10)

    def answer(self, path: str, body: bytes) -> bytes | None:
        """The whole answer; None hangs up, b"" never answers."""
        if path == "/accepted":
            return _http(200, list(self.accepted))
        given, _slash, method = path.removeprefix("/bot").partition("/")
        self.asked[method] += 1
        if given != self.token and self.token:
            return _refusal(401, "Unauthorized")
        parameters = json.loads(body or b"{}")
        if method == "getMe":
            return _ok({"id": 4711, "is_bot": True, "first_name": "Aurora", "username": BOT_NAME})
        if method == "setWebhook":
            self.webhooks.append(parameters)
            return _ok(True)
        return self._message(given, parameters) if method == "sendMessage" else _refusal(404, "Not Found")

    def _message(self, token: str, parameters: dict[str, Any]) -> bytes | None:
        chat = str(parameters["chat_id"])
        if self._is_too_soon(chat):
            self.too_soon += 1
            return _refusal(429, "Too Many Requests: retry after 1", parameters={"retry_after": 1})
        words = self.script.get(chat) or [self.otherwise]
        word, _colon, number = (words.pop(0) if len(words) > 1 else words[0]).partition(":")
        self.said[word] += 1
        if word in ACCEPTING:
            self.accepted.append(Accepted(time.monotonic(), token, chat, parameters["text"]))
        return self._says(word, number, chat, token)

    def _is_too_soon(self, chat: str) -> bool:
        earlier = [one.at for one in self.accepted if one.chat == chat] if self.per_chat else []
        return bool(earlier) and time.monotonic() - earlier[-1] < self.per_chat

    def _says(self, word: str, number: str, chat: str, token: str) -> bytes | None:
        if word in REFUSALS:
            return _refusal(*REFUSALS[word])
        if word == "429":
            pause = {"parameters": {"retry_after": int(number)}} if number else {}
            return _refusal(429, f"Too Many Requests: retry after {number}", **pause)
        result = {"message_id": len(self.accepted), "chat": {"id": int(chat), "type": "private"}}
        answers = {
            "accept": _ok(result),
            "no_number": _ok({}),
            "500": _refusal(500, "Internal Server Error"),
            "timeout": b"",
            "cut": None,
            "half": _ok(result)[:-5],
            "garbage": _raw(200, GARBAGE),
            "proxy": _raw(403, GARBAGE),
            "moved": _raw(301, b"", f"Location: {self.url}/elsewhere/bot{token}/sendMessage\r\n"),
            "echo": _refusal(400, f"Bad Request: {token} is no chat"),
        }
        return answers[word]


def busiest_second(moments: Sequence[float]) -> int:
    """The largest count in any window of one second."""
    ordered, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


@contextmanager
def telegram_peer(**settings: Any) -> Iterator[TelegramPeer]:
    """A peer that serves until the block ends."""
    loop, is_up = asyncio.new_event_loop(), Event()
    peer = TelegramPeer(**settings, loop=loop)

    def serve() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(loop.create_server(lambda: _Talk(peer), "127.0.0.1", 0))
        peer.port = server.sockets[0].getsockname()[1]
        is_up.set()
        loop.run_forever()
        server.close()
        for transport in list(peer.transports):
            transport.abort()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    assert is_up.wait(10)
    try:
        yield peer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


class _Talk(asyncio.Protocol):
    """One connection: requests with a Content-Length, one after the other."""

    def __init__(self, peer: TelegramPeer) -> None:
        self.peer, self.received = peer, b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.peer.transports.add(transport)
        self.peer.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.peer.transports.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        length = _length(head)
        if not end or len(rest) < length:
            return
        self.received = rest[length:]
        answer = self.peer.answer(head.split(b" ", 2)[1].decode(), rest[:length])
        asyncio.get_running_loop().call_later(self.peer.latency, self._send, answer)

    def _send(self, answer: bytes | None) -> None:
        if answer is None:
            self.transport.abort()
        elif answer:
            self.transport.write(answer)


async def _close(transports: set[asyncio.Transport]) -> None:
    for transport in list(transports):
        transport.close()
    while transports:
        await asyncio.sleep(0.001)


def _length(head: bytes) -> int:
    lines = [line.lower() for line in head.split(b"\r\n")]
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


def _http(status: int, body: Any) -> bytes:
    return _raw(status, json.dumps(body).encode())


def _raw(status: int, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} Word\r\n{more}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _ok(result: Any) -> bytes:
    return _http(200, {"ok": True, "result": result})


def _refusal(status: int, words: str, **more: Any) -> bytes:
    return _http(status, {"ok": False, "error_code": status, "description": words, **more})


@dataclass(frozen=True)
class TelegramProcess:
    """A peer in a process of its own."""

    url: str

    def accepted(self) -> list[Accepted]:
        with urllib.request.urlopen(f"{self.url}/accepted") as answer:
            return [Accepted(*one) for one in json.load(answer)]


@contextmanager
def telegram_process(*, latency: float) -> Iterator[TelegramProcess]:
    """Accepts every message of every bot, so that the one who sends has a processor for himself."""
    command = [sys.executable, "-m", "tests.peers.telegram", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield TelegramProcess(process.stdout.readline().strip())
        finally:
            process.terminate()


def _main() -> None:
    with telegram_peer(latency=float(sys.argv[1]), token="") as peer:
        print(peer.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main()
