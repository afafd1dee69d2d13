"""The physical floor of contact steps: the same rows in the same tables by bare set-based SQL, two commits a 1,000.

Off the clock ids are looked up and texts are made, like the engine's own, each lead's with its address. On the clock
they are sent and written: what is left is what PostgreSQL needs.
"""

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from django.db import transaction

from bench.database import tidy
from bench.people import DAY, NOW
from bench.twins import on_twins
from brokers.models import Broker
from messaging.sql import rows, run

BATCH = 1_000
LEASE = timedelta(minutes=2)

PENDING = """
SELECT l.channel, l.id, CASE WHEN l.channel = 'email' THEN d.email ELSE d.telegram_chat_id END
FROM campaigns_campaignlog l JOIN leads_lead d ON d.id = l.lead_id
WHERE l.broker_id = %(broker)s AND l.status = 'pending' ORDER BY l.channel, l.id
"""
# One of the engine's messages a channel, with what its log says.
SAMPLE = """
SELECT DISTINCT ON (m.channel) m.channel, m.address, m.subject, m.body, m.basis::text, l.response::text
FROM messaging_message m JOIN campaigns_campaignlog l ON l.message_id = m.id
WHERE m.broker_id = %(broker)s ORDER BY m.channel, m.id
"""
# One statement writes the message and stamps its log, as the engine's does.
WRITE = """
WITH due AS (
    SELECT l.id, l.broker_id, l.enrollment_id, l.step_number, l.lead_id, l.channel, t.*
    FROM unnest(%(ids)b::bigint[], %(address)b::text[], %(subject)b::text[], %(body)b::text[], %(basis)b::text[],
                %(response)b::text[]) AS t(log_id, address, subject, body, basis, response)
    JOIN campaigns_campaignlog l ON l.id = t.log_id
), written AS (
    INSERT INTO messaging_message (broker_id, lead_id, channel, direction, account_id, template_id, purpose, address,
                                   subject, body, status, provider_id, dedupe_key, basis, error_code, error, sandbox,
                                   created_at, sending_at)
    SELECT broker_id, lead_id, channel, 'out', 1, 1, 'marketing', address, subject, body, 'sending', '',
           'step:' || enrollment_id || ':' || step_number || ':1', basis::jsonb, '', '', false, %(now)s, %(now)s
    FROM due
    RETURNING id, lead_id
)
UPDATE campaigns_campaignlog l
SET message_id = written.id, dispatched_at = %(now)s, lease_until = %(lease)s, attempts = 1,
    response = due.response::jsonb
FROM due JOIN written USING (lead_id) WHERE l.id = due.id
RETURNING l.message_id
"""
SETTLE = (
    """
    UPDATE messaging_message SET status = 'sent', provider_id = 'bench-' || id, sent_at = %(now)s
    WHERE id = ANY(%(messages)b::bigint[])
    """,
    """
    UPDATE leads_lead SET last_contacted_at = %(now)s
    WHERE id IN (SELECT lead_id FROM campaigns_campaignlog WHERE id = ANY(%(ids)b::bigint[]))
    """,
    """
    WITH done AS (
        UPDATE campaigns_campaignlog SET status = 'sent', executed_at = %(now)s, lease_until = NULL
        WHERE id = ANY(%(ids)b::bigint[]) RETURNING *
    )
    INSERT INTO campaigns_campaignlog (broker_id, enrollment_id, campaign_id, lead_id, step_id, step_number, action,
                                       channel, status, reason, planned_at, due_at, attempts, response, created_at)
    SELECT broker_id, enrollment_id, campaign_id, lead_id, step_id + 1, step_number + 1, action, channel, 'pending',
           '', %(next)s, %(next)s, 0, '{}', %(now)s
    FROM done
    """,
)


Texts = dict[str, tuple[str, ...]]


def samples(broker: Broker) -> Texts:
    """By channel: an address, and subject, text, basis and checks of the message to it."""
    return {channel: tuple(texts) for channel, *texts in rows(SAMPLE, {"broker": broker.pk})}


class Floor:
    """Works off what is pending at a broker, on the tables that the engine works on."""

    def __init__(self, broker: Broker, texts: Texts) -> None:
        self.broker, self.texts = broker, texts
        self.batches: list[dict[str, Any]] = []

    def where(self) -> AbstractContextManager[None]:
        return nullcontext()

    def prepare(self, round_number: int) -> None:
        tidy("campaigns_campaignlog", "campaigns_enrollment", "messaging_message", "leads_lead")
        with self.where():
            pending = rows(PENDING, {"broker": self.broker.pk})
        self.batches = [self._batch(pending[start : start + BATCH]) for start in range(0, len(pending), BATCH)]

    def _batch(self, pending: list[tuple[str, int, str]]) -> dict[str, Any]:
        records = [(log_id, address, *self._said(channel, address)) for channel, log_id, address in pending]
        names = ("ids", "address", "subject", "body", "basis", "response")
        return {name: list(column) for name, column in zip(names, zip(*records, strict=True), strict=True)}

    def _said(self, channel: str, address: str) -> list[str]:
        sample, *texts = self.texts[channel]
        return [text.replace(sample, address) for text in texts]

    def run(self, round_number: int) -> int:
        now = NOW + round_number * DAY
        with self.where():
            for batch in self.batches:
                _two_commits(batch | {"now": now, "lease": now + LEASE, "next": now + DAY})
        written = sum(len(batch["ids"]) for batch in self.batches)
        self.batches = []  # a hundred megabytes that nobody needs any more
        return written


class OnLean(Floor):
    """The same on the lean twins."""

    def where(self) -> AbstractContextManager[None]:
        return on_twins("lean")


def _two_commits(params: dict[str, Any]) -> None:
    with transaction.atomic():
        messages = [row[0] for row in rows(WRITE, params)]
    with transaction.atomic():
        for statement in SETTLE:
            run(statement, params | {"messages": messages})
