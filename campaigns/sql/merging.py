"""What two leads that become one have in campaigns, and what becomes of it."""

# The rows of the two that wait, before anything of theirs changes. Who goes on after a standstill has no leads, but all
# rows of a campaign after the other's, in this order: each waits for the other's first row, and for none after it.
LOCK_BOTH = """
SELECT id FROM campaigns_campaignlog
WHERE lead_id = ANY(%(leads)s) AND status = 'pending' AND dispatched_at IS NULL
ORDER BY campaign_id, id FOR NO KEY UPDATE
"""

# Every enrolment of the two. Held-out ones have no row in the log, so they are looked up campaign by campaign.
STANDINGS = """
SELECT e.id, e.campaign_id, e.lead_id, e.sandbox, e.status = 'active', e.enrolled_at,
       coalesce(e.finished_at, e.enrolled_at), (v.settings ->> 'reentry_after_days')::int,
       coalesce(l.waits_at, 0), coalesce(l.in_flight, false), coalesce(l.reached, 0), l.log_id
FROM campaigns_campaign c
JOIN campaigns_enrollment e ON e.campaign_id = c.id AND e.lead_id = ANY(%(leads)s)
LEFT JOIN campaigns_campaignversion v ON v.campaign_id = e.campaign_id AND v.number = e.version
LEFT JOIN LATERAL (
    SELECT max(x.step_number) FILTER (WHERE x.status = 'pending') AS waits_at,
           bool_or(x.status = 'pending' AND x.dispatched_at IS NOT NULL) AS in_flight,
           max(x.id) FILTER (WHERE x.status = 'pending' AND x.dispatched_at IS NULL) AS log_id,
           max(x.step_number) FILTER (WHERE m.status NOT IN ('failed', 'cancelled')) AS reached
    FROM campaigns_campaignlog x LEFT JOIN messaging_message m ON m.id = x.message_id
    WHERE x.enrollment_id = e.id
) l ON true
WHERE c.broker_id = %(broker)s
ORDER BY e.id
"""

# Behind those that the other lead has, in their own order; both count from one without gaps.
MOVE_ENROLMENTS = """
UPDATE campaigns_enrollment e
SET lead_id = %(into)s, merged_from_id = coalesce(e.merged_from_id, e.lead_id), entry = e.entry + coalesce((
        SELECT max(x.entry) FROM campaigns_enrollment x
        WHERE x.campaign_id = e.campaign_id AND x.lead_id = %(into)s AND x.sandbox = e.sandbox), 0)
WHERE e.id = ANY(%(ids)s)
"""

# By their enrolments: one into which the lead is taken in this very moment is none of those that move.
MOVE_LOGS = """
UPDATE campaigns_campaignlog SET lead_id = %(into)s WHERE enrollment_id = ANY(%(ids)s)
"""

# Back where they were; the numbers are those that they had.
GIVE_BACK_ENROLMENTS = """
UPDATE campaigns_enrollment e
SET lead_id = %(gone)s, merged_from_id = nullif(e.merged_from_id, %(gone)s), entry = o.entry
FROM unnest(%(ids)s::bigint[], %(entries)s::int[]) AS o(id, entry)
WHERE e.id = o.id AND e.lead_id = %(into)s
"""

# The numbers of those that stay, without gaps again. In two steps, as no two may have one number in between.
COUNT_ANEW = """
UPDATE campaigns_enrollment e SET entry = o.position + %(further)s
FROM (SELECT id, row_number() OVER (PARTITION BY campaign_id, sandbox ORDER BY entry) AS position
      FROM campaigns_enrollment
      WHERE lead_id = %(lead)s AND campaign_id = ANY(%(campaigns)s)) o
WHERE e.id = o.id AND e.entry <> o.position
"""

GIVE_BACK_LOGS = """
UPDATE campaigns_campaignlog SET lead_id = %(gone)s WHERE enrollment_id = ANY(%(ids)s) AND lead_id = %(into)s
"""

# What campaigns went on to do in these enrolments goes with them, or the log would speak of another one's.
GIVE_BACK_LATER_MESSAGES = """
UPDATE messaging_message m SET lead_id = %(gone)s
FROM campaigns_campaignlog l
WHERE m.lead_id = %(into)s AND l.enrollment_id = ANY(%(ids)s)
  AND (starts_with(m.dedupe_key, 'step:' || l.enrollment_id || ':' || l.step_number || ':')
       OR starts_with(m.dedupe_key, 'resend:' || l.id || ':'))
"""
GIVE_BACK_LATER_ROWS = (
    """
    UPDATE voice_voicecall v SET lead_id = m.lead_id FROM messaging_message m
    WHERE m.id = v.message_id AND v.lead_id = %(into)s AND m.lead_id = %(gone)s
    """,
    """
    UPDATE leads_task t SET lead_id = %(gone)s FROM campaigns_campaignlog l
    WHERE t.lead_id = %(into)s AND l.enrollment_id = ANY(%(ids)s) AND t.origin = 'log:' || l.id
    """,
    """
    UPDATE leads_appointment a SET lead_id = %(gone)s FROM campaigns_campaignlog l
    WHERE a.lead_id = %(into)s AND l.enrollment_id = ANY(%(ids)s) AND a.id = l.appointment_id
    """,
)

# Those that the merge ended and that may go on: nobody entered the campaign anew meanwhile.
GO_ON_ENROLMENTS = """
UPDATE campaigns_enrollment e SET status = 'active', exit_reason = '', finished_at = NULL
FROM campaigns_campaign c
WHERE e.id = ANY(%(ids)s) AND c.id = e.campaign_id AND c.status IN ('active', 'paused')
  AND e.status = 'exited' AND e.exit_reason = %(reason)s
  AND EXISTS (SELECT FROM campaigns_campaignlog l WHERE l.enrollment_id = e.id AND l.status = 'skipped'
              AND l.reason = %(reason)s)
  AND NOT EXISTS (SELECT FROM campaigns_enrollment x WHERE x.campaign_id = e.campaign_id AND x.lead_id = e.lead_id
                  AND x.id <> e.id AND (x.status = 'active' OR (x.sandbox = e.sandbox AND x.entry > e.entry)))
RETURNING e.id
"""
GO_ON_LOGS = """
UPDATE campaigns_campaignlog SET status = 'pending', reason = '', executed_at = NULL
WHERE enrollment_id = ANY(%(ids)s) AND status = 'skipped' AND reason = %(reason)s
"""
