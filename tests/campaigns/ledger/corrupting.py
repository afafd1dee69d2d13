"""Corrupting one row of what was played."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import models

from campaigns.models import Campaign, CampaignLog, Enrollment
from messaging.models import Message

Row = models.Model


@dataclass(frozen=True, slots=True)
class Mutation:
    """`corrupt` changes one row, by which the invariant fails, and returns the row that is to be named."""

    invariant: str
    corrupt: Callable[[], Row]


def breaks(invariant: str) -> Callable[[Callable[[], Row]], Mutation]:
    """A mutation of a function that corrupts one row."""
    return partial(Mutation, invariant)


def change(row: Row, **values: Any) -> Row:
    assert type(row)._default_manager.filter(pk=row.pk).update(**values) == 1
    return row


def log(**which: Any) -> CampaignLog:
    """The first of these rows of the log."""
    return CampaignLog.objects.filter(**which).select_related("enrollment", "message").order_by("id")[0]


def message(**which: Any) -> Message:
    return Message.objects.filter(**which).order_by("id")[0]


def entry(**which: Any) -> Enrollment:
    return Enrollment.objects.filter(**which).order_by("id")[0]


def campaign(name: str) -> Campaign:
    return Campaign.objects.get(name=name)


def copied(row: Row, **values: Any) -> Row:
    """Another row of the same table, but for these values."""
    row.pk = None
    for name, value in values.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row


def change_basis(row: Message, part: str, values: dict[str, Any]) -> Row:
    return change(row, basis=row.basis | {part: row.basis[part] | values})
