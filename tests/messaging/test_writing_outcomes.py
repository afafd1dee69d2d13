"""What becomes of a person's message: once, never lost, never resent by itself; and what it leaves with the lead."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.conf import settings as django_settings
from django.utils import translation

from brokers.models import Broker
from leads.models import ContactPermission, Lead
from messaging.base import Event
from messaging.clock import VirtualClock
from messaging.dispatching import SEND_LEASE
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message, MessageStatus
from messaging.outgoing import settle_unfinished
from messaging.writing import told
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_template, counting_account, now_of
from tests.messaging.writing import boss, write, wrote
from tests.peers.counting import PROVIDER, sends
from tests.together import together

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker, now=NOW - DAY)


@pytest.fixture
def sent_file(tmp_path: Path, settings: LazySettings) -> Path:
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}
    return tmp_path / "sends"


def stamps(lead: Lead) -> tuple[datetime | None, ...]:
    """Last contacted, last answered, first touched, last sign of life."""
    row = now_of(lead)
    return row.last_contacted_at, row.last_answered_at, row.first_touched_at, row.last_activity_at


def tell(message: Message, status: str, at: datetime = NOW + HOUR, code: str = "") -> None:
    """The provider's own word."""
    event = Event(event_id=str(uuid4()), kind="status", message_id=message.pk, status=status, code=code)
    receive_event(account=message.account, event=event, payload={}, now=at)


OUTCOMES: dict[str, tuple[str, str, str]] = {
    "accept": ("sent", "", "Sent over Telegram."),
    "refuse": ("failed", "refused", "Not sent. The provider refused for good. (no)"),
    "temporary": (
        "failed",
        "too_many",
        "Not sent. The provider takes no more just now. (429) Nobody got it; try again in a moment.",
    ),
    "timeout": (
        "unknown",
        "timeout",
        "Nobody can know whether it arrived, so it is not sent again by itself. Ask the lead, or look into Telegram, "
        "before you write it again.",
    ),
    "raise": (
        "unknown",
        "adapter_error",
        "Nobody can know whether it arrived, so it is not sent again by itself. Ask the lead, or look into Telegram, "
        "before you write it again.",
    ),
}


@pytest.mark.parametrize("word", OUTCOMES)
def test_outcome_is_kept_and_told_in_plain_words(broker: Broker, lead: Lead, sent_file: Path, word: str) -> None:
    status, code, says = OUTCOMES[word]
    counting_account(broker, sent_file, otherwise=word)
    message = write(lead)
    assert (message.status, message.error_code, told(message)) == (status, code, says)
    assert len(sends(sent_file)) == 1


@pytest.mark.parametrize("status", MessageStatus.values)
def test_every_status_has_words(status: str) -> None:
    assert told(Message(status=status, channel="telegram", sandbox=False)) != ""


def test_message_stamps_the_lead(broker: Broker, lead: Lead, sent_file: Path) -> None:
    counting_account(broker, sent_file)
    assert stamps(lead) == (None, None, None, NOW - DAY)
    write(lead, at=NOW)
    assert stamps(lead) == (NOW, NOW, NOW, NOW)
    write(lead, at=NOW + HOUR)
    assert stamps(lead) == (NOW + HOUR, NOW + HOUR, NOW, NOW + HOUR)


@pytest.mark.parametrize("word", ["refuse", "temporary", "timeout"])
def test_what_did_not_arrive_answers_nobody(broker: Broker, lead: Lead, sent_file: Path, word: str) -> None:
    """The lead still waits, and so they are seen to."""
    counting_account(broker, sent_file, otherwise=word)
    write(lead)
    assert stamps(lead) == (None, None, None, NOW - DAY)


def test_address_that_reaches_nobody_is_marked(broker: Broker, lead: Lead, sent_file: Path) -> None:
    """failures.md row 18: as campaigns mark it."""
    counting_account(broker, sent_file, otherwise="invalid")
    write(lead)
    assert now_of(lead).unreachable == {"telegram": "invalid_address"}


def test_pause_that_the_provider_asks_for_is_kept(broker: Broker, lead: Lead, sent_file: Path) -> None:
    account = counting_account(broker, sent_file, otherwise="temporary:90")
    write(lead)
    account.refresh_from_db()
    assert account.next_slot_at == NOW + 1.5 * HOUR / 60


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
def test_what_the_provider_tells_later_counts(broker: Broker, lead: Lead, sent_file: Path, status: str) -> None:
    """failures.md row 4: an unknown outcome is corrected by its callback, and the lead was answered when it was."""
    counting_account(broker, sent_file, otherwise="timeout")
    message = write(lead)
    tell(message, status)
    message.refresh_from_db()
    assert (message.status, stamps(lead)) == (status, (NOW, NOW, NOW, NOW))


def test_refusal_that_is_told_later_is_heeded(broker: Broker, lead: Lead, sent_file: Path) -> None:
    counting_account(broker, sent_file)
    tell(write(lead), "failed", code="blocked")
    assert ContactPermission.objects.get(lead=lead).kind == "revoked"


def test_cancelar_means_no_appointment_when_it_answers_a_persons_words(broker: Broker, lead: Lead) -> None:
    """Only what speaks of the appointment can be answered so; anything else is an opt-out, at once."""
    wrote(lead, NOW - HOUR)
    assert write(lead).purpose == "transactional"
    account = ChannelAccount.objects.get(broker=broker, channel="telegram")
    event = Event(event_id="1", kind="inbound", address=lead.telegram_chat_id, text="Cancelar")
    receive_event(account=account, event=event, payload={}, now=NOW + HOUR)
    assert list(ContactPermission.objects.values_list("kind", flat=True).distinct()) == ["revoked"]


def test_template_is_no_own_words(broker: Broker, lead: Lead) -> None:
    """An answer by a template is kept as what the template is."""
    wrote(lead, NOW - HOUR)
    assert write(lead, template=a_template(broker)).purpose == "marketing"


# Killed in between.


@pytest.mark.django_db(transaction=True)
def test_process_that_dies_while_it_sends_leaves_it_unknown(
    sent_file: Path, command_environment: dict[str, str]
) -> None:
    """failures.md rows 2 and 4: the next passes say so, and whoever posts the form again sends nothing."""
    broker = a_broker()
    lead, jefa, form_id = a_lead(broker), boss(broker), uuid4()
    counting_account(broker, sent_file, otherwise="die")
    command = [sys.executable, "-m", "tests.peers.write_process", str(lead.pk), str(jefa.pk), NOW.isoformat()]
    variables = command_environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    died = subprocess.run(
        [*command, str(form_id)], cwd=django_settings.BASE_DIR, env=variables, check=False, timeout=60
    )
    assert (died.returncode, len(sends(sent_file)), Message.objects.get().status) == (-9, 1, "sending")
    again: dict[str, Any] = {"form_id": form_id, "text": "Hola"}
    assert told(write(lead, **again)) == "It is being sent just now; look at the conversation in a moment."
    assert settle_unfinished(batch=9, broker_id=None, now=NOW + SEND_LEASE - HOUR / 3600) == 0
    assert settle_unfinished(batch=9, broker_id=None, now=NOW + SEND_LEASE) == 1
    message = write(lead, **again)
    assert (message.status, message.error_code, message.unknown_at) == ("unknown", "lease_over", NOW + SEND_LEASE)
    assert len(sends(sent_file)) == 1


@pytest.mark.parametrize("key", ["step:1:1:1", "resend:1:1"])
def test_unfinished_messages_of_campaigns_are_left_to_their_leases(
    broker: Broker, lead: Lead, sent_file: Path, key: str
) -> None:
    counting_account(broker, sent_file)
    write(lead)
    row = write(lead, text="otra")
    Message.objects.filter(pk=row.pk).update(status="sending", sent_by=None, dedupe_key=key)
    assert settle_unfinished(batch=9, broker_id=None, now=NOW + DAY) == 0


def test_other_brokerages_are_left_to_their_own_passes(broker: Broker, lead: Lead) -> None:
    row = write(lead)
    Message.objects.filter(pk=row.pk).update(status="sending")
    other = a_broker("boreal")
    assert settle_unfinished(batch=9, broker_id=other.pk, now=NOW + DAY) == 0
    assert settle_unfinished(batch=9, broker_id=broker.pk, now=NOW + DAY) == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_send_once(sent_file: Path) -> None:
    """failures.md row 1: two processes of the web server have the same form in hand."""
    broker = a_broker()
    lead, form_id = a_lead(broker), uuid4()
    boss(broker)
    counting_account(broker, sent_file, otherwise="slow:0.2")
    messages = together(*[lambda: write(lead, form_id=form_id, clock=VirtualClock(NOW)).pk] * 3)
    assert (len(set(messages)), len(sends(sent_file)), Message.objects.count()) == (1, 1, 1)
