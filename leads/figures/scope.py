"""Whose leads a figure counts, and over which days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.models import Lead, LeadQuerySet
from leads.statements import named

EVER, NEVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
# What the statements read of a lead.
COLUMNS = ("id", "source", "created_at", "first_touched_at")


@dataclass(frozen=True, slots=True)
class Scope:
    """Leads of one brokerage, deleted ones among them, and a period [begin, end), open where it is None.

    `now` is the moment the figures speak of: what happened later is not known yet.
    """

    broker: Broker
    leads: LeadQuerySet
    begin: datetime | None
    end: datetime | None
    now: datetime

    @property
    def as_of(self) -> datetime:
        """When open things are looked at: the period's end, or now while it lasts."""
        return min(self.end or self.now, self.now)

    @property
    def moments(self) -> dict[str, Any]:
        """The parameters that every statement knows."""
        return {
            "broker": self.broker.pk,
            "begin": self.begin or EVER,
            "end": self.end or NEVER,
            "now": self.now,
            "as_of": self.as_of,
        }

    def present(self) -> tuple[str, dict[str, Any]]:
        """Its leads as a subquery with the parameters of it, without those deleted or merged into another."""
        return named(self.leads.present().order_by().values(*COLUMNS))

    def unmerged(self) -> tuple[str, dict[str, Any]]:
        """The same, with those that were deleted: who was tried and taken out afterwards was tried still."""
        return named(self.leads.filter(merged_into=None).order_by().values(*COLUMNS))


def scope_for(*, user: User, now: datetime, broker: Broker | None = None, **narrowing: Any) -> Scope:
    """What this user may see: a broker admin the brokerage, an agent their own leads, an operator the broker named.

    `narrowing` as in `scope_of`. Raises Refused `broker_unknown`, or as `scope_of` does.
    """
    asked = broker or user.broker
    if asked is None or not Broker.objects.visible_to(user).filter(pk=asked.pk).exists():
        raise Refused("broker_unknown", _("broker: choose one of the brokerages that you may see."))
    return _narrowed(Lead.objects.visible_to(user), broker=asked, now=now, **narrowing)


def scope_of(*, broker: Broker, now: datetime, **narrowing: Any) -> Scope:
    """All leads of a brokerage, or those of an `agent` or a `source`; `since` and `until` are days in the broker's
    time zone, the latter does not count any more. Raises Refused `period_invalid`, `agent_foreign`."""
    return _narrowed(Lead.objects.all(), broker=broker, now=now, **narrowing)


def _narrowed(
    leads: LeadQuerySet,
    *,
    broker: Broker,
    now: datetime,
    agent: User | None = None,
    source: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Scope:
    if since and until and since >= until:
        raise Refused("period_invalid", _("until=%(until)s must come after since=%(since)s.") % locals())
    leads = leads.filter(broker=broker)
    if agent is not None:
        if agent.broker_id != broker.pk:
            raise Refused("agent_foreign", _("An agent of another brokerage has no leads here."))
        leads = leads.filter(assigned_to=agent)
    if source is not None:
        leads = leads.filter(source=source)
    begin, end = (day_begins(day, broker.timezone) if day else None for day in (since, until))
    return Scope(broker, leads, begin, end, now)


def day_begins(day: date, zone: str) -> datetime:
    """The first moment of a day in a time zone, in UTC; where clocks skip midnight, when they have skipped it."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
