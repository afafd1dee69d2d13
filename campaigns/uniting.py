"""Which enrolments go on when two leads become one. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Standing(NamedTuple):
    """An enrolment of one of the two. `waits_at` is the step of its pending row, which is `in_flight` once it was
    handed to a provider; `reached` is the last step with a contact that reached somebody, or may have."""

    id: int
    campaign_id: int
    lead_id: int
    sandbox: bool
    is_active: bool
    enrolled_at: datetime
    ended_at: datetime
    reentry_days: int | None
    waits_at: int
    in_flight: bool
    reached: int
    log_id: int | None


def endings(standings: Sequence[Standing]) -> list[Standing]:
    """The active enrolments that end: one goes on a campaign, the one that is furthest, and none repeats a step that
    the same person had as the other lead, unless the re-entry rule would have let one lead enter again."""
    active = [one for one in standings if one.is_active]
    return [one for one in active if any(_stands_back(one, other) for other in _rivals(one, standings))]


def _rivals(one: Standing, standings: Iterable[Standing]) -> Iterable[Standing]:
    return (
        other for other in standings if (other.campaign_id, other.lead_id != one.lead_id) == (one.campaign_id, True)
    )


def _stands_back(one: Standing, other: Standing) -> bool:
    if other.is_active:
        return _rank(other) > _rank(one)
    return other.sandbox == one.sandbox and other.reached >= one.waits_at and not _may_repeat(one, other)


def _may_repeat(one: Standing, earlier: Standing) -> bool:
    days = one.reentry_days
    return days is not None and earlier.ended_at + timedelta(days=days) <= one.enrolled_at


def _rank(one: Standing) -> tuple[bool, int, bool, float, int]:
    """What is real goes before the sandbox, then the further one, then what is being sent, then the older one."""
    return (not one.sandbox, one.waits_at, one.in_flight, -one.enrolled_at.timestamp(), -one.id)
