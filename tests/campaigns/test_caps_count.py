"""What counts against the caps of a lead, and from when to when (failures.md row 22): every kind of earlier message."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from brokers.models import Broker
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import MessageStatus
from tests.building import DAY, HOUR, NOW, a_broker, a_campaign, a_lead, a_user, enroll, log_of, run
from tests.messages import a_message

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
NOBODY_WAS_REACHED = {MessageStatus.FAILED, MessageStatus.CANCELLED}


def one_a_day() -> Broker:
    return a_broker(cap_24h=1, cap_7d=9)


def becomes_of_a_step(lead: Lead, clock: VirtualClock) -> tuple[str, str]:
    enroll(a_campaign(lead.broker, exit_on_reply=False), lead)
    run(clock)
    log = log_of(lead)
    return log.status, log.reason


def outcome(counts: bool) -> tuple[str, str]:
    return ("pending", "frequency_cap") if counts else ("sent", "")


@pytest.mark.parametrize("status", [status for status in MessageStatus.values if status != MessageStatus.RECEIVED])
def test_cap_counts_what_may_have_reached_the_lead(clock: VirtualClock, status: str) -> None:
    """From the moment it is committed, also where nobody knows; not what provably reached nobody."""
    lead = a_lead(one_a_day())
    a_message(lead, status=status, created_at=NOW - HOUR)
    assert becomes_of_a_step(lead, clock) == outcome(status not in NOBODY_WAS_REACHED)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"channel": "email"}, True),
        ({"channel": "call"}, True),
        ({"purpose": "transactional"}, True),
        ({"sandbox": False}, False),
        ({"direction": "in", "status": "received"}, False),
    ],
    ids=["other_channel", "call", "transactional", "real", "inbound"],
)
def test_cap_counts_automatic_contacts_of_its_side(clock: VirtualClock, fields: dict[str, Any], counts: bool) -> None:
    lead = a_lead(one_a_day())
    a_message(lead, **{"created_at": NOW - HOUR} | fields)
    assert becomes_of_a_step(lead, clock) == outcome(counts)


def test_cap_does_not_count_what_a_person_sent(clock: VirtualClock) -> None:
    lead = a_lead(one_a_day())
    for _ in range(3):
        a_message(lead, created_at=NOW - HOUR, sent_by=a_user(lead.broker, f"carla{_}"))
    assert becomes_of_a_step(lead, clock) == outcome(counts=False)


def test_cap_does_not_count_what_others_got(clock: VirtualClock) -> None:
    lead, other = a_lead(broker := one_a_day()), a_lead(broker)
    a_message(other, created_at=NOW - HOUR)
    assert becomes_of_a_step(lead, clock) == outcome(counts=False)


@pytest.mark.parametrize(
    ("sent_at", "counts"),
    [(NOW, True), (NOW - DAY + SECOND, True), (NOW - DAY, True), (NOW - DAY - SECOND, False)],
    ids=["now", "a second less", "exactly a day", "a second more"],
)
def test_cap_of_a_day_counts_both_ends(clock: VirtualClock, sent_at: datetime, counts: bool) -> None:
    lead = a_lead(one_a_day())
    a_message(lead, created_at=sent_at)
    assert becomes_of_a_step(lead, clock) == outcome(counts)
    if counts:
        assert log_of(lead).due_at == sent_at + DAY + SECOND


@pytest.mark.parametrize(
    ("sent_at", "counts"),
    [(NOW - 2 * DAY, True), (NOW - 7 * DAY, True), (NOW - 7 * DAY - SECOND, False)],
    ids=["two days", "exactly a week", "a second more"],
)
def test_cap_of_a_week_counts_both_ends(clock: VirtualClock, sent_at: datetime, counts: bool) -> None:
    lead = a_lead(a_broker(cap_24h=9, cap_7d=1))
    a_message(lead, created_at=sent_at)
    assert becomes_of_a_step(lead, clock) == outcome(counts)
