"""Which leads are one person: those merged into one, and the one that stands for them now."""

from collections.abc import Iterable

from django.db import connection
from django.db.models import QuerySet

from leads.models import Lead, OtherAddress

# Merges are few and chains of them short.
FAMILY = """
WITH RECURSIVE family (id) AS (
    SELECT %s::bigint
    UNION
    SELECT r.gone_id FROM leads_mergerecord r JOIN family f ON r.into_id = f.id WHERE r.undone_at IS NULL
)
SELECT id FROM family ORDER BY id
"""
SURVIVOR = """
WITH RECURSIVE way (id, into_id) AS (
    SELECT id, merged_into_id FROM leads_lead WHERE id = %s
    UNION
    SELECT d.id, d.merged_into_id FROM leads_lead d JOIN way ON d.id = way.into_id
)
SELECT id FROM way WHERE into_id IS NULL
"""


def family_of(lead: Lead) -> list[int]:
    """The lead's id and those of all that were merged into it, one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(FAMILY, [lead.pk])
        return [number for (number,) in cursor.fetchall()]


def survivor_id(lead_id: int) -> int:
    """Who stands for this lead now: itself, or whom it was merged into. An id that nobody has stays as it is."""
    with connection.cursor() as cursor:
        cursor.execute(SURVIVOR, [lead_id])
        found = cursor.fetchone()
    return int(found[0]) if found else lead_id


def known_by(broker_id: int, column: str, address: str) -> QuerySet[Lead]:
    """Present leads to whom an address came by a merge; `column` is the one that it would stand in."""
    others = OtherAddress.objects.filter(broker=broker_id, kind=column, address=address)
    return Lead.objects.present().filter(pk__in=others.values("lead"))


def is_anothers(broker_id: int, values: Iterable[tuple[str, str]], lead_id: int | None) -> bool:
    """Whether one of these (column, address) came to another lead by a merge."""
    return any(
        address and known_by(broker_id, column, address).exclude(pk=lead_id or 0).exists() for column, address in values
    )
