"""Providers that take every message: one at once, and one after the time that a real one takes."""

import itertools
import time

from messaging.base import Adapter, Envelope, Outcome, OutcomeKind

NEAR, FAR = "bench", "bench-far"
PROVIDERS = {NEAR: "bench.counting.Counting", FAR: "bench.counting.Far"}
# There and back to a provider's own machines, answer included.
LATENCY = 0.02
_sends = itertools.count()


class Counting(Adapter):
    channels = frozenset({"telegram", "whatsapp", "email", "call"})

    def send(self, envelope: Envelope) -> Outcome:
        return Outcome(OutcomeKind.ACCEPTED, provider_id=f"bench-{next(_sends)}")


class Far(Counting):
    def send(self, envelope: Envelope) -> Outcome:
        time.sleep(LATENCY)
        return super().send(envelope)
