"""What must hold of enrolments."""

from campaigns.ledger.looks import Broken, Look, listed
from campaigns.reasons import REASONS

# Each with what its log comes to, what its version says, and the same lead's entry before it.
ENROLMENTS = Look(
    table="campaigns_enrollment",
    row="e.id",
    source="""campaigns_enrollment e
        LEFT JOIN (WITH l AS MATERIALIZED (
                       SELECT enrollment_id, count(*) AS n, min(step_number) AS first, max(step_number) AS last,
                              count(*) FILTER (WHERE status = 'pending') AS pending,
                              min(step_number) FILTER (WHERE status = 'pending') AS waits_at
                       FROM campaigns_campaignlog GROUP BY enrollment_id)
                   SELECT * FROM l) l ON l.enrollment_id = e.id
        LEFT JOIN campaigns_campaignversion v ON v.campaign_id = e.campaign_id AND v.number = e.version
        LEFT JOIN (SELECT campaign_id, version, max(step_number) AS steps FROM campaigns_campaignstep
                   GROUP BY campaign_id, version) p ON p.campaign_id = e.campaign_id AND p.version = e.version
        LEFT JOIN (SELECT campaign_id, min(jsonb_path_query_first(
                              settings, '$.reentry_after_days ? (@ >= 0 && @ < 100000)')::int) AS days
                   FROM campaigns_campaignversion GROUP BY campaign_id) again ON again.campaign_id = e.campaign_id
        LEFT JOIN campaigns_enrollment before ON before.campaign_id = e.campaign_id AND before.lead_id = e.lead_id
              AND before.sandbox = e.sandbox AND before.entry = e.entry - 1""",
    broken={
        "active_has_one_pending": Broken(
            "e.status = 'active' AND coalesce(l.pending, 0) <> 1",
            "'active with ' || coalesce(l.pending, 0) || ' pending rows'",
        ),
        "held_out_has_no_log": Broken(
            "e.status = 'held_out' AND l.n > 0",
            "'held out, but has ' || l.n || ' rows in the log'",
        ),
        "steps_follow_each_other": Broken(
            "l.first <> 1 OR l.last <> l.n OR l.waits_at < l.last",
            """l.n || ' rows for the steps ' || l.first || ' to ' || l.last
               || coalesce(', pending is ' || l.waits_at, '')""",
        ),
        # One that was moved to a version with fewer steps is over although it has done more of them.
        "completed_went_all_the_way": Broken(
            "e.status = 'completed' AND coalesce(l.last, 0) < p.steps",
            "'completed after ' || coalesce(l.last, 0) || ' of ' || p.steps || ' steps'",
        ),
        "ended_has_its_moment": Broken(
            "(e.status IN ('completed', 'exited')) <> (e.finished_at IS NOT NULL)",
            "e.status || ' with finished_at ' || coalesce(e.finished_at::text, 'null')",
        ),
        "exit_has_its_reason": Broken(
            f"""(e.status = 'exited') <> (e.exit_reason <> '')
                OR (e.exit_reason <> '' AND split_part(e.exit_reason, ':', 1) NOT IN ({listed(REASONS)}))""",
            "e.status || ' for the reason “' || e.exit_reason || '”'",
        ),
        "enrollment_has_its_version": Broken(
            "v.id IS NULL",
            "'is on version ' || e.version || ', which was never activated'",
        ),
        "entries_count_up": Broken(
            "e.entry < 1 OR (e.entry > 1 AND before.id IS NULL)",
            "'entry ' || e.entry || ' of its lead without the one before'",
        ),
        # By the kindest of the campaign's versions, for enrolments may have been moved. Those of two leads that were
        # merged began without knowing of each other.
        "reentry_was_allowed": Broken(
            """before.merged_from_id IS NOT DISTINCT FROM e.merged_from_id AND (
                before.status = 'active' OR (before.id IS NOT NULL AND (again.days IS NULL OR e.enrolled_at
                < coalesce(before.finished_at, before.enrolled_at) + make_interval(days => again.days))))""",
            "'entered again too early, after enrolment ' || before.id",
        ),
    },
)

# A person may stop an enrolment, or merge its lead, while its step is being sent; that one settles as it would have.
EXITS = Look(
    table="campaigns_enrollment",
    row="e.id",
    source=f"""(SELECT e.id, e.exit_reason FROM campaigns_enrollment e
               WHERE e.status = 'exited' AND e.exit_reason IN ({listed(REASONS)}) AND NOT EXISTS (
                   SELECT FROM campaigns_campaignlog l WHERE l.enrollment_id = e.id AND (
                       (l.status = 'skipped' AND l.reason = e.exit_reason)
                       OR (e.exit_reason IN ('stopped', 'merged') AND l.status <> 'skipped'
                           AND l.dispatched_at IS NOT NULL)))) e""",
    broken={
        "exit_has_its_row": Broken("true", "'exited, but no step was skipped for the reason “' || e.exit_reason || '”'")
    },
)

# The hash of campaigns.sql.ENROLL, of the lead that entered. The percentage may have been changed since then; of those
# who entered in the same moment it was the same.
HOLD_OUT = Look(
    table="campaigns_enrollment",
    row="e.id",
    source="""(SELECT e.id, e.status = 'held_out' AS is_held, e.hash, c.holdout_percent,
                      max(e.hash) FILTER (WHERE e.status = 'held_out') OVER moment AS held_up_to,
                      min(e.hash) FILTER (WHERE e.status <> 'held_out') OVER moment AS treated_from
               FROM (SELECT id, campaign_id, enrolled_at, status, mod(('x' || substr(md5(
                         campaign_id || ':' || coalesce(merged_from_id, lead_id)), 1, 8))::bit(32)::bigint, 100) AS hash
                     FROM campaigns_enrollment) e
               JOIN campaigns_campaign c ON c.id = e.campaign_id
               WHERE c.holdout_percent > 0 OR c.id IN (
                   SELECT campaign_id FROM campaigns_enrollment WHERE status = 'held_out')
               WINDOW moment AS (PARTITION BY e.campaign_id, e.enrolled_at)) e""",
    broken={
        "hold_out_is_by_hash": Broken(
            "e.held_up_to >= e.treated_from AND e.is_held <> (e.hash < e.holdout_percent)",
            """CASE WHEN e.is_held THEN 'held out' ELSE 'not held out' END || ', but its hash is ' || e.hash
               || ' where those below ' || e.holdout_percent || ' are'""",
        )
    },
)
