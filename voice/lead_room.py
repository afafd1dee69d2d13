"""What voice knows of a lead: the calls. See leads.rooms."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads.models import Lead, MergeRecord
from leads.rooms import Moved, give_back, move_rows, tell_counts
from leads.timeline import Before, Entry, newest
from voice.models import VoiceCall

TABLES = ("voice_voicecall",)


def entries(lead_ids: Sequence[int], before: Before | None, limit: int) -> list[Entry]:
    rows = VoiceCall.objects.filter(lead__in=lead_ids)
    found = newest(rows, moment="started_at", kind="call", before=before, limit=limit)
    return [_entry(row) for row in found]


def _entry(row: VoiceCall) -> Entry:
    title = _("Call: %(status)s") % {"status": row.get_status_display()}
    length = ngettext("%(n)d second", "%(n)d seconds", row.duration or 0) % {"n": row.duration} if row.duration else ""
    text = "\n".join(filter(None, (length, row.summary, row.error)))
    return Entry(row.started_at, "call", row.pk, title, text)


def upcoming(lead: Lead) -> list[Entry]:
    return []


def merge(into: Lead, from_: Lead, now: datetime) -> Moved:
    return Moved(rows=move_rows(TABLES, into, from_))


def foretell(into: Lead, from_: Lead) -> list[str]:
    return tell_counts([VoiceCall], from_)


def unmerge(record: MergeRecord, now: datetime) -> None:
    give_back(TABLES, record)
