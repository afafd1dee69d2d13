"""The importer's SQL: what is known of the people of a batch, and the batch written by COPY and set-based statements.

Ids and addresses go in as arrays, rows come out; rows are locked in the order of their ids, never stronger than NO
KEY UPDATE; no table is qualified by a schema.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from django.db import connection

from leads.actions.moves import Move, write_stages, write_steps
from leads.importer.consents import SOURCE, KnownRule, NewPermission
from leads.importer.merging import LOADED, MAILBOX_LIMIT, KnownInquiry, KnownLead, NewInquiry
from leads.importer.rows import ParsedLine
from leads.models import Lead

# One import of a broker at a time, batch by batch: two files at once would each find a lead that the other misses.
LOCK_BROKER = "SELECT pg_advisory_xact_lock(hashtextextended('embudo:import', %s))"

# With the addresses of the lead that it is about now, those that came to them by a merge included.
EXTERNAL = """
SELECT inquiry.source, inquiry.external_id, inquiry.digest, inquiry.lead_id, ARRAY(
           SELECT address FROM unnest(ARRAY[lead.phone, lead.email, lead.telegram_chat_id]) address WHERE address <> ''
           UNION ALL
           SELECT other.address FROM leads_otheraddress other WHERE other.lead_id = lead.id)
FROM unnest(%(sources)s::text[], %(ids)s::text[]) AS line (source, external_id)
JOIN leads_inquiry inquiry
  ON inquiry.broker_id = %(broker)s AND inquiry.source = line.source AND inquiry.external_id = line.external_id
JOIN leads_lead lead ON lead.id = inquiry.lead_id
WHERE NOT inquiry.external_id = ''
"""

# One probe a value, here and below: with `= ANY(…)` a planner that has no statistics of a new broker yet goes through
# all of its rows, comparing each with every value.
DIGESTS = """
SELECT wanted.digest FROM unnest(%(digests)s::text[]) AS wanted (digest) CROSS JOIN LATERAL (
    SELECT id FROM leads_inquiry
    WHERE broker_id = %(broker)s AND digest = wanted.digest AND external_id = '' AND NOT digest = '' LIMIT 1
) line
"""

# `NOT x = ''` is what the partial indexes say; the planner wants to hear it in their words.
KNOWN = f"""
SELECT {", ".join(LOADED)} FROM leads_lead
WHERE deleted_at IS NULL AND id IN (
    SELECT number.id FROM unnest(%(phones)s::text[]) AS wanted (phone) CROSS JOIN LATERAL (
        SELECT id FROM leads_lead
        WHERE broker_id = %(broker)s AND deleted_at IS NULL AND NOT phone = '' AND phone = wanted.phone LIMIT 1
    ) number
    UNION ALL
    SELECT mailbox.id FROM unnest(%(emails)s::text[]) AS wanted (email) CROSS JOIN LATERAL (
        SELECT id FROM leads_lead
        WHERE broker_id = %(broker)s AND deleted_at IS NULL AND NOT email = '' AND email = wanted.email
        ORDER BY phone <> '', id LIMIT {MAILBOX_LIMIT}
    ) mailbox
    UNION ALL
    SELECT chat.id FROM unnest(%(chats)s::text[]) AS wanted (telegram_chat_id) CROSS JOIN LATERAL (
        SELECT id FROM leads_lead
        WHERE broker_id = %(broker)s AND deleted_at IS NULL AND NOT telegram_chat_id = ''
          AND telegram_chat_id = wanted.telegram_chat_id LIMIT 1
    ) chat
    UNION ALL
    SELECT unnest(%(ids)s::bigint[])
)
ORDER BY id FOR NO KEY UPDATE
"""

# What was said of these addresses, and by these leads.
PERMISSIONS = """
SELECT p.* FROM unnest(%(addresses)s::text[]) AS wanted (address) CROSS JOIN LATERAL (
    SELECT id, lead_id, address, channel, kind, purpose, at, wording, coalesce(evidence ->> 'source', ''),
           coalesce((evidence ->> 'sandbox')::bool, false)
    FROM leads_contactpermission WHERE broker_id = %(broker)s AND NOT address = '' AND address = wanted.address OFFSET 0
) p
UNION
SELECT id, lead_id, address, channel, kind, purpose, at, wording, coalesce(evidence ->> 'source', ''),
       coalesce((evidence ->> 'sandbox')::bool, false)
FROM leads_contactpermission WHERE lead_id = ANY(%(leads)s)
"""

COPY_PERMISSIONS = """
COPY leads_contactpermission (broker_id, lead_id, address, channel, kind, purpose, source, wording, evidence, at)
FROM STDIN
"""

# Leads to whom an address came by a merge: nobody has it in their own columns.
OTHERS = """
SELECT wanted.kind, wanted.address, other.lead_id
FROM unnest(%(kinds)s::text[], %(addresses)s::text[]) AS wanted (kind, address) CROSS JOIN LATERAL (
    SELECT other.lead_id FROM leads_otheraddress other JOIN leads_lead lead ON lead.id = other.lead_id
    WHERE other.broker_id = %(broker)s AND other.kind = wanted.kind AND other.address = wanted.address
      AND lead.deleted_at IS NULL
    ORDER BY other.lead_id LIMIT 1
) other
"""

RESERVE = "SELECT nextval(pg_get_serial_sequence('leads_lead', 'id')) FROM generate_series(1, %s)"

_JSON = "jsonb"
_LEAD_TYPES = {
    "id": "bigint",
    "name": "text",
    "phone": "text",
    "email": "text",
    "telegram_chat_id": "text",
    "status": "text",
    "lead_score": "smallint",
    "score_components": _JSON,
    "pipeline_stage": "text",
    "notes": "text",
    "tags": _JSON,
    "metadata": _JSON,
    "budget_amount": "numeric",
    "income_amount": "numeric",
    "debt_amount": "numeric",
    "dicom_status": "text",
    "location": "text",
    "field_sources": _JSON,
    "source": "text",
    "opted_out_at": "timestamptz",
    "qualification": "text",
    "last_activity_at": "timestamptz",
    "last_inquiry_at": "timestamptz",
    "created_at": "timestamptz",
    "score_before": "smallint",
    "born_in": "text",
}
_INQUIRY_TYPES = {
    "lead_id": "bigint",
    "source": "text",
    "external_id": "text",
    "property_ref": "text",
    "text": "text",
    "raw": _JSON,
    "digest": "text",
    "at": "timestamptz",
}
# What an import may write on a lead that is there already.
_FILLED = [
    name for name in _LEAD_TYPES if name not in ("id", "pipeline_stage", "created_at", "score_before", "born_in")
]


def _stage(table: str, types: dict[str, str]) -> tuple[str, str, str]:
    columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
    return (
        f"CREATE TEMP TABLE IF NOT EXISTS {table} ({columns}) ON COMMIT DROP",
        f"TRUNCATE {table}",  # within one outer transaction (a dry run) the batch before is still there
        f"COPY {table} ({', '.join(types)}) FROM STDIN",
    )


STAGE_LEADS = _stage("import_lead", _LEAD_TYPES)
STAGE_INQUIRIES = _stage("import_inquiry", _INQUIRY_TYPES)
# Without figures about the staged rows, the planner reads a million leads to change a hundred.
ANALYZE = "ANALYZE import_lead (id)"

UPDATE_LEADS = f"""
UPDATE leads_lead lead SET {", ".join(f"{name} = staged.{name}" for name in _FILLED)}, updated_at = %(now)s
FROM import_lead staged WHERE lead.id = staged.id AND staged.score_before IS NOT NULL
"""

INSERT_TRANSITIONS = """
INSERT INTO leads_stagetransition (broker_id, lead_id, from_stage, to_stage, at, by_id, cause, reason)
SELECT %(broker)s, id, '', born_in, created_at, %(by)s, %(cause)s, '' FROM import_lead
WHERE score_before IS NULL ORDER BY id
"""

INSERT_SCORES = """
INSERT INTO leads_scorechange (broker_id, lead_id, from_score, to_score, at, cause)
SELECT %(broker)s, id, score_before, lead_score, %(now)s, %(cause)s FROM import_lead
WHERE score_before IS DISTINCT FROM lead_score ORDER BY id
"""

INSERT_INQUIRIES = f"""
INSERT INTO leads_inquiry (broker_id, import_batch_id, {", ".join(_INQUIRY_TYPES)})
SELECT %(broker)s, %(batch)s, {", ".join(_INQUIRY_TYPES)} FROM import_inquiry
"""


def known_people(
    broker_id: int, lines: Sequence[ParsedLine]
) -> tuple[list[KnownLead], dict[tuple[str, str], KnownInquiry], list[str]]:
    """The leads that these lines may be about, locked, with the other addresses by which the lines know them; and their
    earlier inquiries, by source and id and by digest."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_BROKER, [broker_id])
        named = [(line.source, line.external_id) for line in lines if line.external_id]
        sources, ids = zip(*named, strict=True) if named else ((), ())
        cursor.execute(EXTERNAL, {"broker": broker_id, "sources": list(sources), "ids": list(ids)})
        external = cursor.fetchall()
        cursor.execute(DIGESTS, {"broker": broker_id, "digests": [line.content_hash for line in lines]})
        digests = [digest for (digest,) in cursor.fetchall()]
        others = _others(cursor, broker_id, lines)
        cursor.execute(
            KNOWN,
            {
                "broker": broker_id,
                "phones": _each(line.phone for line in lines),
                "emails": _each(line.email for line in lines),
                "chats": _each(line.telegram_chat_id for line in lines),
                "ids": [row[3] for row in external] + [lead_id for _kind, _address, lead_id in others],
            },
        )
        leads = {row[0]: _lead(row) for row in cursor.fetchall()}
    for kind, address, lead_id in others:
        if lead_id in leads:
            leads[lead_id].others.append((kind, address))
    inquiries = {
        (source, external_id): KnownInquiry(digest, leads.get(lead_id), frozenset(addresses))
        for source, external_id, digest, lead_id, addresses in external
    }
    return list(leads.values()), inquiries, digests


def known_permissions(broker_id: int, lines: Sequence[ParsedLine], leads: Sequence[KnownLead]) -> list[KnownRule]:
    people: list[ParsedLine | KnownLead] = [*lines, *leads]
    addresses = _each(address for one in people for address in (one.phone, one.email, one.telegram_chat_id))
    with connection.cursor() as cursor:
        params: dict[str, Any] = {"broker": broker_id, "addresses": addresses, "leads": [lead.id for lead in leads]}
        cursor.execute(PERMISSIONS, params)
        return [KnownRule(*row) for row in cursor.fetchall()]


def write_permissions(rows: Iterable[NewPermission], *, broker_id: int, batch_id: int) -> None:
    """Append-only, like every permission."""
    with connection.cursor() as cursor, cursor.copy(COPY_PERMISSIONS) as copy:
        for row in rows:
            said = row.consent
            evidence = {"batch": batch_id, "line": row.line_number, "source": said.source}
            where = (broker_id, row.lead.id if row.lead is not None else None, row.address, said.channel)
            copy.write_row((*where, said.kind, "marketing", SOURCE, said.wording, _encode(evidence), row.at))


def _others(cursor: Any, broker_id: int, lines: Sequence[ParsedLine]) -> list[tuple[str, str, int]]:
    kinds = ("phone", "email", "telegram_chat_id")
    named = list({(kind, getattr(line, kind)) for line in lines for kind in kinds if getattr(line, kind)})
    columns = {"kinds": [kind for kind, _address in named], "addresses": [address for _kind, address in named]}
    cursor.execute(OTHERS, {"broker": broker_id} | columns)
    found: list[tuple[str, str, int]] = cursor.fetchall()
    return found


def _each(addresses: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, addresses)))


def reserve_ids(leads: Iterable[KnownLead]) -> None:
    born = list(leads)
    with connection.cursor() as cursor:
        cursor.execute(RESERVE, [len(born)])
        for lead, (number,) in zip(born, cursor.fetchall(), strict=True):
            lead.id = number


def write_people(
    leads: Sequence[KnownLead],
    inquiries: Sequence[NewInquiry],
    *,
    broker_id: int,
    batch_id: int,
    by_id: int | None,
    cause: str,
    now: datetime,
) -> None:
    """Raises IntegrityError when somebody else took in one of these people in this very moment."""
    params = {"broker": broker_id, "batch": batch_id, "by": by_id, "cause": cause, "now": now}
    with connection.cursor() as cursor:
        _copy(cursor, STAGE_LEADS, leads, _lead_row)
        cursor.execute(ANALYZE)
        cursor.execute(*_birth(broker_id, batch_id, now))
        cursor.execute(UPDATE_LEADS, params)
        cursor.execute(INSERT_TRANSITIONS, params)
        _advance(leads, broker_id, now)
        cursor.execute(INSERT_SCORES, params)
        _copy(cursor, STAGE_INQUIRIES, inquiries, _inquiry_row)
        cursor.execute(INSERT_INQUIRIES, params)


def _advance(leads: Sequence[KnownLead], broker_id: int, now: datetime) -> None:
    """Who was born in this batch stands in its last stage already."""
    moves = [(lead, Move(lead.id, *step)) for lead in leads for step in lead.steps]
    write_steps([move for _lead, move in moves], broker_id=broker_id, now=now)
    write_stages([move for lead, move in moves if lead.score_before is not None], now=now)


def _copy(cursor: Any, stage: tuple[str, str, str], items: Iterable[Any], row: Callable[[Any], Sequence[Any]]) -> None:
    create, empty, copy_in = stage
    cursor.execute(create)
    cursor.execute(empty)
    with cursor.copy(copy_in) as copy:
        for item in items:
            copy.write_row(row(item))


def _birth(broker_id: int, batch_id: int, now: datetime) -> tuple[str, list[Any]]:
    """New leads: what was staged, and of every other column of Lead its default."""
    staged = {name: name for name in _LEAD_TYPES if name not in ("score_before", "born_in")} | {
        "stage_entered_at": "created_at"
    }
    given = {"broker_id": broker_id, "import_batch_id": batch_id, "updated_at": now}
    for column in Lead._meta.concrete_fields:
        if not column.generated and column.column not in staged:
            given.setdefault(column.column, column.get_db_prep_save(column.get_default(), connection))
    columns, values = ", ".join([*staged, *given]), ", ".join([*staged.values(), *["%s"] * len(given)])
    statement = f"SELECT {values} FROM import_lead WHERE score_before IS NULL ORDER BY id"
    return f"INSERT INTO leads_lead ({columns}) {statement}", list(given.values())


def _lead(row: Sequence[Any]) -> KnownLead:
    values = dict(zip(LOADED, row, strict=True))
    for name in ("score_components", "tags", "metadata", "field_sources", "unreachable"):
        values[name] = json.loads(values[name])
    return KnownLead(**values)


_encode = json.JSONEncoder(ensure_ascii=False).encode


@lru_cache(maxsize=4096)  # tags and scores repeat themselves
def _encode_items(items: tuple[Any, ...], *, is_object: bool) -> str:
    return _encode(dict(items) if is_object else items)


@lru_cache(maxsize=4096)
def _encode_sources(names: tuple[str, ...], by: str, at: str) -> str:
    return _encode({name: {"by": by, "at": at} for name in names})


def _sources(lead: KnownLead) -> str:
    """Of a lead that was born in this batch every field has the same stamp."""
    if lead.score_before is not None:
        return _encode(lead.field_sources)
    stamp = next(iter(lead.field_sources.values()))
    return _encode_sources(tuple(lead.field_sources), stamp["by"], stamp["at"])


_ENCODERS: dict[str, Callable[[KnownLead], str]] = {
    "score_components": lambda lead: _encode_items(tuple(lead.score_components.items()), is_object=True),
    "tags": lambda lead: _encode_items(tuple(lead.tags), is_object=False),
    "metadata": lambda lead: _encode(lead.metadata),
    "field_sources": _sources,
}
_LEAD_READERS = [_ENCODERS.get(name) or attrgetter(name) for name in _LEAD_TYPES]


def _lead_row(lead: KnownLead) -> list[Any]:
    return [read(lead) for read in _LEAD_READERS]


def _inquiry_row(inquiry: NewInquiry) -> tuple[Any, ...]:
    line = inquiry.line
    return (
        inquiry.lead.id,
        line.source,
        inquiry.external_id,
        line.property_ref,
        line.text,
        _encode(line.raw),
        line.content_hash,
        inquiry.at,
    )
