"""How a brokerage scores and qualifies its leads, as values: parsed from the JSON on Broker, checked when saved."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Self

from django.utils.translation import gettext as _

Tiers = tuple[tuple[int, int], ...]
StagePoints = tuple[tuple[str, int], ...]

POINTS = (0, 100)
PENALTY = (-100, 0)
STAGE_POINTS = (-10, 10)
# What each number may be. A part that is worth more the better it is keeps the score rising with every good thing.
RANGES = {
    **dict.fromkeys(("name", "phone", "email", "location", "timeline", "budget"), POINTS),
    **dict.fromkeys(("dicom_clean", "acceptable_debt", "quick_replies", "long_call", "booking"), POINTS),
    **dict.fromkeys(("opted_out", "silent", "invalid_address"), PENALTY),
    **dict.fromkeys(("cold_max", "warm_max", "advance_min"), POINTS),
    "acceptable_debt_max": (0, 10**14),
    "silent_after_days": (1, 3650),
}
THRESHOLDS = ("cold_max", "warm_max", "advance_min")


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """Points of the score's parts and its thresholds (docs/scoring.md). Tiers are (at least, points), best first."""

    name: int = 5
    phone: int = 5
    email: int = 5
    location: int = 5
    timeline: int = 5
    budget: int = 10
    income_tiers: Tiers = ((3_000_000, 15), (2_000_000, 12), (1_000_000, 8), (500_000, 4))
    dicom_clean: int = 10
    acceptable_debt: int = 4
    acceptable_debt_max: int = 500_000
    inbound_tiers: Tiers = ((5, 14), (2, 8), (1, 4))
    quick_replies: int = 6
    long_call: int = 5
    booking: int = 5
    stages: StagePoints = (
        ("entrada", 0),
        ("perfilamiento", 2),
        ("calificacion_financiera", 4),
        ("agendado", 8),
        ("seguimiento", 5),
        ("referidos", 9),
        ("ganado", 10),
        ("perdido", -10),
    )
    opted_out: int = -30
    silent: int = -5
    silent_after_days: int = 60
    invalid_address: int = -10
    cold_max: int = 20
    warm_max: int = 50
    # From which score on a lead whose wish is known goes to financial qualification.
    advance_min: int = 40

    @classmethod
    def parse(cls, weights: Mapping[str, Any], thresholds: Mapping[str, Any]) -> Self:
        """Overlay a broker's own values on the defaults. Raises ValueError naming the key."""
        values = {**_overlaid(cls, weights, is_threshold=False), **_overlaid(cls, thresholds, is_threshold=True)}
        rules = cls(**values)
        if not rules.cold_max < rules.warm_max:
            message = _("cold_max=%(cold)s, warm_max=%(warm)s: use 0 ≤ cold_max < warm_max ≤ 100")
            raise ValueError(message % {"cold": rules.cold_max, "warm": rules.warm_max})
        if rules.acceptable_debt > rules.dicom_clean:
            message = _("acceptable_debt=%(debt)s is not allowed; a debt is not worth more than none (%(clean)s)")
            raise ValueError(message % {"debt": rules.acceptable_debt, "clean": rules.dicom_clean})
        return rules

    def stage_points(self, stage: str) -> int:
        return dict(self.stages)[stage]


def _overlaid(cls: type[ScoreRules], data: Mapping[str, Any], *, is_threshold: bool) -> dict[str, Any]:
    known = {item.name: item.default for item in fields(cls) if (item.name in THRESHOLDS) == is_threshold}
    values: dict[str, Any] = {}
    for key, value in data.items():
        _check_known(key, known)
        if key == "stages":
            values[key] = _stages(value, dict(cls().stages))
        else:
            values[key] = _number(key, value) if isinstance(known[key], int) else _tiers(key, value)
    return values


def _check_known(key: str, known: Mapping[str, Any]) -> None:
    if key not in known:
        message = _("unknown key %(key)r; allowed are %(allowed)s")
        raise ValueError(message % {"key": key, "allowed": ", ".join(known)})


def _number(key: str, value: Any, within: tuple[int, int] | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(_("%(key)s=%(value)r is not allowed; use a whole number") % {"key": key, "value": value})
    low, high = within or RANGES[key]
    if not low <= value <= high:
        message = _("%(key)s=%(value)r is not allowed; use %(low)s to %(high)s")
        raise ValueError(message % {"key": key, "value": value, "low": low, "high": high})
    return value


def _stages(value: Any, defaults: dict[str, int]) -> StagePoints:
    if not isinstance(value, Mapping):
        message = _('stages=%(value)r is not allowed; use points by stage such as {"agendado": 8}')
        raise ValueError(message % {"value": value})
    for stage, points in value.items():
        _check_known(stage, defaults)
        _number(stage, points, STAGE_POINTS)
    return tuple({**defaults, **value}.items())


def _tiers(key: str, value: Any) -> Tiers:
    """Best first; whoever has more gets more."""
    try:
        pairs = [(_number(key, least, (0, 10**14)), _number(key, points, POINTS)) for least, points in value]
    except TypeError:
        raise ValueError(_not_tiers(key, value)) from None
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(f"{key}=") else _not_tiers(key, value)) from None
    best_first = sorted(pairs, reverse=True)
    rises = all(more[0] > less[0] and more[1] >= less[1] for more, less in pairwise(best_first))
    if not rises:
        message = _("%(key)s=%(value)r is not allowed; whoever has more may not get fewer points")
        raise ValueError(message % {"key": key, "value": value})
    return tuple(best_first)


def _not_tiers(key: str, value: Any) -> str:
    message = _("%(key)s=%(value)r is not allowed; use pairs such as [[1000000, 8], [500000, 4]]")
    return message % {"key": key, "value": value}


@dataclass(frozen=True, slots=True)
class QualificationRules:
    """Amounts in the broker's currency (docs/scoring.md)."""

    income_min: Decimal = Decimal(500_000)
    income_qualified: Decimal = Decimal(1_000_000)
    debt_max: Decimal = Decimal(500_000)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Overlay a broker's own values on the defaults. Raises ValueError naming the key."""
        known = {item.name: item.default for item in fields(cls)}
        values = {}
        for key, value in data.items():
            _check_known(key, known)
            values[key] = _amount(key, value)
        rules = cls(**values)
        if rules.income_min > rules.income_qualified:
            message = _("income_min=%(least)s, income_qualified=%(enough)s: use income_min ≤ income_qualified")
            raise ValueError(message % {"least": rules.income_min, "enough": rules.income_qualified})
        return rules


def _amount(key: str, value: Any) -> Decimal:
    try:
        amount = Decimal(-1) if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        message = _("%(key)s=%(value)r is not allowed; use an amount of 0 or more")
        raise ValueError(message % {"key": key, "value": value})
    return amount
