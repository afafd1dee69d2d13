"""What must hold of the rows of the log."""

from campaigns.ledger.looks import Broken, Look, family, listed
from campaigns.models import LEFT_UNKNOWN, NOT_RESENT, OUTCOME_UNKNOWN, RESENDING
from campaigns.reasons import REASONS
from campaigns.settling import MAX_ATTEMPTS

# A step that is skipped for one of these is the last of its enrolment.
ENDINGS = ("replied", "booked", "goal_reached", "closed", "opted_out", "hold", "deleted", "stopped", "merged")
# Failed rows that are not the last word.
OPEN_ENDS = (OUTCOME_UNKNOWN, LEFT_UNKNOWN, RESENDING, NOT_RESENT)

# Each step with the channel that it contacts over, '' where it contacts nobody: campaigns.plans.step_channel.
STEPS = """(SELECT s.*, CASE s.action WHEN 'update_stage' THEN '' WHEN 'make_call' THEN 'call'
                   ELSE coalesce(nullif(s.channel, ''), c.channel) END AS own_channel
            FROM campaigns_campaignstep s JOIN campaigns_campaign c ON c.id = s.campaign_id)"""

# Each with its enrolment, its step, and its newest message.
ROWS = Look(
    table="campaigns_campaignlog",
    row="l.id",
    source=f"""campaigns_campaignlog l
        JOIN campaigns_enrollment e ON e.id = l.enrollment_id
        LEFT JOIN {STEPS} p ON p.id = l.step_id
        LEFT JOIN messaging_message m ON m.id = l.message_id
        LEFT JOIN leads_appointment a ON a.id = l.appointment_id""",
    broken={
        "ended_has_none_waiting": Broken(
            "l.status = 'pending' AND l.dispatched_at IS NULL AND e.status IN ('completed', 'exited')",
            "'waits although its enrolment is ' || e.status",
        ),
        "exit_ends_the_enrolment": Broken(
            f"l.status = 'skipped' AND l.reason IN ({listed(ENDINGS)}) AND e.status IN ('active', 'completed')",
            "'skipped for ' || l.reason || ', but its enrolment is ' || e.status",
        ),
        "final_row_has_its_moment": Broken(
            "(l.status = 'pending') <> (l.executed_at IS NULL)",
            "l.status || ' with executed_at ' || coalesce(l.executed_at::text, 'null')",
        ),
        # A failed row may say it in a provider's own words.
        "unsent_row_has_a_reason": Broken(
            f"""(l.status = 'failed' AND l.reason = '')
                OR (l.status = 'skipped' AND split_part(l.reason, ':', 1) NOT IN ({listed(REASONS)}))""",
            "l.status || ' for the reason “' || l.reason || '”'",
        ),
        "in_flight_has_a_lease": Broken(
            f"""((l.status = 'pending' AND l.dispatched_at IS NOT NULL)
                 OR (l.status = 'failed' AND l.reason = '{RESENDING}')) <> (l.lease_until IS NOT NULL)""",
            """l.status || ', dispatched at ' || coalesce(l.dispatched_at::text, 'null') || ' with a lease until '
               || coalesce(l.lease_until::text, 'null')""",
        ),
        # Postponements end after two weeks; the longest thing to wait for is a year.
        "waiting_row_comes_due": Broken(
            """l.status = 'pending' AND l.dispatched_at IS NULL
               AND l.due_at NOT BETWEEN l.planned_at AND l.planned_at + interval '400 days'""",
            "'planned for ' || l.planned_at || ', due at ' || l.due_at",
        ),
        # Final rows keep the step they were about when their enrolment moves to another version.
        "log_has_its_step": Broken(
            """p.campaign_id <> l.campaign_id OR p.step_number <> l.step_number OR e.campaign_id <> l.campaign_id
               OR e.lead_id <> l.lead_id OR (l.status = 'pending' AND p.version <> e.version)""",
            """'step ' || l.step_number || ' of campaign ' || l.campaign_id || ' for lead ' || l.lead_id
               || ', but its step or its enrolment is another one''s'""",
        ),
        "row_does_what_its_step_says": Broken(
            """l.action <> p.action OR (l.channel <> p.own_channel
                AND (p.own_channel = '' OR l.channel IS DISTINCT FROM nullif(p.fallback_channel, '')))""",
            """l.action || ' over “' || l.channel || '”, its step says ' || p.action || ' over “' || p.own_channel
               || '”'""",
        ),
        "sent_means_accepted": Broken(
            "l.status = 'sent' AND l.action <> 'update_stage' AND m.sent_at IS NULL",
            "'sent, but its message is ' || coalesce(m.status, 'missing')",
        ),
        "unsent_row_reached_nobody": Broken(
            f"""((l.status = 'pending' AND l.dispatched_at IS NULL) OR l.status = 'skipped'
                 OR (l.status = 'failed' AND l.reason NOT IN ({listed(OPEN_ENDS)})))
                AND m.status NOT IN ('failed', 'cancelled')""",
            "l.status || ' (' || l.reason || '), but its message is ' || m.status",
        ),
        "message_belongs_to_its_row": Broken(
            """(l.attempts > 0) <> (l.message_id IS NOT NULL) OR m.lead_id <> l.lead_id OR NOT (
                   m.dedupe_key = 'step:' || l.enrollment_id || ':' || l.step_number || ':' || l.attempts
                   OR starts_with(m.dedupe_key, 'resend:' || l.id || ':'))
               OR (m.channel <> l.channel AND (l.status = 'sent'
                   OR (l.status = 'pending' AND l.dispatched_at IS NOT NULL)))""",
            """'after ' || l.attempts || ' attempts points at message ' || coalesce(m.id || ' with the key '
               || m.dedupe_key || ' over ' || m.channel, 'null')""",
        ),
        "sandbox_is_told_apart": Broken(
            "m.sandbox <> e.sandbox",
            """'enrolled ' || CASE WHEN e.sandbox THEN 'on the sandbox' ELSE 'for real' END || ', message ' || m.id
               || ' is not'""",
        ),
        # A step's other channel may be tried after all attempts over its own.
        "attempts_are_capped": Broken(
            f"""l.cancellations > l.attempts OR l.attempts - l.cancellations
                > CASE WHEN p.fallback_channel <> '' THEN {2 * MAX_ATTEMPTS} ELSE {MAX_ATTEMPTS} END""",
            "l.attempts || ' attempts, ' || l.cancellations || ' of them cancelled'",
        ),
        "meeting_has_its_appointment": Broken(
            """(l.action = 'schedule_meeting' AND l.status = 'sent' AND l.appointment_id IS NULL)
               OR a.lead_id <> l.lead_id""",
            "coalesce('appointment ' || a.id || ' is of lead ' || a.lead_id, 'sent without an appointment')",
        ),
    },
)

# A key that no row points at is an earlier attempt's; of a row that a person sent again, the step's own.
ATTEMPTS = Look(
    table="campaigns_campaignlog",
    row="l.id",
    source="""(SELECT l.id, l.attempts, min(k) AS missing
               FROM campaigns_campaignlog l CROSS JOIN LATERAL generate_series(1, l.attempts) k
               LEFT JOIN messaging_message m
                      ON m.dedupe_key = 'step:' || l.enrollment_id || ':' || l.step_number || ':' || k
               WHERE m.id IS NULL AND (l.attempts > 1 OR l.message_id IN (
                   SELECT x.id FROM messaging_message x WHERE starts_with(x.dedupe_key, 'resend:')))
               GROUP BY l.id, l.attempts) l""",
    broken={
        "attempt_has_its_message": Broken("true", "l.attempts || ' attempts, but no message of attempt ' || l.missing")
    },
)

# A move and the end of its step are written with one `now`. It stays with the lead that was moved, when that is merged
# with another one or taken apart again.
MOVES = Look(
    table="campaigns_campaignlog",
    row="l.id",
    # Few are left to be looked for in the family, which is dear: OFFSET has the planner ask for the own moves first.
    source=f"""(SELECT l.id, l.target_stage
               FROM (SELECT l.id, l.lead_id, l.executed_at, p.target_stage
                     FROM campaigns_campaignlog l JOIN campaigns_campaignstep p ON p.id = l.step_id
                     WHERE l.action = 'update_stage' AND l.status = 'sent' AND NOT EXISTS (
                         SELECT FROM leads_stagetransition t
                         WHERE t.lead_id = l.lead_id AND t.at = l.executed_at AND t.to_stage = p.target_stage
                           AND t.cause = 'campaign')
                     OFFSET 0) l
               WHERE NOT EXISTS (
                   WITH {family("l.lead_id")}
                   SELECT FROM family f JOIN leads_stagetransition t ON t.lead_id = f.id
                   WHERE t.at = l.executed_at AND t.to_stage = l.target_stage AND t.cause = 'campaign')) l""",
    broken={"move_was_made": Broken("true", "'says that it moved the lead to ' || l.target_stage || ', nothing did'")},
)

HANDOVERS = Look(
    table="campaigns_campaignlog",
    row="l.id",
    source="""(SELECT l.id, l.lead_id FROM campaigns_campaignlog l
               WHERE l.status = 'skipped' AND l.reason = 'handed_to_agent' AND NOT EXISTS (
                   SELECT FROM leads_task t WHERE t.origin = 'log:' || l.id AND t.lead_id = l.lead_id)) l""",
    broken={
        "handover_has_its_task": Broken("true", "'handed to the agent of lead ' || l.lead_id || ' without a task'")
    },
)
