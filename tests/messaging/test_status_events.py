"""What became of a message, as its provider tells it: late, twice, in any order."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from brokers.models import Broker
from leads.models import Lead
from messaging.base import Event
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message, WebhookEvent

Sandboxes = Callable[[str], ChannelAccount]
Sent = Callable[..., Message]


@pytest.fixture
def tell(sandbox: Sandboxes, now: datetime) -> Callable[..., WebhookEvent]:
    def receive(status: str, *, after: int = 0, **fields: object) -> WebhookEvent:
        event_id = f"{status}-{after}"
        event = Event(event_id=event_id, kind="status", status=status, **fields)  # type: ignore[arg-type]
        at = now + timedelta(minutes=after)
        return receive_event(account=sandbox("telegram"), event=event, payload={}, now=at)

    return receive


def test_status_moves_on_by_the_providers_id(tell: Callable, sent: Sent, now: datetime) -> None:
    message = sent(status="sent", provider_id="p1")
    event = tell("delivered", after=3, provider_id="p1")
    message.refresh_from_db()
    at = now + timedelta(minutes=3)
    assert (message.status, message.delivered_at, message.sent_at) == ("delivered", at, now)
    assert (event.processed_at, event.error) == (at, "")


def test_status_moves_on_by_our_id(tell: Callable, sent: Sent) -> None:
    message = sent(status="sending", sent_at=None)
    tell("sent", message_id=message.pk, provider_id="p9")
    message.refresh_from_db()
    assert (message.status, message.provider_id) == ("sent", "p9")


@pytest.mark.parametrize("order", list(permutations(["sent", "delivered", "read"])))
def test_statuses_in_any_order_end_at_the_furthest(tell: Callable, sent: Sent, order: tuple[str, ...]) -> None:
    """failures.md row 24."""
    message = sent(status="sending", sent_at=None, provider_id="p1")
    for number, status in enumerate(order):
        tell(status, after=number, provider_id="p1")
    message.refresh_from_db()
    assert message.status == "read"
    assert None not in (message.sent_at, message.delivered_at, message.read_at)


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        ("queued", "failed", "failed"),
        ("sending", "failed", "failed"),
        ("sent", "failed", "failed"),
        ("unknown", "failed", "failed"),
        ("unknown", "delivered", "delivered"),
        ("delivered", "failed", "delivered"),
        ("read", "failed", "read"),
        ("read", "delivered", "read"),
        ("delivered", "sent", "delivered"),
        ("failed", "delivered", "failed"),
        ("cancelled", "delivered", "cancelled"),
    ],
)
def test_statuses_never_run_backwards(tell: Callable, sent: Sent, before: str, told: str, after: str) -> None:
    message = sent(status=before, provider_id="p1", sent_at=None)
    assert tell(told, provider_id="p1").processed_at is not None
    message.refresh_from_db()
    assert message.status == after


def test_failure_keeps_its_code(tell: Callable, sent: Sent, now: datetime) -> None:
    message = sent(status="sent", provider_id="p1")
    tell("failed", provider_id="p1", code="63016")
    message.refresh_from_db()
    assert (message.status, message.error_code, message.failed_at) == ("failed", "63016", now)


def test_a_late_answer_corrects_an_unknown_outcome(tell: Callable, sent: Sent, now: datetime) -> None:
    """failures.md row 4: an unknown outcome is never sent again; the provider's callback says what became of it."""
    message = sent(status="unknown", sent_at=None, error_code="connection_lost", error="timed out")
    tell("delivered", message_id=message.pk)
    message.refresh_from_db()
    assert (message.status, message.sent_at, message.delivered_at) == ("delivered", now, now)
    assert (message.error_code, message.error) == ("", "")


def test_repeated_event_keeps_the_first_stamp(tell: Callable, sent: Sent, now: datetime) -> None:
    message = sent(status="sent", provider_id="p1")
    tell("delivered", provider_id="p1")
    tell("delivered", provider_id="p1")
    tell("delivered", after=9, provider_id="p1")
    message.refresh_from_db()
    assert message.delivered_at == now
    assert WebhookEvent.objects.count() == 2


@pytest.mark.parametrize("fields", [{"provider_id": "nobody"}, {"message_id": 999_999}, {}])
def test_unknown_message_is_kept_and_ignored(tell: Callable, sent: Sent, fields: dict[str, object]) -> None:
    message = sent(status="sent")
    event = tell("delivered", **fields)
    message.refresh_from_db()
    assert event.processed_at is None
    assert event.error.startswith("message_unknown")
    assert message.status == "sent"


def test_unknown_word_is_kept_and_ignored(tell: Callable, sent: Sent) -> None:
    message = sent(status="sent", provider_id="p1")
    event = tell("teleported", provider_id="p1")
    message.refresh_from_db()
    assert event.error == "status_unknown: teleported"
    assert message.status == "sent"


def test_a_message_of_another_account_is_not_touched(
    tell: Callable, lead: Lead, other_broker: Broker, sent: Sent
) -> None:
    """The id of somebody else's message changes nothing, whoever knows it."""
    foreign = ChannelAccount.objects.get(broker=other_broker, channel="telegram")
    message = sent(status="sent", provider_id="p1", account=foreign)
    assert tell("failed", provider_id="p1").error.startswith("message_unknown")
    assert tell("failed", after=1, message_id=message.pk).error.startswith("message_unknown")
    message.refresh_from_db()
    assert message.status == "sent"


def test_status_touches_no_sign_of_life(tell: Callable, lead: Lead, sent: Sent) -> None:
    sent(status="sent", provider_id="p1")
    tell("read", after=5, provider_id="p1")
    before = lead.last_activity_at
    lead.refresh_from_db()
    assert (lead.last_activity_at, lead.inbound_count) == (before, 0)
