"""Which variables a template may use, and where each gets its value."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import formats, translation

from brokers.models import Broker
from leads.models import Stage

LEAD_VARIABLES = ("name", "first_name", "phone", "email", "location", "score", "stage", "property", "budget")
METADATA_VARIABLES = (
    "timeline",
    "property_type",
    "bedrooms",
    "purpose",
    "monthly_income",
    "job_type",
    "dicom_status",
    "debt",
    "mortgage_preapproval",
    "funding_source",
)
CONTEXT_VARIABLES = (
    "agent_name",
    "agent_phone",
    "broker_name",
    "appointment_date",
    "appointment_time",
    "booking_link",
    "unsubscribe_link",
    "preferences_link",
    "telegram_link",
    "date",
)
STANDARD = frozenset(LEAD_VARIABLES + METADATA_VARIABLES + CONTEXT_VARIABLES)


def known_variables(broker: Broker) -> frozenset[str]:
    """The standard ones and the broker's own fields."""
    return STANDARD | {field["key"] for field in broker.custom_fields}


def unknown_variables(names: Iterable[str], broker: Broker) -> list[str]:
    known = known_variables(broker)
    return [name for name in names if name not in known]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a text can speak of besides the lead itself."""

    broker_name: str
    timezone: str
    language: str
    now: datetime
    agent_name: str = ""
    agent_phone: str = ""
    property_ref: str = ""
    booking_link: str = ""
    unsubscribe_link: str = ""
    preferences_link: str = ""
    telegram_link: str = ""
    appointment_at: datetime | None = None


def values_for(lead: Any, around: Surroundings, wanted: Collection[str]) -> dict[str, str]:
    """The texts of the wanted variables; '' where nothing is known. `lead` is a Lead or has its columns."""
    metadata: Mapping[str, Any] = lead.metadata or {}
    return {name: _value(name, lead, metadata, around) for name in wanted}


def _value(name: str, lead: Any, metadata: Mapping[str, Any], around: Surroundings) -> str:
    reader = _READERS.get(name)
    value = reader(lead, metadata, around) if reader else metadata.get(name)
    return "" if value is None else str(value)


def _amount(value: Any, language: str) -> str:
    if value is None:
        return ""
    with translation.override(language):
        number = formats.number_format(value, decimal_pos=0, use_l10n=True, force_grouping=True)
    # Django groups Spanish numbers by blanks; in Latin America and on price lists it is points.
    return f"${number.replace(chr(0xA0), '.')}"


def _local(moment: datetime | None, around: Surroundings, style: str) -> str:
    if moment is None:
        return ""
    with translation.override(around.language):
        return formats.date_format(moment.astimezone(ZoneInfo(around.timezone)), style)


def _stage(value: str, language: str) -> str:
    with translation.override(language):
        return str(Stage(value).label)


_READERS = {
    "name": lambda lead, said, around: lead.name,
    "first_name": lambda lead, said, around: next(iter(lead.name.split()), ""),
    "phone": lambda lead, said, around: lead.phone,
    "email": lambda lead, said, around: lead.email,
    "location": lambda lead, said, around: lead.location,
    "score": lambda lead, said, around: lead.lead_score,
    "stage": lambda lead, said, around: _stage(lead.pipeline_stage, around.language),
    "budget": lambda lead, said, around: said.get("budget") or _amount(lead.budget_amount, around.language),
    "monthly_income": lambda lead, said, around: (
        said.get("monthly_income") or _amount(lead.income_amount, around.language)
    ),
    "debt": lambda lead, said, around: said.get("debt") or _amount(lead.debt_amount, around.language),
    "dicom_status": lambda lead, said, around: lead.dicom_status,
    "property": lambda lead, said, around: around.property_ref,
    "agent_name": lambda lead, said, around: around.agent_name,
    "agent_phone": lambda lead, said, around: around.agent_phone,
    "broker_name": lambda lead, said, around: around.broker_name,
    "booking_link": lambda lead, said, around: around.booking_link,
    "unsubscribe_link": lambda lead, said, around: around.unsubscribe_link,
    "preferences_link": lambda lead, said, around: around.preferences_link,
    "telegram_link": lambda lead, said, around: around.telegram_link,
    "appointment_date": lambda lead, said, around: _local(around.appointment_at, around, "DATE_FORMAT"),
    "appointment_time": lambda lead, said, around: _local(around.appointment_at, around, "TIME_FORMAT"),
    "date": lambda lead, said, around: _local(around.now, around, "DATE_FORMAT"),
}
