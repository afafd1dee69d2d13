"""What messaging knows of a lead: every message but the calls, which voice tells of. See leads.rooms."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _

from leads.models import Lead, MergeRecord
from leads.rooms import Moved, tell_counts
from leads.timeline import Before, Entry, newest
from messaging.models import Direction, Message

MESSAGES = Message._meta.db_table

# The first whose it was stays noted, however often it changes hands.
MOVE = """
UPDATE messaging_message SET lead_id = %(into)s, merged_from_id = coalesce(merged_from_id, lead_id)
WHERE lead_id = %(gone)s RETURNING id
"""
GIVE_BACK = """
UPDATE messaging_message SET lead_id = %(gone)s, merged_from_id = nullif(merged_from_id, %(gone)s)
WHERE lead_id = %(into)s AND id = ANY(%(ids)s)
"""


def entries(lead_ids: Sequence[int], before: Before | None, limit: int) -> list[Entry]:
    rows = Message.objects.filter(lead__in=lead_ids).exclude(channel="call").select_related("sent_by")
    found = newest(rows, moment="created_at", kind="message", before=before, limit=limit)
    return [_entry(row) for row in found]


def _entry(row: Message) -> Entry:
    where = {"channel": row.get_channel_display()}
    is_theirs = row.direction == Direction.IN
    title = _("Wrote over %(channel)s") % where if is_theirs else _("Message over %(channel)s") % where
    if not is_theirs:
        title = f"{title}: {row.get_status_display()}"
    text = "\n".join(filter(None, (row.subject, row.body, row.error)))
    return Entry(row.created_at, "message", row.pk, title, text, str(row.sent_by or ""))


def upcoming(lead: Lead) -> list[Entry]:
    return []


def merge(into: Lead, from_: Lead, now: datetime) -> Moved:
    with connection.cursor() as cursor:
        cursor.execute(MOVE, {"into": into.pk, "gone": from_.pk})
        return Moved(rows={MESSAGES: sorted(number for (number,) in cursor.fetchall())})


def foretell(into: Lead, from_: Lead) -> list[str]:
    return tell_counts([Message], from_)


def unmerge(record: MergeRecord, now: datetime) -> None:
    params = {"into": record.into_id, "gone": record.gone_id, "ids": record.moved.get(MESSAGES, [])}
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, params)
