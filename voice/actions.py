"""The verbs about calls."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from voice.models import CallStatus, VoiceCall
from voice.simulation import answer_of


def write_calls(calls: Sequence[tuple[int, int, int, str]], *, now: datetime) -> None:
    """One VoiceCall for each (message id, broker id, lead id, number); written before anybody is called."""
    VoiceCall.objects.bulk_create(
        VoiceCall(message_id=message, broker_id=broker, lead_id=lead, phone_number=number, started_at=now)
        for message, broker, lead, number in calls
    )


def ring_simulated(*, message_ids: Sequence[int], now: datetime) -> None:
    """The sandbox's phone: each call ends at once, as the last digit of its number says."""
    calls = list(VoiceCall.objects.filter(message__in=message_ids, status=CallStatus.INITIATED))
    for call in calls:
        answer = answer_of(call.phone_number)
        call.status = answer.status
        call.duration = answer.seconds
        call.answered_by = "human" if answer.seconds else ""
        call.completed_at = now + timedelta(seconds=answer.seconds)
        call.external_call_id = f"sandbox-{call.message_id}"
    VoiceCall.objects.bulk_update(
        calls, ["status", "duration", "answered_by", "completed_at", "external_call_id"], batch_size=500
    )
