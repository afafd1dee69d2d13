"""What happened to a lead, read from the rows where it happened, newest first; nothing is written twice for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from django.db.models import Q, QuerySet
from django.utils.functional import Promise

from brokers.storing import FIRST_YEAR, LAST_YEAR

Text = str | Promise


class Before(NamedTuple):
    """Where a page ends: the next one begins before this entry."""

    at: datetime
    kind: str
    id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        at, kind, number = text.rsplit("~", 2)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("the moment has no zone")
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValueError("nothing happened then")
        return cls(moment.astimezone(UTC), kind, int(number))

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.kind}~{self.id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `kind` and `id` name the row, `who` is the person who did it."""

    at: datetime
    kind: str
    id: int
    title: Text
    text: Text = ""
    who: str = ""

    @property
    def key(self) -> Before:
        return Before(self.at, self.kind, self.id)


def newest(rows: QuerySet, *, moment: str, kind: str, before: Before | None, limit: int) -> Sequence[Any]:
    """The newest rows of one kind before an entry of any kind; `moment` is their column."""
    if before is not None:
        earlier = Q(**{f"{moment}__lt": before.at})
        same = Q(**{moment: before.at})
        if kind == before.kind:
            same &= Q(id__lt=before.id)
        rows = rows.filter(earlier | same if kind <= before.kind else earlier)
    return list(rows.order_by(f"-{moment}", "-id")[:limit])


def in_order(entries: Iterable[Entry], limit: int) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.key, reverse=True)[:limit]
