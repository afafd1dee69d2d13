"""Whose a message is by now: its lead may be merged into another one, or parted from it, while it is on its way."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction

from brokers.refusal import Refused
from leads.actions.standing import locked
from leads.models import Lead
from messaging.base import Outcome
from messaging.dispatching import Sending
from messaging.models import Message

S = TypeVar("S", bound=Sending)
Settled = TypeVar("Settled")


class Merged(Exception):
    """Leads were merged while their messages were under way: `outcomes` say whose these are now."""

    def __init__(self, outcomes: Sequence[tuple[Any, Outcome]]) -> None:
        self.outcomes = outcomes
        super().__init__()


def with_leads_as_they_are(
    verb: Callable[[Sequence[tuple[S, Outcome]], datetime], Settled],
    outcomes: Sequence[tuple[S, Outcome]],
    now: datetime,
) -> Settled:
    """A transaction that locks the leads of sendings, begun anew when one of them belongs to another lead by now: locks
    are taken in the order of the ids, so those that were taken are given up before."""
    while True:
        try:
            return verb(outcomes, now)
        except Merged as merged:
            outcomes = merged.outcomes


def check_merged(outcomes: Sequence[tuple[S, Outcome]], merged: Collection[int]) -> None:
    """Raises Merged when a message of these leads belongs to somebody else by now. They are locked."""
    messages = [sending.envelope.message_id for sending, _outcome in outcomes if sending.lead_id in merged]
    owners = dict(Message.objects.filter(pk__in=messages).values_list("pk", "lead_id"))
    found = [(_of(sending, owners), outcome) for sending, outcome in outcomes]
    if any(new is not old for (new, _n), (old, _o) in zip(found, outcomes, strict=True)):
        raise Merged(found)


def _of(sending: S, owners: dict[int, int]) -> S:
    owner = owners.get(sending.envelope.message_id, sending.lead_id)
    return sending if owner == sending.lead_id else replace(sending, lead_id=owner)


def locked_owner(sending: S) -> tuple[Lead, S]:
    """The lead to whom the message belongs now, locked, and the sending as theirs."""
    lead = locked_lead_of(sending.envelope.message_id)
    return lead, replace(sending, lead_id=lead.pk)


def locked_lead_of(message_id: int) -> Lead:
    """The lead to whom a message belongs now, locked."""
    while True:
        owner = Message.objects.values_list("lead_id", flat=True).get(pk=message_id)
        with suppress(Refused), transaction.atomic():  # merged while we waited: look again, with its lock given up
            return locked(Lead(pk=owner))
