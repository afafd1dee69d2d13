"""What happened since the last pass."""

# Nobody's clock is trusted further than the oldest transaction that may still commit something older.
OPEN_SINCE = """
SELECT min(xact_start) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""
ENSURE_SWEEPS = """
INSERT INTO campaigns_sweep (broker_id, swept_to)
SELECT b.id, b.created_at FROM brokers_broker b
WHERE NOT EXISTS (SELECT FROM campaigns_sweep s WHERE s.broker_id = b.id)
ORDER BY b.id
ON CONFLICT DO NOTHING
"""
# In the order of the brokers: a pass over one of them and one over all may end at once and must not deadlock.
ADVANCE_SWEEPS = """
WITH behind AS (
    SELECT broker_id FROM campaigns_sweep
    WHERE swept_to < %(to)s AND (%(broker)s::bigint IS NULL OR broker_id = %(broker)s)
    ORDER BY broker_id FOR NO KEY UPDATE
)
UPDATE campaigns_sweep s SET swept_to = %(to)s FROM behind WHERE s.broker_id = behind.broker_id
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
            WHERE x.broker_id = c.broker_id AND {IN_WINDOW} AND c.trigger_condition -> 'stage' ? x.to_stage
            LIMIT 1) one""",
    # One campaign with a wrong number must not stop everybody's triggers: CASE keeps the cast from seeing it.
    "inactivity": """
        SELECT FROM (SELECT CASE WHEN c.trigger_condition ->> 'inactivity_days' ~ '^[0-9]{1,4}$'
            THEN make_interval(days => (c.trigger_condition ->> 'inactivity_days')::int) END AS age) a,
        LATERAL (SELECT FROM leads_lead x WHERE x.broker_id = c.broker_id
            AND x.last_activity_at > greatest(c.collects_from, s.swept_to - %(overlap)s) - a.age
            AND x.last_activity_at <= %(now)s - a.age LIMIT 1) one""",
}
