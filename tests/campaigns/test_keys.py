"""A key is written before the provider is asked, dispatched once, and never given to anybody else."""

from pathlib import Path
from typing import ClassVar

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, connection, transaction

from brokers.models import Broker
from campaigns.models import CampaignLog
from messaging.base import Envelope, Outcome
from messaging.clock import VirtualClock
from messaging.models import Message
from messaging.sandbox import Sandbox
from tests.building import (
    a_campaign,
    a_free_broker,
    a_lead,
    broken,
    counting_account,
    enroll,
    log_of,
    logs,
    message_step,
    run,
    some_leads,
)
from tests.messages import a_message
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db


def test_key_that_was_used_is_not_sent_again(free_broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md rows 1, 3 and 11: one row's normal outcome; it does not come back, and the others go out."""
    counting_account(free_broker, sent_file)
    leads = some_leads(free_broker, 3)
    enroll(a_campaign(free_broker, message_step(free_broker), message_step(free_broker)), *leads)
    key = f"step:{log_of(leads[1]).enrollment_id}:1:1"
    a_message(a_lead(free_broker), dedupe_key=key)
    run(clock, passes=3)
    assert (log_of(leads[1]).status, log_of(leads[1]).reason) == ("failed", "key_conflict")
    assert [status for _step, status, _reason in logs()] == ["sent", "sent", "failed", "sent", "sent", "sent"]
    assert len(sends(sent_file)) == 5
    assert key not in {send.key for send in sends(sent_file)}


def test_key_is_written_once_in_the_database(free_broker: Broker) -> None:
    """failures.md row 1."""
    lead = a_lead(free_broker)
    a_message(lead, dedupe_key="step:1:1:1")
    with pytest.raises(IntegrityError, match="message_key_once"), transaction.atomic():
        a_message(lead, dedupe_key="step:1:1:1")


def test_step_of_an_enrolment_has_one_row_for_ever(free_broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 8: nothing that ended can be scheduled a second time, whoever tries."""
    enroll(a_campaign(free_broker, message_step(free_broker), message_step(free_broker)), a_lead(free_broker))
    run(clock)
    for row in CampaignLog.objects.order_by("step_number"):
        row.pk, row.status, row.message_id, row.dispatched_at = None, "pending", None, None
        with pytest.raises(IntegrityError, match="log_step_once"), transaction.atomic():
            row.save(force_insert=True)
    assert logs() == [(1, "sent", ""), (2, "sent", "")]


class Witness(Sandbox):
    """Looks at the database over a connection of its own, in the moment in which it is asked to send."""

    seen: ClassVar[list[tuple[str, str, bool, bool]]] = []

    def send(self, envelope: Envelope) -> Outcome:
        try:
            row = CampaignLog.objects.select_related("message").get(message=envelope.message_id)
        finally:
            connection.close()
        assert row.message is not None
        is_leased = row.dispatched_at is not None and row.lease_until is not None
        self.seen.append((row.message.dedupe_key, row.message.status, is_leased, bool(row.message.basis)))
        assert row.message.dedupe_key == envelope.key
        return super().send(envelope)


@pytest.mark.django_db(transaction=True)
def test_intent_is_committed_before_the_provider_is_asked(clock: VirtualClock, settings: LazySettings) -> None:
    """failures.md row 4: whatever happens to us after that moment, what was under way can be seen."""
    settings.PROVIDERS = {**settings.PROVIDERS, "sandbox": f"{__name__}.Witness"}
    Witness.seen.clear()
    broker = a_free_broker()
    enroll(a_campaign(broker, message_step(broker), message_step(broker)), *some_leads(broker, 5))
    run(clock)
    keys = Message.objects.order_by("dedupe_key").values_list("dedupe_key", flat=True)
    assert sorted(Witness.seen) == [(key, "sending", True, True) for key in keys]
    assert len(Witness.seen) == 10
    assert broken() == {}
