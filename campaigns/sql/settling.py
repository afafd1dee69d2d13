"""What became of contacts, and what comes next."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from messaging.sql import run

# Locks the leads of a batch in the order of their ids, and tells to whom something happened since it was decided, and
# who has been merged into another lead, to whom their messages belong now.
LOCK_LEADS = """
SELECT id, last_activity_at > %(since)s OR stage_entered_at > %(since)s OR treatment_type = 'hold'
           OR deleted_at IS NOT NULL, merged_into_id IS NOT NULL
FROM leads_lead WHERE id = ANY(%(leads)b::bigint[]) ORDER BY id FOR NO KEY UPDATE
"""

# A worker that knows that nobody was reached gives the row back, as long as it is still this worker's; when somebody
# stopped the enrolment meanwhile, the row ends with it.
RELEASE = """
UPDATE campaigns_campaignlog l
SET dispatched_at = NULL, lease_until = NULL, due_at = r.due_at,
    status = CASE WHEN e.status = 'active' THEN 'pending' ELSE 'skipped' END,
    reason = CASE WHEN e.status = 'active' THEN r.reason ELSE e.exit_reason END,
    executed_at = CASE WHEN e.status = 'active' THEN NULL ELSE %(now)s END,
    cancellations = l.cancellations + CASE WHEN r.reason = ANY(%(excused)b::text[]) THEN 1 ELSE 0 END
FROM unnest(%(log)b::bigint[], %(message)b::bigint[], %(due)b::timestamptz[], %(reason)b::text[])
     AS r(log_id, message_id, due_at, reason), campaigns_enrollment e
WHERE l.id = r.log_id AND e.id = l.enrollment_id AND l.message_id = r.message_id AND l.status = 'pending'
  AND l.lease_until > %(now)s
"""

# The end of a step and the beginning of the next, or of the enrolment's end: one statement, so never one without the
# other. An outcome that comes after its lease ran out corrects what was unknown and schedules nothing twice.
FINISH = """
WITH o AS (
    SELECT * FROM unnest(
        %(log)b::bigint[], %(status)b::text[], %(reason)b::text[], %(response)b::text[], %(exits)b::bool[],
        %(step)b::bigint[], %(number)b::int[], %(action)b::text[], %(channel)b::text[], %(due)b::timestamptz[]
    ) AS t(log_id, status, reason, response, exits, step_id, step_number, action, channel, due_at)
), done AS (
    UPDATE campaigns_campaignlog l
    SET status = o.status, reason = o.reason, executed_at = %(now)s, lease_until = NULL,
        response = CASE WHEN o.response = '' THEN l.response ELSE l.response || o.response::jsonb END
    FROM o
    WHERE l.id = o.log_id AND (
        l.status = 'pending'
        OR (l.status = 'failed' AND l.reason IN ('outcome_unknown', 'left_unknown') AND o.reason <> 'outcome_unknown'
            -- What a person had sent again meanwhile is another message's to tell.
            AND NOT EXISTS (SELECT FROM messaging_message m
                            WHERE m.id = l.message_id AND starts_with(m.dedupe_key, 'resend:'))))
    RETURNING l.enrollment_id, l.broker_id, l.campaign_id, l.lead_id, o.exits, o.reason, o.step_id, o.step_number,
              o.action, o.channel, o.due_at
), next_log AS (
    INSERT INTO campaigns_campaignlog (broker_id, enrollment_id, campaign_id, lead_id, step_id, step_number, action,
                                       channel, status, reason, planned_at, due_at, attempts, response, created_at)
    SELECT done.broker_id, done.enrollment_id, done.campaign_id, done.lead_id, done.step_id, done.step_number,
           done.action, done.channel, 'pending', '', done.due_at, done.due_at, 0, '{}', %(now)s
    FROM done JOIN campaigns_enrollment e ON e.id = done.enrollment_id AND e.status = 'active'
    WHERE done.step_id IS NOT NULL AND NOT done.exits
    ON CONFLICT DO NOTHING
)
UPDATE campaigns_enrollment e
SET status = CASE WHEN done.exits THEN 'exited' ELSE 'completed' END,
    exit_reason = CASE WHEN done.exits THEN done.reason ELSE '' END, finished_at = %(now)s
FROM done
WHERE e.id = done.enrollment_id AND e.status = 'active' AND (done.exits OR done.step_id IS NULL)
"""

EXPIRED = """
SELECT l.id, l.lead_id, l.campaign_id, e.version, l.step_number, l.message_id, m.status, m.error_code
FROM campaigns_campaignlog l JOIN campaigns_enrollment e ON e.id = l.enrollment_id
JOIN leads_lead d ON d.id = l.lead_id JOIN messaging_message m ON m.id = l.message_id
WHERE l.status = 'pending' AND l.dispatched_at IS NOT NULL AND l.lease_until <= %(now)s
  AND (%(broker)s::bigint IS NULL OR l.broker_id = %(broker)s)
ORDER BY l.lease_until LIMIT %(batch)s
FOR NO KEY UPDATE OF d, l SKIP LOCKED
"""

_CALLS_OVER = """
SELECT l.id, l.lead_id, l.campaign_id, e.version, l.step_number, l.message_id, l.attempts - l.cancellations,
       l.lease_until > %(now)s, v.status, v.duration, v.score_delta
FROM campaigns_campaignlog l
JOIN campaigns_enrollment e ON e.id = l.enrollment_id
JOIN voice_voicecall v ON v.message_id = l.message_id
JOIN leads_lead d ON d.id = l.lead_id
WHERE {which} AND l.action = 'make_call'
  AND v.status IN ('completed', 'failed', 'no_answer', 'busy', 'cancelled')
  AND (%(broker)s::bigint IS NULL OR l.broker_id = %(broker)s)
ORDER BY l.id LIMIT %(batch)s
FOR NO KEY UPDATE OF d, l SKIP LOCKED
"""
ENDED_CALLS = _CALLS_OVER.format(which="l.status = 'pending' AND l.dispatched_at IS NOT NULL")
# Also of calls whose end is only told after their lease.
RESENT_CALLS = _CALLS_OVER.format(
    which="""l.status = 'failed' AND l.reason IN ('outcome_unknown', 'left_unknown', 'resending')
  AND l.executed_at > %(since)s"""
)

# Failed rows that are not the last word: what providers told meanwhile, and contacts that were begun again by a worker
# that never came back.
UNSETTLED = """
SELECT l.id, l.message_id, m.status, m.error_code
FROM campaigns_campaignlog l
JOIN messaging_message m ON m.id = l.message_id
JOIN leads_lead d ON d.id = l.lead_id
WHERE l.status = 'failed' AND l.reason IN ('outcome_unknown', 'left_unknown', 'resending', 'not_resent')
  AND l.executed_at > %(since)s
  AND ((l.reason IN ('outcome_unknown', 'left_unknown') AND m.status IN ('sent', 'delivered', 'read', 'failed'))
       OR (l.reason = 'resending' AND l.lease_until <= %(now)s))
  AND (%(broker)s::bigint IS NULL OR l.broker_id = %(broker)s)
ORDER BY l.id LIMIT %(batch)s
FOR NO KEY UPDATE OF d, l SKIP LOCKED
"""

# The enrolment has gone on long ago, or is over; only what the row says changes, and that the lead was contacted.
CORRECT = """
WITH corrected AS (
    UPDATE campaigns_campaignlog l
    SET status = o.status, reason = o.reason, executed_at = %(now)s, lease_until = NULL
    FROM unnest(%(log)b::bigint[], %(message)b::bigint[], %(status)b::text[], %(reason)b::text[])
         AS o(log_id, message_id, status, reason)
    WHERE l.id = o.log_id AND l.message_id = o.message_id AND l.status = 'failed'
      AND l.reason IN ('outcome_unknown', 'left_unknown', 'resending', 'not_resent')
    RETURNING l.lead_id, l.status
)
UPDATE leads_lead d SET last_contacted_at = greatest(d.last_contacted_at, %(now)s)
WHERE d.id IN (SELECT lead_id FROM corrected WHERE status = 'sent')
"""

# What the column holds; a longer one of one row must not break the batch.
REASON_LENGTH = 60


class Ending(NamedTuple):
    """How one log ends, and what comes next (`step_id` None: nothing)."""

    log_id: int
    status: str
    reason: str
    response: str
    exits: bool
    step_id: int | None
    step_number: int | None
    action: str
    channel: str
    due_at: datetime | None


def finish(endings: Iterable[Ending], now: datetime) -> None:
    """End logs, schedule what comes next, complete or exit their enrolments. The leads must be locked."""
    columns = list(map(list, zip(*endings, strict=True)))
    if not columns:
        return
    names = ("log", "status", "reason", "response", "exits", "step", "number", "action", "channel", "due")
    params: dict[str, Any] = dict(zip(names, columns, strict=True))
    run(FINISH, params | {"reason": [reason[:REASON_LENGTH] for reason in params["reason"]], "now": now})
