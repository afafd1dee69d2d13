"""What a merge would do, before it is done."""

from dataclasses import dataclass
from typing import Any

from django.utils.formats import localize
from django.utils.timezone import localtime

from leads.actions.merging import check_pair
from leads.models import Lead
from leads.rooms import rooms
from leads.uniting import unite

# What a person looks at to tell whether two are one, in this order.
COMPARED = (
    "name",
    "phone",
    "email",
    "telegram_chat_id",
    "location",
    "budget_amount",
    "income_amount",
    "debt_amount",
    "dicom_status",
    "source",
    "language",
    "timezone",
    "assigned_to",
    "treatment_type",
    "tags",
    "notes",
    "metadata",
    "pipeline_stage",
    "lead_score",
    "opted_out_at",
    "last_inquiry_at",
    "last_inbound_at",
    "last_contacted_at",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One fact of both, and what it would be; `differs` where both know something and not the same."""

    label: str
    into: str
    gone: str
    result: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Preview:
    facts: list[Comparison]
    told: list[str]


def preview_merge(*, into: Lead, from_: Lead) -> Preview:
    """Raises Refused as `merge_leads` does."""
    check_pair(into, from_)
    united = unite(into, from_)
    facts = [_compared(column, into, from_, united.values) for column in COMPARED]
    shown = [fact for fact in facts if fact.into or fact.gone]
    return Preview(shown, [line for room in rooms() for line in room.foretell(into, from_)])


def _compared(column: str, into: Lead, gone: Lead, values: dict[str, Any]) -> Comparison:
    field = Lead._meta.get_field(column)
    one, other = shown(into, column), shown(gone, column)
    attname = getattr(field, "attname", column)
    result = one
    if attname in values:
        result = other if values[attname] == getattr(gone, attname) else _text(values[attname])
    return Comparison(str(field.verbose_name), one, other, result, bool(one and other and one != other))


def shown(lead: Lead, column: str) -> str:
    label = getattr(lead, f"get_{column}_display", None)
    return str(label()) if label is not None and getattr(lead, column) else _text(getattr(lead, column))


def _text(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {said}" for key, said in value.items())
    return str(localize(localtime(value) if hasattr(value, "tzinfo") else value))
