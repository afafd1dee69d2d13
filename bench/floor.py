"""The physical floor of contact steps: the same rows in the same tables by bare set-based SQL, two commits a 1,000.

Ids are looked up off the clock, texts come from the engine's own rows: what is left is what PostgreSQL needs.
"""

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from bench.database import tidy
from bench.lean import on_lean_tables
from bench.people import DAY, NOW
from brokers.models import Broker

BATCH = 1_000
LEASE = timedelta(minutes=2)

PENDING = "SELECT id, channel FROM campaigns_campaignlog WHERE broker_id = %s AND status = 'pending' ORDER BY channel, id"
# One of the engine's messages a channel, with what its log says.
SAMPLE = """
SELECT DISTINCT ON (m.channel) m.channel, m.subject, m.body, m.basis::text, l.response::text
FROM messaging_message m JOIN campaigns_campaignlog l ON l.message_id = m.id
WHERE m.broker_id = %s ORDER BY m.channel, m.id
"""
# One statement writes the message and stamps its log, as the engine's does.
WRITE = """
WITH due AS (
    SELECT l.id, l.broker_id, l.enrollment_id, l.step_number, l.lead_id, l.channel,
           CASE WHEN l.channel = 'email' THEN d.email ELSE d.telegram_chat_id END AS address
    FROM campaigns_campaignlog l JOIN leads_lead d ON d.id = l.lead_id WHERE l.id = ANY(%(ids)s)
), written AS (
    INSERT INTO messaging_message (broker_id, lead_id, channel, direction, account_id, template_id, purpose, address,
                                   subject, body, status, provider_id, dedupe_key, basis, error_code, error, sandbox,
                                   created_at, sending_at)
    SELECT broker_id, lead_id, channel, 'out', 1, 1, 'marketing', address, %(subject)s, %(body)s, 'sending', '',
           'step:' || enrollment_id || ':' || step_number || ':1', %(basis)s::jsonb, '', '', false, %(now)s, %(now)s
    FROM due
    RETURNING id, lead_id
)
UPDATE campaigns_campaignlog l
SET message_id = written.id, dispatched_at = %(now)s, lease_until = %(lease)s, attempts = 1,
    response = %(response)s::jsonb
FROM due JOIN written USING (lead_id) WHERE l.id = due.id
RETURNING l.message_id
"""
SETTLE = (
    """
    UPDATE messaging_message SET status = 'sent', provider_id = 'bench-' || id, sent_at = %(now)s
    WHERE id = ANY(%(messages)s)
    """,
    """
    UPDATE leads_lead SET last_contacted_at = %(now)s
    WHERE id IN (SELECT lead_id FROM campaigns_campaignlog WHERE id = ANY(%(ids)s))
    """,
    """
    WITH done AS (
        UPDATE campaigns_campaignlog SET status = 'sent', executed_at = %(now)s, lease_until = NULL
        WHERE id = ANY(%(ids)s) RETURNING *
    )
    INSERT INTO campaigns_campaignlog (broker_id, enrollment_id, campaign_id, lead_id, step_id, step_number, action,
                                       channel, status, reason, planned_at, due_at, attempts, response, created_at)
    SELECT broker_id, enrollment_id, campaign_id, lead_id, step_id + 1, step_number + 1, action, channel, 'pending',
           '', %(next)s, %(next)s, 0, '{}', %(now)s
    FROM done
    """,
)


def samples(broker: Broker) -> dict[str, dict[str, Any]]:
    """The texts of a message, by channel."""
    with connection.cursor() as cursor:
        cursor.execute(SAMPLE, [broker.pk])
        return {
            channel: {"subject": subject, "body": body, "basis": basis, "response": response}
            for channel, subject, body, basis, response in cursor.fetchall()
        }


class Floor:
    """Works off what is pending at a broker, on the tables that the engine works on."""

    def __init__(self, broker: Broker, texts: dict[str, dict[str, Any]]) -> None:
        self.broker, self.texts = broker, texts
        self.batches: list[tuple[str, list[int]]] = []

    def where(self) -> AbstractContextManager[None]:
        return nullcontext()

    def prepare(self, round_number: int) -> None:
        tidy("campaigns_campaignlog", "campaigns_enrollment", "messaging_message", "leads_lead")
        by_channel: dict[str, list[int]] = {}
        with self.where(), connection.cursor() as cursor:
            cursor.execute(PENDING, [self.broker.pk])
            for log_id, channel in cursor.fetchall():
                by_channel.setdefault(channel, []).append(log_id)
        self.batches = [
            (channel, ids[start : start + BATCH])
            for channel, ids in by_channel.items()
            for start in range(0, len(ids), BATCH)
        ]

    def run(self, round_number: int) -> int:
        now = NOW + round_number * DAY
        with self.where():
            for channel, ids in self.batches:
                _two_commits({"ids": ids, "now": now, "lease": now + LEASE, "next": now + DAY, **self.texts[channel]})
        return sum(len(ids) for _channel, ids in self.batches)


class OnLean(Floor):
    """The same on the lean twins."""

    def where(self) -> AbstractContextManager[None]:
        return on_lean_tables()


def _two_commits(params: dict[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(WRITE, params)
        messages = [row[0] for row in cursor.fetchall()]
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in SETTLE:
            cursor.execute(statement, params | {"messages": messages})
