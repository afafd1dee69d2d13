"""What each room knows of a lead. A room has one module `lead_room` with the same functions; settings.LEAD_ROOMS names
them, the highest room first, so that leads need not know who lives above."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol, cast

from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.utils.translation import gettext as _

from leads.models import Lead, MergeRecord
from leads.timeline import Before, Entry


@dataclass(slots=True)
class Moved:
    """What a room gave from one lead to another: ids of rows by table, and the values that were there before."""

    rows: dict[str, list[int]] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)


class LeadRoom(Protocol):
    def entries(self, lead_ids: Sequence[int], before: Before | None, limit: int) -> list[Entry]:
        """What happened to these leads, the newest first; a constant number of statements."""

    def upcoming(self, lead: Lead) -> list[Entry]:
        """What is to come for a lead, at whatever moment it is planned for; a constant number of statements."""

    def merge(self, into: Lead, from_: Lead, now: datetime) -> Moved:
        """Give what belongs to `from_` to `into`. Both are locked, and as they were before."""

    def foretell(self, into: Lead, from_: Lead) -> list[str]:
        """What `merge` would do, in sentences."""

    def unmerge(self, record: MergeRecord, now: datetime) -> None:
        """Give it back. Both are locked. Raises Refused when something stands in the way."""


def rooms() -> list[LeadRoom]:
    return _rooms(tuple(settings.LEAD_ROOMS))


@lru_cache(maxsize=4)
def _rooms(names: tuple[str, ...]) -> list[LeadRoom]:
    return [cast(LeadRoom, import_module(name)) for name in names]


def move_rows(tables: Iterable[str], into: Lead, from_: Lead) -> dict[str, list[int]]:
    """Rows of these tables change hands; their ids by table."""
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"UPDATE {table} SET lead_id = %s WHERE lead_id = %s RETURNING id", [into.pk, from_.pk])
            found[table] = sorted(number for (number,) in cursor.fetchall())
    return found


def give_back(tables: Iterable[str], record: MergeRecord) -> None:
    """The rows that a merge moved, as far as they are still where it put them."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(
                f"UPDATE {table} SET lead_id = %s WHERE lead_id = %s AND id = ANY(%s)",
                [record.gone_id, record.into_id, record.moved.get(table, [])],
            )


def tell_counts(models: Iterable[type[Model]], lead: Lead) -> list[str]:
    """How many rows of each model would move; what there is none of is left out."""
    counts = [(model, model._default_manager.filter(lead=lead).count()) for model in models]
    words = _("%(count)d × %(what)s")
    return [words % {"count": count, "what": model._meta.verbose_name_plural} for model, count in counts if count]
