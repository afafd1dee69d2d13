"""The engine's hot path in SQL: every statement that runs once a batch, for as many rows as the batch holds.

Rules of this file: arrays in (as `%(name)b`), rows out; no table is qualified by a schema (a rehearsal runs on TEMP tables of the same
names); rows are locked in the order of their ids, never stronger than NO KEY UPDATE.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from psycopg.pq import Format


def rows(statement: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with _cursor(statement) as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def run(statement: str, params: dict[str, Any]) -> int:
    """Runs a statement; the number of rows it changed."""
    with _cursor(statement) as cursor:
        cursor.execute(statement, params)
        return cursor.rowcount


def _cursor(statement: str) -> Any:
    """For a statement with binary arrays (`%(name)b`), a cursor that speaks PostgreSQL's binary form both ways.

    Written into the statement as text, which is Django's way, quoting the arrays takes a third of a batch's time.
    """
    if ")b" not in statement:
        return connection.cursor()
    connection.ensure_connection()
    cursor = ServerBindingCursor(connection.connection)
    cursor.format = Format.BINARY
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)


# --- enrolment -------------------------------------------------------------------------------------------------------

LOCK_CAMPAIGN = "SELECT pg_advisory_xact_lock(hashtextextended('embudo:enroll', %(campaign)s))"

# Repeating the bounds inside the look at earlier entries keeps it a range scan; without them it is quadratic.
ENROLL = """
WITH candidate AS MATERIALIZED (
    SELECT lead_id, evidence, happened_at::timestamptz FROM ({candidates}) c
    WHERE lead_id > %(low)s AND lead_id <= %(high)s
), earlier AS (
    SELECT lead_id, max(entry) AS entry, max(enrolled_at) AS enrolled_at,
           max(coalesce(finished_at, enrolled_at)) AS ended_at, bool_or(status = 'active') AS is_active
    FROM campaigns_enrollment
    WHERE campaign_id = %(campaign)s AND sandbox = %(sandbox)s AND lead_id > %(low)s AND lead_id <= %(high)s
    GROUP BY lead_id
), fresh AS (
    SELECT c.lead_id, c.evidence, coalesce(e.entry, 0) + 1 AS entry,
           %(holdout)s > 0 AND
           ('x' || substr(md5(%(campaign)s || ':' || c.lead_id), 1, 8))::bit(32)::bigint %% 100 < %(holdout)s AS held
    FROM candidate c LEFT JOIN earlier e USING (lead_id)
    WHERE e.lead_id IS NULL
       OR (NOT e.is_active AND e.ended_at + make_interval(days => %(reentry)s) <= %(now)s
           AND (c.happened_at IS NULL OR c.happened_at > e.enrolled_at))
), counted AS (
    SELECT *, count(*) FILTER (WHERE NOT held) OVER (ORDER BY lead_id) AS position FROM fresh
), enrolled AS (
    INSERT INTO campaigns_enrollment (broker_id, campaign_id, version, lead_id, entry, trigger, evidence, status,
                                      exit_reason, sandbox, enrolled_at)
    SELECT %(broker)s, %(campaign)s, %(version)s, lead_id, entry, %(trigger)s, evidence,
           CASE WHEN held THEN 'held_out' ELSE 'active' END, '', %(sandbox)s, %(now)s
    FROM counted
    WHERE %(room)s IS NULL OR position + CASE WHEN held THEN 1 ELSE 0 END <= %(room)s
    ORDER BY lead_id
    ON CONFLICT DO NOTHING
    RETURNING id, lead_id, status
), logged AS (
    INSERT INTO campaigns_campaignlog (broker_id, enrollment_id, campaign_id, lead_id, step_id, step_number, action,
                                       channel, status, reason, planned_at, due_at, attempts, response, created_at)
    SELECT %(broker)s, id, %(campaign)s, lead_id, %(step)s, %(number)s, %(action)s, %(channel)s, 'pending', '',
           %(due)s, %(due)s, 0, '{{}}', %(now)s
    FROM enrolled WHERE status = 'active'
)
SELECT count(*) FILTER (WHERE status = 'active'), count(*) FILTER (WHERE status = 'held_out') FROM enrolled
"""

SLICE_END = """
SELECT max(lead_id), count(*)
FROM (SELECT lead_id FROM ({candidates}) c WHERE lead_id > %(low)s ORDER BY lead_id LIMIT %(size)s) s
"""

# --- triggers --------------------------------------------------------------------------------------------------------

# Nobody's clock is trusted further than the oldest transaction that may still commit something older.
OPEN_SINCE = """
SELECT min(xact_start) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""
ENSURE_SWEEPS = """
INSERT INTO campaigns_sweep (broker_id, swept_to)
SELECT b.id, b.created_at FROM brokers_broker b
WHERE NOT EXISTS (SELECT FROM campaigns_sweep s WHERE s.broker_id = b.id)
ON CONFLICT DO NOTHING
"""
ADVANCE_SWEEPS = """
UPDATE campaigns_sweep SET swept_to = %(to)s
WHERE swept_to < %(to)s AND (%(broker)s::bigint IS NULL OR broker_id = %(broker)s)
"""
# One probe a kind of trigger: which active campaigns had anything happen in their window?
PROBE = """
SELECT c.id, greatest(c.collects_from, s.swept_to - %(overlap)s) AS since
FROM campaigns_campaign c
JOIN brokers_broker b ON b.id = c.broker_id AND b.is_active
JOIN campaigns_sweep s ON s.broker_id = c.broker_id
WHERE c.status = 'active' AND c.triggered_by = '{kind}'
  AND (%(broker)s::bigint IS NULL OR c.broker_id = %(broker)s)
  AND EXISTS ({happened})
ORDER BY c.id
"""
IN_WINDOW = "x.at >= greatest(c.collects_from, s.swept_to - %(overlap)s) AND x.at <= %(now)s"
# LATERAL and LIMIT keep each look an index probe; otherwise the planner may join the campaigns with all that ever was.
HAPPENED = {
    "lead_score": f"""
        SELECT FROM (VALUES (1)) v, LATERAL (SELECT FROM leads_scorechange x
            WHERE x.broker_id = c.broker_id AND {IN_WINDOW} LIMIT 1) one""",
    "stage_change": f"""
        SELECT FROM (VALUES (1)) v, LATERAL (SELECT FROM leads_stagetransition x
            WHERE x.broker_id = c.broker_id AND {IN_WINDOW}
              AND (c.trigger_condition -> 'stage' ? x.to_stage
                   OR x.to_stage = ANY(regexp_split_to_array(c.trigger_condition ->> 'stage', ' *, *')))
            LIMIT 1) one""",
    # One campaign with a wrong number must not stop everybody's triggers: CASE keeps the cast from seeing it.
    "inactivity": """
        SELECT FROM (SELECT CASE WHEN c.trigger_condition ->> 'inactivity_days' ~ '^ *[0-9]{1,4}([.]0*)? *$'
            THEN make_interval(days => (c.trigger_condition ->> 'inactivity_days')::numeric::int) END AS age) a,
        LATERAL (SELECT FROM leads_lead x WHERE x.broker_id = c.broker_id
            AND x.last_activity_at > greatest(c.collects_from, s.swept_to - %(overlap)s) - a.age
            AND x.last_activity_at <= %(now)s - a.age LIMIT 1) one""",
}

# --- decide ----------------------------------------------------------------------------------------------------------

# The groups that have something due, with how much (up to a batch) and what their account may send.
DUE_GROUPS = """
SELECT c.broker_id, c.id, channel.name, a.id, a.rate, a.next_slot_at, due.n
FROM campaigns_campaign c
JOIN brokers_broker b ON b.id = c.broker_id AND b.is_active AND b.sending_paused_at IS NULL
CROSS JOIN unnest(ARRAY['', 'telegram', 'call', 'email', 'whatsapp']) AS channel(name)
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM (
        SELECT FROM campaigns_campaignlog l
        WHERE l.campaign_id = c.id AND l.channel = channel.name AND l.status = 'pending'
          AND l.dispatched_at IS NULL AND l.due_at <= %(now)s
        LIMIT %(batch)s
    ) found
) due
LEFT JOIN messaging_channelaccount a ON a.broker_id = c.broker_id AND a.channel = channel.name AND a.is_default
WHERE c.status = 'active' AND (%(broker)s::bigint IS NULL OR c.broker_id = %(broker)s) AND due.n > 0
ORDER BY c.priority DESC, c.id, channel.name
"""

# The lead is locked with its row, so that two workers never decide about one lead at once; and before it, so that who
# finds the lead taken keeps no lock on the row.
CLAIM = """
SELECT taken.id, taken.lead_id
FROM unnest(%(campaigns)b::bigint[], %(channels)b::text[], %(quotas)b::int[]) WITH ORDINALITY
     AS g(campaign_id, channel, quota, position)
CROSS JOIN LATERAL (
    SELECT l.id, l.lead_id FROM campaigns_campaignlog l JOIN leads_lead d ON d.id = l.lead_id
    WHERE l.campaign_id = g.campaign_id AND l.channel = g.channel AND l.status = 'pending'
      AND l.dispatched_at IS NULL AND l.due_at <= %(now)s
    ORDER BY l.due_at LIMIT g.quota
    FOR NO KEY UPDATE OF d, l SKIP LOCKED
) taken
ORDER BY g.position
"""

# One row a log: what its decision needs of the log, the enrolment, the lead and the lead's agent.
FACTS = """
SELECT l.id, l.enrollment_id, l.campaign_id, l.step_number, l.attempts, l.planned_at, l.due_at,
       e.version, e.enrolled_at, e.sandbox,
       coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username, ''), coalesce(u.phone, ''),
       coalesce(p.token, ''),
       d.id, d.broker_id, d.name, d.phone, d.email, d.telegram_chat_id, d.lead_score, d.pipeline_stage,
       d.assigned_to_id, d.treatment_type, d.metadata::text, d.budget_amount, d.income_amount, d.debt_amount,
       d.dicom_status, d.location, d.unreachable::text, d.language, d.timezone, d.last_inbound_at, d.last_answered_at,
       d.deleted_at
FROM campaigns_campaignlog l
JOIN campaigns_enrollment e ON e.id = l.enrollment_id
JOIN leads_lead d ON d.id = l.lead_id
LEFT JOIN brokers_user u ON u.id = d.assigned_to_id
LEFT JOIN leads_appointment p ON p.id = l.appointment_id AND p.status = 'proposed'
WHERE l.id = ANY(%(ids)b::bigint[])
ORDER BY l.id
"""

PERMISSIONS = """
SELECT p.broker_id, p.lead_id, p.address, p.id, p.channel, p.kind, p.purpose, p.at
FROM leads_contactpermission p
WHERE p.lead_id = ANY(%(leads)b::bigint[])
   OR (p.broker_id = ANY(%(brokers)b::bigint[]) AND p.address <> '' AND p.address = ANY(%(addresses)b::text[]))
"""

# Automatic contacts count against the caps from the moment they are committed; what reached nobody does not.
RECENT = """
SELECT lead_id, sandbox, array_agg(created_at ORDER BY created_at)
FROM messaging_message
WHERE lead_id = ANY(%(leads)b::bigint[]) AND created_at >= %(since)s AND direction = 'out' AND sent_by_id IS NULL
  AND status NOT IN ('failed', 'cancelled')
GROUP BY lead_id, sandbox
"""

# What happened to the leads of a batch that may end an enrolment; the enrolment's own start is compared by `decide`.
EVENTS = """
SELECT lead_id, to_stage, at FROM leads_stagetransition WHERE lead_id = ANY(%(leads)b::bigint[]) AND at > %(since)s
UNION ALL
SELECT lead_id, '', booked_at FROM leads_appointment WHERE lead_id = ANY(%(leads)b::bigint[]) AND booked_at > %(since)s
"""

LAST_PROPERTY = """
SELECT DISTINCT ON (lead_id) lead_id, property_ref FROM leads_inquiry
WHERE lead_id = ANY(%(leads)b::bigint[]) ORDER BY lead_id, at DESC, id DESC
"""

NEXT_APPOINTMENT = """
SELECT DISTINCT ON (lead_id) lead_id, starts_at FROM leads_appointment
WHERE lead_id = ANY(%(leads)b::bigint[]) AND status IN ('scheduled', 'confirmed') AND starts_at >= %(now)s
ORDER BY lead_id, starts_at
"""

# n paced slots of each account, for all processes: where this worker's slots begin.
RESERVE_SLOTS = """
WITH wanted AS (
    SELECT * FROM unnest(%(accounts)b::bigint[], %(counts)b::int[]) AS w(account_id, n)
), locked AS (
    SELECT a.id, a.rate, greatest(coalesce(a.next_slot_at, %(now)s), %(now)s) AS start, w.n
    FROM messaging_channelaccount a JOIN wanted w ON w.account_id = a.id
    WHERE a.rate IS NOT NULL ORDER BY a.id FOR NO KEY UPDATE OF a
)
UPDATE messaging_channelaccount a SET next_slot_at = locked.start + make_interval(secs => locked.n / locked.rate)
FROM locked WHERE a.id = locked.id
RETURNING a.id, locked.start, a.rate
"""

HOLD_ACCOUNTS = """
WITH locked AS (
    SELECT a.id, h.until FROM messaging_channelaccount a
    JOIN unnest(%(accounts)b::bigint[], %(until)b::timestamptz[]) AS h(account_id, until) ON h.account_id = a.id
    ORDER BY a.id FOR NO KEY UPDATE OF a
)
UPDATE messaging_channelaccount a SET next_slot_at = greatest(a.next_slot_at, locked.until)
FROM locked WHERE a.id = locked.id
"""

# The Message and the stamp on its row are one statement: a row is dispatched exactly when its key was free.
DISPATCH = """
WITH act AS (
    SELECT * FROM unnest(
        %(log)b::bigint[], %(broker)b::bigint[], %(lead)b::bigint[], %(channel)b::text[], %(account)b::bigint[],
        %(template)b::bigint[], %(purpose)b::text[], %(address)b::text[], %(subject)b::text[], %(body)b::text[],
        %(key)b::text[], %(basis)b::text[], %(sandbox)b::bool[], %(appointment)b::bigint[], %(lease)b::timestamptz[],
        %(response)b::text[]
    ) AS t(log_id, broker_id, lead_id, channel, account_id, template_id, purpose, address, subject, body, key, basis,
           sandbox, appointment_id, lease_until, response)
), written AS (
    INSERT INTO messaging_message (broker_id, lead_id, channel, direction, account_id, template_id, purpose, address,
                                   subject, body, status, provider_id, dedupe_key, basis, error_code, error, sandbox,
                                   created_at, sending_at)
    SELECT broker_id, lead_id, channel, 'out', account_id, template_id, purpose, address, subject, body, 'sending', '',
           key, basis::jsonb, '', '', sandbox, %(now)s, %(now)s
    FROM act
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id, dedupe_key
)
UPDATE campaigns_campaignlog l
SET message_id = written.id, appointment_id = coalesce(act.appointment_id, l.appointment_id),
    dispatched_at = %(now)s, lease_until = act.lease_until, attempts = l.attempts + 1,
    response = act.response::jsonb
FROM act JOIN written ON written.dedupe_key = act.key
WHERE l.id = act.log_id
RETURNING l.id, l.message_id
"""

POSTPONE = """
UPDATE campaigns_campaignlog l SET due_at = p.until, reason = p.reason, response = p.response::jsonb
FROM unnest(%(log)b::bigint[], %(until)b::timestamptz[], %(reason)b::text[], %(response)b::text[])
     AS p(log_id, until, reason, response)
WHERE l.id = p.log_id AND l.status = 'pending' AND l.dispatched_at IS NULL
"""

# --- settle ----------------------------------------------------------------------------------------------------------

# Locks the leads of a batch in the order of their ids, whatever became of them, and stamps those who were contacted.
STAMP_LEADS = """
WITH locked AS (
    SELECT id FROM leads_lead WHERE id = ANY(%(leads)b::bigint[]) ORDER BY id FOR NO KEY UPDATE
)
UPDATE leads_lead d SET last_contacted_at = greatest(d.last_contacted_at, %(now)s)
FROM locked WHERE d.id = locked.id AND locked.id = ANY(%(contacted)b::bigint[])
"""

SETTLE_MESSAGES = """
UPDATE messaging_message m
SET status = o.status, provider_id = CASE WHEN o.provider_id = '' THEN m.provider_id ELSE o.provider_id END,
    error_code = o.code, error = o.error,
    sent_at = CASE WHEN o.status IN ('sent', 'delivered') THEN coalesce(m.sent_at, %(now)s) ELSE m.sent_at END,
    delivered_at = CASE WHEN o.status = 'delivered' THEN %(now)s ELSE m.delivered_at END,
    failed_at = CASE WHEN o.status = 'failed' THEN %(now)s ELSE m.failed_at END,
    cancelled_at = CASE WHEN o.status = 'cancelled' THEN %(now)s ELSE m.cancelled_at END,
    unknown_at = CASE WHEN o.status = 'unknown' THEN %(now)s ELSE m.unknown_at END
FROM unnest(%(message)b::bigint[], %(status)b::text[], %(provider_id)b::text[], %(code)b::text[], %(error)b::text[])
     AS o(message_id, status, provider_id, code, error)
WHERE m.id = o.message_id AND m.status IN ('queued', 'sending', 'unknown')
"""

# A worker that knows that nobody was reached gives the row back, as long as it is still this worker's.
RELEASE = """
UPDATE campaigns_campaignlog l
SET dispatched_at = NULL, lease_until = NULL, due_at = r.due_at, reason = r.reason
FROM unnest(%(log)b::bigint[], %(message)b::bigint[], %(due)b::timestamptz[], %(reason)b::text[])
     AS r(log_id, message_id, due_at, reason)
WHERE l.id = r.log_id AND l.message_id = r.message_id AND l.status = 'pending' AND l.lease_until > %(now)s
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
        response = CASE WHEN o.response = '' THEN l.response ELSE o.response::jsonb END
    FROM o
    WHERE l.id = o.log_id AND (l.status = 'pending' OR (l.status = 'failed' AND l.reason = 'outcome_unknown'))
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
SELECT l.id, l.message_id, m.status, m.error_code
FROM campaigns_campaignlog l JOIN leads_lead d ON d.id = l.lead_id JOIN messaging_message m ON m.id = l.message_id
WHERE l.status = 'pending' AND l.dispatched_at IS NOT NULL AND l.lease_until <= %(now)s
  AND (%(broker)s::bigint IS NULL OR l.broker_id = %(broker)s)
ORDER BY l.lease_until LIMIT %(batch)s
FOR NO KEY UPDATE OF d, l SKIP LOCKED
"""

ENDED_CALLS = """
SELECT l.id, l.lead_id, l.message_id, l.attempts, l.lease_until > %(now)s, v.status, v.duration
FROM campaigns_campaignlog l
JOIN voice_voicecall v ON v.message_id = l.message_id
JOIN leads_lead d ON d.id = l.lead_id
WHERE l.status = 'pending' AND l.dispatched_at IS NOT NULL AND l.action = 'make_call'
  AND v.status IN ('completed', 'failed', 'no_answer', 'busy', 'cancelled')
  AND (%(broker)s::bigint IS NULL OR l.broker_id = %(broker)s)
ORDER BY l.id LIMIT %(batch)s
FOR NO KEY UPDATE OF d, l SKIP LOCKED
"""

# --- exits -----------------------------------------------------------------------------------------------------------

# The leads that something happened to since the last pass. A statement of its own: the planner cannot know how few they
# are, and would look at everybody who is under way.
TOUCHED = """
SELECT d.id FROM leads_lead d JOIN campaigns_sweep s ON s.broker_id = d.broker_id
WHERE d.last_activity_at >= s.swept_to AND (%(broker)s::bigint IS NULL OR d.broker_id = %(broker)s)
UNION
SELECT t.lead_id FROM leads_stagetransition t JOIN campaigns_sweep s ON s.broker_id = t.broker_id
WHERE t.at >= s.swept_to AND t.from_stage <> '' AND (%(broker)s::bigint IS NULL OR t.broker_id = %(broker)s)
"""

# Of these leads: the waiting rows whose enrolment is over, and why.
EXITS = """
SELECT l.id, r.reason
FROM unnest(%(leads)s::bigint[]) AS touched(id)
JOIN campaigns_enrollment e ON e.lead_id = touched.id AND e.status = 'active'
JOIN campaigns_campaignversion v ON v.campaign_id = e.campaign_id AND v.number = e.version
JOIN campaigns_campaignlog l ON l.enrollment_id = e.id AND l.status = 'pending' AND l.dispatched_at IS NULL
JOIN campaigns_campaignstep p ON p.id = l.step_id
LEFT JOIN templates_app_messagetemplate m ON m.id = p.message_template_id
JOIN leads_lead d ON d.id = e.lead_id
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN d.deleted_at IS NOT NULL THEN 'deleted'
        WHEN d.treatment_type = 'hold' THEN 'hold'
        WHEN (v.settings ->> 'exit_on_reply')::bool AND d.last_inbound_at > e.enrolled_at THEN 'replied'
        WHEN EXISTS (SELECT FROM leads_appointment x WHERE x.lead_id = d.id AND x.booked_at > e.enrolled_at)
            THEN 'booked'
        WHEN EXISTS (SELECT FROM leads_stagetransition x WHERE x.lead_id = d.id AND x.at > e.enrolled_at
                     AND x.to_stage = v.settings ->> 'goal_stage') THEN 'goal_reached'
        WHEN EXISTS (SELECT FROM leads_stagetransition x WHERE x.lead_id = d.id AND x.at > e.enrolled_at
                     AND x.to_stage IN ('ganado', 'perdido')) THEN 'closed'
        WHEN d.opted_out_at IS NOT NULL AND l.channel <> '' AND (
            SELECT x.kind FROM leads_contactpermission x
            WHERE x.lead_id = d.id AND x.channel IN (l.channel, '*')
              AND (x.purpose = 'all' OR coalesce(m.purpose, 'marketing') = 'marketing')
            ORDER BY x.at DESC, x.id DESC LIMIT 1) = 'revoked' THEN 'opted_out'
        ELSE '' END AS reason
) r
WHERE r.reason <> ''
ORDER BY l.id
FOR NO KEY UPDATE OF d, l SKIP LOCKED
"""


# What the columns hold; a longer one of one row must not break the batch.
REASON_LENGTH, SUBJECT_LENGTH = 60, 400


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


def columns_of(records: Sequence[NamedTuple]) -> dict[str, list[Any]]:
    """Named tuples as one array a field: the shape that unnest takes."""
    return {name: list(column) for name, column in zip(records[0]._fields, zip(*records, strict=True), strict=True)}
