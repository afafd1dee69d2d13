"""A provider that does what it is told and writes down every send, so that several processes can be counted together.

The account's credentials say where (`file`) and what: `script` is a list of words by address, one an attempt (the last
one repeats), `otherwise` is the word for every other address. A word may carry a number: `temporary:30`.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from messaging.base import Adapter, Envelope, Outcome, OutcomeKind

PROVIDER = {"counting": "tests.peers.counting.Counting"}


class Send(NamedTuple):
    key: str
    address: str
    word: str


class Counting(Adapter):
    channels = frozenset({"telegram", "whatsapp", "email", "call"})

    def send(self, envelope: Envelope) -> Outcome:
        script = self.account.credentials["script"].get(envelope.address)
        words = script or [self.account.credentials["otherwise"]]
        attempt = int(envelope.key.rsplit(":", 1)[1])
        word, _colon, number = words[min(attempt, len(words)) - 1].partition(":")
        _append(self.account.credentials["file"], f"{envelope.key}\t{envelope.address}\t{word}\n")
        return WORDS[word](envelope, float(number or 0))


def sends(file: Path) -> list[Send]:
    return [Send(*line.split("\t")) for line in file.read_text().splitlines()] if file.exists() else []


def use_counting() -> None:
    """In a process of its own, where no fixture does it."""
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}


def _append(file: str, line: str) -> None:
    """One write to the end of the file: no other process gets in between."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def _accept(envelope: Envelope, number: float) -> Outcome:
    return Outcome(OutcomeKind.ACCEPTED, provider_id=f"c-{envelope.message_id}")


def _slow(envelope: Envelope, seconds: float) -> Outcome:
    time.sleep(seconds)
    return _accept(envelope, 0)


def _temporary(envelope: Envelope, seconds: float) -> Outcome:
    return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="too_many", error="429", retry_after=seconds or None)


def _raise(envelope: Envelope, number: float) -> Outcome:
    raise RuntimeError("a bug in an adapter")


def _die(envelope: Envelope, number: float) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _garbage(envelope: Envelope, number: float) -> Any:
    return {"ok": "perhaps"}


def _nul(envelope: Envelope, number: float) -> Outcome:
    return Outcome(OutcomeKind.ACCEPTED, provider_id="x\x00" * 200, error="nothing\x00wrong")


WORDS: dict[str, Callable[[Envelope, float], Outcome]] = {
    "accept": _accept,
    "slow": _slow,
    "refuse": lambda envelope, number: Outcome(OutcomeKind.REFUSED, code="refused", error="no"),
    "invalid": lambda envelope, number: Outcome(OutcomeKind.REFUSED, code="invalid_address", error="nobody here"),
    "temporary": _temporary,
    # Accepted, but the answer is lost.
    "timeout": lambda envelope, number: Outcome(OutcomeKind.UNKNOWN, code="timeout", error="no answer"),
    "raise": _raise,
    "die": _die,
    "garbage": _garbage,
    "nul": _nul,
}
