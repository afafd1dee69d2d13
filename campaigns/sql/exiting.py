"""Which waiting rows belong to enrolments that are over."""

# The oldest watermark of these brokerages, or the beginning of one that had no pass yet.
OLDEST_SWEEP = """
SELECT min(coalesce(s.swept_to, b.created_at)) FROM brokers_broker b LEFT JOIN campaigns_sweep s ON s.broker_id = b.id
WHERE %(broker)s::bigint IS NULL OR b.id = %(broker)s
"""

# The leads that something happened to since the last pass, or, before a brokerage's first one, ever. A statement of its
# own: the planner cannot know how few they are, and would look at everybody who is under way. Told as a value, the
# oldest watermark lets it see how few; by a join it would read all leads, as the small tables have no statistics.
TOUCHED = """
SELECT d.id FROM brokers_broker b LEFT JOIN campaigns_sweep s ON s.broker_id = b.id
JOIN leads_lead d ON d.broker_id = b.id AND d.last_activity_at >= coalesce(s.swept_to, b.created_at)
WHERE d.last_activity_at >= %(oldest)s AND (%(broker)s::bigint IS NULL OR b.id = %(broker)s)
UNION
SELECT t.lead_id FROM brokers_broker b LEFT JOIN campaigns_sweep s ON s.broker_id = b.id
JOIN leads_stagetransition t ON t.broker_id = b.id AND t.at >= coalesce(s.swept_to, b.created_at)
WHERE t.at >= %(oldest)s AND t.from_stage <> '' AND (%(broker)s::bigint IS NULL OR b.id = %(broker)s)
"""

# Of these leads: the waiting rows whose enrolment is over, and why.
EXITS = """
SELECT l.id, r.reason
FROM unnest(%(leads)s::bigint[]) AS touched(id)
JOIN campaigns_enrollment e ON e.lead_id = touched.id AND e.status = 'active'
JOIN campaigns_campaignversion v ON v.campaign_id = e.campaign_id AND v.number = e.version
-- Also by its lead: a row that a merge moved while we waited for it is not this lead's any more.
JOIN campaigns_campaignlog l ON l.enrollment_id = e.id AND l.lead_id = e.lead_id AND l.status = 'pending'
     AND l.dispatched_at IS NULL
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
              AND (e.sandbox OR NOT coalesce((x.evidence ->> 'sandbox')::bool, false))
              AND (x.purpose = 'all' OR coalesce(m.purpose, 'marketing') = 'marketing')
            ORDER BY x.at DESC, x.id DESC LIMIT 1) = 'revoked' THEN 'opted_out'
        ELSE '' END AS reason
) r
WHERE r.reason <> ''
ORDER BY l.id
FOR NO KEY UPDATE OF d, l SKIP LOCKED
"""
