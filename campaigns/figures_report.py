"""All figures of a scope at once, as data: what the command prints, and what pages may show."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from campaigns.figures import DAYS, CampaignConversion, HoldOut, conversion_by_campaign, hold_outs
from leads.figures import (
    Passage,
    PriorityCount,
    Scope,
    SourceConversion,
    StageTime,
    Stagnation,
    contact_priorities,
    conversion_by_source,
    funnel,
    stagnation,
    time_in_stage,
)
from leads.models import Stage
from messaging.figures import Waiting, first_touches, first_touches_at_work, response_times


@dataclass(frozen=True, slots=True)
class Report:
    """Ten figures in as many queries, however many leads and campaigns there are."""

    funnel: list[Passage]
    time_in_stage: list[StageTime]
    stagnation: list[Stagnation]
    priorities: list[PriorityCount]
    first_touches: list[Waiting]
    response_times: list[Waiting]
    booked_by_source: list[SourceConversion]
    won_by_source: list[SourceConversion]
    campaigns: list[CampaignConversion]
    hold_outs: list[HoldOut]

    def as_json(self) -> dict[str, Any]:
        """As plain data; lengths of time in seconds, shares between 0 and 1."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def figures_report(scope: Scope, *, within_days: int | None = None, sandbox: bool = False) -> Report:
    """`within_days` bounds how long leads have to reach a stage: whenever without it, 30 days for campaigns."""
    goal: dict[str, Any] = {"within_days": within_days or DAYS, "sandbox": sandbox}
    return Report(
        funnel=funnel(scope, within_days=within_days),
        time_in_stage=time_in_stage(scope),
        stagnation=stagnation(scope),
        priorities=contact_priorities(scope),
        first_touches=[*first_touches(scope, sandbox=sandbox), first_touches_at_work(scope)],
        response_times=response_times(scope, sandbox=sandbox),
        booked_by_source=conversion_by_source(scope, goal=Stage.AGENDADO, within_days=within_days),
        won_by_source=conversion_by_source(scope, goal=Stage.GANADO, within_days=within_days),
        campaigns=conversion_by_campaign(scope, **goal),
        hold_outs=hold_outs(scope, **goal),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in (*_names(fields(value)), *_derived(type(value)))}
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _names(known: Iterable[Any]) -> list[str]:
    return [field.name for field in known]


def _derived(kind: type) -> list[str]:
    """What a dataclass works out from its fields."""
    return [name for name, member in vars(kind).items() if isinstance(member, property)]
