"""The invariants of the engine over the whole database. Nobody has to trust the engine: they can check it.

Each invariant is one set-based statement that finds the rows that break it; docs/engine.md says what each means.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import models

from brokers.models import Broker
from campaigns import sql
from campaigns.actions import fingerprint
from campaigns.models import CampaignStep, CampaignVersion

SHOWN = 100

# Each finds (table, id, what is wrong).
INVARIANTS: dict[str, str] = {
    "active_has_one_pending": """
        SELECT 'campaigns_enrollment', e.id, 'active with ' || count(l.id) || ' pending rows'
        FROM campaigns_enrollment e
        LEFT JOIN campaigns_campaignlog l ON l.enrollment_id = e.id AND l.status = 'pending'
        WHERE e.status = 'active' GROUP BY e.id HAVING count(l.id) <> 1""",
    "ended_has_none_waiting": """
        SELECT 'campaigns_campaignlog', l.id, 'waits although its enrolment is ' || e.status
        FROM campaigns_campaignlog l JOIN campaigns_enrollment e ON e.id = l.enrollment_id
        WHERE l.status = 'pending' AND l.dispatched_at IS NULL AND e.status <> 'active'""",
    "held_out_has_no_log": """
        SELECT 'campaigns_enrollment', e.id, 'held out, but has a log'
        FROM campaigns_enrollment e
        WHERE e.status = 'held_out' AND EXISTS (SELECT FROM campaigns_campaignlog l WHERE l.enrollment_id = e.id)""",
    "ended_has_its_moment": """
        SELECT 'campaigns_enrollment', e.id, e.status || ' with finished_at ' || coalesce(e.finished_at::text, 'null')
        FROM campaigns_enrollment e
        WHERE (e.status IN ('completed', 'exited')) <> (e.finished_at IS NOT NULL)
           OR (e.status = 'exited') <> (e.exit_reason <> '')""",
    "final_row_has_its_moment": """
        SELECT 'campaigns_campaignlog', l.id, l.status || ' with executed_at ' || coalesce(l.executed_at::text, 'null')
        FROM campaigns_campaignlog l WHERE (l.status = 'pending') <> (l.executed_at IS NULL)""",
    "unsent_row_has_a_reason": """
        SELECT 'campaigns_campaignlog', l.id, l.status || ' without a reason'
        FROM campaigns_campaignlog l WHERE l.status IN ('failed', 'skipped') AND l.reason = ''""",
    "in_flight_has_a_lease": """
        SELECT 'campaigns_campaignlog', l.id, 'dispatched and pending without a lease'
        FROM campaigns_campaignlog l
        WHERE l.status = 'pending' AND l.dispatched_at IS NOT NULL AND l.lease_until IS NULL""",
    "steps_follow_each_other": """
        SELECT 'campaigns_campaignlog', id, 'step ' || step_number || ' follows step ' || coalesce(before::text, 'none')
        FROM (SELECT id, step_number, lag(step_number) OVER (PARTITION BY enrollment_id ORDER BY step_number) AS before,
                     lag(status) OVER (PARTITION BY enrollment_id ORDER BY step_number) AS before_status
              FROM campaigns_campaignlog) l
        WHERE step_number <> coalesce(before, 0) + 1 OR before_status = 'pending'""",
    "sent_means_accepted": """
        SELECT 'campaigns_campaignlog', l.id, 'sent, but its message is ' || coalesce(m.status, 'missing')
        FROM campaigns_campaignlog l LEFT JOIN messaging_message m ON m.id = l.message_id
        WHERE l.status = 'sent' AND l.action <> 'update_stage' AND m.sent_at IS NULL""",
    "message_belongs_to_its_row": """
        SELECT 'campaigns_campaignlog', l.id, 'points at message ' || m.id || ' with key ' || m.dedupe_key
        FROM campaigns_campaignlog l JOIN messaging_message m ON m.id = l.message_id
        WHERE m.lead_id <> l.lead_id
           OR NOT starts_with(m.dedupe_key, 'step:' || l.enrollment_id || ':' || l.step_number || ':')""",
    "one_accepted_message_a_step": """
        SELECT 'messaging_message', min(m.id), 'one of ' || count(*) || ' accepted for ' || min(m.dedupe_key)
        FROM messaging_message m
        WHERE m.dedupe_key LIKE 'step:%%' AND m.sent_at IS NOT NULL AND m.failed_at IS NULL
        GROUP BY split_part(m.dedupe_key, ':', 2), split_part(m.dedupe_key, ':', 3) HAVING count(*) > 1""",
    "step_message_has_its_row": """
        SELECT 'messaging_message', m.id, 'key ' || m.dedupe_key || ' without a row in the log'
        FROM messaging_message m
        WHERE m.dedupe_key LIKE 'step:%%' AND NOT EXISTS (
            SELECT FROM campaigns_campaignlog l
            WHERE l.lead_id = m.lead_id AND l.enrollment_id::text = split_part(m.dedupe_key, ':', 2)
              AND l.step_number::text = split_part(m.dedupe_key, ':', 3))""",
    "automatic_contact_has_its_basis": """
        SELECT 'messaging_message', m.id, 'sent without saying why it was allowed'
        FROM messaging_message m
        WHERE m.direction = 'out' AND m.dedupe_key LIKE 'step:%%'
          AND NOT (m.basis ?& ARRAY['rules', 'address', 'permission', 'window', 'caps'])""",
    "basis_allowed_it": """
        SELECT 'messaging_message', m.id, 'was allowed although its basis says no'
        FROM messaging_message m
        WHERE m.dedupe_key LIKE 'step:%%' AND (
            m.basis #>> '{permission,kind}' = 'revoked'
            OR (m.purpose = 'marketing' AND (
                (m.basis #>> '{caps,24h,sent}')::int >= (m.basis #>> '{caps,24h,cap}')::int
                OR (m.basis #>> '{caps,7d,sent}')::int >= (m.basis #>> '{caps,7d,cap}')::int)))""",
    # A contact whose outcome was learnt late may have counted differently when the next one was decided.
    "caps_hold": """
        SELECT 'messaging_message', id, 'contact ' || in_day || ' in 24 hours, ' || in_week || ' in 7 days'
        FROM (SELECT m.id, m.purpose, m.basis, m.dedupe_key,
                     count(*) OVER (PARTITION BY m.lead_id, m.sandbox ORDER BY m.created_at
                                    RANGE BETWEEN '24 hours' PRECEDING AND CURRENT ROW) AS in_day,
                     count(*) OVER (PARTITION BY m.lead_id, m.sandbox ORDER BY m.created_at
                                    RANGE BETWEEN '7 days' PRECEDING AND CURRENT ROW) AS in_week
              FROM messaging_message m
              WHERE m.direction = 'out' AND m.sent_by_id IS NULL AND m.status NOT IN ('failed', 'cancelled')
                AND m.failed_at IS NULL AND m.unknown_at IS NULL) m
        WHERE m.purpose = 'marketing' AND m.dedupe_key LIKE 'step:%%'
          AND (in_day > (m.basis #>> '{caps,24h,cap}')::int OR in_week > (m.basis #>> '{caps,7d,cap}')::int)""",
    "max_contacts_holds": """
        SELECT 'campaigns_campaign', c.id,
               count(e.id) || ' enrolled, counted ' || c.enrolled_count || ' of ' || coalesce(c.max_contacts::text, '∞')
        FROM campaigns_campaign c
        LEFT JOIN campaigns_enrollment e ON e.campaign_id = c.id AND e.status <> 'held_out'
        GROUP BY c.id HAVING count(e.id) <> c.enrolled_count OR count(e.id) > c.max_contacts""",
    "enrollment_has_its_version": """
        SELECT 'campaigns_enrollment', e.id, 'is on version ' || e.version || ', which was never activated'
        FROM campaigns_enrollment e
        WHERE NOT EXISTS (SELECT FROM campaigns_campaignversion v
                          WHERE v.campaign_id = e.campaign_id AND v.number = e.version)""",
    "log_has_its_step": """
        SELECT 'campaigns_campaignlog', l.id, 'step ' || l.step_number || ' is another one in its version'
        FROM campaigns_campaignlog l JOIN campaigns_enrollment e ON e.id = l.enrollment_id
        JOIN campaigns_campaignstep p ON p.id = l.step_id
        WHERE p.campaign_id <> l.campaign_id OR p.step_number <> l.step_number OR e.campaign_id <> l.campaign_id
           OR e.lead_id <> l.lead_id OR (l.status = 'pending' AND p.version <> e.version)""",
    # By id: histories are written under the lead's lock, while their moments may come in any order.
    "stage_matches_history": """
        SELECT 'leads_lead', d.id,
               'is in ' || d.pipeline_stage || ', its history says ' || coalesce(t.to_stage, 'nothing')
        FROM leads_lead d LEFT JOIN LATERAL (
            SELECT to_stage FROM leads_stagetransition t WHERE t.lead_id = d.id ORDER BY t.id DESC LIMIT 1
        ) t ON true
        WHERE t.to_stage IS DISTINCT FROM d.pipeline_stage""",
    "score_matches_history": """
        SELECT 'leads_lead', d.id,
               'scores ' || d.lead_score || ', its history says ' || coalesce(s.to_score::text, 'nothing')
        FROM leads_lead d LEFT JOIN LATERAL (
            SELECT to_score FROM leads_scorechange s WHERE s.lead_id = d.id ORDER BY s.id DESC LIMIT 1
        ) s ON true
        WHERE s.to_score IS DISTINCT FROM d.lead_score""",
}

JOINS_TWO_BROKERS = """
SELECT '{child}', c.{pk}, '{column}=' || c.{column} || ' belongs to brokerage ' || p.{owner}
FROM {child} c JOIN {parent} p ON p.id = c.{column}
WHERE p.{owner} <> c.broker_id"""
DANGLING = """
SELECT '{child}', c.{pk}, '{column}=' || c.{column} || ' is no row of {parent}'
FROM {child} c WHERE c.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} p WHERE p.id = c.{column})"""


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that breaks an invariant."""

    invariant: str
    table: str
    row_id: int
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant with the number of rows that break it, and the first of them."""

    invariant: str
    count: int
    rows: list[Violation]


def verify() -> Iterator[Finding]:
    """Check every invariant, one after the other."""
    for name, statement in INVARIANTS.items():
        yield _finding(name, statement)
    references = list(tenant_references())
    yield _finding("one_broker", " UNION ALL ".join(_filled(JOINS_TWO_BROKERS, field) for field in references))
    loose = [field for field in (*references, *_broker_fields()) if not field.db_constraint]  # type: ignore[attr-defined]
    yield _finding("references_resolve", " UNION ALL ".join(_filled(DANGLING, field) for field in loose))
    yield _fingerprints()


def _finding(name: str, statement: str) -> Finding:
    found = sql.rows(
        f"SELECT *, count(*) OVER () FROM ({statement}) found(table_name, id, detail) ORDER BY 1, 2 LIMIT {SHOWN}", {}
    )
    return Finding(name, found[0][3] if found else 0, [Violation(name, *row[:3]) for row in found])


def tenant_references() -> Iterator[models.ForeignKey]:
    """Every foreign key from one tenant model to another (or to a user, who belongs to a broker too)."""
    for model in apps.get_models():
        if "broker" not in {field.name for field in model._meta.concrete_fields}:
            continue
        for field in model._meta.concrete_fields:
            target = field.related_model
            if isinstance(field, models.ForeignKey) and target is not Broker and hasattr(target, "broker"):
                yield field


def _broker_fields() -> Iterator[models.ForeignKey]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.ForeignKey) and field.related_model is Broker:
                yield field


def _filled(statement: str, field: models.ForeignKey) -> str:
    parent = field.related_model._meta
    return statement.format(
        child=field.model._meta.db_table,
        pk=field.model._meta.pk.column,
        column=field.column,
        parent=parent.db_table,
        owner="broker_id",
    )


def _fingerprints() -> Finding:
    """Versions whose settings or steps are no longer what was approved."""
    name = "versions_unchanged"
    changed = [
        Violation(name, "campaigns_campaignversion", version.pk, f"{version} is no longer what was approved")
        for version in CampaignVersion.objects.select_related("campaign").order_by("pk")
        if fingerprint(version.settings, _steps_of(version)) != version.fingerprint
    ]
    return Finding(name, len(changed), changed[:SHOWN])


def _steps_of(version: CampaignVersion) -> list[CampaignStep]:
    steps = CampaignStep.objects.filter(campaign=version.campaign_id, version=version.number)
    return list(steps.order_by("step_number"))
