"""A broker's rules as values: parsed from the JSON on Broker, checked when they are saved, read by pure modules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any, Self
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from brokers.score_rules import QualificationRules, ScoreRules

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CUSTOM_FIELD_TYPES = ("text", "number", "date", "boolean")


def default_contact_window() -> dict[str, list[str] | None]:
    """Monday to Saturday 09:00–20:00, the cautious default of docs/contact-rules.md."""
    return {day: None if day == "sun" else ["09:00", "20:00"] for day in WEEKDAYS}


@dataclass(frozen=True, slots=True)
class ContactWindow:
    """Hours in which people may be contacted, by weekday (Monday first), in the recipient's local time."""

    days: tuple[tuple[time, time] | None, ...]
    # Countries on whose public holidays it is closed.
    holidays: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Read `{"mon": ["09:00", "20:00"], …, "sun": null}`; a day left out is closed. Raises ValueError."""
        unknown = set(data) - set(WEEKDAYS)
        if unknown:
            message = _("unknown day %(day)r; allowed are %(allowed)s")
            raise ValueError(message % {"day": min(unknown), "allowed": ", ".join(WEEKDAYS)})
        return cls(tuple(cls._hours(day, data.get(day)) for day in WEEKDAYS))

    @staticmethod
    def _hours(day: str, hours: Any) -> tuple[time, time] | None:
        if hours is None:
            return None
        try:
            opens, closes = (time.fromisoformat(text) for text in hours)
        except (TypeError, ValueError):
            message = _('%(day)s=%(hours)r is not allowed; use ["09:00", "20:00"] or null')
            raise ValueError(message % {"day": day, "hours": hours}) from None
        if opens >= closes:
            message = _("%(day)s=%(hours)r is not allowed; it must open before it closes")
            raise ValueError(message % {"day": day, "hours": hours})
        return opens, closes

    @property
    def ever_opens(self) -> bool:
        return any(self.days)

    def within(self, other: Self) -> Self:
        """The hours in which both are open."""
        days = tuple(_overlap(ours, theirs) for ours, theirs in zip(self.days, other.days, strict=True))
        return type(self)(days, tuple(sorted({*self.holidays, *other.holidays})))

    def closed_on_holidays(self, country: str) -> Self:
        return type(self)(self.days, tuple(sorted({*self.holidays, country})))


def _overlap(ours: tuple[time, time] | None, theirs: tuple[time, time] | None) -> tuple[time, time] | None:
    if ours is None or theirs is None:
        return None
    opens, closes = max(ours[0], theirs[0]), min(ours[1], theirs[1])
    return (opens, closes) if opens < closes else None


# Stages in which leads are worked on; `leads.models.Stage` has them all.
OPEN_STAGES = ("entrada", "perfilamiento", "calificacion_financiera", "agendado", "seguimiento")


def _stage_limits(value: Mapping[str, Any]) -> None:
    """Days by stage, such as `{"entrada": 2}`. Raises ValueError."""
    for stage, days in value.items():
        if stage not in OPEN_STAGES:
            message = _("unknown stage %(stage)r; allowed are %(allowed)s")
            raise ValueError(message % {"stage": stage, "allowed": ", ".join(OPEN_STAGES)})
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 3650:
            message = _("%(stage)s=%(days)r is not allowed; use whole days, 1 to 3650")
            raise ValueError(message % {"stage": stage, "days": days})


@dataclass(frozen=True, slots=True)
class BrokerRules:
    """Everything that pure modules need to know of a broker."""

    timezone: str
    country: str
    language: str
    window: ContactWindow
    cap_24h: int
    cap_7d: int
    human_contact_days: int
    score: ScoreRules = field(default_factory=ScoreRules)
    qualification: QualificationRules = field(default_factory=QualificationRules)


def _validator(parse: Callable[[Any], object]) -> Callable[[Any], None]:
    def validate(value: Any) -> None:
        try:
            parse(value)
        except (ValueError, AttributeError, TypeError) as error:
            # Django has a sentence of its own for the code "invalid" and would say it instead.
            raise ValidationError(str(error), code="rule_invalid") from error

    return validate


def validate_timezone(value: str) -> None:
    if value and value not in available_timezones():
        message = _("timezone=%(zone)r is not allowed; use a name such as America/Santiago")
        raise ValidationError(message % {"zone": value})


def _custom_fields(value: list[dict[str, str]]) -> None:
    seen: set[str] = set()
    for item in value:
        key = item.get("key", "")
        if not key.isidentifier() or key in seen:
            message = _("key=%(key)r is not allowed; use letters, digits and _, each key once")
            raise ValueError(message % {"key": key})
        if item.get("type", "text") not in CUSTOM_FIELD_TYPES:
            message = _("type=%(type)r is not allowed; use one of %(allowed)s")
            raise ValueError(message % {"type": item["type"], "allowed": ", ".join(CUSTOM_FIELD_TYPES)})
        seen.add(key)


def validate_contact_window(value: Any) -> None:
    _validator(ContactWindow.parse)(value)


def validate_score_weights(value: Any) -> None:
    _validator(lambda data: ScoreRules.parse(data, {}))(value)


def validate_score_thresholds(value: Any) -> None:
    _validator(lambda data: ScoreRules.parse({}, data))(value)


def validate_qualification_rules(value: Any) -> None:
    _validator(QualificationRules.parse)(value)


def validate_stage_limits(value: Any) -> None:
    _validator(_stage_limits)(value)


def validate_custom_fields(value: Any) -> None:
    _validator(_custom_fields)(value)
