"""A broker's rules as values: parsed from the JSON on Broker, checked when they are saved, read by pure modules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any, Self
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

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
            raise ValueError(f"unknown day {min(unknown)!r}; allowed are {', '.join(WEEKDAYS)}")
        return cls(tuple(cls._hours(day, data.get(day)) for day in WEEKDAYS))

    @staticmethod
    def _hours(day: str, hours: Any) -> tuple[time, time] | None:
        if hours is None:
            return None
        try:
            opens, closes = (time.fromisoformat(text) for text in hours)
        except (TypeError, ValueError):
            raise ValueError(f'{day}={hours!r} is not allowed; use ["09:00", "20:00"] or null') from None
        if opens >= closes:
            raise ValueError(f"{day}={hours!r} is not allowed; it must open before it closes")
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


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """Points of the score's parts and the thresholds of the status (docs/scoring.md)."""

    name: int = 5
    phone: int = 5
    email: int = 5
    location: int = 5
    timeline: int = 5
    budget: int = 10
    income_tiers: tuple[tuple[int, int], ...] = ((3_000_000, 15), (2_000_000, 12), (1_000_000, 8), (500_000, 4))
    dicom_clean: int = 10
    acceptable_debt: int = 4
    acceptable_debt_max: int = 500_000
    inbound_tiers: tuple[tuple[int, int], ...] = ((5, 14), (2, 8), (1, 4))
    quick_replies: int = 6
    long_call: int = 5
    booking: int = 5
    opted_out: int = -30
    silent: int = -5
    silent_after_days: int = 60
    invalid_address: int = -10
    cold_max: int = 20
    warm_max: int = 50

    @classmethod
    def parse(cls, weights: Mapping[str, Any], thresholds: Mapping[str, Any]) -> Self:
        """Overlay a broker's own values on the defaults. Raises ValueError naming the key."""
        known = {item.name: item.default for item in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in {**weights, **thresholds}.items():
            if key not in known:
                raise ValueError(f"unknown key {key!r}; allowed are {', '.join(known)}")
            values[key] = _points(key, value) if isinstance(known[key], int) else _tiers(key, value)
        rules = cls(**values)
        if not 0 <= rules.cold_max < rules.warm_max <= 100:
            raise ValueError(f"cold_max={rules.cold_max}, warm_max={rules.warm_max}: use 0 ≤ cold_max < warm_max ≤ 100")
        return rules


def _points(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key}={value!r} is not allowed; use a whole number")
    return value


def _tiers(key: str, value: Any) -> tuple[tuple[int, int], ...]:
    try:
        pairs = [(_points(key, at_least), _points(key, points)) for at_least, points in value]
    except (TypeError, ValueError):
        raise ValueError(f"{key}={value!r} is not allowed; use pairs such as [[1000000, 8], [500000, 4]]") from None
    return tuple(sorted(pairs, reverse=True))


@dataclass(frozen=True, slots=True)
class QualificationRules:
    """Amounts in the broker's currency (docs/domain.md)."""

    income_min: Decimal = Decimal(500_000)
    income_qualified: Decimal = Decimal(1_000_000)
    debt_max: Decimal = Decimal(500_000)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        allowed = [item.name for item in fields(cls)]
        values = {}
        for key, value in data.items():
            if key not in allowed:
                raise ValueError(f"unknown key {key!r}; allowed are {', '.join(allowed)}")
            values[key] = _amount(key, value)
        return cls(**values)


def _amount(key: str, value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{key}={value!r} is not allowed; use an amount of 0 or more")
    return amount


# Stages in which leads are worked on; `leads.models.Stage` has them all.
OPEN_STAGES = ("entrada", "perfilamiento", "calificacion_financiera", "agendado", "seguimiento")


def _stage_limits(value: Mapping[str, Any]) -> None:
    """Days by stage, such as `{"entrada": 2}`. Raises ValueError."""
    for stage, days in value.items():
        if stage not in OPEN_STAGES:
            raise ValueError(f"unknown stage {stage!r}; allowed are {', '.join(OPEN_STAGES)}")
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 3650:
            raise ValueError(f"{stage}={days!r} is not allowed; use whole days, 1 to 3650")


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
        raise ValidationError(f"timezone={value!r} is not allowed; use a name such as America/Santiago")


def _custom_fields(value: list[dict[str, str]]) -> None:
    seen: set[str] = set()
    for item in value:
        key = item.get("key", "")
        if not key.isidentifier() or key in seen:
            raise ValueError(f"key={key!r} is not allowed; use letters, digits and _, each key once")
        if item.get("type", "text") not in CUSTOM_FIELD_TYPES:
            raise ValueError(f"type={item['type']!r} is not allowed; use one of {', '.join(CUSTOM_FIELD_TYPES)}")
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
