"""A provider that does what it is told and writes down every send, so that several processes can be counted together.

The account's credentials say where (`file`) and what: `script` is a list of words by address, one an attempt (the last
one repeats); `*42` is any address that ends so. `otherwise` is the word for every other address. A word may carry a
number: `temporary:30`.
"""

import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from messaging.base import Adapter, Envelope, Outcome, OutcomeKind
from voice.models import CallStatus, VoiceCall

PROVIDER = {"counting": "tests.peers.counting.Counting"}
# After any other word the lead may have been reached.
REACHES_NOBODY = frozenset({"refuse", "invalid", "temporary", "busy"})
TAKEN = frozenset({"accept", "slow", "nul", "busy"})


class Send(NamedTuple):
    key: str
    address: str
    word: str


class Counting(Adapter):
    channels = frozenset({"telegram", "whatsapp", "email", "call"})

    def send(self, envelope: Envelope) -> Outcome:
        script, address = self.account.credentials["script"], envelope.address
        words = script.get(address) or script.get(f"*{address[-2:]}") or [self.account.credentials["otherwise"]]
        number = envelope.key.rsplit(":", 1)[1]
        attempt = int(number) if number.isdecimal() else 1  # what a person writes is tried once
        word, _colon, seconds = words[min(attempt, len(words)) - 1].partition(":")
        append(self.account.credentials["file"], f"{envelope.key}\t{envelope.address}\t{word}\n")
        return WORDS[word](envelope, float(seconds or 0))


def sends(file: Path) -> list[Send]:
    return [Send(*line.split("\t")) for line in file.read_text().splitlines()] if file.exists() else []


def use_counting() -> None:
    """In a process of its own, where no fixture does it."""
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}


def heard(file: Path) -> dict[str, list[str]]:
    """The words of a step's attempts by the step's key, which is that of its attempts without their number."""
    found: dict[str, list[str]] = {}
    for send in sends(file):
        found.setdefault(send.key.rsplit(":", 1)[0], []).append(send.word)
    return found


def end_calls(file: Path, now: datetime) -> None:
    """The provider's callbacks: every call that it says it has taken ends, answered or busy."""
    words = {send.key: send.word for send in sends(file)}
    under_way = VoiceCall.objects.filter(status=CallStatus.INITIATED)
    for pk, key in under_way.values_list("pk", "message__dedupe_key"):
        if words.get(key) in TAKEN:
            status, seconds = (CallStatus.BUSY, 0) if words[key] == "busy" else (CallStatus.COMPLETED, 60)
            VoiceCall.objects.filter(pk=pk).update(status=status, duration=seconds, completed_at=now)


def append(file: str, line: str) -> None:
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
    # A call that was placed, and found the line busy (see end_calls).
    "busy": _accept,
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
