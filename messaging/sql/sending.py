"""What is known of whom we write to, the slots of accounts, and what became of messages."""

# What was given or taken back by the leads themselves or for one of their addresses. Told as an array, the addresses
# are looked up in the index; joined, the planner may prefer to go through all of a broker's for each.
PERMISSIONS = """
SELECT p.broker_id, p.lead_id, p.address, coalesce((p.evidence ->> 'sandbox')::bool, false),
       p.id, p.channel, p.kind, p.purpose, p.at
FROM leads_contactpermission p
WHERE p.lead_id = ANY(%(leads)b::bigint[])
   OR (p.broker_id = ANY(%(brokers)b::bigint[]) AND p.address <> '' AND p.address = ANY(ARRAY(
          SELECT unnest(ARRAY[d.phone, d.email, d.telegram_chat_id]) FROM leads_lead d
          WHERE d.id = ANY(%(leads)b::bigint[]))))
"""

# With which accounts leads have a conversation open: they wrote to them lately.
OPEN_CONVERSATIONS = """
SELECT DISTINCT lead_id, account_id FROM messaging_message
WHERE lead_id = ANY(%(leads)b::bigint[]) AND created_at > %(since)s AND channel = %(channel)s AND direction = 'in'
"""

# When the provider last heard of these leads, at the latest: the first word about a message comes after it was sent.
# About one that is under way there is none, so it may be sent just now; after its lease nobody sends it any more.
HEARD = """
SELECT lead_id, max(coalesce(least(sent_at, failed_at, unknown_at), %(now)s)) FROM messaging_message
WHERE lead_id = ANY(%(leads)b::bigint[]) AND created_at > %(since)s AND channel = %(channel)s AND direction = 'out'
  AND status <> 'cancelled' AND NOT sandbox
GROUP BY lead_id
"""

# Up to n paced slots of each account within the time ahead, for all processes: where this worker's slots begin, how
# many it got, and when the account is free again. An account whose provider asked for a pause gives none, nor does one
# that another process sends for; a person (`me` null) gets a slot all the same, and does not take the account over.
RESERVE_SLOTS = """
WITH wanted AS (
    SELECT * FROM unnest(%(accounts)b::bigint[], %(counts)b::int[]) AS w(account_id, n)
), locked AS (
    SELECT a.id, a.rate, w.n, CASE WHEN a.rate IS NULL THEN greatest(coalesce(a.next_slot_at, %(now)s), %(now)s)
        ELSE greatest(coalesce(a.next_slot_at, %(now)s), %(now)s - interval '250 milliseconds') END AS start,
        CASE WHEN a.rate IS NOT NULL AND a.paced_by <> %(me)s::bigint AND a.paced_until > %(now)s
             THEN a.paced_until END AS elsewhere_until
    FROM messaging_channelaccount a JOIN wanted w ON w.account_id = a.id
    ORDER BY a.id FOR NO KEY UPDATE OF a
), granted AS (
    SELECT id, rate, start, elsewhere_until, CASE
        WHEN elsewhere_until IS NOT NULL THEN 0
        WHEN rate IS NULL THEN CASE WHEN start > %(now)s THEN 0 ELSE n END
        WHEN start >= %(now)s + %(ahead)s::interval THEN 0
        ELSE least(n, greatest(1, floor(rate * extract(epoch FROM %(now)s + %(ahead)s::interval - start))::int))
        END AS n
    FROM locked
)
UPDATE messaging_channelaccount a
SET next_slot_at = CASE WHEN g.rate IS NULL OR g.elsewhere_until IS NOT NULL THEN a.next_slot_at
                        ELSE g.start + make_interval(secs => (g.n / g.rate)::float8) END,
    paced_by = CASE WHEN g.rate IS NULL OR g.n = 0 THEN a.paced_by ELSE coalesce(%(me)s::bigint, a.paced_by) END,
    paced_until = CASE WHEN g.rate IS NULL OR g.n = 0 OR %(me)s::bigint IS NULL THEN a.paced_until
                       ELSE %(paced_until)s END
FROM granted g WHERE a.id = g.id
RETURNING a.id, g.start, g.rate::float8, g.n, coalesce(g.elsewhere_until, a.next_slot_at)
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

# What a provider told before us stays: only messages that are still under way change, and are returned.
SETTLE_MESSAGES = """
WITH stamped AS (
    UPDATE leads_lead d SET last_contacted_at = greatest(d.last_contacted_at, %(now)s)
    WHERE d.id = ANY(%(contacted)b::bigint[])
)
UPDATE messaging_message m
SET status = o.status, provider_id = CASE WHEN o.provider_id = '' THEN m.provider_id ELSE o.provider_id END,
    error_code = o.code, error = o.error, cost = coalesce(o.cost, m.cost),
    currency = CASE WHEN o.cost IS NULL THEN m.currency ELSE o.currency END,
    sent_at = CASE WHEN o.status IN ('sent', 'delivered') THEN coalesce(m.sent_at, %(now)s) ELSE m.sent_at END,
    delivered_at = CASE WHEN o.status = 'delivered' THEN %(now)s ELSE m.delivered_at END,
    failed_at = CASE WHEN o.status = 'failed' THEN %(now)s ELSE m.failed_at END,
    cancelled_at = CASE WHEN o.status = 'cancelled' THEN %(now)s ELSE m.cancelled_at END,
    unknown_at = CASE WHEN o.status = 'unknown' THEN %(now)s ELSE m.unknown_at END
FROM unnest(%(message)b::bigint[], %(status)b::text[], %(provider_id)b::text[], %(code)b::text[], %(error)b::text[],
            %(cost)b::numeric[], %(currency)b::text[])
     AS o(message_id, status, provider_id, code, error, cost, currency)
WHERE m.id = o.message_id AND m.status IN ('queued', 'sending', 'unknown')
RETURNING m.id
"""

# What people wrote, and notices of meetings, whose process never came back.
UNFINISHED = """
SELECT m.id FROM messaging_message m JOIN leads_lead d ON d.id = m.lead_id
WHERE m.status = 'sending' AND (m.sent_by_id IS NOT NULL OR m.dedupe_key LIKE 'appointment:%%')
  AND m.sending_at <= %(begun_before)s
  AND (%(broker)s::bigint IS NULL OR m.broker_id = %(broker)s)
ORDER BY m.sending_at LIMIT %(batch)s
FOR NO KEY UPDATE OF d, m SKIP LOCKED
"""

# Whether there is anything to do outside campaigns: one look at two partial indexes.
DUE_OUTSIDE = """
SELECT EXISTS (SELECT FROM messaging_message m
               WHERE m.status = 'sending' AND (m.sent_by_id IS NOT NULL OR m.dedupe_key LIKE 'appointment:%%')
                 AND m.sending_at <= %(begun_before)s AND (%(broker)s::bigint IS NULL OR m.broker_id = %(broker)s)),
       EXISTS (SELECT FROM leads_appointment a
               WHERE a.notice_due_at <= %(now)s AND (%(broker)s::bigint IS NULL OR a.broker_id = %(broker)s))
"""

# What the column holds; a longer one of one row must not break the batch.
SUBJECT_LENGTH = 400
