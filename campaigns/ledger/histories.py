"""What must hold of leads and their histories.

By id: histories are written under the lead's lock, while their moments may come in any order.
"""

from campaigns.ledger.looks import Broken, Look

LEADS = Look(
    table="leads_lead",
    row="d.id",
    source="""leads_lead d
        LEFT JOIN (SELECT DISTINCT ON (lead_id) lead_id, to_stage FROM leads_stagetransition
                   ORDER BY lead_id, id DESC) t ON t.lead_id = d.id
        LEFT JOIN (SELECT DISTINCT ON (lead_id) lead_id, to_score FROM leads_scorechange
                   ORDER BY lead_id, id DESC) s ON s.lead_id = d.id
        LEFT JOIN (SELECT DISTINCT ON (lead_id) lead_id, to_user_id FROM leads_assignment
                   ORDER BY lead_id, id DESC) a ON a.lead_id = d.id""",
    broken={
        "stage_matches_history": Broken(
            "t.to_stage IS DISTINCT FROM d.pipeline_stage",
            "'is in ' || d.pipeline_stage || ', its history says ' || coalesce(t.to_stage, 'nothing')",
        ),
        "score_matches_history": Broken(
            "s.to_score IS DISTINCT FROM d.lead_score",
            "'scores ' || d.lead_score || ', its history says ' || coalesce(s.to_score::text, 'nothing')",
        ),
        "assignee_matches_history": Broken(
            "a.to_user_id IS DISTINCT FROM d.assigned_to_id",
            """'assigned to ' || coalesce(d.assigned_to_id::text, 'nobody') || ', its history says '
               || coalesce(a.to_user_id::text, 'nobody')""",
        ),
    },
)

STAGES = Look(
    table="leads_stagetransition",
    row="t.id",
    source="""(SELECT id, from_stage, lag(to_stage, 1, '') OVER (PARTITION BY lead_id ORDER BY id) AS before
               FROM leads_stagetransition) t""",
    broken={
        "stage_history_has_no_gap": Broken(
            "t.from_stage <> t.before",
            "'comes from “' || t.from_stage || '”, the move before it went to “' || t.before || '”'",
        )
    },
)

SCORES = Look(
    table="leads_scorechange",
    row="s.id",
    source="""(SELECT id, from_score, lag(to_score) OVER (PARTITION BY lead_id ORDER BY id) AS before
               FROM leads_scorechange) s""",
    broken={
        "score_history_has_no_gap": Broken(
            "s.from_score IS DISTINCT FROM s.before",
            """'comes from ' || coalesce(s.from_score::text, 'nothing') || ', the change before it went to '
               || coalesce(s.before::text, 'nothing')""",
        )
    },
)

ASSIGNMENTS = Look(
    table="leads_assignment",
    row="a.id",
    source="""(SELECT id, from_user_id, lag(to_user_id) OVER (PARTITION BY lead_id ORDER BY id) AS before
               FROM leads_assignment) a""",
    broken={
        "assignment_history_has_no_gap": Broken(
            "a.from_user_id IS DISTINCT FROM a.before",
            """'comes from ' || coalesce(a.from_user_id::text, 'nobody') || ', the assignment before it went to '
               || coalesce(a.before::text, 'nobody')""",
        )
    },
)

# Whoever became part of another lead is gone, and nothing that is looked up by the lead stayed behind.
MERGES = Look(
    table="leads_lead",
    row="d.id",
    source="""leads_lead d
        LEFT JOIN leads_mergerecord r ON r.gone_id = d.id AND r.undone_at IS NULL
        LEFT JOIN LATERAL (
            SELECT 'message' AS what FROM messaging_message m WHERE m.lead_id = d.id AND r.id IS NOT NULL
            UNION ALL SELECT 'step' FROM campaigns_campaignlog l JOIN campaigns_enrollment e ON e.id = l.enrollment_id
            -- Who was taken in in the very moment of the merge is still enrolled, and contacted by nobody.
            WHERE l.lead_id = d.id AND r.id IS NOT NULL AND (e.lead_id <> d.id OR l.message_id IS NOT NULL)
            UNION ALL SELECT 'inquiry' FROM leads_inquiry q WHERE q.lead_id = d.id AND r.id IS NOT NULL
            UNION ALL SELECT 'permission' FROM leads_contactpermission p WHERE p.lead_id = d.id AND r.id IS NOT NULL
            LIMIT 1) left_behind ON r.id IS NOT NULL""",
    broken={
        "merged_lead_is_gone": Broken(
            "d.merged_into_id IS DISTINCT FROM r.into_id OR (r.id IS NOT NULL AND d.deleted_at IS NULL)",
            """'says that it was merged into ' || coalesce(d.merged_into_id::text, 'nobody') || ', its record '
               || coalesce(r.into_id::text, 'nobody')""",
        ),
        "merge_left_nothing_behind": Broken(
            "left_behind.what IS NOT NULL", "'was merged, but still has a ' || left_behind.what"
        ),
    },
)
