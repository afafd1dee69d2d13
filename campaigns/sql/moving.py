"""What a broker does to everybody in a campaign at once: leave out what is overdue, move to another version.

The leads are locked with their rows, as the engine does it: what is done to one lead meanwhile comes before or after,
and nobody waits for the other.
"""

# Before one statement changes many waiting rows, in the order in which a merge takes those of two leads (LOCK_BOTH).
LOCK_WAITING = """
SELECT count(*) FROM (
    SELECT id FROM campaigns_campaignlog
    WHERE campaign_id = %(campaign)s AND status = 'pending' AND dispatched_at IS NULL
    ORDER BY id FOR NO KEY UPDATE
) waiting
"""

# As campaigns.plans.step_channel has it.
CHANNEL = """CASE p.action WHEN 'update_stage' THEN '' WHEN 'make_call' THEN 'call'
                          ELSE coalesce(nullif(p.channel, ''), c.channel) END"""

# Overdue steps end, and the ones after them are due as after any other step.
SKIP_OVERDUE = f"""
WITH overdue AS (
    SELECT l.id FROM campaigns_campaignlog l JOIN leads_lead d ON d.id = l.lead_id
    WHERE l.campaign_id = %(campaign)s AND l.status = 'pending' AND l.dispatched_at IS NULL AND l.due_at <= %(now)s
    ORDER BY l.lead_id FOR NO KEY UPDATE OF d, l
), done AS (
    UPDATE campaigns_campaignlog l SET status = 'skipped', reason = %(reason)s, executed_at = %(now)s
    FROM overdue WHERE l.id = overdue.id
    RETURNING l.broker_id, l.enrollment_id, l.campaign_id, l.lead_id, l.step_number
), following AS (
    SELECT done.*, p.id AS step_id, p.step_number AS next_number, p.action, {CHANNEL} AS channel,
           %(now)s + make_interval(secs => (p.delay_hours * 3600)::float8) AS due_at
    FROM done
    JOIN campaigns_enrollment e ON e.id = done.enrollment_id
    JOIN campaigns_campaign c ON c.id = done.campaign_id
    LEFT JOIN campaigns_campaignstep p
           ON p.campaign_id = e.campaign_id AND p.version = e.version AND p.step_number = done.step_number + 1
), next_log AS (
    INSERT INTO campaigns_campaignlog (broker_id, enrollment_id, campaign_id, lead_id, step_id, step_number, action,
                                       channel, status, reason, planned_at, due_at, attempts, response, created_at)
    SELECT broker_id, enrollment_id, campaign_id, lead_id, step_id, next_number, action, channel, 'pending', '', due_at,
           due_at, 0, '{{}}', %(now)s
    FROM following WHERE step_id IS NOT NULL
)
UPDATE campaigns_enrollment e SET status = 'completed', finished_at = %(now)s
FROM following f WHERE e.id = f.enrollment_id AND f.step_id IS NULL
"""

# Who waits in other versions than the one that is meant, with the step of the same number in that one, if it has it.
MOVABLE = f"""
SELECT l.id, l.enrollment_id, p.id AS step_id, p.action, {CHANNEL} AS channel
FROM campaigns_enrollment e
JOIN campaigns_campaign c ON c.id = e.campaign_id
JOIN campaigns_campaignlog l ON l.enrollment_id = e.id AND l.status = 'pending' AND l.dispatched_at IS NULL
JOIN leads_lead d ON d.id = l.lead_id
LEFT JOIN campaigns_campaignstep p
       ON p.campaign_id = e.campaign_id AND p.version = %(to)s AND p.step_number = l.step_number
WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND e.version = ANY(%(versions)s)
"""

COUNT_MOVABLE = f"SELECT count(step_id), count(*) FILTER (WHERE step_id IS NULL) FROM ({MOVABLE}) movable"

# The waiting row keeps its moments; what has no step of its number left is over.
MOVE = f"""
WITH movable AS MATERIALIZED (
    {MOVABLE}
    ORDER BY l.lead_id FOR NO KEY UPDATE OF d, l
), pointed AS (
    UPDATE campaigns_campaignlog l SET step_id = m.step_id, action = m.action, channel = m.channel
    FROM movable m WHERE l.id = m.id AND m.step_id IS NOT NULL
), ended AS (
    UPDATE campaigns_campaignlog l SET status = 'skipped', reason = %(reason)s, executed_at = %(now)s
    FROM movable m WHERE l.id = m.id AND m.step_id IS NULL
), moved AS (
    UPDATE campaigns_enrollment e
    SET version = %(to)s, status = CASE WHEN m.step_id IS NULL THEN 'completed' ELSE e.status END,
        finished_at = CASE WHEN m.step_id IS NULL THEN %(now)s ELSE e.finished_at END
    FROM movable m WHERE e.id = m.enrollment_id
)
SELECT count(step_id), count(*) FILTER (WHERE step_id IS NULL) FROM movable
"""

COUNT_SANDBOX = """
SELECT count(*) FROM campaigns_enrollment e JOIN campaigns_campaign c ON c.id = e.campaign_id
WHERE c.broker_id = %(broker)s AND e.sandbox AND e.status = 'active'
"""

# Everything of a brokerage that is under way on the sandbox ends; what is being sent just now settles.
END_SANDBOX = """
WITH waiting AS (
    SELECT l.id FROM campaigns_campaign c
    JOIN campaigns_enrollment e ON e.campaign_id = c.id AND e.sandbox AND e.status = 'active'
    JOIN campaigns_campaignlog l ON l.enrollment_id = e.id AND l.status = 'pending' AND l.dispatched_at IS NULL
    JOIN leads_lead d ON d.id = l.lead_id
    WHERE c.broker_id = %(broker)s ORDER BY l.lead_id FOR NO KEY UPDATE OF d, l
), skipped AS (
    UPDATE campaigns_campaignlog l SET status = 'skipped', reason = %(reason)s, executed_at = %(now)s
    FROM waiting WHERE l.id = waiting.id
), ended AS (
    UPDATE campaigns_enrollment e SET status = 'exited', exit_reason = %(reason)s, finished_at = %(now)s
    FROM campaigns_campaign c
    WHERE c.id = e.campaign_id AND c.broker_id = %(broker)s AND e.sandbox AND e.status = 'active'
    RETURNING e.id
)
SELECT count(*) FROM ended
"""
