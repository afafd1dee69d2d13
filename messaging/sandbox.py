"""The built-in phone simulator: every message arrives at once, and nobody real is reached."""

from collections.abc import Mapping
from typing import Any

from messaging.base import Adapter, Envelope, Event, Outcome, OutcomeKind


class Sandbox(Adapter):
    """Its `verify` refuses every request from outside: answers come from the broker's own page."""

    channels = frozenset({"telegram", "whatsapp", "email", "call"})

    def send(self, envelope: Envelope) -> Outcome:
        return Outcome(OutcomeKind.ACCEPTED, provider_id=f"sandbox-{envelope.message_id}", delivered=True)

    def parse(self, payload: Mapping[str, Any]) -> list[Event]:
        return [
            Event(
                event_id=str(payload["event_id"]),
                kind="inbound",
                address=str(payload["address"]),
                text=str(payload["text"]),
                message_id=payload.get("answers"),
                raw=payload,
            )
        ]
