"""Who enters a campaign: one statement a slice."""

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
