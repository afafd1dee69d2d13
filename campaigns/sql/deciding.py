"""What is due, what its decision needs, and the commitment to contact."""

# The groups that have something due, with how much (up to a batch), since when, and what their account may send. Where
# a group was looked at before, the look begins with what was its oldest row then: the index still leads to all that was
# worked off before it, until a vacuum; and as long as somebody reads from an old snapshot, row by row.
DUE_GROUPS = """
SELECT c.broker_id, c.id, channel.name, a.id, a.rate, a.next_slot_at, due.n, c.priority, due.oldest
FROM campaigns_campaign c
JOIN brokers_broker b ON b.id = c.broker_id AND b.is_active AND b.sending_paused_at IS NULL
CROSS JOIN unnest(ARRAY['', 'telegram', 'call', 'email', 'whatsapp']) AS channel(name)
LEFT JOIN unnest(%(campaigns)b::bigint[], %(channels)b::text[], %(oldest)b::timestamptz[])
     AS known(campaign_id, channel, oldest) ON known.campaign_id = c.id AND known.channel = channel.name
CROSS JOIN LATERAL (
    SELECT count(*) AS n, min(found.due_at) AS oldest FROM (
        SELECT l.due_at FROM campaigns_campaignlog l
        WHERE l.campaign_id = c.id AND l.channel = channel.name AND l.status = 'pending'
          AND l.dispatched_at IS NULL AND l.due_at <= %(now)s AND l.due_at >= coalesce(known.oldest, '-infinity')
        ORDER BY l.due_at LIMIT %(batch)s
    ) found
) due
LEFT JOIN LATERAL (
    -- The account that enrolments of the campaign's side use; see plans.Accounts.
    SELECT a.id, a.rate, CASE WHEN a.rate IS NOT NULL AND a.paced_by <> %(me)s AND a.paced_until > %(now)s
                              THEN greatest(a.next_slot_at, a.paced_until) ELSE a.next_slot_at END AS next_slot_at
    FROM messaging_channelaccount a
    LEFT JOIN messaging_channelaccount own
           ON own.broker_id = c.broker_id AND own.channel = c.channel AND own.is_default
    WHERE a.broker_id = c.broker_id AND a.channel = channel.name AND a.is_active
    ORDER BY (a.sandbox = coalesce(own.sandbox, true)) DESC, a.is_default DESC, a.id LIMIT 1
) a ON true
WHERE c.status = 'active' AND (%(broker)s::bigint IS NULL OR c.broker_id = %(broker)s) AND due.n > 0
  AND NOT EXISTS (SELECT FROM brokers_platform p WHERE p.sending_paused_at IS NOT NULL)
ORDER BY c.priority DESC, c.id, channel.name
"""

# The lead is locked with its row, so that two workers never decide about one lead at once; and before it, so that who
# finds the lead taken keeps no lock on the row.
CLAIM = """
SELECT taken.id, taken.lead_id
FROM unnest(%(campaigns)b::bigint[], %(channels)b::text[], %(quotas)b::int[], %(oldest)b::timestamptz[])
     WITH ORDINALITY AS g(campaign_id, channel, quota, oldest, position)
JOIN campaigns_campaign c ON c.id = g.campaign_id AND c.status = 'active'
JOIN brokers_broker b ON b.id = c.broker_id AND b.is_active AND b.sending_paused_at IS NULL
CROSS JOIN LATERAL (
    SELECT l.id, l.lead_id FROM campaigns_campaignlog l JOIN leads_lead d ON d.id = l.lead_id
    WHERE l.campaign_id = g.campaign_id AND l.channel = g.channel AND l.status = 'pending'
      AND l.dispatched_at IS NULL AND l.due_at <= %(now)s AND l.due_at >= coalesce(g.oldest, '-infinity')
    ORDER BY l.due_at LIMIT g.quota
    FOR NO KEY UPDATE OF d, l SKIP LOCKED
) taken
WHERE NOT EXISTS (SELECT FROM brokers_platform p WHERE p.sending_paused_at IS NOT NULL)
ORDER BY g.position
"""

# One row a log: what its decision needs of the log, the enrolment, the lead, the lead's agent, and of what happened.
FACTS = """
SELECT l.id, l.enrollment_id, l.campaign_id, l.step_number, l.attempts, l.cancellations, l.planned_at, l.due_at,
       coalesce(s.version, e.version), e.enrolled_at, e.sandbox,
       coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username, ''), coalesce(u.phone, ''),
       coalesce(p.token, ''),
       -- Automatic contacts count against the caps from the moment they are committed; what reached nobody does not.
       ARRAY(SELECT m.created_at FROM messaging_message m
             WHERE m.lead_id = d.id AND m.created_at >= %(counted_since)s AND m.sandbox = e.sandbox
               AND m.direction = 'out' AND m.sent_by_id IS NULL AND m.status NOT IN ('failed', 'cancelled')
             ORDER BY m.created_at, m.id),
       ARRAY(SELECT m.channel FROM messaging_message m
             WHERE m.lead_id = d.id AND m.created_at >= %(counted_since)s AND m.sandbox = e.sandbox
               AND m.direction = 'out' AND m.sent_by_id IS NULL AND m.status NOT IN ('failed', 'cancelled')
             ORDER BY m.created_at, m.id),
       -- What campaigns of a higher priority want to say to the same lead just now: where the caps bind, they go first.
       CASE WHEN %(is_ranked)s THEN (
             SELECT count(*)::int FROM campaigns_campaignlog r
             JOIN campaigns_campaign rc ON rc.id = r.campaign_id AND rc.status = 'active' AND rc.priority > c.priority
             JOIN campaigns_enrollment re ON re.id = r.enrollment_id AND re.sandbox = e.sandbox
             WHERE r.lead_id = d.id AND r.status = 'pending' AND r.dispatched_at IS NULL AND r.due_at <= %(now)s
               AND r.channel <> '') ELSE 0 END,
       ARRAY(SELECT t.to_stage FROM leads_stagetransition t WHERE t.lead_id = d.id AND t.at > e.enrolled_at),
       (SELECT min(x.booked_at) FROM leads_appointment x WHERE x.lead_id = d.id AND x.booked_at > e.enrolled_at),
       d.id, d.broker_id, d.name, d.phone, d.email, d.telegram_chat_id, d.lead_score, d.pipeline_stage,
       d.assigned_to_id, d.treatment_type, d.budget_amount, d.income_amount, d.debt_amount,
       d.dicom_status, d.location, d.language, d.timezone, d.last_inbound_at, d.last_answered_at,
       d.deleted_at, d.metadata::text, d.unreachable::text
FROM campaigns_campaignlog l
JOIN campaigns_enrollment e ON e.id = l.enrollment_id
JOIN leads_lead d ON d.id = l.lead_id
JOIN campaigns_campaign c ON c.id = l.campaign_id
LEFT JOIN campaigns_campaignstep s ON s.id = l.step_id
LEFT JOIN brokers_user u ON u.id = d.assigned_to_id
LEFT JOIN leads_appointment p ON p.id = l.appointment_id AND p.status = 'proposed'
WHERE l.id = ANY(%(ids)b::bigint[])
ORDER BY l.id
"""

NEXT_APPOINTMENT = """
SELECT DISTINCT ON (lead_id) lead_id, starts_at FROM leads_appointment
WHERE lead_id = ANY(%(leads)b::bigint[]) AND status IN ('scheduled', 'confirmed') AND starts_at >= %(now)s
ORDER BY lead_id, starts_at
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
SET message_id = written.id, channel = act.channel, appointment_id = coalesce(act.appointment_id, l.appointment_id),
    dispatched_at = %(now)s, lease_until = act.lease_until, attempts = l.attempts + 1,
    response = l.response || act.response::jsonb
FROM act JOIN written ON written.dedupe_key = act.key
WHERE l.id = act.log_id
RETURNING l.id, l.message_id
"""

# What waits for the pace of its fallback's account is from then on divided by that account.
POSTPONE = """
UPDATE campaigns_campaignlog l
SET due_at = p.until, reason = p.reason, response = l.response || p.response::jsonb,
    channel = CASE WHEN p.channel = '' THEN l.channel ELSE p.channel END
FROM unnest(%(log)b::bigint[], %(until)b::timestamptz[], %(reason)b::text[], %(channel)b::text[], %(response)b::text[])
     AS p(log_id, until, reason, channel, response)
WHERE l.id = p.log_id AND l.status = 'pending' AND l.dispatched_at IS NULL
"""
