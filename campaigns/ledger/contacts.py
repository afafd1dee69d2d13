"""What must hold of messages."""

from campaigns.ledger.looks import Broken, Look, family

# The contacts of a campaign: those of its steps, and those that a person sent again.
OURS = "(starts_with(m.dedupe_key, 'step:') OR starts_with(m.dedupe_key, 'resend:'))"
# What people wrote.
PERSONS = "starts_with(m.dedupe_key, 'write:')"
ACCEPTED = "(m.sent_at IS NOT NULL AND m.failed_at IS NULL)"
# Who deletes or opts out and who sends have clocks of their own.
SKEW = "1 minute"
# What a basis may say, as paths: they read whatever stands there without an error.
HAS_COUNTED = '$.caps ? (@."24h".sent >= 0 && @."24h".cap >= 0 && @."7d".sent >= 0 && @."7d".cap >= 0)'
SAYS_NO = """$ ? (@.permission.kind == "revoked" || exists(@.address.code) || exists(@.window.opens_at)
    || exists(@.caps.free_at))"""
# No reason stands against these; against wrong hours only one that was given, and on hold only an answer.
SAYS_NO_TO_PEOPLE = """$ ? (@.permission.kind == "revoked" || exists(@.address.code) || exists(@.law.free_at)
    || @.treatment.treatment == "hold" || (exists(@.window.opens_at) && !(@.override.reason > "")))"""
# What is reserved belongs to campaigns of a higher priority.
IS_FULL = """$.caps ? (@."24h".sent >= @."24h".cap || @."7d".sent >= @."7d".cap
    || @."24h".sent + @.reserved >= @."24h".cap || @."7d".sent + @.reserved >= @."7d".cap)"""

MESSAGES = Look(
    table="messaging_message",
    row="m.id",
    source="""messaging_message m
        LEFT JOIN messaging_channelaccount a ON a.id = m.account_id
        LEFT JOIN voice_voicecall v ON v.message_id = m.id
        LEFT JOIN leads_lead d ON d.id = m.lead_id""",
    broken={
        "status_has_its_stamp": Broken(
            """(m.direction = 'in') <> (m.status = 'received') OR CASE m.status
                   WHEN 'sent' THEN m.sent_at IS NULL
                   WHEN 'delivered' THEN m.sent_at IS NULL OR m.delivered_at IS NULL
                   WHEN 'read' THEN m.sent_at IS NULL OR m.delivered_at IS NULL OR m.read_at IS NULL
                   WHEN 'failed' THEN m.failed_at IS NULL
                   ELSE m.sent_at IS NOT NULL
                        OR (m.status = 'cancelled' AND m.cancelled_at IS NULL)
                        OR (m.status = 'unknown' AND m.unknown_at IS NULL)
                        OR (m.status = 'received' AND m.received_at IS NULL) END""",
            "m.direction || ' and ' || m.status || ', which is not what its stamps say'",
        ),
        "automatic_contact_has_its_basis": Broken(
            f"""{OURS} AND NOT (m.basis @? '{HAS_COUNTED}' AND m.basis ?& ARRAY[
                    'rules', 'address', 'permission', 'treatment', 'window'])""",
            "'does not say why it was allowed'",
        ),
        "basis_allowed_it": Broken(
            f"""{OURS} AND (m.basis @? '{SAYS_NO}'
                OR m.basis -> 'address' ->> 'address' <> m.address
                OR m.basis -> 'address' ->> 'channel' <> m.channel
                OR (m.channel = 'call' AND m.basis -> 'treatment' ->> 'treatment' <> 'automated_call')
                OR (m.purpose = 'marketing' AND m.basis @? '{IS_FULL}'))""",
            "'was sent over ' || m.channel || ' to “' || m.address || '”, which its basis does not allow'",
        ),
        "persons_message_has_its_basis": Broken(
            f"""{PERSONS} AND (m.sent_by_id IS NULL OR NOT (m.basis ?& ARRAY['rules', 'address', 'permission']
                AND m.basis ?| ARRAY['answer', 'window']))""",
            "'does not say who wrote it, or why it was allowed'",
        ),
        "persons_basis_allowed_it": Broken(
            f"""{PERSONS} AND (m.basis @? '{SAYS_NO_TO_PEOPLE}'
                OR m.basis -> 'address' ->> 'address' <> m.address
                OR m.basis -> 'address' ->> 'channel' <> m.channel)""",
            "'was written over ' || m.channel || ' to “' || m.address || '”, which its basis does not allow'",
        ),
        "message_goes_by_its_account": Broken(
            f"a.channel <> m.channel OR a.sandbox <> m.sandbox OR (m.account_id IS NULL AND {OURS})",
            """m.channel || CASE WHEN m.sandbox THEN ' on the sandbox' ELSE ' for real' END || ' by account '
               || coalesce(m.account_id::text, 'null')""",
        ),
        "call_has_its_record": Broken(
            f"(m.channel = 'call' AND v.id IS NULL AND {OURS}) OR v.lead_id <> m.lead_id",
            "coalesce('call ' || v.id || ' is of lead ' || v.lead_id, 'a call that is not on record')",
        ),
        "deleted_lead_is_left_alone": Broken(
            f"{OURS} AND m.created_at > d.deleted_at + interval '{SKEW}'",
            "'sent at ' || m.created_at || ', its lead was deleted at ' || d.deleted_at",
        ),
    },
)

# The newest rule about the address at that moment. What a lead gave anew counts as the policy counts it, also where it
# was written down without the address, or for another lead with whom they were one just then.
OPT_OUTS = Look(
    table="messaging_message",
    row="m.id",
    source=f"""(SELECT DISTINCT ON (m.id) m.id, m.lead_id, m.created_at, p.id AS rule, p.kind, p.at
               FROM leads_contactpermission p
               JOIN messaging_message m ON m.broker_id = p.broker_id AND m.address = p.address
               WHERE {OURS} AND p.address <> '' AND p.channel IN (m.channel, '*')
                 AND (p.purpose = 'all' OR m.purpose = 'marketing')
                 AND p.at <= m.created_at + interval '{SKEW}'
                 AND (p.broker_id, p.address) IN (
                     SELECT broker_id, address FROM leads_contactpermission WHERE kind = 'revoked')
               ORDER BY m.id, p.at DESC, p.id DESC) m""",
    broken={
        "opt_out_was_heeded": Broken(
            f"""m.kind = 'revoked' AND m.at < m.created_at - interval '{SKEW}' AND NOT EXISTS (
                    WITH {family("m.lead_id")}
                    SELECT FROM family f JOIN leads_contactpermission g ON g.lead_id = f.id
                    WHERE g.kind = 'granted' AND g.at > m.at AND g.at <= m.created_at + interval '{SKEW}')""",
            "'sent at ' || m.created_at || ', taken back at ' || m.at || ' (permission ' || m.rule || ')'",
        )
    },
)

# Contacts that no row points at: earlier attempts, of which only those that reached nobody may have a successor. What a
# row points at is looked at with the row. The keys are taken apart for these few only.
EARLIER = Look(
    table="messaging_message",
    row="m.id",
    source=f"""(WITH m AS MATERIALIZED (
                   SELECT m.id, m.lead_id, m.status, m.sent_at, m.failed_at, m.dedupe_key
                   FROM messaging_message m
                   WHERE {OURS} AND NOT EXISTS (SELECT FROM campaigns_campaignlog l WHERE l.message_id = m.id)
               ), k AS MATERIALIZED (
                   SELECT m.id, split_part(m.dedupe_key, ':', 2)::bigint AS parent,
                          split_part(m.dedupe_key, ':', 3)::int AS step_number,
                          nullif(split_part(m.dedupe_key, ':', 4), '')::int AS attempt
                   FROM m WHERE m.dedupe_key ~ '^(step:[0-9]{{1,18}}:[0-9]{{1,9}}|resend:[0-9]{{1,18}}):[0-9]{{1,9}}$'
               )
               SELECT m.*, k.attempt, l.lead_id AS lead_of_row, l.message_id AS newest, l.attempts
               FROM m LEFT JOIN k ON k.id = m.id
               LEFT JOIN campaigns_campaignlog l ON l.id = CASE
                   WHEN k.attempt IS NULL THEN k.parent
                   ELSE (SELECT x.id FROM campaigns_campaignlog x
                         WHERE x.enrollment_id = k.parent AND x.step_number = k.step_number) END) m""",
    broken={
        "step_message_has_its_row": Broken(
            "m.attempts IS NULL OR m.lead_of_row <> m.lead_id OR m.attempt NOT BETWEEN 1 AND m.attempts",
            "'the key ' || m.dedupe_key || ' is no row''s'",
        ),
        "one_accepted_message_a_step": Broken(
            f"m.newest IS NOT NULL AND {ACCEPTED}",
            "'accepted, and message ' || m.newest || ' came after it for the same step'",
        ),
        "next_attempt_follows_a_failure": Broken(
            f"m.newest IS NOT NULL AND NOT {ACCEPTED} AND m.status NOT IN ('failed', 'cancelled')",
            "m.status || ', and message ' || m.newest || ' came after it for the same step'",
        ),
    },
)

DOUBLES = Look(
    table="messaging_message",
    row="m.id",
    source="""(SELECT max(id) AS id, dedupe_key, count(*) AS n FROM messaging_message
               GROUP BY dedupe_key HAVING count(*) > 1) m""",
    broken={"one_message_a_key": Broken("true", "'the last of ' || m.n || ' with the key ' || m.dedupe_key")},
)

# A contact whose outcome was learnt late may have counted differently when the next one was decided; so did those of
# two leads before they were merged.
CAPS = Look(
    table="messaging_message",
    row="m.id",
    source=f"""(SELECT m.id, m.cap_24h, m.cap_7d,
                      count(*) OVER (contacts RANGE BETWEEN '24 hours' PRECEDING AND CURRENT ROW) AS in_24h,
                      count(*) OVER (contacts RANGE BETWEEN '7 days' PRECEDING AND CURRENT ROW) AS in_7d
               FROM (SELECT m.id, coalesce(m.merged_from_id, m.lead_id) AS lead_id, m.sandbox, m.created_at,
                            jsonb_path_query_first(judged.basis, '$.caps."24h".cap ? (@ >= 0)')::numeric AS cap_24h,
                            jsonb_path_query_first(judged.basis, '$.caps."7d".cap ? (@ >= 0)')::numeric AS cap_7d
                     FROM messaging_message m, LATERAL (
                         SELECT CASE WHEN m.purpose = 'marketing' AND {OURS} THEN m.basis END) judged(basis)
                     WHERE m.direction = 'out' AND m.sent_by_id IS NULL AND m.status NOT IN ('failed', 'cancelled')
                       AND m.failed_at IS NULL AND m.unknown_at IS NULL) m
               WINDOW contacts AS (PARTITION BY m.lead_id, m.sandbox ORDER BY m.created_at)) m""",
    broken={
        "caps_hold": Broken(
            "m.in_24h > m.cap_24h OR m.in_7d > m.cap_7d",
            """'contact ' || m.in_24h || ' of ' || m.cap_24h || ' in 24 hours, ' || m.in_7d || ' of ' || m.cap_7d
               || ' in 7 days'""",
        )
    },
)
