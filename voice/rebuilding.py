"""What came down onto the leads, computed anew from the rows above that it came from: messages, calls, meetings,
tasks, inquiries, permissions. Counts and next moments are equal or have drifted; a stamp has drifted only when it lags
behind what the rows prove, because not everything that moves a stamp leaves a row."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q

from brokers.models import Broker
from leads.actions import recalculate_scores
from leads.actions.facts import LONG_CALL_SECONDS, QUICK_REPLY_WITHIN
from leads.actions.recalculating import utc_now
from leads.consents import opted_out_at
from leads.models import ContactPermission, Lead
from messaging.models import ACCEPTED

BATCH = 1_000
EXAMPLES = 5

# Columns that equal what the rows say, with their types.
COUNTS = {
    "inbound_count": "int",
    "quick_reply_count": "int",
    "long_call_count": "int",
    "call_score": "int",
    "booking_count": "int",
    "next_appointment_at": "timestamptz",
    "next_task_at": "timestamptz",
}
# Columns that may be later than the rows say.
STAMPS = {
    "last_inbound_at": "timestamptz",
    "last_contacted_at": "timestamptz",
    "last_answered_at": "timestamptz",
    "last_activity_at": "timestamptz",
    "last_inquiry_at": "timestamptz",
}
# One that may be earlier than the rows say.
FIRSTS = {"first_touched_at": "timestamptz"}
# It stands or it does not; since when, may differ.
STATES = {"opted_out_at": "timestamptz"}
COLUMNS = COUNTS | STAMPS | FIRSTS | STATES

LOCK = """
SELECT id FROM leads_lead
WHERE broker_id = %(broker)s AND deleted_at IS NULL AND id > %(after)s ORDER BY id LIMIT %(size)s
FOR NO KEY UPDATE
"""

# A reply counts as `messaging.inbound` counts it: no automatic ones, none that only follow a link, and as a quick one
# the first line of an answer only.
EXPECTED = """
WITH inbound AS (
    SELECT m.lead_id, m.created_at,
           m.created_at - answered.sent_at <= %(quick)s
           AND coalesce(lag(m.created_at) OVER (PARTITION BY m.lead_id ORDER BY m.created_at, m.id) < answered.sent_at,
                        true) AS is_quick
    FROM messaging_message m LEFT JOIN LATERAL (
        SELECT o.sent_at FROM messaging_message o
        WHERE o.lead_id = m.lead_id AND o.direction = 'out' AND o.sandbox = m.sandbox AND o.channel <> 'call'
          AND o.status = ANY(%(accepted)s) AND o.created_at <= m.created_at
        ORDER BY o.created_at DESC, o.id DESC LIMIT 1
    ) answered ON true
    WHERE m.lead_id = ANY(%(leads)s) AND m.direction = 'in'
      AND NOT m.basis ? 'automatic' AND NOT m.basis ? 'start'
),
replies AS (
    SELECT lead_id, count(*) AS count, count(*) FILTER (WHERE is_quick) AS quick, max(created_at) AS last
    FROM inbound GROUP BY lead_id
),
sent AS (
    SELECT lead_id, max(sent_at) AS last,
           max(created_at) FILTER (WHERE sent_at IS NOT NULL AND sent_by_id IS NOT NULL
                                     AND NOT starts_with(dedupe_key, 'resend:')) AS by_person,
           min(created_at) FILTER (WHERE sent_at IS NOT NULL AND sent_by_id IS NOT NULL
                                     AND NOT starts_with(dedupe_key, 'resend:')) AS first_by_person
    FROM messaging_message WHERE lead_id = ANY(%(leads)s) AND direction = 'out' GROUP BY lead_id
),
calls AS (
    SELECT v.lead_id, count(*) FILTER (WHERE v.duration > %(long)s) AS long, sum(v.score_delta) AS points,
           max(v.started_at) AS last
    FROM voice_voicecall v JOIN messaging_message m ON m.id = v.message_id
    WHERE v.lead_id = ANY(%(leads)s) AND v.status = 'completed' AND m.status IN ('delivered', 'read')
    GROUP BY v.lead_id
),
meetings AS (
    -- A meeting that was called off and booked again counts as often, one that nobody came to does not.
    SELECT a.lead_id, max(a.booked_at) AS last,
           count(*) FILTER (WHERE a.booked_at IS NOT NULL AND a.status <> 'no_show') AS fewest,
           sum(1 + a.sequence) FILTER (WHERE a.booked_at IS NOT NULL) AS most,
           -- One that has passed and is still live stays the next one until the night.
           min(a.starts_at) FILTER (WHERE a.status IN ('scheduled', 'confirmed')
                                      AND a.starts_at >= least(%(now)s, d.next_appointment_at)) AS next
    FROM leads_appointment a JOIN leads_lead d ON d.id = a.lead_id
    WHERE a.lead_id = ANY(%(leads)s) GROUP BY a.lead_id
),
tasks AS (
    SELECT lead_id, min(greatest(due_at, snoozed_until)) FILTER (WHERE done_at IS NULL) AS next
    FROM leads_task WHERE lead_id = ANY(%(leads)s) GROUP BY lead_id
),
inquiries AS (
    SELECT lead_id, max(at) AS last FROM leads_inquiry WHERE lead_id = ANY(%(leads)s) GROUP BY lead_id
),
signs AS (
    SELECT lead_id, max(at) AS last FROM (
        SELECT lead_id, at FROM leads_note WHERE lead_id = ANY(%(leads)s)
        UNION ALL SELECT lead_id, at FROM leads_contactpermission WHERE lead_id = ANY(%(leads)s)
        UNION ALL SELECT lead_id, at FROM leads_stagetransition WHERE lead_id = ANY(%(leads)s) AND cause = 'agent'
    ) sign GROUP BY lead_id
)
SELECT d.id, d.inbound_count, d.quick_reply_count, d.long_call_count, d.call_score, d.booking_count,
       d.next_appointment_at, d.next_task_at, d.last_inbound_at, d.last_contacted_at, d.last_answered_at,
       d.last_activity_at, d.last_inquiry_at, d.first_touched_at, d.opted_out_at,
       coalesce(replies.count, 0), coalesce(replies.quick, 0), coalesce(calls.long, 0), coalesce(calls.points, 0),
       least(greatest(d.booking_count, coalesce(meetings.fewest, 0)), coalesce(meetings.most, 0)), meetings.next,
       tasks.next, replies.last, sent.last, sent.by_person,
       greatest(d.created_at, replies.last, calls.last, meetings.last, signs.last, inquiries.last), inquiries.last,
       sent.first_by_person
FROM leads_lead d
LEFT JOIN replies ON replies.lead_id = d.id LEFT JOIN sent ON sent.lead_id = d.id
LEFT JOIN calls ON calls.lead_id = d.id LEFT JOIN meetings ON meetings.lead_id = d.id
LEFT JOIN tasks ON tasks.lead_id = d.id LEFT JOIN signs ON signs.lead_id = d.id
LEFT JOIN inquiries ON inquiries.lead_id = d.id
WHERE d.id = ANY(%(leads)s) ORDER BY d.id
"""

WRITE = f"""
UPDATE leads_lead lead SET {", ".join(f"{name} = new.{name}" for name in COLUMNS)}, updated_at = %(now)s
FROM unnest(%(id)s::bigint[], {", ".join(f"%({name})s::{kind}[]" for name, kind in COLUMNS.items())})
     AS new (id, {", ".join(COLUMNS)})
WHERE lead.id = new.id
"""


class Drift(NamedTuple):
    """One column of one lead that says something else than the rows."""

    lead_id: int
    column: str
    stored: Any
    expected: Any


@dataclass(slots=True)
class Rebuilt:
    """How many leads were looked at, how many have drifted, in which columns, and the first few."""

    is_fixed: bool = False
    leads: int = 0
    drifted: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    examples: list[Drift] = field(default_factory=list)

    def add(self, leads: int, drifts: Sequence[Drift]) -> None:
        self.leads += leads
        self.drifted += len({drift.lead_id for drift in drifts})
        self.columns.update(drift.column for drift in drifts)
        self.examples += drifts[: EXAMPLES - len(self.examples)]


def rebuild_lead_facts(
    *,
    broker: Broker | None = None,
    fixes: bool = False,
    clock: Callable[[], datetime] = utc_now,
    batch_size: int = BATCH,
    progress: Callable[[int], object] | None = None,
) -> Rebuilt:
    """Compare the facts on every lead, or on one broker's, with the rows above; where it `fixes`, write them and what
    follows from them. Batch by batch, each lead under its lock."""
    report = Rebuilt(fixes)
    for one in [broker] if broker else Broker.objects.order_by("id"):
        for count, drifts in _batches(one, fixes, clock, batch_size):
            report.add(count, drifts)
            if progress:
                progress(count)
    return report


def _batches(
    broker: Broker, fixes: bool, clock: Callable[[], datetime], size: int
) -> Iterator[tuple[int, list[Drift]]]:
    after = 0
    while True:
        with transaction.atomic():
            now = clock()
            leads = [row[0] for row in _rows(LOCK, {"broker": broker.pk, "after": after, "size": size})]
            if not leads:
                return
            drifts, rows = _compare(leads, now)
            if fixes and rows:
                _write(rows, now)
                recalculate_scores(broker=broker, lead_ids=list(rows), cause="rebuild", clock=partial(_at, now))
        after = leads[-1]
        yield len(leads), drifts


def _compare(leads: Sequence[int], now: datetime) -> tuple[list[Drift], dict[int, dict[str, Any]]]:
    """What has drifted, and of those leads every column as it should be."""
    params = {
        "leads": list(leads),
        "now": now,
        "quick": QUICK_REPLY_WITHIN,
        "long": LONG_CALL_SECONDS,
        "accepted": list(ACCEPTED),
    }
    drifts: list[Drift] = []
    right: dict[int, dict[str, Any]] = {}
    said = _opt_outs(leads)
    for lead, *values in _rows(EXPECTED, params):
        stored = dict(zip(COLUMNS, values[: len(COLUMNS)], strict=True))
        expected = dict(zip(COLUMNS, [*values[len(COLUMNS) :], said[lead]], strict=True))
        wrong = [name for name in COLUMNS if _has_drifted(name, stored[name], expected[name])]
        drifts += [Drift(lead, name, stored[name], expected[name]) for name in wrong]
        if wrong:
            right[lead] = stored | {name: expected[name] for name in wrong}
    return drifts, right


def _opt_outs(lead_ids: Sequence[int]) -> dict[int, datetime | None]:
    """Since when each is opted out, by what they said and what was said of their addresses."""
    leads = list(Lead.objects.filter(pk__in=lead_ids).only("broker", "phone", "email", "telegram_chat_id"))
    of = {lead.pk: {lead.phone, lead.email, lead.telegram_chat_id} - {""} for lead in leads}
    addresses = [address for mine in of.values() for address in mine]
    by_lead, by_address = defaultdict(list), defaultdict(list)
    brokers = {lead.broker_id for lead in leads}
    about = ContactPermission.objects.filter(Q(lead__in=lead_ids) | Q(address__in=addresses), broker__in=brokers)
    for rule in about:
        by_lead[rule.lead_id].append(rule)
        if rule.address and not rule.evidence.get("sandbox"):
            by_address[rule.address].append(rule)
    return {
        lead: opted_out_at([*by_lead[lead], *(rule for one in mine for rule in by_address[one])])
        for lead, mine in of.items()
    }


def _has_drifted(column: str, stored: Any, expected: Any) -> bool:
    if column in STAMPS:
        return expected is not None and (stored is None or stored < expected)
    if column in FIRSTS:
        return expected is not None and (stored is None or stored > expected)
    if column in STATES:
        return (stored is None) != (expected is None)
    return bool(stored != expected)


def _write(rows: dict[int, dict[str, Any]], now: datetime) -> None:
    columns = {name: [row[name] for row in rows.values()] for name in COLUMNS}
    with connection.cursor() as cursor:
        cursor.execute(WRITE, {**columns, "id": list(rows), "now": now})


def _at(moment: datetime) -> datetime:
    return moment


def _rows(statement: str, params: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()
